//! `with_kl`: what the beliefs of a run cost.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::tensor::{AnyVar, Float, Var};
use crate::trace::{Next, Site, SiteName, Tracer, with_tracer};

/// Collects the divergences of the beliefs that values came from.
#[derive(Default)]
struct Divergences(RefCell<Costs>);

/// What each random variable costs, in the order in which they came.
#[derive(Default)]
struct Costs {
    each: Vec<Cost>,
    places: HashMap<SiteName, usize>,
}

/// The divergences of one random variable, one for each of its draws.
struct Cost {
    owner: Option<u64>,
    sum: AnyVar,
    draws: usize,
}

impl Costs {
    fn add(&mut self, site: &Site, kl: AnyVar) -> Result<()> {
        let place = site.name.as_ref().and_then(|name| self.places.get(name));
        if let (Some(&place), Some(name)) = (place, &site.name) {
            let cost = &mut self.each[place];
            if cost.owner.is_none() || cost.owner != site.owner() {
                return Err(Error::DuplicateSite { name: name.to_string() });
            }
            cost.sum = cost.sum.plus(&kl)?;
            cost.draws += 1;
            return Ok(());
        }
        if let Some(name) = &site.name {
            self.places.insert(name.clone(), self.each.len());
        }
        self.each.push(Cost { owner: site.owner(), sum: kl, draws: 1 });
        Ok(())
    }

    /// The sum over random variables of the mean over draws.
    fn total(self) -> Result<Option<AnyVar>> {
        let means = self.each.into_iter().map(|cost| match cost.draws {
            1 => cost.sum,
            draws => cost.sum.scaled(1.0 / draws as f64),
        });
        means.map(Ok).reduce(|sum, mean| sum?.plus(&mean?)).transpose()
    }
}

impl Tracer for Divergences {
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        next.forward(site)?;
        let Some(kl) = &site.kl else { return Ok(()) };
        let kl = kl.scaled(site.scale);
        self.0.borrow_mut().add(site, kl).map_err(|error| error.at_site(site.label()))
    }

    fn looks(&self) -> bool {
        false
    }
}

/// Runs a program, and returns with its output what its beliefs cost for each training example:
/// `Σ KL(posterior ‖ prior) / num_examples` in nats, over the random variables that were drawn from a belief, as the
/// weights of Bayesian layers are. Add it to the mean negative log-likelihood of a batch: the sum is the negative
/// evidence lower bound for each example (Graves 2011; Blundell et al. 2015, equation 2).
///
/// A weight costs once, however often its layer is used in the run; if it is drawn several times under different keys (see
/// [`draws`](super::draws)), its cost is the mean over the draws. A weight whose value was set from outside costs nothing.
///
/// # Errors
/// The program's; [`Error::Parameter`] if `num_examples` is 0; [`Error::DuplicateSite`] if two random variables have one
/// name; [`Error::Precision`] if the weights' precision is not that of the result.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let layer = DenseReparameterization::new(10);
/// let x: Var<_, f32> = Var::ones((4usize, 3usize));
/// let (y, kl): (_, Var<(), f32>) = seed(0, || with_kl(1_000, || layer.forward(&x)))?;
/// assert_eq!(y.shape(), &(4, 10));
/// // 30 weights, each 2.5 nats from its prior at the start.
/// assert!((kl.item()? - 30.0 * 2.53 / 1_000.0).abs() < 0.01);
/// # Ok(()) }
/// ```
pub fn with_kl<T, E: Float>(
    num_examples: usize,
    program: impl FnOnce() -> Result<T>,
) -> Result<(T, Var<(), E>)> {
    if num_examples == 0 {
        let (of, name) = ("with_kl", "num_examples");
        return Err(Error::Parameter { of, name, must_be: "at least 1", got: "0".into() });
    }
    let divergences = Rc::new(Divergences::default());
    let output = with_tracer(divergences.clone(), program)?;
    let kl = match divergences.0.take().total()? {
        None => Var::scalar(0.0),
        Some(sum) => sum.scaled(1.0 / num_examples as f64).typed()?,
    };
    Ok((output, kl))
}
