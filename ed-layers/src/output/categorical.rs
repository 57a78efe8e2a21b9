//! Classes.

use dfdx::shapes::Shape;
use ed_core::distributions::{self as dist, Distribution};
use ed_core::tensor::{Float, Var};
use ed_core::{RandomVariable, Result};

use super::{Family, Out, Output, Strict, drawn};
use crate::estimator::{Deterministic, Estimator};
use crate::geometry::{DenseMap, Geometry};
use crate::layer::Apply;

/// The family of [`Categorical`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ToCategorical {
    classes: usize,
}

/// One of several classes: `[…, inputs]` to a class `[…]`, a whole number from 0 on. The parameter is `logits`.
///
/// # Examples
/// ```
/// use ed::layers::output;
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let net = sequential![Dense::new(16).relu(), output::Categorical::new(10)];
/// let digits = seed(0, || net.forward(Var::<_, f32>::ones((5usize, 64usize))))?;
/// let nll = -digits.distribution().log_prob(&Var::from([3.0, 1.0, 4.0, 1.0, 5.0]))?.mean();
/// assert!(nll.item()? > 0.0);
/// # Ok(()) }
/// ```
pub type Categorical<W = Deterministic> = Output<ToCategorical, W>;

impl Categorical {
    /// A layer of so many classes.
    pub fn new(classes: usize) -> Self {
        Output::of(ToCategorical { classes })
    }
}

impl Family for ToCategorical {
    const KIND: &'static str = "Categorical";

    fn settings(&self) -> String {
        format!("{} classes", self.classes)
    }
}

impl<W: Estimator, S: Shape, E: Float> Apply<Var<S, E>> for Categorical<W>
where
    DenseMap: Geometry<S>,
    dist::Categorical<Out<S>, E>: Distribution,
{
    type Output = RandomVariable<Strict<dist::Categorical<Out<S>, E>>>;
    fn apply(&self, x: Var<S, E>) -> Result<Self::Output> {
        drawn(Strict::new(dist::Categorical::from_logits(self.param("logits", self.family.classes, &x)?)?))
    }
}
