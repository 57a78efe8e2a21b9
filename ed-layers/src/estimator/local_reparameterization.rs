//! Outputs drawn instead of kernels.

use dfdx::shapes::Shape;
use ed_core::Result;
use ed_core::ops::local_noise;
use ed_core::tensor::{Float, Var};
use ed_core::trace::fresh_key;

use super::{Estimator, Slot};
use crate::geometry::Geometry;
use crate::weight::{NormalBelief, Seen, Start, bayesian};

/// `K(x, μ) + √K(x², σ²)∘ε`: each output drawn from its own normal, which has the mean and the variance that a kernel
/// drawn from the posterior would give it.
///
/// Examples are independent, and the gradients have the least variance of all estimators here. The outputs of one
/// example are independent too: exact for a dense layer, whose units share no weight, and an approximation for a
/// convolution, whose positions share theirs.
///
/// The noise is new at each application, so a recurrent cell has other noise at each step, which is not that of one
/// kernel for the sequence, and a layer that is applied twice to an example (tied weights, a siamese network) is not one
/// kernel for both, though its divergence counts once; [`Flipout`](super::Flipout) keeps one for the run. If somebody sets the kernel's value or looks at it, the
/// layer is a plain one with that kernel.
///
/// # Source
/// Kingma, Salimans and Welling 2015, "Variational dropout and the local reparameterization trick", equation 6.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let layer = Dense::<LocalReparameterization>::new(1).estimator(LocalReparameterization::default().scale(1e-3));
/// let same: Var<_, f32> = Var::ones((100usize, 5usize));
/// let y = seed(0, || layer.forward(&same))?.to_vec()?;
/// let (least, most) = y.iter().fold((y[0], y[0]), |(a, b), &y| (a.min(y), b.max(y)));
/// assert!(most > least && most - least < 0.05);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct LocalReparameterization(
    /// What is believed about the kernel.
    pub NormalBelief,
);

bayesian!(LocalReparameterization);

/// A kernel, or the mean and the variance of each of its weights.
#[derive(Clone, Debug)]
pub enum LocalDraw<K: Shape, E: Float> {
    /// The kernel, decided elsewhere.
    Value(Var<K, E>),
    /// Its moments.
    Moments {
        /// The means `μ`.
        loc: Var<K, E>,
        /// The variances `σ²`.
        variance: Var<K, E>,
    },
}

impl<K: Shape, E: Float> LocalDraw<K, E> {
    /// The map with this kernel, its noise drawn for each output.
    ///
    /// # Errors
    /// Those of [`Geometry::apply`]; [`Error::Unseeded`](ed_core::Error::Unseeded) if no key is in force.
    pub(super) fn apply<S: Shape, G: Geometry<S, Kernel = K>>(
        &self,
        geometry: &G,
        x: &Var<S, E>,
    ) -> Result<Var<G::Out, E>> {
        match self {
            LocalDraw::Value(kernel) => geometry.apply(x, kernel),
            LocalDraw::Moments { loc, variance } => {
                let mean = geometry.apply(x, loc)?;
                // A one-hot vector is its own square.
                let variance = geometry.apply(&if G::CODES { x.clone() } else { x.square() }, variance)?;
                Var::from_value(local_noise(mean.value(), variance.value(), fresh_key("noise of outputs")?)?)
            }
        }
    }
}

impl Estimator for LocalReparameterization {
    const NAME: &'static str = "LocalReparameterization";
    type Drawn<K: Shape, E: Float> = LocalDraw<K, E>;

    fn draw<K: Shape, E: Float>(&self, slot: &Slot<K>) -> Result<LocalDraw<K, E>> {
        Ok(match self.0.look(slot.name, slot.shape, Start::Scaling(slot.initializer))? {
            Seen::Value(kernel) => LocalDraw::Value(kernel),
            Seen::Moments(moments, _) => {
                LocalDraw::Moments { loc: moments.loc()?, variance: moments.variance()? }
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
        match drawn {
            LocalDraw::Value(kernel) => Some(kernel),
            LocalDraw::Moments { .. } => None,
        }
    }
}
