//! PixelCNN++'s likelihood.

use dfdx::shapes::Shape;
use ed_core::distributions::{self as dist, Distribution};
use ed_core::tensor::{Float, Var};
use ed_core::{RandomVariable, Result};

use super::{Family, Out, Output, drawn};
use crate::estimator::{Deterministic, Estimator};
use crate::geometry::{DenseMap, Geometry};
use crate::layer::Apply;

/// The family of [`MixtureLogistic`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ToMixtureLogistic {
    channels: usize,
    components: usize,
}

/// The channels of pixels: `[…, inputs]` to a mixture of logistic distributions over `[…, channels]`, in which each
/// channel's location depends on the channels before it. Its one dense layer is called `params`; see
/// [`dist::MixtureLogistic::from_params`] for its columns.
///
/// It is continuous, over intensities from -1 to 1; [`Discretize`](super::Discretize) puts it on levels.
///
/// # Source
/// Salimans et al. 2017, PixelCNN++, sections 2.1 and 2.2.
///
/// # Examples
/// ```
/// use ed::layers::output::{Discretize, MixtureLogistic};
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let net = sequential![MixtureLogistic::new(3, 5), Discretize::levels(256)];
/// let pixels = seed(0, || net.forward(Var::<_, f32>::ones((2usize, 16usize, 8usize))))?;
/// assert_eq!(pixels.shape(), &(2, 16, 3));
/// let image = Var::full(128.0, (2usize, 16usize, 3usize));
/// // One number for all channels of a pixel.
/// assert_eq!(pixels.distribution().log_prob(&image)?.shape(), &(2, 16));
/// # Ok(()) }
/// ```
pub type MixtureLogistic<W = Deterministic> = Output<ToMixtureLogistic, W>;

impl MixtureLogistic {
    /// A layer for pixels of so many channels, with so many components.
    pub fn new(channels: usize, components: usize) -> Self {
        Output::of(ToMixtureLogistic { channels, components })
    }
}

impl Family for ToMixtureLogistic {
    const KIND: &'static str = "MixtureLogistic";

    fn settings(&self) -> String {
        format!("{} channels, {} components", self.channels, self.components)
    }
}

impl<W: Estimator, S: Shape, E: Float> Apply<Var<S, E>> for MixtureLogistic<W>
where
    DenseMap: Geometry<S>,
    dist::MixtureLogistic<Out<S>, E>: Distribution,
{
    type Output = RandomVariable<dist::MixtureLogistic<Out<S>, E>>;
    fn apply(&self, x: Var<S, E>) -> Result<Self::Output> {
        let ToMixtureLogistic { channels, components } = self.family;
        let units = components * (1 + 2 * channels + channels * channels.saturating_sub(1) / 2);
        let params = self.param("params", units, &x)?;
        drawn(dist::MixtureLogistic::from_params(params, channels, components)?)
    }
}
