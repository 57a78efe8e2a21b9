//! Convolutions as products of panels with the kernel.

use std::borrow::Cow;
use std::ops::Range;

use faer::{Accum, Par};

use super::gather::Gather;
use super::lattice::{Geometry, Lattice};
use crate::kernels::float::Real;
use crate::kernels::linalg::{view, view_mut};
use crate::kernels::parallel::{Rows, for_each, map_reduce};

/// Numbers in a panel: it stays in the second-level cache beside the kernel, and is large enough for products to run at
/// their full rate.
const PANEL: usize = 1 << 15;

/// Pixels in a panel of a large kernel, each weight of which is read once for so many pixels.
const FEWEST_PIXELS: usize = 32;

/// Fused multiply-adds that are worth a task.
const TASK: usize = 1 << 21;

/// Parts into which the gradient by the kernel is split: each adds up a kernel of its own.
const PARTS: usize = 32;

/// Pixels of a destination that fill one panel, in whole rows where they are short, when `cover` pixels have one row of
/// `width` numbers in it.
fn panel_pixels(lattice: &Lattice, width: usize, cover: usize) -> usize {
    let pixels = (PANEL / width.max(1)).max(FEWEST_PIXELS) * cover;
    let rows = lattice.columns.dest * lattice.rows.stride;
    if pixels > rows { pixels / rows * rows } else { pixels }
}

/// A destination whose pixels are weighted sums of what they read from a source.
pub(super) struct Correlation<'a, T: Clone> {
    lattice: Lattice,
    source_channels: usize,
    dest_channels: usize,
    groups: usize,
    /// The weights of each phase, row of phases by row: a row for each tap and channel of the group, a column for each
    /// channel of the destination.
    weights: Vec<Cow<'a, [T]>>,
}

