//! How an uncertain kernel meets an input: estimators, one file each.
//!
//! | estimator | output | noise |
//! |---|---|---|
//! | [`Deterministic`] | `K(x, w)` | none |
//! | [`Reparameterization`] | `K(x, μ + σε)` | one kernel for the whole batch |
//! | [`Flipout`] | `K(x, μ) + K(x∘s, σε)∘r` | one deviation for the batch, signs for each example |
//! | [`LocalReparameterization`] | `K(x, μ) + √K(x², σ²)∘ε` | each output's own |
//!
//! An estimator draws once and is deterministic from then on ([`Estimator::Drawn`]), so that a recurrent cell draws at
//! the start of a sequence and steps with what it drew; only noise on outputs is new at each step. It knows no geometry:
//! all geometries come with each.

mod deterministic;
mod flipout;
mod local_reparameterization;
mod reparameterization;
mod rows;

use std::fmt::Debug;

use dfdx::shapes::Shape;
use ed_core::Result;
use ed_core::tensor::{Float, Var};

pub use deterministic::Deterministic;
pub use flipout::{Flipout, FlipoutDraw};
pub use local_reparameterization::{LocalDraw, LocalReparameterization};
pub use reparameterization::Reparameterization;

use crate::geometry::{Geometry, Layout};
use crate::initializers::VarianceScaling;

/// The place of a kernel in a layer.
#[derive(Clone, Copy, Debug)]
pub struct Slot<K> {
    /// Its name under the layer's: `kernel`.
    pub name: &'static str,
    /// Its shape.
    pub shape: K,
    /// Where a deterministic kernel starts, and the means of an uncertain one.
    pub initializer: VarianceScaling,
    /// How the first input belongs to examples and channels.
    pub input: Layout,
    /// Number of output channels.
    pub outputs: usize,
}

/// How a kernel is drawn and used.
pub trait Estimator: Clone + Debug + Default + Send + Sync + 'static {
    /// Its name, as the type is written.
    const NAME: &'static str;

    /// What it drew: a kernel, or what stands for one.
    type Drawn<K: Shape, E: Float>: Clone + Debug;

    /// Reads the parameters of a kernel and draws its noise.
    ///
    /// # Errors
    /// Those of reading a parameter and of a tracer.
    fn draw<K: Shape, E: Float>(&self, slot: &Slot<K>) -> Result<Self::Drawn<K, E>>;

    /// The map with what was drawn.
    ///
    /// # Errors
    /// Those of [`Geometry::apply`].
    fn apply<S: Shape, E: Float, G: Geometry<S>>(
        drawn: &Self::Drawn<G::Kernel, E>,
        geometry: &G,
        x: &Var<S, E>,
    ) -> Result<Var<G::Out, E>>;

    /// What was drawn, if it is one kernel for all examples: then `apply` is the geometry's with this kernel, and whoever
    /// can do better with the kernel itself (a sequence in one operation) may.
    fn kernel<K: Shape, E: Float>(drawn: &Self::Drawn<K, E>) -> Option<&Var<K, E>> {
        let _ = drawn;
        None
    }
}
