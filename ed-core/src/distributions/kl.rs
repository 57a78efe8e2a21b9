//! Kullback–Leibler divergences that have a closed form.

use super::distribution::Distribution;
use super::erased::AnyDistribution;
use crate::error::Result;
use crate::tensor::{Value, Var};

/// A closed form of `KL(self ‖ prior) = E_self[log self - log prior]`.
///
/// Each pair lives in the file of its left side, which also names it in
/// [`Distribution::kl_to`], the form in which inference finds it.
pub trait KlTo<P: Distribution>: Distribution {
    /// The divergence in nats, summed over the batch.
    ///
    /// # Errors
    /// The error of an operation that failed on the way to a parameter.
    fn kl_divergence(&self, prior: &P) -> Result<Var<(), Self::Elem>>;
}

/// The divergence to `other`, if it is a `P`: what `kl_to` of the left side calls for each right side that it knows.
pub(crate) fn closed_form<Q: KlTo<P>, P: Distribution>(
    q: &Q,
    other: &dyn AnyDistribution,
) -> Option<Result<Value<Q::Elem>>> {
    let prior = other.as_any().downcast_ref::<P>()?;
    Some(q.kl_divergence(prior).map(Var::into_value))
}

/// `KL(q ‖ p)` in nats, summed over the batch.
///
/// # Errors
/// The error of an operation that failed on the way to a parameter.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let posterior = Normal::new(Var::from([0.5f64, -1.0, 2.0]), Var::from([0.1, 0.7, 1.5]))?;
/// let kl = kl_divergence(&posterior, &Normal::standard((3,))?)?;
/// approx::assert_relative_eq!(kl.item()?, 4.753794929, epsilon = 1e-9);
/// # Ok(()) }
/// ```
pub fn kl_divergence<Q: KlTo<P>, P: Distribution>(q: &Q, p: &P) -> Result<Var<(), Q::Elem>> {
    q.kl_divergence(p)
}