impl<'a, T: Real> Correlation<'a, T> {
    /// The output from the input.
    pub fn forward(g: &Geometry, kernel: &'a [T]) -> Correlation<'a, T> {
        Correlation {
            lattice: g.forwards(),
            source_channels: g.in_channels,
            dest_channels: g.out_channels,
            groups: g.groups,
            weights: vec![Cow::Borrowed(kernel)],
        }
    }

    /// The gradient by the input from the gradient by the output.
    pub fn backward(g: &Geometry, kernel: &'a [T]) -> Correlation<'a, T> {
        let lattice = g.backwards();
        let (ins, outs) = (g.in_channels / g.groups, g.out_channels / g.groups);
        let mut weights = Vec::new();
        for vertical in &lattice.rows.phases {
            for horizontal in &lattice.columns.phases {
                let mut transposed = vec![T::ZERO; vertical.len() * horizontal.len() * outs * g.in_channels];
                let taps = vertical.iter().flat_map(|v| horizontal.iter().map(move |h| (v, h)));
                for (into, (v, h)) in transposed.chunks_exact_mut(outs * g.in_channels).zip(taps) {
                    let tap = v.index * g.columns.kernel + h.index;
                    let from = &kernel[tap * ins * g.out_channels..][..ins * g.out_channels];
                    for (input, row) in from.chunks_exact(g.out_channels).enumerate() {
                        for (output, &weight) in row.iter().enumerate() {
                            let (group, output) = (output / outs, output % outs);
                            into[output * g.in_channels + group * ins + input] = weight;
                        }
                    }
                }
                weights.push(Cow::Owned(transposed));
            }
        }
        Correlation {
            lattice,
            source_channels: g.out_channels,
            dest_channels: g.in_channels,
            groups: g.groups,
            weights,
        }
    }

    /// Writes every number of `dest`.
    pub fn run(&self, source: &[T], dest: &mut [T]) {
        let (rows, columns) = (&self.lattice.rows, &self.lattice.columns);
        let phases: Vec<([usize; 2], Gather)> = (0..rows.phases.len())
            .flat_map(|y| (0..columns.phases.len()).map(move |x| [y, x]))
            .map(|phase| (phase, Gather::new(&self.lattice, phase, self.source_channels, self.groups)))
            .collect();
        let width = phases.iter().map(|(_, gather)| gather.width()).max().unwrap_or(0);
        let panel = panel_pixels(&self.lattice, width, phases.len());
        let panel_work = panel / phases.len().max(1) * width * self.dest_channels;
        let chunk = panel * (TASK / panel_work.max(1)).max(1);
        for_each(Rows::new(dest, self.dest_channels), chunk, |start, dest| {
            let mut scratch = Scratch { panel: Vec::new(), product: Vec::new() };
            let parts = dest.into_inner().chunks_mut(panel * self.dest_channels);
            for (index, dest) in parts.enumerate() {
                let start = start + index * panel;
                for ((phase, gather), weights) in phases.iter().zip(&self.weights) {
                    let range = start..start + dest.len() / self.dest_channels;
                    self.run_phase(range, *phase, gather, weights, source, dest, &mut scratch);
                }
            }
        });
    }

    /// One phase of a range of the destination's pixels.
    #[expect(clippy::too_many_arguments, reason = "the body of one loop nest")]
    fn run_phase(
        &self,
        range: Range<usize>,
        phase: [usize; 2],
        gather: &Gather,
        weights: &[T],
        source: &[T],
        dest: &mut [T],
        scratch: &mut Scratch<T>,
    ) {
        let segments = || self.lattice.segments(range.clone(), phase);
        let (width, channels) = (gather.width(), self.dest_channels);
        let pixels: usize = segments().map(|segment| segment.count).sum();
        let alone = self.weights.len() == 1 && self.lattice.rows.stride * self.lattice.columns.stride == 1;
        if width == 0 || pixels == 0 {
            // No tap reaches these pixels.
            return self.scatter(segments(), None, dest);
        }
        let Scratch { panel, product } = scratch;
        let panel = sized(panel, pixels * width);
        let product = if alone { &mut *dest } else { sized(product, pixels * channels) };
        let per_group = channels / self.groups;
        for group in 0..self.groups {
            let mut rest = &mut *panel;
            for segment in segments() {
                let (rows, more) = rest.split_at_mut(segment.count * width);
                gather.pack(source, group, segment, rows);
                rest = more;
            }
            T::gemm(
                view_mut(product, pixels, channels).subcols_mut(group * per_group, per_group),
                Accum::Replace,
                view(panel, pixels, width),
                view(weights, width, channels).subcols(group * per_group, per_group),
                T::ONE,
                Par::Seq,
            );
        }
        if !alone {
            self.scatter(segments(), Some(&scratch.product), dest);
        }
    }

    /// Copies a row of `product` to each pixel, or zeros.
    fn scatter(
        &self,
        segments: impl Iterator<Item = super::lattice::Segment>,
        product: Option<&[T]>,
        dest: &mut [T],
    ) {
        let channels = self.dest_channels;
        let mut rows = product.map(|product| product.chunks_exact(channels));
        for segment in segments {
            let pixels = dest[segment.dest * channels..].chunks_mut(channels);
            for pixel in pixels.step_by(self.lattice.columns.stride).take(segment.count) {
                match rows.as_mut().and_then(Iterator::next) {
                    Some(row) => pixel.copy_from_slice(row),
                    None => pixel.fill(T::ZERO),
                }
            }
        }
    }
}

/// The memory of one task.
struct Scratch<T> {
    panel: Vec<T>,
    product: Vec<T>,
}

/// The first `len` numbers, of any value.
fn sized<T: Real>(values: &mut Vec<T>, len: usize) -> &mut [T] {
    if values.len() < len {
        values.resize(len, T::ZERO);
    }
    &mut values[..len]
}

/// The gradient by the kernel: what each output pixel read, times its gradient.
pub(super) fn grad_kernel<T: Real>(g: &Geometry, x: &[T], grad_out: &[T], grad_kernel: &mut [T]) {
    let lattice = g.forwards();
    let gather = Gather::new(&lattice, [0, 0], g.in_channels, g.groups);
    let (width, channels, per_group) = (gather.width(), g.out_channels, g.out_channels / g.groups);
    let panel_pixels = panel_pixels(&lattice, width, 1);
    let chunk = lattice.dest_pixels().div_ceil(PARTS).next_multiple_of(panel_pixels);
    let sum = map_reduce(
        Rows::new(grad_out, channels),
        chunk,
        |start, grad_out| {
            let mut sum = vec![T::ZERO; g.kernel_len()];
            let mut panel = Vec::new();
            for (index, grad_out) in grad_out.into_inner().chunks(panel_pixels * channels).enumerate() {
                let (start, pixels) = (start + index * panel_pixels, grad_out.len() / channels);
                let panel = sized(&mut panel, pixels * width);
                for group in 0..g.groups {
                    let mut rest = &mut *panel;
                    for segment in lattice.segments(start..start + pixels, [0, 0]) {
                        let (rows, more) = rest.split_at_mut(segment.count * width);
                        gather.pack(x, group, segment, rows);
                        rest = more;
                    }
                    T::gemm(
                        view_mut(&mut sum, width, channels).subcols_mut(group * per_group, per_group),
                        Accum::Add,
                        view(panel, pixels, width).transpose(),
                        view(grad_out, pixels, channels).subcols(group * per_group, per_group),
                        T::ONE,
                        Par::Seq,
                    );
                }
            }
            sum
        },
        |mut left, right| {
            left.iter_mut().zip(&right).for_each(|(left, &right)| *left += right);
            left
        },
    );
    grad_kernel.copy_from_slice(&sum);
}
