//! A kernel drawn once for the whole batch.

use dfdx::shapes::Shape;
use ed_core::Result;
use ed_core::tensor::{Float, Var};

use super::{Estimator, Slot};
use crate::geometry::Geometry;
use crate::weight::{NormalBelief, bayesian};

/// `K(x, μ + σε)`: a draw of the kernel, the same for all examples of the batch (Blundell et al. 2015; Kingma and
/// Welling 2014). Unbiased and cheap; the examples' outputs move together, which makes its gradients the noisiest.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let layer = Dense::<Reparameterization>::new(1);
/// let same: Var<_, f32> = Var::ones((100usize, 5usize));
/// // One kernel for all rows: equal rows have equal outputs, and another seed another kernel.
/// let y = seed(0, || layer.forward(&same))?.to_vec()?;
/// assert!(y.iter().all(|&other| other == y[0]));
/// assert_ne!(y, seed(1, || layer.forward(&same))?.to_vec()?);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Reparameterization(
    /// What is believed about the kernel.
    pub NormalBelief,
);

bayesian!(Reparameterization);

impl Estimator for Reparameterization {
    const NAME: &'static str = "Reparameterization";
    type Drawn<K: Shape, E: Float> = Var<K, E>;

    fn draw<K: Shape, E: Float>(&self, slot: &Slot<K>) -> Result<Var<K, E>> {
        self.0.sample(slot.name, slot.shape, slot.initializer)
    }

    fn apply<S: Shape, E: Float, G: Geometry<S>>(
        drawn: &Var<G::Kernel, E>,
        geometry: &G,
        x: &Var<S, E>,
    ) -> Result<Var<G::Out, E>> {
        geometry.apply(x, drawn)
    }

    fn kernel<K: Shape, E: Float>(drawn: &Var<K, E>) -> Option<&Var<K, E>> {
        Some(drawn)
    }
}
