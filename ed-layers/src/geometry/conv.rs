//! Convolutions: a kernel that slides over the positions.

use dfdx::shapes::Dim;
use ed_core::ops::conv::{conv1d, conv2d};
use ed_core::ops::{Padding, Window};
use ed_core::tensor::{Dims, Float, Var};
use ed_core::{Error, Result};

use super::{Geometry, Layout};
use crate::linear::Kinded;

/// A convolution over `D` axes, channels last: `[N, T, channels] → [N, T', filters]` or
/// `[N, H, W, channels] → [N, H', W', filters]`, with a kernel `[window…, channels / groups, filters]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConvMap<const D: usize> {
    /// Number of output channels.
    pub filters: usize,
    /// How the kernel slides.
    pub window: Window<D>,
}

impl<const D: usize> ConvMap<D> {
    /// Input channels that one filter sees.
    fn channels_per_group(&self, of: &'static str, input: Dims) -> Result<usize> {
        let (channels, groups) = (input.last().copied().unwrap_or(0), self.window.groups);
        let fits = |n: usize| n > 0 && groups > 0 && n.is_multiple_of(groups);
        if fits(channels) && fits(self.filters) {
            return Ok(channels / groups);
        }
        let expected = format!(
            "[…, channels] with channels and filters ({}) that split into {groups} groups",
            self.filters
        );
        Err(Error::Shape { op: of, expected, got: input })
    }
}

/// One row for each example; its positions are all axes between the first and the last.
fn spatial_layout(dims: &Dims) -> Layout {
    let (rows, channels) = (dims.first().copied().unwrap_or(1), dims.last().copied().unwrap_or(1));
    let positions = dims.get(1..dims.len().saturating_sub(1)).unwrap_or_default().iter().product();
    Layout { rows, positions, channels }
}

macro_rules! convolution {
    ($rank:literal, $name:literal, $conv:ident, [$($axis:ident)+], $kernel:ty, $out:ty) => {
        impl<A: Dim, $($axis: Dim,)+ C: Dim> Geometry<(A, $($axis,)+ C)> for ConvMap<$rank> {
            type Kernel = $kernel;
            type Out = $out;

            fn kernel_shape(&self, input: &(A, $($axis,)+ C)) -> Result<$kernel> {
                let channels = self.channels_per_group($name, Dims::of(input))?;
                let dims: Dims = self.window.kernel.into_iter().chain([channels, self.filters]).collect();
                dims.typed().ok_or_else(|| Error::Shape { op: $name, expected: "a kernel".into(), got: dims })
            }

            fn apply<E: Float>(
                &self,
                x: &Var<(A, $($axis,)+ C), E>,
                kernel: &Var<$kernel, E>,
            ) -> Result<Var<Self::Out, E>> {
                Var::from_value($conv(x.value(), kernel.value(), &self.window)?)
            }

            fn layout(&self, dims: &Dims) -> Layout {
                spatial_layout(dims)
            }
        }

        impl Kinded for ConvMap<$rank> {
            fn kind(&self) -> &'static str {
                $name
            }

            fn settings(&self) -> String {
                let by = |sizes: &[usize]| sizes.iter().map(usize::to_string).collect::<Vec<_>>().join("×");
                let Window { kernel, strides, dilation, groups, padding } = &self.window;
                let mut settings = format!("{}, {}", self.filters, by(kernel));
                for (name, sizes) in [("stride", strides), ("dilation", dilation)] {
                    if sizes.iter().any(|&size| size != 1) {
                        settings += &format!(", {name} {}", by(sizes));
                    }
                }
                if *groups != 1 {
                    settings += &format!(", {groups} groups");
                }
                match padding {
                    Padding::Valid => settings,
                    Padding::Same => settings + ", same",
                    Padding::Causal => settings + ", causal",
                    Padding::Explicit { before, after } => settings + &format!(", padded {} and {}", by(before), by(after)),
                }
            }
        }
    };
}

convolution!(1, "Conv1d", conv1d, [B], (usize, usize, usize), (A, usize, usize));
convolution!(2, "Conv2d", conv2d, [B D], (usize, usize, usize, usize), (A, usize, usize, usize));
