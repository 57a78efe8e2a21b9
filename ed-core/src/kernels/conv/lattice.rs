//! Which pixels of a source each pixel of a destination reads: the sizes of windows, forwards and backwards.

use std::ops::Range;

/// One axis of an image under a sliding window.
///
/// Output `o` reads the inputs `o stride + k dilation - before` for `k` in `0..kernel`; outside of the image there is
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Pixels of the input.
    pub input: usize,
    /// Pixels of the output.
    pub output: usize,
    /// Taps of the window.
    pub kernel: usize,
    /// Distance between neighbouring outputs, in inputs.
    pub stride: usize,
    /// Distance between neighbouring taps, in inputs.
    pub dilation: usize,
    /// Padding in front of the first input.
    pub before: usize,
}

/// The sizes of a convolution. All are at least 1, and both numbers of channels are multiples of `groups`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Images.
    pub batch: usize,
    /// The vertical axis.
    pub rows: Axis,
    /// The horizontal axis.
    pub columns: Axis,
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Parts into which the channels are split; each part of the output sees its part of the input only.
    pub groups: usize,
}

impl Geometry {
    /// Numbers in the input.
    pub fn input_len(&self) -> usize {
        self.batch * self.rows.input * self.columns.input * self.in_channels
    }

    /// Numbers in the output.
    pub fn output_len(&self) -> usize {
        self.batch * self.rows.output * self.columns.output * self.out_channels
    }

    /// Numbers in the kernel.
    pub fn kernel_len(&self) -> usize {
        self.taps() * self.in_channels / self.groups * self.out_channels
    }

    /// Pixels under the window.
    pub(in crate::kernels) fn taps(&self) -> usize {
        self.rows.kernel * self.columns.kernel
    }

    /// Whether each group has one input channel, and there are several.
    pub(super) fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.groups == self.in_channels
    }

    /// How the output reads the input.
    pub(in crate::kernels) fn forwards(&self) -> Lattice {
        Lattice {
            batch: self.batch,
            rows: Line::forwards(&self.rows),
            columns: Line::forwards(&self.columns),
        }
    }

    /// How the gradient by the input reads the gradient by the output.
    pub(in crate::kernels) fn backwards(&self) -> Lattice {
        Lattice {
            batch: self.batch,
            rows: Line::backwards(&self.rows),
            columns: Line::backwards(&self.columns),
        }
    }
}

/// A tap of the window, and where it reads.
#[derive(Clone, Copy, Debug)]
pub(in crate::kernels) struct Tap {
    /// Its index in the window.
    pub index: usize,
    /// Pixel `i` of the phase reads source pixel `i step + offset`, if the source has it.
    pub offset: isize,
}

/// One axis of a destination. Its pixels fall into `stride` phases, `phase + i stride`, whose pixels all have the same
/// taps: backwards, a strided window reaches an input pixel with some of its taps only.
#[derive(Debug)]
pub(in crate::kernels) struct Line {
    /// Pixels of the destination and of the source.
    pub dest: usize,
    pub source: usize,
    /// Distance between neighbouring pixels of a phase, in the destination and in the source.
    pub stride: usize,
    pub step: usize,
    /// The taps of each phase, by ascending offset.
    pub phases: Vec<Vec<Tap>>,
}

impl Line {
    fn forwards(axis: &Axis) -> Line {
        let tap = |k: usize| Tap { index: k, offset: (k * axis.dilation) as isize - axis.before as isize };
        let phases = vec![(0..axis.kernel).map(tap).collect()];
        Line { dest: axis.output, source: axis.input, stride: 1, step: axis.stride, phases }
    }

    fn backwards(axis: &Axis) -> Line {
        let stride = axis.stride as isize;
        // Input `phase + i stride` is read by output `o` through tap `k` if `o stride + k dilation - before` is it.
        let taps = |phase: usize| {
            let reads = |k: usize| (phase + axis.before) as isize - (k * axis.dilation) as isize;
            let reached = (0..axis.kernel).rev().filter(|&k| reads(k).rem_euclid(stride) == 0);
            reached.map(|k| Tap { index: k, offset: reads(k).div_euclid(stride) }).collect()
        };
        let phases = (0..axis.stride.min(axis.input)).map(taps).collect();
        Line { dest: axis.input, source: axis.output, stride: axis.stride, step: 1, phases }
    }

    /// The source pixel that pixel `i` of a phase reads through a tap.
    #[inline(always)]
    pub fn read(&self, i: usize, tap: Tap) -> Option<usize> {
        let at = (i * self.step) as isize + tap.offset;
        (0..self.source as isize).contains(&at).then_some(at as usize)
    }
}

/// Both axes, and the images.
#[derive(Debug)]
pub(in crate::kernels) struct Lattice {
    pub batch: usize,
    pub rows: Line,
    pub columns: Line,
}

/// Neighbouring pixels of one phase in one row of the destination.
#[derive(Clone, Copy, Debug)]
pub(in crate::kernels) struct Segment {
    pub image: usize,
    /// Index of the row within its phase.
    pub row: usize,
    /// Index of the first pixel within its phase, and how many there are.
    pub first: usize,
    pub count: usize,
    /// The first pixel, counted from the start of the range.
    pub dest: usize,
}

/// The index within its phase of the first pixel from `at` on.
fn index_from(at: usize, phase: usize, stride: usize) -> usize {
    at.saturating_sub(phase).div_ceil(stride)
}

impl Lattice {
    /// Pixels of the destination.
    pub fn dest_pixels(&self) -> usize {
        self.batch * self.rows.dest * self.columns.dest
    }

    /// The pixels of one phase, row by row, among a range of the destination's.
    pub fn segments(&self, range: Range<usize>, phase: [usize; 2]) -> impl Iterator<Item = Segment> {
        let (height, width) = (self.rows.dest, self.columns.dest);
        let lines = range.start / width..range.end.div_ceil(width);
        lines.filter_map(move |line| {
            let (image, y) = (line / height, line % height);
            if y % self.rows.stride != phase[0] {
                return None;
            }
            let (start, stride) = (line * width, self.columns.stride);
            let from = range.start.saturating_sub(start);
            let to = (range.end - start).min(width);
            let first = index_from(from, phase[1], stride);
            let count = index_from(to, phase[1], stride).saturating_sub(first);
            let dest = start + phase[1] + first * stride;
            (count > 0).then(|| Segment {
                image,
                row: y / self.rows.stride,
                first,
                count,
                dest: dest - range.start,
            })
        })
    }

    /// Calls `visit(pixel, tap, source)` for all that a range of the destination reads, pixel by pixel: the pixel counted
    /// from the start of the range, the tap's index in a window of `kernel_width` columns, and the source pixel.
    #[inline(always)]
    pub fn for_each_tap(
        &self,
        range: Range<usize>,
        kernel_width: usize,
        mut visit: impl FnMut(usize, usize, usize),
    ) {
        let (height, width) = (self.rows.dest, self.columns.dest);
        for (pixel, place) in range.enumerate() {
            let (line, x) = (place / width, place % width);
            let (image, y) = (line / height, line % height);
            let (row, column) = (y / self.rows.stride, x / self.columns.stride);
            for &vertical in &self.rows.phases[y % self.rows.stride] {
                let Some(y) = self.rows.read(row, vertical) else { continue };
                for &horizontal in &self.columns.phases[x % self.columns.stride] {
                    let Some(x) = self.columns.read(column, horizontal) else { continue };
                    let source = (image * self.rows.source + y) * self.columns.source + x;
                    visit(pixel, vertical.index * kernel_width + horizontal.index, source);
                }
            }
        }
    }
}
