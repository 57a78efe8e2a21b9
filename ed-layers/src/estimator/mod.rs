//! How an uncertain kernel meets an input: estimators, one file each.
//!
//! | estimator | output | noise |
//! |---|---|---|
//! | [`Deterministic`] | `K(x, w)` | none |
//! | [`Reparameterization`] | `K(x, μ + σε)` | one kernel for the whole batch |
//! | [`Flipout`] | `K(x, μ) + K(x∘s, σε)∘r` | one deviation for the batch, signs for each example |
//! | [`LocalReparameterization`] | `K(x, μ) + √K(x², σ²)∘ε` | each output's own |
//! | [`VariationalDropout`] | `K(x, μ) + √K(x², αμ²)∘ε` | each output's own |
//! | [`McDropout`] | `K(x∘m, w)` | a mask of the input, in prediction too |
//! | [`BatchEnsemble`] | `K(x∘α, w)∘γ` | none; each member has its `α` and `γ` |
//! | [`Rank1`] | `K(x∘α, w)∘γ` or `K(x + α, w) + γ` | `α` and `γ` of each example |
//!
//! An estimator draws once and is deterministic from then on ([`Estimator::Drawn`]), so that a recurrent cell draws at
//! the start of a sequence and steps with what it drew; only noise on outputs is new at each step. It knows no geometry:
//! all geometries come with each.

mod batch_ensemble;
mod deterministic;
mod flipout;
mod local_reparameterization;
mod mc_dropout;
mod rank1;
mod reparameterization;
mod rows;
mod variational_dropout;

use std::fmt::Debug;

use dfdx::shapes::Shape;
use ed_core::params::any_param;
use ed_core::tensor::{Dims, Float, Var};
use ed_core::trace::full_name;
use ed_core::{Result, SiteName};

pub use batch_ensemble::{BatchEnsemble, BatchEnsembleDraw};
pub use deterministic::Deterministic;
pub use flipout::{Flipout, FlipoutDraw};
pub use local_reparameterization::{LocalDraw, LocalReparameterization};
pub use mc_dropout::{McDropout, McDropoutDraw};
pub use rank1::{Rank1, Rank1Draw};
pub use reparameterization::Reparameterization;
pub use variational_dropout::VariationalDropout;

use crate::geometry::{Geometry, Layout};
use crate::initializers::VarianceScaling;
use crate::weight::Start;

/// The place of a kernel in a layer.
#[derive(Clone, Copy, Debug)]
pub struct Slot<K> {
    /// Its name under the layer's: `kernel`.
    pub name: &'static str,
    /// Its shape.
    pub shape: K,
    /// Where a deterministic kernel starts, and the means of an uncertain one.
    pub initializer: VarianceScaling,
    /// How the first input belongs to examples and channels; it has no channels if its numbers are codes.
    pub input: Layout,
    /// Number of output channels.
    pub outputs: usize,
}

impl<K: Shape> Slot<K> {
    /// The kernel as a parameter.
    ///
    /// # Errors
    /// That of reading it.
    pub fn param<E: Float>(&self) -> Result<Var<K, E>> {
        let name = full_name(&self.name.into());
        let start = || Ok(Start::Scaling(self.initializer).values::<K, E>(&name, self.shape)?.into());
        any_param(&name, &Dims::of(&self.shape), start)?.typed().map_err(|error| error.at_site(&name))
    }

    /// The name of something that belongs to the kernel: `alpha` beside `kernel`, `recurrent_alpha` beside
    /// `recurrent_kernel`.
    pub fn beside(&self, what: &str) -> SiteName {
        self.name.replace("kernel", what).into()
    }
}

/// How a kernel is drawn and used.
pub trait Estimator: Clone + Debug + Default + Send + Sync + 'static {
    /// Its name, as the type is written.
    const NAME: &'static str;

    /// What it drew: a kernel, or what stands for one.
    type Drawn<K: Shape, E: Float>: Clone + Debug;

    /// How many members of an ensemble share a batch, the rows of the first member first. With more than one, each has
    /// its own bias.
    fn members(&self) -> usize {
        1
    }

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
