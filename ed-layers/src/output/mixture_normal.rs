//! Mixture density networks.

use dfdx::shapes::{ReduceShape, Shape};
use ed_core::distributions::{self as dist, Distribution};
use ed_core::tensor::{BroadcastWith, Float, Var, WithoutLast};
use ed_core::{RandomVariable, Result};

use super::{Family, Out, Output, drawn};
use crate::estimator::{Deterministic, Estimator};
use crate::geometry::{DenseMap, Geometry};
use crate::layer::Apply;

/// The family of [`MixtureNormal`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ToMixtureNormal {
    components: usize,
}

/// A number with several places where it may be: `[…, inputs]` to a mixture of normals `[…]`, all of whose parameters
/// depend on the input. They are `logits`, `loc` and `raw_scale`; the scales are `softplus(raw_scale) + 10⁻⁷`.
///
/// # Source
/// Bishop 1994, "Mixture density networks".
///
/// # Examples
/// ```
/// use ed::layers::output;
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let layer = output::MixtureNormal::new(5);
/// let y = seed(0, || layer.forward(Var::<_, f32>::ones((7usize, 3usize))))?;
/// assert_eq!(y.shape(), &(7,));
/// assert_eq!(y.distribution().log_prob(&Var::zeros((7usize,)))?.shape(), &(7,));
/// # Ok(()) }
/// ```
pub type MixtureNormal<W = Deterministic> = Output<ToMixtureNormal, W>;

impl MixtureNormal {
    /// A layer of so many components.
    pub fn new(components: usize) -> Self {
        Output::of(ToMixtureNormal { components })
    }
}

impl Family for ToMixtureNormal {
    const KIND: &'static str = "MixtureNormal";

    fn settings(&self) -> String {
        format!("{} components", self.components)
    }
}

impl<W: Estimator, S: Shape, E: Float> Apply<Var<S, E>> for MixtureNormal<W>
where
    DenseMap: Geometry<S>,
    S: ReduceShape<<S as Shape>::LastAxis>,
    Out<S>: BroadcastWith<Out<S>, Out = Out<S>>,
    dist::Mixture<dist::Normal<Out<S>, E>, WithoutLast<S>>: Distribution,
{
    type Output = RandomVariable<dist::Mixture<dist::Normal<Out<S>, E>, WithoutLast<S>>>;
    fn apply(&self, x: Var<S, E>) -> Result<Self::Output> {
        let components = self.family.components;
        let logits = self.param("logits", components, &x)?;
        let loc = self.param("loc", components, &x)?;
        let scale = self.scale("raw_scale", components, &x)?;
        drawn(dist::Mixture::typed(logits, dist::Normal::new(loc, scale)?)?)
    }
}
