//! How a kernel meets an input: maps that are linear in the kernel, one file each.
//!
//! A geometry knows shapes and products; it does not know where its kernel comes from. All estimators come with each.

mod conv;
mod dense;
mod embedding;

use std::fmt::Debug;

use dfdx::shapes::Shape;
use ed_core::Result;
use ed_core::ops::{add_channels, add_channels_relu};
use ed_core::tensor::{Dims, Float, Value, Var};

pub use conv::ConvMap;
pub use dense::DenseMap;
pub use embedding::TableMap;

/// How the numbers of a tensor belong to examples and channels: `[rows, positions, channels]`, row-major.
///
/// Estimators that perturb each example give it one factor per channel, the same at all of its positions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Examples: whatever is perturbed by itself.
    pub rows: usize,
    /// Positions of one example: the pixels of an image.
    pub positions: usize,
    /// Channels at one position.
    pub channels: usize,
}

/// A map from inputs of shape `S`, linear in its kernel.
pub trait Geometry<S: Shape>: Clone + Debug + Send + Sync + 'static {
    /// Shape of the kernel: `[…, inputs, outputs]`.
    type Kernel: Shape;
    /// Shape of the output, channels last.
    type Out: Shape;

    /// Whether an input number is the code of a one-hot vector: such inputs are neither flipped, squared, scaled nor
    /// dropped.
    const CODES: bool = false;

    /// The kernel's shape for an input.
    ///
    /// # Errors
    /// [`Error::Shape`](ed_core::Error::Shape) if there is none.
    fn kernel_shape(&self, input: &S) -> Result<Self::Kernel>;

    /// `K(x, w)`.
    ///
    /// # Errors
    /// [`Error::Shape`](ed_core::Error::Shape) if the input does not fit the kernel.
    fn apply<E: Float>(&self, x: &Var<S, E>, kernel: &Var<Self::Kernel, E>) -> Result<Var<Self::Out, E>>;

    /// `K(x, w) + b`, and its rectifier if `rectified`: the bias is `[outputs]`, or `[groups, outputs]`, as
    /// [`add_channels`] takes it.
    ///
    /// # Errors
    /// As [`Geometry::apply`].
    fn apply_with_bias<E: Float>(
        &self,
        x: &Var<S, E>,
        kernel: &Var<Self::Kernel, E>,
        bias: &Value<E>,
        rectified: bool,
    ) -> Result<Var<Self::Out, E>> {
        add_bias(&self.apply(x, kernel)?, bias, rectified)
    }

    /// How the numbers of an input, or of an output, belong to examples and channels. Channels come last; unless an
    /// example has positions, each place before the channels is one.
    fn layout(&self, dims: &Dims) -> Layout {
        let channels = dims.last().copied().unwrap_or(1);
        Layout { rows: dims.num_elements().checked_div(channels).unwrap_or(0), positions: 1, channels }
    }
}

/// `y + b`, and its rectifier if `rectified`.
pub(crate) fn add_bias<S: Shape, E: Float>(
    y: &Var<S, E>,
    bias: &Value<E>,
    rectified: bool,
) -> Result<Var<S, E>> {
    let add = if rectified { add_channels_relu } else { add_channels };
    Var::from_value(add(y.value(), bias)?)
}
