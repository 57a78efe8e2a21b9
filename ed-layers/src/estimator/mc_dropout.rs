//! A deterministic kernel on an input of which some numbers are dropped, always.

use dfdx::shapes::Shape;
use ed_core::kernels::Key;
use ed_core::ops::dropout;
use ed_core::tensor::{Float, Var};
use ed_core::trace::fresh_key;
use ed_core::{Error, Result};

use super::rows::{by_row, from_rows};
use super::{Estimator, Slot};
use crate::geometry::Geometry;

/// `K(x∘m, w)`: each number of the input is 0 with probability `rate`, or else divided by `1 - rate`, in training and
/// in prediction, so that many predictions show what the network is unsure of. The kernel is one parameter. Codes (the
/// inputs of an embedding) are not dropped.
///
/// A recurrent cell keeps its mask for the whole sequence (Gal and Ghahramani 2016b). The mask has no name: handlers do not
/// see it, and the `mean` handler leaves it on.
///
/// # Source
/// Gal and Ghahramani 2016, "Dropout as a Bayesian approximation", section 3; 2016b, "A theoretically grounded application
/// of dropout in recurrent neural networks", section 4.2.
///
/// # Examples
/// ```
/// use ed::params::with_params;
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let layer = Dense::new(1).estimator(McDropout { rate: 0.5 });
/// let x: Var<_, f32> = Var::ones((1usize, 50usize));
/// let mut params = Params::new();
/// seed(0, || layer.init(&mut params, &x))?;
/// let predict = |key| seed(key, || with_params(&params, || layer.forward(&x)?.to_vec()));
/// assert_ne!(predict(1)?, predict(2)?);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct McDropout {
    /// Probability of 0, in `[0, 1)`.
    pub rate: f64,
}

impl Default for McDropout {
    /// A tenth of the numbers.
    fn default() -> McDropout {
        McDropout { rate: 0.1 }
    }
}

/// What [`McDropout`] drew.
#[derive(Clone, Debug)]
pub struct McDropoutDraw<K: Shape, E: Float> {
    kernel: Var<K, E>,
    rate: f64,
    mask: Key,
}

impl Estimator for McDropout {
    const NAME: &'static str = "McDropout";
    type Drawn<K: Shape, E: Float> = McDropoutDraw<K, E>;

    fn draw<K: Shape, E: Float>(&self, slot: &Slot<K>) -> Result<McDropoutDraw<K, E>> {
        if !(0.0..1.0).contains(&self.rate) {
            let (name, must_be, got) = ("rate", "at least 0 and less than 1", self.rate.to_string());
            return Err(Error::Parameter { of: "McDropout", name, must_be, got });
        }
        Ok(McDropoutDraw { kernel: slot.param()?, rate: self.rate, mask: fresh_key("mask of inputs")? })
    }

    fn apply<S: Shape, E: Float, G: Geometry<S>>(
        drawn: &McDropoutDraw<G::Kernel, E>,
        geometry: &G,
        x: &Var<S, E>,
    ) -> Result<Var<G::Out, E>> {
        if G::CODES {
            return geometry.apply(x, &drawn.kernel);
        }
        let rows = by_row(x, geometry.layout(&x.dims()))?;
        let dropped = from_rows(dropout(&rows, drawn.rate, drawn.mask)?, *x.shape())?;
        geometry.apply(&dropped, &drawn.kernel)
    }
}
