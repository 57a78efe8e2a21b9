//! Convolutions of channels-last images, with both gradients, on all cores.
//!
//! Images are `[N, H, W, Cin]`, kernels `[KH, KW, Cin / groups, Cout]`, results `[N, OH, OW, Cout]`; as everywhere in
//! machine learning it is a cross-correlation, the kernel is not flipped. A sequence `[N, T, C]` is an image of
//! height 1.
//!
//! - [`Geometry`] has the sizes; `lattice` says which pixels of a source each pixel of a destination reads. The
//!   gradient by the input reads the gradient of the output in the same manner in which the output reads the input,
//!   so both are one routine.
//! - `products` copies what a few pixels read into a panel that stays in the second-level cache and multiplies it by the
//!   kernel as a matrix; no larger copy of the image ever exists.
//! - `depthwise` is for one input channel a group, where such products would be of a vector with a number.
//!
//! The panels depend on the sizes only, so no result depends on the number of threads.

mod depthwise;
mod gather;
pub(in crate::kernels) mod lattice;
mod products;

pub use lattice::{Axis, Geometry};

use super::float::Real;
use super::linalg::{LinalgError, check_len};

/// `out = x ⋆ kernel`.
///
/// # Errors
/// [`LinalgError::Length`] if a slice does not fit the geometry.
///
/// ```
/// use ed_core::kernels::conv::{self, Axis, Geometry};
/// // A sequence of three numbers and a kernel of two, without padding.
/// let point = Axis { input: 1, output: 1, kernel: 1, stride: 1, dilation: 1, before: 0 };
/// let time = Axis { input: 3, output: 2, kernel: 2, ..point };
/// let g = Geometry { batch: 1, rows: point, columns: time, in_channels: 1, out_channels: 1, groups: 1 };
/// let mut out = [0.0; 2];
/// conv::forward(&g, &[1.0, 2.0, 4.0], &[1.0, 10.0], &mut out).unwrap();
/// assert_eq!(out, [21.0, 42.0]);
/// ```
pub fn forward<T: Real>(g: &Geometry, x: &[T], kernel: &[T], out: &mut [T]) -> Result<(), LinalgError> {
    check_len("x", x, g.input_len())?;
    check_len("kernel", kernel, g.kernel_len())?;
    check_len("out", out, g.output_len())?;
    if g.is_depthwise() {
        depthwise::forward(g, x, kernel, out);
    } else {
        products::Correlation::forward(g, kernel).run(x, out);
    }
    Ok(())
}

/// The gradient by the input, from the gradient by the output: `grad_in` is overwritten.
///
/// # Errors
/// [`LinalgError::Length`] if a slice does not fit the geometry.
pub fn grad_input<T: Real>(
    g: &Geometry,
    grad_out: &[T],
    kernel: &[T],
    grad_in: &mut [T],
) -> Result<(), LinalgError> {
    check_len("grad_out", grad_out, g.output_len())?;
    check_len("kernel", kernel, g.kernel_len())?;
    check_len("grad_in", grad_in, g.input_len())?;
    if g.is_depthwise() {
        depthwise::grad_input(g, grad_out, kernel, grad_in);
    } else {
        products::Correlation::backward(g, kernel).run(grad_out, grad_in);
    }
    Ok(())
}

/// The gradient by the kernel, from the gradient by the output: `grad_kernel` is overwritten.
///
/// # Errors
/// [`LinalgError::Length`] if a slice does not fit the geometry.
pub fn grad_kernel<T: Real>(
    g: &Geometry,
    x: &[T],
    grad_out: &[T],
    grad_kernel: &mut [T],
) -> Result<(), LinalgError> {
    check_len("x", x, g.input_len())?;
    check_len("grad_out", grad_out, g.output_len())?;
    check_len("grad_kernel", grad_kernel, g.kernel_len())?;
    if g.is_depthwise() {
        depthwise::grad_kernel(g, x, grad_out, grad_kernel);
    } else {
        products::grad_kernel(g, x, grad_out, grad_kernel);
    }
    Ok(())
}
