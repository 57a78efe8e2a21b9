//! Runs: which names have come up since a program was entered, and whose they are.
//!
//! Whatever is put around a program (a tracer, a key, a store of parameters) begins a run. In one run a name belongs to
//! one thing: a random variable of a layer may come by as often as the layer is used, any other only once.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use super::name::SiteName;
use super::site::Site;
use super::stack::full_name;
use crate::distributions::erased::AnyDistribution;
use crate::error::{Error, Result};
use crate::kernels::rng::Key;

/// What has come up in a run.
struct Run {
    /// How many tracers are outside of the program.
    depth: usize,
    /// The key and the store that are in force, as a number: a draw is shared only where both are the same.
    context: u64,
    /// Whether names are looked up here; not where a tracer does so itself.
    checks: bool,
    sites: HashMap<SiteName, Met>,
    layers: HashMap<SiteName, u64>,
}

/// A random variable that has come by.
struct Met {
    owner: Option<u64>,
    law: Option<Arc<dyn AnyDistribution>>,
}

thread_local! {
    static RUNS: RefCell<Vec<Run>> = const { RefCell::new(Vec::new()) };
    static OWNER: Cell<Option<u64>> = const { Cell::new(None) };
    static CONTEXTS: Cell<u64> = const { Cell::new(0) };
}

/// A run, which ends on every way out, panics included.
pub(crate) struct Entered(());

impl Drop for Entered {
    fn drop(&mut self) {
        let ended = RUNS.with(|runs| runs.borrow_mut().pop());
        drop(ended);
    }
}

/// Begins the run of a program that has `depth` tracers outside.
fn enter(depth: usize, context: Option<u64>, checks: bool) -> Entered {
    RUNS.with(|runs| {
        let mut runs = runs.borrow_mut();
        let outer = runs.last();
        let context = context.unwrap_or_else(|| outer.map_or(0, |outer| outer.context));
        let checks = checks && outer.is_none_or(|outer| outer.checks);
        runs.push(Run { depth, context, checks, sites: HashMap::new(), layers: HashMap::new() });
    });
    Entered(())
}

/// The run inside of a tracer, which may look for names that come twice itself.
pub(super) fn enter_tracer(depth: usize, records: bool) -> Entered {
    enter(depth, None, !records)
}

/// The run under a key or a store of parameters.
pub(crate) fn enter_context(depth: usize) -> Entered {
    let context = CONTEXTS.get() + 1;
    CONTEXTS.set(context);
    enter(depth, Some(context), true)
}

/// The key and the store in force, as a number.
pub(super) fn context() -> u64 {
    RUNS.with(|runs| runs.borrow().last().map_or(0, |run| run.context))
}

/// Whose random variables are being made: the innermost layer's, by its number.
pub(super) fn owner() -> Option<u64> {
    OWNER.get()
}

/// While this lives, random variables belong to the layer of a number.
#[derive(Debug)]
pub struct Owning(Option<u64>);

impl Drop for Owning {
    fn drop(&mut self) {
        OWNER.set(self.0);
    }
}

/// Makes the random variables that come up from here on those of a layer, known by a number of its own. However often
/// the layer runs, each of them is one random variable of a run, with one site, one value and one divergence.
///
/// # Errors
/// [`Error::Algorithm`] if the prefix in force belongs to another layer in this run.
pub fn own(number: u64, kind: &'static str) -> Result<Owning> {
    let active = super::stack::active();
    let clash = RUNS.with(|runs| {
        let mut runs = runs.borrow_mut();
        let run = runs.iter_mut().rev().find(|run| run.depth <= active)?;
        let name = full_name(&SiteName::from(""));
        (*run.layers.entry(name.clone()).or_insert(number) != number).then_some(name)
    });
    match clash {
        Some(name) => Err(two_layers(&name, kind)),
        None => Ok(owning(number)),
    }
}

/// As [`own`], where the store of parameters keeps the names of layers.
pub(crate) fn owning(number: u64) -> Owning {
    Owning(OWNER.replace(Some(number)))
}

/// The error of two layers that have one name, given as a prefix.
pub(crate) fn two_layers(prefix: &SiteName, kind: &'static str) -> Error {
    let path = prefix.as_str().trim_end_matches('/');
    let why = format!(
        "two layers are called `{path}` and would share their parameters: give one a name with `.named(\"…\")`, or make \
         both fields of one `#[derive(Layer)]` struct; to share on purpose, use one layer twice, or its clone"
    );
    Error::Algorithm { of: kind, why }
}

/// Refuses a name that another random variable of the run has.
pub(super) fn meet(site: &Site, active: usize) -> Result<()> {
    let Some(name) = &site.name else { return Ok(()) };
    RUNS.with(|runs| {
        let mut runs = runs.borrow_mut();
        let Some(run) = runs.iter_mut().rev().find(|run| run.depth <= active) else { return Ok(()) };
        if !run.checks {
            return Ok(());
        }
        match run.sites.get(name) {
            None => {
                let met = Met { owner: site.owner, law: own_law(site) };
                run.sites.insert(name.clone(), met);
                Ok(())
            }
            Some(met) if site.owner.is_some() && met.owner == site.owner && same(&met.law, site) => Ok(()),
            Some(_) => Err(Error::DuplicateSite { name: name.to_string() }),
        }
    })
}

/// The law that tells whether a layer's random variable is the same when it comes again. One that the layer has a belief
/// about is: it depends on no input.
pub(super) fn own_law(site: &Site) -> Option<Arc<dyn AnyDistribution>> {
    (site.owner.is_some() && site.belief.is_none()).then(|| site.distribution.clone())
}

/// Whether a site is the random variable that had this law before.
pub(super) fn same(law: &Option<Arc<dyn AnyDistribution>>, site: &Site) -> bool {
    match (law, own_law(site)) {
        (None, None) => true,
        (Some(before), Some(now)) => same_law(&**before, &*now).unwrap_or(false),
        _ => false,
    }
}

/// Whether two distributions agree: in kind, in a draw with one key, and in the density of that.
fn same_law(before: &dyn AnyDistribution, now: &dyn AnyDistribution) -> Result<bool> {
    if (before.name(), before.precision(), before.dims()) != (now.name(), now.precision(), now.dims()) {
        return Ok(false);
    }
    let key = Key::new(0);
    let draw = before.sample(key)?.detach();
    let densities = [before.log_prob(&draw)?.peek()?, now.log_prob(&draw)?.peek()?];
    Ok(draw.peek()? == now.sample(key)?.peek()? && densities[0] == densities[1])
}
