//! Sliding windows: what convolutions and pools have in common.

use std::fmt::Debug;

use crate::error::{Error, Result};
use crate::kernels::conv::Axis;

/// What lies around an image when a window slides over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Padding<const D: usize> {
    /// Nothing: the window stays inside, and the output has `⌊(n - span) / stride⌋ + 1` pixels on an axis of `n`, where
    /// `span = (kernel - 1) dilation + 1`.
    Valid,
    /// As much as it takes for `⌈n / stride⌉` output pixels: `max((⌈n / stride⌉ - 1) stride + span - n, 0)` in all, the
    /// smaller half in front. This is TensorFlow's `SAME`.
    Same,
    /// `span - 1` in front and nothing behind, so that an output sees no later input. For sequences only.
    Causal,
    /// As given, axis by axis.
    Explicit {
        /// In front of the first pixel.
        before: [usize; D],
        /// Behind the last pixel.
        after: [usize; D],
    },
}

/// A window that slides over the `D` axes of an image (2: height and width) or a sequence (1: time).
///
/// Output pixel `o` sees the input pixels `o stride + k dilation - padding in front`, for `k` in `0..kernel`, on either
/// axis. The sizes are checked when the window meets an image, by [`Window::output_size`] and by the operations.
///
/// # Examples
/// ```
/// use ed::ops::{Padding, Window};
/// # fn main() -> ed::Result<()> {
/// let window = Window::new([5, 5]).with_strides([2, 2]).with_padding(Padding::Same);
/// assert_eq!(window.output_size([32, 31])?, [16, 16]);
/// assert_eq!(Window::new([3]).with_dilation([2]).output_size([10])?, [6]);
/// assert!(Window::new([3]).output_size([2]).is_err());
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window<const D: usize> {
    /// Taps on each axis.
    pub kernel: [usize; D],
    /// Distance between neighbouring outputs, in input pixels.
    pub strides: [usize; D],
    /// Distance between neighbouring taps, in input pixels.
    pub dilation: [usize; D],
    /// Parts into which a convolution splits the channels; each part of the output sees its part of the input only.
    pub groups: usize,
    /// What lies around the image.
    pub padding: Padding<D>,
}

impl<const D: usize> Window<D> {
    /// A window of so many taps: strides, dilation and groups of 1, no padding.
    pub fn new(kernel: [usize; D]) -> Window<D> {
        Window { kernel, strides: [1; D], dilation: [1; D], groups: 1, padding: Padding::Valid }
    }

    /// The same window with other strides.
    pub fn with_strides(self, strides: [usize; D]) -> Window<D> {
        Window { strides, ..self }
    }

    /// The same window with other distances between its taps.
    pub fn with_dilation(self, dilation: [usize; D]) -> Window<D> {
        Window { dilation, ..self }
    }

    /// The same window over so many groups of channels.
    pub fn with_groups(self, groups: usize) -> Window<D> {
        Window { groups, ..self }
    }

    /// The same window over another padding.
    pub fn with_padding(self, padding: Padding<D>) -> Window<D> {
        Window { padding, ..self }
    }

    /// The sizes of the output for an input of these sizes.
    ///
    /// # Errors
    /// [`Error::Parameter`] if a size, stride, dilation or the number of groups is zero, if the window is larger than the
    /// padded input, if a causal window has more than one axis, or if a size overflows.
    pub fn output_size(&self, input: [usize; D]) -> Result<[usize; D]> {
        Ok(self.axes(input)?.map(|axis| axis.output))
    }

    /// The axes of an input of these sizes under the window; the errors are those of [`Window::output_size`].
    pub(super) fn axes(&self, input: [usize; D]) -> Result<[Axis; D]> {
        let sizes = [
            ("kernel", self.kernel),
            ("strides", self.strides),
            ("dilation", self.dilation),
            ("input", input),
        ];
        for (name, sizes) in sizes {
            if sizes.contains(&0) {
                return Err(refusal(name, "at least 1 on every axis", &sizes));
            }
        }
        if self.groups == 0 {
            return Err(refusal("groups", "at least 1", &0));
        }
        if self.padding == Padding::Causal && D != 1 {
            return Err(refusal(
                "padding",
                "`Same`, `Valid` or `Explicit` on more than one axis",
                &self.padding,
            ));
        }
        let mut axes = [Axis { input: 0, output: 0, kernel: 0, stride: 0, dilation: 0, before: 0 }; D];
        for (index, axis) in axes.iter_mut().enumerate() {
            *axis = self.axis(index, input[index])?;
        }
        Ok(axes)
    }

