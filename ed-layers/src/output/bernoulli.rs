//! Yes or no.

use dfdx::shapes::Shape;
use ed_core::distributions as dist;
use ed_core::tensor::{Float, Var};
use ed_core::{RandomVariable, Result};

use super::{Family, Out, Output, Strict, drawn};
use crate::estimator::{Deterministic, Estimator};
use crate::geometry::{DenseMap, Geometry};
use crate::layer::Apply;

/// The family of [`Bernoulli`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ToBernoulli {
    units: usize,
}

/// One or zero for each of several units: `[…, inputs] → […, units]`. The parameter is `logits`.
///
/// # Examples
/// ```
/// use ed::layers::output;
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let layer = output::Bernoulli::new(3);
/// let y = seed(0, || layer.forward(Var::<_, f32>::zeros((4usize, 2usize))))?;
/// assert_eq!(y.distribution().mean()?.to_vec()?, [0.5; 12]);
/// assert!(y.to_vec()?.iter().all(|&y| y == 0.0 || y == 1.0));
/// # Ok(()) }
/// ```
pub type Bernoulli<W = Deterministic> = Output<ToBernoulli, W>;

impl Bernoulli {
    /// A layer of so many units.
    pub fn new(units: usize) -> Self {
        Output::of(ToBernoulli { units })
    }
}

impl Family for ToBernoulli {
    const KIND: &'static str = "Bernoulli";

    fn settings(&self) -> String {
        self.units.to_string()
    }
}

impl<W: Estimator, S: Shape, E: Float> Apply<Var<S, E>> for Bernoulli<W>
where
    DenseMap: Geometry<S>,
{
    type Output = RandomVariable<Strict<dist::Bernoulli<Out<S>, E>>>;
    fn apply(&self, x: Var<S, E>) -> Result<Self::Output> {
        drawn(Strict::new(dist::Bernoulli::from_logits(self.param("logits", self.family.units, &x)?)?))
    }
}
