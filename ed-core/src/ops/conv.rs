//! Convolutions of channels-last images and sequences.

use super::linalg::{fits, overwrite_or_add};
use super::window::Window;
use crate::error::{Error, Result};
use crate::kernels::conv::{self as kernel, Axis, Geometry};
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Dims, Float, Keep, Op, Value};

#[derive(Debug)]
struct Conv {
    name: &'static str,
    geometry: Geometry,
}

impl<E: Float> Op<E> for Conv {
    fn name(&self) -> &'static str {
        self.name
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        fits(kernel::forward(&self.geometry, inputs[0], inputs[1], out));
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (g, x, weights, grad_out) = (&self.geometry, pass.inputs[0], pass.inputs[1], pass.grad_out);
        if let Some(slot) = pass.grad(0) {
            overwrite_or_add(slot, |grad| fits(kernel::grad_input(g, grad_out, weights, grad)));
        }
        if let Some(slot) = pass.grad(1) {
            overwrite_or_add(slot, |grad| fits(kernel::grad_kernel(g, x, grad_out, grad)));
        }
    }
}

/// The axis of height 1 that makes an image of a sequence.
pub(super) const POINT: Axis = Axis { input: 1, output: 1, kernel: 1, stride: 1, dilation: 1, before: 0 };

/// Refuses sizes whose product no memory could hold.
pub(super) fn checked(op: &'static str, dims: Dims) -> Result<Dims> {
    let numbers = dims.iter().try_fold(size_of::<f64>(), |product, &size| product.checked_mul(size));
    match numbers {
        Some(bytes) if bytes <= isize::MAX as usize => Ok(dims),
        _ => Err(Error::Shape { op, expected: "that fits in memory for its output".into(), got: dims }),
    }
}

/// `[N, spatial…, Cin] ⋆ [kernel…, Cin / groups, Cout]`.
fn conv<const D: usize, E: Float>(
    name: &'static str,
    x: &Value<E>,
    weights: &Value<E>,
    window: &Window<D>,
    image: impl FnOnce([Axis; D]) -> [Axis; 2],
) -> Result<Value<E>> {
    let (dims, kernel_dims) = (*x.check()?.dims(), *weights.check()?.dims());
    let spatial =
        dims.get(1..dims.rank().saturating_sub(1)).and_then(|sizes| <[usize; D]>::try_from(sizes).ok());
    let (Some(spatial), true) = (spatial, dims.first() != Some(&0)) else {
        let axes = if D == 1 { "T" } else { "H, W" };
        let expected = format!("[N, {axes}, Cin] without an empty axis");
        return Err(Error::Shape { op: name, expected, got: dims });
    };
    let axes = window.axes(spatial)?;
    let (in_channels, groups) = (dims[D + 1], window.groups);
    if in_channels == 0 || in_channels % groups != 0 {
        let expected = format!("with a last axis that its {groups} groups divide");
        return Err(Error::Shape { op: name, expected, got: dims });
    }
    let out_channels = kernel_dims.last().copied().unwrap_or(0);
    let front = window.kernel.iter().copied().chain([in_channels / groups]);
    if !front.chain([out_channels]).eq(kernel_dims.iter().copied())
        || out_channels == 0
        || out_channels % groups != 0
    {
        let sizes = format!("{:?}", window.kernel);
        let expected = format!(
            "[{}, {}, Cout] for its kernel, with Cout a multiple of the {groups} groups",
            sizes.trim_matches(['[', ']']),
            in_channels / groups
        );
        return Err(Error::Shape { op: name, expected, got: kernel_dims });
    }
    let out: Dims =
        [dims[0]].into_iter().chain(axes.iter().map(|axis| axis.output)).chain([out_channels]).collect();
    let out = checked(name, out)?;
    let [rows, columns] = image(axes);
    let geometry = Geometry { batch: dims[0], rows, columns, in_channels, out_channels, groups };
    Ok(apply(Conv { name, geometry }, &[x, weights], out))
}

/// The convolution of images with a kernel: `[N, H, W, Cin] ⋆ [KH, KW, Cin / groups, Cout] → [N, OH, OW, Cout]`.
///
/// As everywhere in machine learning the kernel is not flipped. With several groups, group `j` of the output channels,
/// `Cout / groups` consecutive ones, sees group `j` of the input channels only. The gradient of an input that is not
/// watched is not computed.
///
/// # Errors
/// [`Error::Parameter`] as [`Window::output_size`], or [`Error::Shape`] if an axis is empty or the input, the kernel and
/// the groups do not fit together.
///
/// # Examples
/// ```
/// use ed::ops::{Padding, Window, conv::conv2d};
/// use ed::tensor::Value;
/// # fn main() -> ed::Result<()> {
/// // An image of 2 × 2 pixels, and a kernel that adds each pixel's right neighbour, ten times, to it.
/// let image = Value::from_vec(vec![1.0, 2.0, 3.0, 4.0], [1, 2, 2, 1].into_iter().collect())?;
/// let kernel = Value::from_vec(vec![1.0, 10.0], [1, 2, 1, 1].into_iter().collect())?;
/// let window = Window::new([1, 2]).with_padding(Padding::Same);
/// let sums = conv2d(&image, &kernel, &window)?;
/// assert_eq!(**sums.dims(), [1, 2, 2, 1]);
/// assert_eq!(sums.as_slice()?, [21.0, 2.0, 43.0, 4.0]);
/// # Ok(()) }
/// ```
///
/// # Source
/// V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285.
pub fn conv2d<E: Float>(x: &Value<E>, kernel: &Value<E>, window: &Window<2>) -> Result<Value<E>> {
    conv("conv2d", x, kernel, window, |axes| axes)
}

/// The convolution of sequences with a kernel: `[N, T, Cin] ⋆ [K, Cin / groups, Cout] → [N, OT, Cout]`.
///
/// See [`conv2d`], of which this is the case of height 1, and [`Padding::Causal`](super::Padding::Causal).
///
/// # Errors
/// See [`conv2d`].
///
/// # Examples
/// ```
/// use ed::ops::{Padding, Window, conv::conv1d};
/// use ed::tensor::Value;
/// # fn main() -> ed::Result<()> {
/// let sequence = Value::from_vec(vec![1.0, 2.0, 4.0], [1, 3, 1].into_iter().collect())?;
/// let kernel = Value::from_vec(vec![-1.0, 1.0], [2, 1, 1].into_iter().collect())?;
/// let steps = conv1d(&sequence, &kernel, &Window::new([2]).with_padding(Padding::Causal))?;
/// assert_eq!(steps.as_slice()?, [1.0, 1.0, 2.0]);
/// # Ok(()) }
/// ```
pub fn conv1d<E: Float>(x: &Value<E>, kernel: &Value<E>, window: &Window<1>) -> Result<Value<E>> {
    conv("conv1d", x, kernel, window, |[time]| [POINT, time])
}
