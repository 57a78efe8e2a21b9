//! Maxima and means under a sliding window.

use super::conv::{POINT, checked};
use super::linalg::fits;
use super::window::Window;
use crate::error::{Error, Result};
use crate::kernels::conv::{Axis, Geometry};
use crate::kernels::pool as kernel;
use crate::tensor::dims::product;
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Buffer, Dims, Float, Keep, Op, Value};

/// Taps of a window that `f32` can count: a maximum remembers the tap that it came from as a number.
const MOST_TAPS: usize = 1 << 24;

#[derive(Debug)]
struct MaxPool(Geometry);

#[derive(Debug)]
struct MeanPool(Geometry);

impl<E: Float> Op<E> for MaxPool {
    fn name(&self) -> &'static str {
        "max_pool"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], mut keep: Keep<'_, E>) {
        if keep.wants_any() {
            let taps = keep.saved();
            taps.resize(out.len(), E::ZERO);
            fits(kernel::max(&self.0, inputs[0], out, taps));
        } else {
            let mut taps = Buffer::scratch(out.len());
            fits(kernel::max(&self.0, inputs[0], out, &mut taps));
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (taps, grad_out) = (pass.saved, pass.grad_out);
        if let Some(slot) = pass.grad(0) {
            fits(kernel::max_backward(&self.0, taps, grad_out, slot.add()));
        }
    }
}

impl<E: Float> Op<E> for MeanPool {
    fn name(&self) -> &'static str {
        "avg_pool"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        fits(kernel::mean(&self.0, inputs[0], out));
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let grad_out = pass.grad_out;
        if let Some(slot) = pass.grad(0) {
            fits(kernel::mean_backward(&self.0, grad_out, slot.add()));
        }
    }
}

/// Whether the window covers a pixel of the input at every output.
fn always_covers(axis: &Axis) -> bool {
    (0..axis.output).all(|output| {
        // The first tap at or behind the front of the input; signed, because padding lies before it.
        let first = (output * axis.stride) as isize - axis.before as isize;
        let skipped = (-first).max(0) as usize;
        let tap = skipped.div_ceil(axis.dilation);
        tap < axis.kernel && first + ((tap * axis.dilation) as isize) < axis.input as isize
    })
}

/// The geometry of a pool over `[N, spatial…, C]`, and the shape of the result.
fn geometry<const D: usize, E: Float>(
    op: &'static str,
    x: &Value<E>,
    window: &Window<D>,
    image: impl FnOnce([Axis; D]) -> [Axis; 2],
) -> Result<(Geometry, Dims)> {
    let dims = *x.check()?.dims();
    let spatial =
        dims.get(1..dims.rank().saturating_sub(1)).and_then(|sizes| <[usize; D]>::try_from(sizes).ok());
    let (Some(spatial), false) = (spatial, dims.contains(&0)) else {
        let axes = if D == 1 { "T" } else { "H, W" };
        return Err(Error::Shape {
            op,
            expected: format!("[N, {axes}, C] without an empty axis"),
            got: dims,
        });
    };
    if window.groups != 1 {
        return Err(Error::Parameter {
            of: op,
            name: "groups",
            must_be: "1: every channel is pooled by itself",
            got: window.groups.to_string(),
        });
    }
    let axes = window.axes(spatial)?;
    if !axes.iter().all(always_covers) {
        return Err(Error::Parameter {
            of: op,
            name: "padding",
            must_be: "such that every window covers at least one pixel",
            got: format!("{window:?} over {spatial:?}"),
        });
    }
    if window
        .kernel
        .iter()
        .try_fold(1, |taps: usize, &size| taps.checked_mul(size))
        .is_none_or(|taps| taps > MOST_TAPS)
    {
        return Err(Error::Parameter {
            of: op,
            name: "kernel",
            must_be: "of at most 2^24 taps",
            got: format!("{:?}", window.kernel),
        });
    }
    let channels = dims[D + 1];
    let out = [dims[0]].into_iter().chain(axes.iter().map(|axis| axis.output)).chain([channels]).collect();
    let out = checked(op, out)?;
    let [rows, columns] = image(axes);
    let sizes = Geometry {
        batch: dims[0],
        rows,
        columns,
        in_channels: channels,
        out_channels: channels,
        groups: channels,
    };
    Ok((sizes, out))
}