    fn axis(&self, index: usize, input: usize) -> Result<Axis> {
        let (kernel, stride, dilation) = (self.kernel[index], self.strides[index], self.dilation[index]);
        let sizes = || -> Option<(usize, usize, usize)> {
            let span = (kernel - 1).checked_mul(dilation)?.checked_add(1)?;
            let (before, after) = match self.padding {
                Padding::Valid => (0, 0),
                Padding::Causal => (span - 1, 0),
                Padding::Explicit { before, after } => (before[index], after[index]),
                Padding::Same => {
                    let last = (input.div_ceil(stride) - 1) * stride;
                    let total = last.checked_add(span)?.saturating_sub(input);
                    (total / 2, total - total / 2)
                }
            };
            let padded = input.checked_add(before)?.checked_add(after)?;
            // Positions are signed on their way through the kernels, and a step past the end must fit as well.
            let room = padded.checked_add(span)?.checked_add(stride)?;
            (room <= isize::MAX as usize).then_some((span, before, padded))
        };
        let Some((span, before, padded)) = sizes() else {
            let got = format!("{self:?} over {input} pixels");
            return Err(refusal("kernel", "such that its span and the padded input fit in memory", &got));
        };
        if padded < span {
            let got = format!("a span of {span} over {padded} pixels on axis {index}");
            return Err(Error::Parameter {
                of: "Window",
                name: "kernel",
                must_be: "no larger than the padded input",
                got,
            });
        }
        Ok(Axis { input, output: (padded - span) / stride + 1, kernel, stride, dilation, before })
    }
}

fn refusal(name: &'static str, must_be: &'static str, got: &dyn Debug) -> Error {
    Error::Parameter { of: "Window", name, must_be, got: format!("{got:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<const D: usize>(window: Window<D>, input: [usize; D]) -> String {
        window.output_size(input).unwrap_err().to_string()
    }

    #[test]
    fn same_padding_puts_the_smaller_half_in_front() {
        // Sizes and pads of tf.nn.conv2d's documentation of SAME.
        for (input, kernel, stride, dilation, output, before) in [
            (32, 5, 2, 1, 16, 1),
            (32, 5, 1, 1, 32, 2),
            (7, 2, 1, 1, 7, 0),
            (10, 1, 4, 1, 3, 0),
            (9, 3, 2, 2, 5, 2),
        ] {
            let window = Window {
                strides: [stride],
                dilation: [dilation],
                padding: Padding::Same,
                ..Window::new([kernel])
            };
            let [axis] = window.axes([input]).unwrap();
            assert_eq!((axis.output, axis.before), (output, before), "{window:?} over {input}");
        }
    }

    #[test]
    fn a_causal_window_keeps_the_length() {
        let window = Window::new([3]).with_dilation([4]).with_padding(Padding::Causal);
        assert_eq!(window.output_size([5]).unwrap(), [5]);
        assert!(
            message(Window::new([3, 3]).with_padding(Padding::Causal), [5, 5]).contains("`padding` must be")
        );
    }

    #[test]
    fn refuses_sizes_of_zero() {
        assert_eq!(
            message(Window::new([3, 3]).with_strides([1, 0]), [5, 5]),
            "Window: `strides` must be at least 1 on every axis, got [1, 0]"
        );
        assert!(message(Window::new([0]), [5]).contains("`kernel`"));
        assert!(message(Window::new([2]).with_dilation([0]), [5]).contains("`dilation`"));
        assert!(message(Window::new([2]), [0]).contains("`input`"));
        assert!(message(Window::new([2]).with_groups(0), [5]).contains("`groups`"));
    }

    #[test]
    fn refuses_a_window_larger_than_the_padded_input() {
        let window = Window::new([2, 3])
            .with_dilation([1, 4])
            .with_padding(Padding::Explicit { before: [0, 1], after: [0, 2] });
        assert_eq!(window.output_size([2, 6]).unwrap(), [1, 1]);
        assert_eq!(
            message(window, [2, 5]),
            "Window: `kernel` must be no larger than the padded input, got a span of 9 over 8 pixels on axis 1"
        );
    }

    #[test]
    fn refuses_sizes_that_overflow() {
        for window in [
            Window::new([usize::MAX]).with_dilation([2]),
            Window::new([2]).with_dilation([usize::MAX]).with_padding(Padding::Same),
            Window::new([1]).with_padding(Padding::Explicit { before: [usize::MAX], after: [1] }),
            Window::new([1]).with_strides([usize::MAX]),
        ] {
            assert!(message(window, [5]).contains("fit in memory"), "{window:?}");
        }
    }
}
