//! Convolutions in which every output channel reads one input channel: sums over taps, along the channels.

use std::ops::Range;

use super::lattice::{Geometry, Lattice};
use crate::kernels::dispatch::{Arch, Kernel, dispatch};
use crate::kernels::float::Real;
use crate::kernels::parallel::{Rows, for_each, map_reduce};

/// Fused multiply-adds that are worth a task.
const TASK: usize = 1 << 17;

/// Parts into which the gradient by the kernel is split: each adds up a kernel of its own.
const PARTS: usize = 32;

/// Pixels for one task.
fn task_pixels(g: &Geometry) -> usize {
    (TASK / (g.taps() * g.out_channels)).max(1)
}

/// Weighted sums of what a range of pixels reads, with `multiplier` output channels for each input channel.
struct Sums<'a, T> {
    lattice: &'a Lattice,
    range: Range<usize>,
    geometry: &'a Geometry,
    source: &'a [T],
    kernel: &'a [T],
    dest: &'a mut [T],
}

struct Forward<'a, T>(Sums<'a, T>);
struct Backward<'a, T>(Sums<'a, T>);

impl<T: Real> Kernel for Forward<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let Sums { lattice, range, geometry: g, source, kernel, dest } = self.0;
        let (ins, outs) = (g.in_channels, g.out_channels);
        dest.fill(T::ZERO);
        lattice.for_each_tap(range, g.columns.kernel, |pixel, tap, from| {
            let sums = &mut dest[pixel * outs..][..outs];
            let x = &source[from * ins..][..ins];
            let weights = &kernel[tap * outs..][..outs];
            if ins == outs {
                for ((sum, &x), &weight) in sums.iter_mut().zip(x).zip(weights) {
                    *sum = x.mul_add::<A>(weight, *sum);
                }
                return;
            }
            let groups = sums.chunks_exact_mut(outs / ins).zip(weights.chunks_exact(outs / ins));
            for ((sums, weights), &x) in groups.zip(x) {
                for (sum, &weight) in sums.iter_mut().zip(weights) {
                    *sum = x.mul_add::<A>(weight, *sum);
                }
            }
        });
    }
}

impl<T: Real> Kernel for Backward<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let Sums { lattice, range, geometry: g, source, kernel, dest } = self.0;
        let (ins, outs) = (g.in_channels, g.out_channels);
        dest.fill(T::ZERO);
        lattice.for_each_tap(range, g.columns.kernel, |pixel, tap, from| {
            let sums = &mut dest[pixel * ins..][..ins];
            let grads = &source[from * outs..][..outs];
            let weights = &kernel[tap * outs..][..outs];
            if ins == outs {
                for ((sum, &grad), &weight) in sums.iter_mut().zip(grads).zip(weights) {
                    *sum = grad.mul_add::<A>(weight, *sum);
                }
                return;
            }
            let groups = grads.chunks_exact(outs / ins).zip(weights.chunks_exact(outs / ins));
            for (sum, (grads, weights)) in sums.iter_mut().zip(groups) {
                for (&grad, &weight) in grads.iter().zip(weights) {
                    *sum = grad.mul_add::<A>(weight, *sum);
                }
            }
        });
    }
}

/// Adds what a range of output pixels says about the kernel: `source` is the input, `kernel` the gradient by the output
/// and `dest` the gradient by the kernel.
struct GradKernel<'a, T>(Sums<'a, T>);

impl<T: Real> Kernel for GradKernel<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let Sums { lattice, range, geometry: g, source, kernel: grad_out, dest } = self.0;
        let (ins, outs) = (g.in_channels, g.out_channels);
        lattice.for_each_tap(range, g.columns.kernel, |pixel, tap, from| {
            let sums = &mut dest[tap * outs..][..outs];
            let x = &source[from * ins..][..ins];
            let grads = &grad_out[pixel * outs..][..outs];
            if ins == outs {
                for ((sum, &x), &grad) in sums.iter_mut().zip(x).zip(grads) {
                    *sum = x.mul_add::<A>(grad, *sum);
                }
                return;
            }
            let groups = sums.chunks_exact_mut(outs / ins).zip(grads.chunks_exact(outs / ins));
            for ((sums, grads), &x) in groups.zip(x) {
                for (sum, &grad) in sums.iter_mut().zip(grads) {
                    *sum = x.mul_add::<A>(grad, *sum);
                }
            }
        });
    }
}

/// See [`super::forward`].
pub(super) fn forward<T: Real>(g: &Geometry, x: &[T], kernel: &[T], out: &mut [T]) {
    let lattice = &g.forwards();
    for_each(Rows::new(out, g.out_channels), task_pixels(g), |start, dest| {
        let dest = dest.into_inner();
        let range = start..start + dest.len() / g.out_channels;
        dispatch(Forward(Sums { lattice, range, geometry: g, source: x, kernel, dest }));
    });
}

/// See [`super::grad_input`].
pub(super) fn grad_input<T: Real>(g: &Geometry, grad_out: &[T], kernel: &[T], grad_in: &mut [T]) {
    let lattice = &g.backwards();
    for_each(Rows::new(grad_in, g.in_channels), task_pixels(g), |start, dest| {
        let dest = dest.into_inner();
        let range = start..start + dest.len() / g.in_channels;
        dispatch(Backward(Sums { lattice, range, geometry: g, source: grad_out, kernel, dest }));
    });
}

/// See [`super::grad_kernel`].
pub(super) fn grad_kernel<T: Real>(g: &Geometry, x: &[T], grad_out: &[T], grad_kernel: &mut [T]) {
    let lattice = &g.forwards();
    let chunk = lattice.dest_pixels().div_ceil(PARTS).max(task_pixels(g));
    let sum = map_reduce(
        Rows::new(grad_out, g.out_channels),
        chunk,
        |start, grads| {
            let grads = grads.into_inner();
            let mut sum = vec![T::ZERO; g.kernel_len()];
            let range = start..start + grads.len() / g.out_channels;
            dispatch(GradKernel(Sums {
                lattice,
                range,
                geometry: g,
                source: x,
                kernel: grads,
                dest: &mut sum,
            }));
            sum
        },
        |mut left, right| {
            left.iter_mut().zip(&right).for_each(|(left, &right)| *left += right);
            left
        },
    );
    grad_kernel.copy_from_slice(&sum);
}
