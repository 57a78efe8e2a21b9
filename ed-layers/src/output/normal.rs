//! Normals.

use dfdx::shapes::Shape;
use ed_core::distributions as dist;
use ed_core::tensor::{BroadcastWith, Float, Var};
use ed_core::{RandomVariable, Result};

use super::{Family, Out, Output, drawn};
use crate::estimator::{Deterministic, Estimator};
use crate::geometry::{DenseMap, Geometry};
use crate::layer::Apply;

/// The family of [`Normal`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ToNormal {
    units: usize,
}

/// A normal for each of several units: `[…, inputs]` to independent normals `[…, units]`, whose locations and scales both
/// depend on the input (Nix and Weigend 1994). The parameters are `loc` and `raw_scale`; the scale is
/// `softplus(raw_scale) + 10⁻⁷`.
///
/// # Examples
/// ```
/// use ed::layers::output;
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let layer = output::Normal::new(2);
/// let y = seed(0, || layer.forward(Var::<_, f64>::zeros((5usize, 3usize))))?;
/// assert_eq!(y.shape(), &(5, 2));
/// // Kernels meet zeros, and biases start at zero: location 0, scale softplus(0) = ln 2.
/// approx::assert_abs_diff_eq!(y.distribution().scale()?.to_vec()?[0], 2f64.ln(), epsilon = 1e-6);
/// let nll = -y.distribution().log_prob(&Var::zeros((5usize, 2usize)))?.mean();
/// assert!(nll.item()?.is_finite());
/// # Ok(()) }
/// ```
pub type Normal<W = Deterministic> = Output<ToNormal, W>;

impl Normal {
    /// A layer of so many units.
    pub fn new(units: usize) -> Self {
        Output::of(ToNormal { units })
    }
}

impl Family for ToNormal {
    const KIND: &'static str = "Normal";

    fn settings(&self) -> String {
        self.units.to_string()
    }
}

impl<W: Estimator, S: Shape, E: Float> Apply<Var<S, E>> for Normal<W>
where
    DenseMap: Geometry<S>,
    Out<S>: BroadcastWith<Out<S>, Out = Out<S>>,
{
    type Output = RandomVariable<dist::Normal<Out<S>, E>>;
    fn apply(&self, x: Var<S, E>) -> Result<Self::Output> {
        let loc = self.param("loc", self.family.units, &x)?;
        let scale = self.scale("raw_scale", self.family.units, &x)?;
        drawn(dist::Normal::new(loc, scale)?)
    }
}
