//! [`Conv1d`] and [`Conv2d`], and how their windows are set.

use ed_core::ops::{Padding, Window};

use crate::estimator::{Deterministic, Estimator};
use crate::geometry::ConvMap;
use crate::linear::Linear;

/// A convolution of sequences, `[N, T, channels] → [N, T', filters]`; see [`Conv2d`].
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let x: Var<_, f32> = Var::ones((2usize, 10usize, 3usize));
/// let y = seed(0, || Conv1d::<Flipout>::new(4, 3).causal().dilation(2).forward(&x))?;
/// assert_eq!(y.shape(), &(2, 10, 4));
/// # Ok(()) }
/// ```
pub type Conv1d<W = Deterministic> = Linear<ConvMap<1>, W>;

/// A convolution of images, `[N, H, W, channels] → [N, H', W', filters]`, `act(x ⋆ kernel + bias)`: without padding, with
/// strides of 1, unless said otherwise. `Conv2d::new(32, 5)` is deterministic, `Conv2d::<Flipout>::new(32, 5)` believes
/// in its weights.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// type Belief = Reparameterization;
/// let images: Var<_, f32> = Var::ones((2usize, 8usize, 8usize, 3usize));
/// let y = seed(0, || Conv2d::<Belief>::new(4, 5).stride(2).same().forward(&images))?;
/// assert_eq!(y.shape(), &(2, 4, 4, 4));
/// # Ok(()) }
/// ```
pub type Conv2d<W = Deterministic> = Linear<ConvMap<2>, W>;

/// Sizes along each axis: one number for all of them, or one for each.
pub trait Sizes<const D: usize> {
    /// A number for each axis.
    fn sizes(self) -> [usize; D];
}

impl<const D: usize> Sizes<D> for usize {
    fn sizes(self) -> [usize; D] {
        [self; D]
    }
}

impl<const D: usize> Sizes<D> for [usize; D] {
    fn sizes(self) -> [usize; D] {
        self
    }
}

/// `new` for convolutions with an estimator of one's choice.
pub trait WithFilters<const D: usize> {
    /// The layer, with a number of output channels, the size of its window, and the estimator's default settings.
    fn new(filters: usize, kernel_size: impl Sizes<D>) -> Self;
}

fn convolution<const D: usize, W: Estimator>(
    name: &'static str,
    filters: usize,
    kernel_size: impl Sizes<D>,
) -> Linear<ConvMap<D>, W> {
    Linear::of(name, ConvMap { filters, window: Window::new(kernel_size.sizes()) })
}

macro_rules! constructors {
    ($($layer:ident $rank:literal $name:literal;)+) => {$(
        impl $layer {
            /// A deterministic convolution.
            pub fn new(filters: usize, kernel_size: impl Sizes<$rank>) -> Self {
                convolution($name, filters, kernel_size)
            }
        }

        impl<W: Estimator> WithFilters<$rank> for $layer<W> {
            fn new(filters: usize, kernel_size: impl Sizes<$rank>) -> Self {
                convolution($name, filters, kernel_size)
            }
        }
    )+};
}

constructors! {
    Conv1d 1 "conv1d";
    Conv2d 2 "conv2d";
}

impl<const D: usize, W: Estimator> Linear<ConvMap<D>, W> {
    fn window(self, change: impl FnOnce(Window<D>) -> Window<D>) -> Self {
        self.map_geometry(|map| ConvMap { window: change(map.window), ..map })
    }

    /// With steps between neighbouring outputs.
    pub fn stride(self, strides: impl Sizes<D>) -> Self {
        self.window(|window| window.with_strides(strides.sizes()))
    }

    /// With steps between neighbouring taps of the kernel.
    pub fn dilation(self, dilation: impl Sizes<D>) -> Self {
        self.window(|window| window.with_dilation(dilation.sizes()))
    }

    /// With channels split into groups, each of which sees its own; as many groups as channels: depthwise.
    pub fn groups(self, groups: usize) -> Self {
        self.window(|window| window.with_groups(groups))
    }

    /// With this padding.
    pub fn padding(self, padding: Padding<D>) -> Self {
        self.window(|window| window.with_padding(padding))
    }

    /// With padding such that a stride of 1 keeps the size.
    pub fn same(self) -> Self {
        self.padding(Padding::Same)
    }

    /// With padding in front only, so that no output sees a later input. For sequences.
    pub fn causal(self) -> Self {
        self.padding(Padding::Causal)
    }
}
