//! A kernel drawn once, turned into one for each example by random signs.

use dfdx::shapes::Shape;
use ed_core::Result;
use ed_core::kernels::Key;
use ed_core::ops::{add_flipped, flip};
use ed_core::tensor::{Float, Var};

use super::rows::{by_row, from_rows};
use super::{Estimator, Slot};
use crate::geometry::Geometry;
use crate::weight::{NormalBelief, Seen, Start, bayesian};

/// `K(x, μ) + K(x∘s, σε)∘r`: one deviation `σε` of the kernel for the batch, and for each example signs `s` of its input
/// channels and `r` of its output channels, -1 or 1 with equal chances.
///
/// Each example has the outputs of a kernel of its own, drawn from the posterior, and the kernels of two examples are
/// uncorrelated; so the variance of a mean gradient falls with the size of the batch, at the price of a second product.
/// A dense layer gives signs to each row along all leading axes (each step of a sequence), a convolution to each
/// example and channel, the same at all positions. The bias is not flipped.
///
/// The belief has to be symmetric around its means and independent from weight to weight, as [`NormalBelief`] is. If
/// somebody sets the kernel's value or looks at it, the layer is a plain one with that kernel.
///
/// # Source
/// Wen, Vicol, Ba, Tran and Grosse 2018, "Flipout", equations 3 and 4.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let layer = Dense::<Flipout>::new(1).without_bias();
/// let same: Var<_, f32> = Var::ones((100usize, 5usize));
/// let y = seed(0, || layer.forward(&same))?.to_vec()?;
/// // The examples are the same, their kernels are not.
/// assert!(y.iter().any(|other| other != &y[0]));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Flipout(
    /// What is believed about the kernel.
    pub NormalBelief,
);

bayesian!(Flipout);

/// What [`Flipout`] drew.
#[derive(Clone, Debug)]
pub enum FlipoutDraw<K: Shape, E: Float> {
    /// The kernel, decided elsewhere.
    Value(Var<K, E>),
    /// What examples share, and the key of their signs.
    Flipped {
        /// The means `μ`.
        loc: Var<K, E>,
        /// The deviation `σε` of the draw from them.
        deviation: Var<K, E>,
        /// The keys of the signs of the inputs and of the outputs.
        keys: [Key; 2],
    },
}

impl Estimator for Flipout {
    const NAME: &'static str = "Flipout";
    type Drawn<K: Shape, E: Float> = FlipoutDraw<K, E>;

    fn draw<K: Shape, E: Float>(&self, slot: &Slot<K>) -> Result<FlipoutDraw<K, E>> {
        Ok(match self.0.look_for_deviation(slot.name, slot.shape, Start::Scaling(slot.initializer))? {
            Seen::Value(kernel) => FlipoutDraw::Value(kernel),
            Seen::Moments(moments, key) => {
                let [noise, inputs, outputs] = key.split_array();
                let (loc, deviation) = (moments.loc()?, moments.deviation(noise)?);
                FlipoutDraw::Flipped { loc, deviation, keys: [inputs, outputs] }
            }
        })
    }

    fn apply<S: Shape, E: Float, G: Geometry<S>>(
        drawn: &FlipoutDraw<G::Kernel, E>,
        geometry: &G,
        x: &Var<S, E>,
    ) -> Result<Var<G::Out, E>> {
        match drawn {
            FlipoutDraw::Value(kernel) => geometry.apply(x, kernel),
            FlipoutDraw::Flipped { loc, deviation, keys: [inputs, outputs] } => {
                let deviation = if G::CODES {
                    // A one-hot vector has one sign, which that of the output stands for.
                    geometry.apply(x, deviation)?
                } else {
                    let signed = flip(&by_row(x, geometry.layout(&x.dims()))?, *inputs)?;
                    geometry.apply(&from_rows(signed, *x.shape())?, deviation)?
                };
                let mean = geometry.apply(x, loc)?;
                let layout = geometry.layout(&mean.dims());
                let y = add_flipped(&by_row(&mean, layout)?, &by_row(&deviation, layout)?, *outputs)?;
                from_rows(y, *mean.shape())
            }
        }
    }

    fn kernel<K: Shape, E: Float>(drawn: &FlipoutDraw<K, E>) -> Option<&Var<K, E>> {
        match drawn {
            FlipoutDraw::Value(kernel) => Some(kernel),
            FlipoutDraw::Flipped { .. } => None,
        }
    }
}
