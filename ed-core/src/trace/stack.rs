//! The stack of tracers of each thread, and the way of a random variable through it.
//!
//! The order, stated once: a random variable meets the innermost tracer first. A tracer that forwards passes it to the
//! next one outwards; behind the outermost, the value is drawn if none was given; then the tracers see it again on the
//! way back, outermost first. A tracer that does not forward hides it from all outer ones. While a tracer runs, only
//! the tracers outside of it are active, so a tracer may sample, too. A tracer meets a random variable of a layer once,
//! however often the layer runs inside of it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use super::SiteName;
use super::run;
use super::site::{Kind, Site};
use crate::distributions::erased::AnyDistribution;
use crate::error::{Error, Result};
use crate::kernels::rng::Key;
use crate::tensor::AnyVar;

/// Something that random variables pass through.
///
/// # Examples
/// A tracer that counts the random variables of a model:
/// ```
/// use ed::prelude::*;
/// use std::{cell::Cell, rc::Rc};
///
/// struct Counter(Cell<usize>);
///
/// impl Tracer for Counter {
///     fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
///         self.0.set(self.0.get() + 1);
///         next.forward(site)
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let counter = Rc::new(Counter(Cell::new(0)));
/// with_tracer(counter.clone(), || seed(0, || sample(Normal::new(0.0, 1.0)?).map(|x: RandomVariable<Normal>| x)))?;
/// assert_eq!(counter.0.get(), 1);
/// # Ok(()) }
/// ```
pub trait Tracer {
    /// Handles one random variable: change the site, forward it (or not), look at its value.
    ///
    /// # Errors
    /// Whatever the tracer refuses; the error stops the program that it runs over.
    fn trace(&self, site: &mut Site, next: Next) -> Result<()>;

    /// Whether it reads or keeps values on the way back. A random variable that the program has a belief about need not
    /// be drawn if nobody looks (see [`believe_as`](super::believe_as)).
    fn looks(&self) -> bool {
        true
    }

    /// Whether it finds names that come twice by itself, as whatever records a run does; otherwise they are refused
    /// before it sees them.
    fn records(&self) -> bool {
        false
    }

    /// Called when the program that the tracer was put around has ended without an error.
    ///
    /// # Errors
    /// What the tracer finds wrong with the run as a whole, for example a name that never came.
    fn after_run(&self) -> Result<()> {
        Ok(())
    }
}

/// The tracers outside of the one that runs. It cannot be kept beyond the call, nor sent to another thread.
pub struct Next<'a> {
    depth: usize,
    scope: PhantomData<(&'a (), *const ())>,
}

thread_local! {
    static STACK: RefCell<Vec<Rc<Frame>>> = const { RefCell::new(Vec::new()) };
    /// How many tracers, from the outermost, are active.
    static ACTIVE: Cell<usize> = const { Cell::new(0) };
    static KEYS: RefCell<Vec<KeyStream>> = const { RefCell::new(Vec::new()) };
    static PREFIX: RefCell<String> = const { RefCell::new(String::new()) };
    /// Who runs a program that may draw nothing.
    static NOISELESS: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// A tracer, and the random variables of layers that it has met.
struct Frame {
    tracer: Rc<dyn Tracer>,
    shared: RefCell<HashMap<SiteName, Shared>>,
}

/// A random variable of a layer as a tracer gave it back.
struct Shared {
    context: u64,
    law: Option<Arc<dyn AnyDistribution>>,
    site: Site,
}

impl Frame {
    fn of(tracer: Rc<dyn Tracer>) -> Rc<Frame> {
        Rc::new(Frame { tracer, shared: RefCell::default() })
    }

    /// Shows the tracer a site, unless it is one that it gave back already.
    fn pass(&self, site: &mut Site, next: Next) -> Result<()> {
        let (Some(_), Some(name), None) = (site.owner, site.name.clone(), &site.value) else {
            return self.tracer.trace(site, next);
        };
        if let Some(shared) = self.shared.borrow().get(&name)
            && shared.is(site)?
        {
            (site.value, site.kl) = (shared.site.value.clone(), shared.site.kl.clone());
            (site.belief, site.key) = (shared.site.belief.clone(), shared.site.key);
            site.kind = shared.site.kind;
            return Ok(());
        }
        let (context, law) = (site.context, run::own_law(site));
        self.tracer.trace(site, next)?;
        self.shared.borrow_mut().insert(name, Shared { context, law, site: site.clone() });
        Ok(())
    }
}

impl Shared {
    /// Whether a site that has no value yet is this one.
    ///
    /// # Errors
    /// [`Error::Shape`] if it is, and has another shape.
    fn is(&self, site: &Site) -> Result<bool> {
        let drawn = self.site.value.is_some() || site.may_stay_open;
        let same = self.site.owner == site.owner && self.context == site.context && drawn;
        let (expected, got) = (self.site.distribution.dims(), site.distribution.dims());
        if same && expected != got && site.belief.is_some() {
            let expected = format!("{expected}, as where the layer was used before");
            return Err(Error::Shape { op: "a layer's weight", expected, got }.at_site(site.label()));
        }
        Ok(same && run::same(&self.law, site))
    }
}

/// The key that unvalued sites are drawn with, and how many unnamed ones there were.
struct KeyStream {
    key: Key,
    unnamed: u64,
}

/// Sets a thread-local number back on every way out, panics included.
struct RestoreActive(usize);

impl Drop for RestoreActive {
    fn drop(&mut self) {
        ACTIVE.set(self.0);
    }
}

impl Next<'_> {
    fn at(depth: usize) -> Self {
        Next { depth, scope: PhantomData }
    }

    /// Passes the site to the next tracer outwards; behind the outermost, draws its value if it has none.
    ///
    /// # Errors
    /// The error of an outer tracer or of the draw.
    pub fn forward(self, site: &mut Site) -> Result<()> {
        let Some(depth) = self.depth.checked_sub(1) else { return realise(site) };
        let frame = STACK.with(|stack| stack.borrow()[depth].clone());
        let _restore = RestoreActive(ACTIVE.replace(depth));
        frame.pass(site, Next::at(depth))
    }

    /// Draws the value if there is none, hidden from the outer tracers.
    ///
    /// # Errors
    /// The error of the draw.
    pub fn finish(self, site: &mut Site) -> Result<()> {
        realise(site)
    }
}

