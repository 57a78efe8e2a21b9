//! Dropout with a learned rate for each weight.

use dfdx::shapes::Shape;
use ed_core::Result;
use ed_core::tensor::{Float, Var};

use super::{Estimator, LocalDraw, Slot};
use crate::geometry::Geometry;
use crate::weight::{LogUniformPrior, Moments, NormalBelief, Seen, Start, bayesian, log_alpha};

/// `K(x, μ) + √K(x², α μ²)∘ε`, with `α = σ² / μ²` for each weight kept in `[e⁻⁸, e⁸]`: the noise of
/// [`LocalReparameterization`](super::LocalReparameterization), beside a [`LogUniformPrior`], which drives weights that the
/// data do not need to an `α` so large that they can be removed.
///
/// Predictions draw outputs too; under the `mean` handler they use the means.
///
/// # Source
/// Molchanov, Ashukha and Vetrov 2017, "Variational dropout sparsifies deep neural networks", sections 4.1 to 4.3.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let layer = DenseVariationalDropout::new(3);
/// let x: Var<_, f32> = Var::ones((5usize, 4usize));
/// let (y, kl): (_, Var<(), f32>) = seed(0, || with_kl(1, || layer.forward(&x)))?;
/// assert_eq!(y.shape(), &(5, 3));
/// assert!(kl.item()? > 0.0);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct VariationalDropout(
    /// What is believed about the kernel.
    pub NormalBelief,
);

impl Default for VariationalDropout {
    /// The log-uniform prior.
    fn default() -> VariationalDropout {
        VariationalDropout(NormalBelief::default().prior(LogUniformPrior))
    }
}

bayesian!(VariationalDropout);

/// `α μ²`, with `α` in its limits.
fn variance<K: Shape, E: Float>(moments: &Moments<K, E>) -> Result<Var<K, E>> {
    let loc = moments.loc()?;
    (log_alpha(&loc, &moments.scale()?).exp() * (loc.square() + LogUniformPrior::EPSILON)).check()
}

impl Estimator for VariationalDropout {
    const NAME: &'static str = "VariationalDropout";
    type Drawn<K: Shape, E: Float> = LocalDraw<K, E>;

    fn draw<K: Shape, E: Float>(&self, slot: &Slot<K>) -> Result<LocalDraw<K, E>> {
        Ok(match self.0.look(slot.name, slot.shape, Start::Scaling(slot.initializer))? {
            Seen::Value(kernel) => LocalDraw::Value(kernel),
            Seen::Moments(moments, _) => {
                LocalDraw::Moments { loc: moments.loc()?, variance: variance(&moments)? }
            }
        })
    }

    fn apply<S: Shape, E: Float, G: Geometry<S>>(
        drawn: &LocalDraw<G::Kernel, E>,
        geometry: &G,
        x: &Var<S, E>,
    ) -> Result<Var<G::Out, E>> {
        drawn.apply(geometry, x)
    }

    fn kernel<K: Shape, E: Float>(drawn: &LocalDraw<K, E>) -> Option<&Var<K, E>> {
        super::LocalReparameterization::kernel(drawn)
    }
}