/// The largest number under the window, channel by channel: `[N, H, W, C] → [N, OH, OW, C]`.
///
/// Padding is never the largest. Of equal numbers the first, row by row, gets the gradient. NaN wins.
///
/// # Errors
/// [`Error::Parameter`] as [`Window::output_size`], if a window lies in the padding only, or if there are groups;
/// [`Error::Shape`] if the input is not `[N, H, W, C]` or has an empty axis.
///
/// # Examples
/// ```
/// use ed::ops::{Window, pool::max_pool2d};
/// use ed::tensor::Value;
/// # fn main() -> ed::Result<()> {
/// let image = Value::from_vec(vec![1.0, 2.0, 3.0, -4.0], [1, 2, 2, 1].into_iter().collect())?;
/// let largest = max_pool2d(&image, &Window::new([2, 2]).with_strides([2, 2]))?;
/// assert_eq!(largest.as_slice()?, [3.0]);
/// # Ok(()) }
/// ```
pub fn max_pool2d<E: Float>(x: &Value<E>, window: &Window<2>) -> Result<Value<E>> {
    let (geometry, out) = geometry("max_pool2d", x, window, |axes| axes)?;
    Ok(apply(MaxPool(geometry), &[x], out))
}

/// The largest number under the window, channel by channel: `[N, T, C] → [N, OT, C]`.
///
/// See [`max_pool2d`].
///
/// # Errors
/// See [`max_pool2d`].
pub fn max_pool1d<E: Float>(x: &Value<E>, window: &Window<1>) -> Result<Value<E>> {
    let (geometry, out) = geometry("max_pool1d", x, window, |[time]| [POINT, time])?;
    Ok(apply(MaxPool(geometry), &[x], out))
}

/// The mean of the numbers under the window, channel by channel: `[N, H, W, C] → [N, OH, OW, C]`.
///
/// Padding does not count: at the edge the mean is over fewer numbers.
///
/// # Errors
/// See [`max_pool2d`].
///
/// # Examples
/// ```
/// use ed::ops::{Padding, Window, pool::avg_pool2d};
/// use ed::tensor::Value;
/// # fn main() -> ed::Result<()> {
/// let image = Value::from_vec(vec![1.0, 2.0, 6.0], [1, 1, 3, 1].into_iter().collect())?;
/// let means = avg_pool2d(&image, &Window::new([1, 3]).with_padding(Padding::Same))?;
/// assert_eq!(means.as_slice()?, [1.5, 3.0, 4.0]);
/// # Ok(()) }
/// ```
pub fn avg_pool2d<E: Float>(x: &Value<E>, window: &Window<2>) -> Result<Value<E>> {
    let (geometry, out) = geometry("avg_pool2d", x, window, |axes| axes)?;
    Ok(apply(MeanPool(geometry), &[x], out))
}

/// The mean of the numbers under the window, channel by channel: `[N, T, C] → [N, OT, C]`.
///
/// See [`avg_pool2d`].
///
/// # Errors
/// See [`max_pool2d`].
pub fn avg_pool1d<E: Float>(x: &Value<E>, window: &Window<1>) -> Result<Value<E>> {
    let (geometry, out) = geometry("avg_pool1d", x, window, |[time]| [POINT, time])?;
    Ok(apply(MeanPool(geometry), &[x], out))
}

/// `[N, spatial…, C]` as `[N, T, C]`, with the window of all of `T`.
fn flattened<E: Float>(op: &'static str, x: &Value<E>) -> Result<(Value<E>, Window<1>, Dims)> {
    let dims = *x.check()?.dims();
    let [batch, spatial @ .., channels] = &*dims else {
        return Err(Error::Shape { op, expected: "[N, …, C]".into(), got: dims });
    };
    let pixels = product(spatial);
    let sequence = [*batch, pixels, *channels].into_iter().collect();
    Ok((x.with_dims(sequence), Window::new([pixels]), [*batch, *channels].into_iter().collect()))
}

/// The largest number of each channel: `[N, …, C] → [N, C]`.
///
/// # Errors
/// [`Error::Shape`] unless there are at least the axes `N` and `C`; [`Error::Parameter`] if an axis is empty.
///
/// # Examples
/// ```
/// use ed::ops::pool::{global_avg_pool, global_max_pool};
/// use ed::tensor::Value;
/// # fn main() -> ed::Result<()> {
/// let image = Value::from_vec(vec![1.0, 2.0, 3.0, -4.0], [1, 1, 2, 2].into_iter().collect())?;
/// assert_eq!(global_max_pool(&image)?.as_slice()?, [3.0, 2.0]);
/// assert_eq!(global_avg_pool(&image)?.as_slice()?, [2.0, -1.0]);
/// # Ok(()) }
/// ```
pub fn global_max_pool<E: Float>(x: &Value<E>) -> Result<Value<E>> {
    let (sequence, window, out) = flattened("global_max_pool", x)?;
    Ok(max_pool1d(&sequence, &window)?.with_dims(out))
}

/// The mean of each channel: `[N, …, C] → [N, C]`.
///
/// See [`global_max_pool`], also for an example.
///
/// # Errors
/// See [`global_max_pool`].
pub fn global_avg_pool<E: Float>(x: &Value<E>) -> Result<Value<E>> {
    let (sequence, window, out) = flattened("global_avg_pool", x)?;
    Ok(avg_pool1d(&sequence, &window)?.with_dims(out))
}