/// Sends a site through the active tracers.
pub(crate) fn dispatch(site: &mut Site) -> Result<()> {
    refuse_noise(|| site.label())?;
    let depth = ACTIVE.get();
    (site.owner, site.context) = (run::owner(), run::context());
    run::meet(site, depth)?;
    if site.may_stay_open {
        site.may_stay_open =
            STACK.with(|stack| stack.borrow()[..depth].iter().all(|frame| !frame.tracer.looks()));
    }
    Next::at(depth).forward(site)
}

/// How many tracers, from the outermost, are active.
pub(crate) fn active() -> usize {
    ACTIVE.get()
}

/// Gives the site a value, and checks one that came from outside.
fn realise(site: &mut Site) -> Result<()> {
    if site.value.is_none() {
        let key = next_key(site)?;
        draw(site, key).map_err(|error| error.at_site(site.label()))?;
    } else if matches!(site.kind, Kind::Observed)
        && let Some(value) = &site.value
    {
        site.check_datum(value)?;
    }
    if site.kind == Kind::Latent {
        site.value = site.value.take().map(AnyVar::random);
    }
    Ok(())
}

/// Draws the value from the belief, or else from the distribution; or leaves the belief as it is, if nobody looks.
fn draw(site: &mut Site, key: Key) -> Result<()> {
    match &site.belief {
        None => site.value = Some(site.distribution.sample(key)?),
        Some(belief) if site.may_stay_open => (site.kl, site.key) = (Some(belief.open(key)?), Some(key)),
        Some(belief) => {
            let (value, kl) = belief.draw(key)?;
            (site.value, site.kl) = (Some(value), Some(kl));
        }
    }
    Ok(())
}

fn next_key(site: &Site) -> Result<Key> {
    KEYS.with(|keys| {
        let mut keys = keys.borrow_mut();
        let stream = keys.last_mut().ok_or_else(|| Error::Unseeded { name: site.label() })?;
        Ok(match &site.name {
            Some(name) => stream.key.fold_in_str(name.as_str()),
            None => {
                stream.unnamed += 1;
                stream.key.fold_in(stream.unnamed)
            }
        })
    })
}

/// Runs `program` with a tracer inside of those already active.
///
/// # Errors
/// The program's, and then the one of [`Tracer::after_run`].
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// use std::rc::Rc;
///
/// /// Doubles every scale of the program: each value that was drawn moves twice as far from 0.
/// struct Doubled;
///
/// impl Tracer for Doubled {
///     fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
///         next.forward(site)?;
///         site.value = Some(site.value()?.scaled(2.0));
///         Ok(())
///     }
/// }
///
/// let x = || sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?)?.into_var().item();
/// let (once, doubled) = (seed(0, x)?, with_tracer(Rc::new(Doubled), || seed(0, x))?);
/// assert_eq!(doubled, 2.0 * once);
/// # Ok(()) }
/// ```
pub fn with_tracer<T>(tracer: Rc<dyn Tracer>, program: impl FnOnce() -> Result<T>) -> Result<T> {
    struct Pop {
        length: usize,
        _active: RestoreActive,
    }
    impl Drop for Pop {
        fn drop(&mut self) {
            STACK.with(|stack| stack.borrow_mut().truncate(self.length));
        }
    }
    let active = ACTIVE.get();
    // Tracers that are switched off for now (a tracer is running and calls a model) stay below the new one in the
    // stack only up to the active depth; the rest is set aside until this scope ends.
    let set_aside = STACK.with(|stack| stack.borrow_mut().split_off(active));
    STACK.with(|stack| stack.borrow_mut().push(Frame::of(tracer.clone())));
    ACTIVE.set(active + 1);
    struct PutBack(Vec<Rc<Frame>>);
    impl Drop for PutBack {
        fn drop(&mut self) {
            STACK.with(|stack| stack.borrow_mut().append(&mut self.0));
        }
    }
    let _put_back = PutBack(set_aside);
    let pop = Pop { length: active, _active: RestoreActive(active) };
    let run = run::enter_tracer(active + 1, tracer.records());
    let output = program()?;
    drop((run, pop));
    tracer.after_run()?;
    Ok(output)
}

