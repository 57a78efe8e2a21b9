//! `with_kl`: what the beliefs of a run cost.

use std::cell::RefCell;
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::tensor::{AnyVar, Float, Var};
use crate::trace::{Next, Site, Tracer, with_tracer};

/// Adds up the divergences of the beliefs that values came from.
#[derive(Default)]
struct Divergences(RefCell<Option<AnyVar>>);

impl Tracer for Divergences {
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        next.forward(site)?;
        let Some(kl) = &site.kl else { return Ok(()) };
        let kl = kl.scaled(site.scale);
        let mut sum = self.0.borrow_mut();
        *sum = Some(match sum.take() {
            None => kl,
            Some(sum) => sum.plus(&kl).map_err(|error| error.at_site(site.label()))?,
        });
        Ok(())
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
/// A weight whose value was set from outside costs nothing; one that is drawn again in the same run costs again.
///
/// # Errors
/// The program's; [`Error::Parameter`] if `num_examples` is 0; [`Error::Precision`] if the weights' precision is not that
/// of the result.
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
    let kl = match divergences.0.take() {
        None => Var::scalar(0.0),
        Some(sum) => sum.scaled(1.0 / num_examples as f64).typed()?,
    };
    Ok((output, kl))
}