/// Runs `program` with a key: every random variable that gets its value from nowhere else is drawn with a key made of
/// this one and of the variable's name, so a draw does not depend on what was drawn before it.
///
/// # Errors
/// The program's.
pub fn with_key<T>(key: Key, program: impl FnOnce() -> Result<T>) -> Result<T> {
    struct Pop;
    impl Drop for Pop {
        fn drop(&mut self) {
            KEYS.with(|keys| keys.borrow_mut().pop());
        }
    }
    KEYS.with(|keys| keys.borrow_mut().push(KeyStream { key, unnamed: 0 }));
    let _pop = Pop;
    let _run = run::enter_context(active());
    program()
}

/// A key for something else than a site (a subsample, a starting value), from the key in force and a name, which gets the
/// prefixes in force.
///
/// # Errors
/// [`Error::Unseeded`] outside of every [`with_key`].
pub fn key_for(purpose: &str) -> Result<Key> {
    let name = PREFIX.with(|prefix| format!("{}{purpose}", prefix.borrow()));
    KEYS.with(|keys| match keys.borrow().last() {
        Some(stream) => Ok(stream.key.fold_in_str(&name)),
        None => Err(Error::Unseeded { name }),
    })
}

/// A key that no other call gets, for noise that has no name and is drawn again wherever it is asked for (a dropout mask,
/// the signs of Flipout), from the key in force.
///
/// # Errors
/// [`Error::Unseeded`] outside of every [`with_key`].
pub fn fresh_key(purpose: &str) -> Result<Key> {
    refuse_noise(|| PREFIX.with(|prefix| format!("{}{purpose}", prefix.borrow())))?;
    let key = key_for(purpose)?;
    KEYS.with(|keys| match keys.borrow_mut().last_mut() {
        Some(stream) => {
            stream.unnamed += 1;
            Ok(key.fold_in(stream.unnamed))
        }
        None => Err(Error::Unseeded { name: purpose.into() }),
    })
}

/// Runs a program for somebody who needs the same output for the same input, as the network of a coupling gives it: a
/// random variable in it, or noise, is an error that names both. Parameters may start at random.
///
/// # Errors
/// The program's; [`Error::Algorithm`] of `of` if something is drawn.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// use ed::trace::without_noise;
///
/// let refused = seed(0, || without_noise("Coupling", || sample_as("z", Normal::<(), f64>::new(0.0, 1.0)?)));
/// assert!(refused.unwrap_err().to_string().contains("`z` would be drawn"));
/// ```
pub fn without_noise<T>(of: &'static str, program: impl FnOnce() -> Result<T>) -> Result<T> {
    struct Restore(Option<&'static str>);
    impl Drop for Restore {
        fn drop(&mut self) {
            NOISELESS.set(self.0);
        }
    }
    let _restore = Restore(NOISELESS.replace(Some(of)));
    program()
}

fn refuse_noise(name: impl FnOnce() -> String) -> Result<()> {
    let Some(of) = NOISELESS.get() else { return Ok(()) };
    let why = format!(
        "it needs the same output for the same input, and `{}` would be drawn: use deterministic layers there, \
         without beliefs about weights and without dropout",
        name()
    );
    Err(Error::Algorithm { of, why })
}

/// Runs `program` with `scope/` in front of the names of its random variables.
pub(super) fn with_prefix<T>(scope: &str, program: impl FnOnce() -> Result<T>) -> Result<T> {
    struct Truncate(usize);
    impl Drop for Truncate {
        fn drop(&mut self) {
            PREFIX.with(|prefix| prefix.borrow_mut().truncate(self.0));
        }
    }
    let _truncate = PREFIX.with(|prefix| {
        let mut prefix = prefix.borrow_mut();
        let length = prefix.len();
        prefix.push_str(scope);
        prefix.push('/');
        Truncate(length)
    });
    program()
}

/// Runs `program` with a prefix, as [`full_name`] of an empty name gives it, in place of the one in force.
pub(crate) fn under<T>(prefix: &super::SiteName, program: impl FnOnce() -> Result<T>) -> Result<T> {
    struct Restore(String);
    impl Drop for Restore {
        fn drop(&mut self) {
            PREFIX.with(|prefix| *prefix.borrow_mut() = std::mem::take(&mut self.0));
        }
    }
    let _restore = Restore(PREFIX.with(|own| own.replace(prefix.as_str().to_string())));
    program()
}

/// The name with the prefixes of the sub-models and layers in force.
pub fn full_name(name: &super::SiteName) -> super::SiteName {
    PREFIX.with(|prefix| name.inside(&prefix.borrow()))
}
