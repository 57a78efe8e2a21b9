//! Maxima and means under a sliding window, channel by channel, with their gradients, on all cores.
//!
//! The sizes are a [`Geometry`] whose channels pool alone: as many groups as channels. Padding is no number: it never is
//! a maximum and does not count in a mean. Every window must cover a pixel of the image on either axis.

use super::conv::Geometry;
use super::conv::lattice::Lattice;
use super::dispatch::{Arch, Kernel, dispatch};
use super::float::Real;
use super::linalg::{LinalgError, check_len};
use super::parallel::{Rows, for_each};

/// Numbers compared or added that are worth a task.
const TASK: usize = 1 << 17;

/// Pixels for one task.
fn task_pixels(g: &Geometry) -> usize {
    (TASK / (g.taps() * g.in_channels)).max(1)
}

struct Max<'a, T> {
    lattice: &'a Lattice,
    start: usize,
    geometry: &'a Geometry,
    x: &'a [T],
    out: &'a mut [T],
    taps: &'a mut [T],
}

impl<T: Real> Kernel for Max<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let Max { lattice, start, geometry: g, x, out, taps } = self;
        let channels = g.in_channels;
        let range = start..start + out.len() / channels;
        out.fill(T::NEG_INFINITY);
        taps.fill(T::NEG_INFINITY);
        lattice.for_each_tap(range, g.columns.kernel, |pixel, tap, from| {
            let best = &mut out[pixel * channels..][..channels];
            let taps = &mut taps[pixel * channels..][..channels];
            let tap = T::from_f64(tap as f64);
            for ((best, best_tap), &x) in best.iter_mut().zip(taps).zip(&x[from * channels..][..channels]) {
                // The first of equals; a window of -∞ has a maximum too, and NaN is the maximum wherever it is.
                let better = (x > *best) | x.is_nan() | (*best_tap < T::ZERO);
                *best = if better { x } else { *best };
                *best_tap = if better { tap } else { *best_tap };
            }
        });
    }
}

/// The maxima of `x`, and for each the tap of the window that it came from, row by row, as a number.
///
/// The first of equal numbers wins, and NaN wins over every number.
///
/// # Errors
/// [`LinalgError::Length`] if a slice does not fit the geometry.
pub fn max<T: Real>(g: &Geometry, x: &[T], out: &mut [T], taps: &mut [T]) -> Result<(), LinalgError> {
    check_len("x", x, g.input_len())?;
    check_len("out", out, g.output_len())?;
    check_len("taps", taps, g.output_len())?;
    let (lattice, channels) = (&g.forwards(), g.in_channels);
    for_each((Rows::new(out, channels), Rows::new(taps, channels)), task_pixels(g), |start, (out, taps)| {
        let (out, taps) = (out.into_inner(), taps.into_inner());
        dispatch(Max { lattice, start, geometry: g, x, out, taps });
    });
    Ok(())
}

struct GradMax<'a, T> {
    lattice: &'a Lattice,
    start: usize,
    geometry: &'a Geometry,
    taps: &'a [T],
    grad_out: &'a [T],
    grad: &'a mut [T],
}

impl<T: Real> Kernel for GradMax<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let GradMax { lattice, start, geometry: g, taps, grad_out, grad } = self;
        let channels = g.in_channels;
        let range = start..start + grad.len() / channels;
        lattice.for_each_tap(range, g.columns.kernel, |pixel, tap, from| {
            let tap = T::from_f64(tap as f64);
            let grads = &grad_out[from * channels..][..channels];
            let taps = &taps[from * channels..][..channels];
            for ((sum, &grad), &best) in grad[pixel * channels..][..channels].iter_mut().zip(grads).zip(taps)
            {
                *sum += if best == tap { grad } else { T::ZERO };
            }
        });
    }
}

/// Adds the gradient of [`max`] by its input: each maximum passes it to the number that it came from.
///
/// # Errors
/// [`LinalgError::Length`] if a slice does not fit the geometry.
pub fn max_backward<T: Real>(
    g: &Geometry,
    taps: &[T],
    grad_out: &[T],
    grad: &mut [T],
) -> Result<(), LinalgError> {
    check_len("taps", taps, g.output_len())?;
    check_len("grad_out", grad_out, g.output_len())?;
    check_len("grad", grad, g.input_len())?;
    let lattice = &g.backwards();
    for_each(Rows::new(grad, g.in_channels), task_pixels(g), |start, grad| {
        dispatch(GradMax { lattice, start, geometry: g, taps, grad_out, grad: grad.into_inner() });
    });
    Ok(())
}

struct AddWindows<'a, T> {
    lattice: &'a Lattice,
    start: usize,
    geometry: &'a Geometry,
    source: &'a [T],
    sums: &'a mut [T],
}

impl<T: Real> Kernel for AddWindows<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let AddWindows { lattice, start, geometry: g, source, sums } = self;
        let channels = g.in_channels;
        let range = start..start + sums.len() / channels;
        lattice.for_each_tap(range, g.columns.kernel, |pixel, _, from| {
            let source = &source[from * channels..][..channels];
            let sums = &mut sums[pixel * channels..][..channels];
            sums.iter_mut().zip(source).for_each(|(sum, &x)| *sum += x);
        });
    }
}

/// `1 / ` the number of pixels that each window covers, over the pixels of one output.
fn weights<T: Real>(g: &Geometry) -> Vec<T> {
    let lattice = g.forwards();
    let covered = |line: &super::conv::lattice::Line, i: usize| {
        line.phases[0].iter().filter(|&&tap| line.read(i, tap).is_some()).count()
    };
    let columns: Vec<usize> = (0..g.columns.output).map(|i| covered(&lattice.columns, i)).collect();
    let rows = (0..g.rows.output).map(|i| covered(&lattice.rows, i));
    let counts = rows.flat_map(|row| columns.iter().map(move |column| row * column));
    counts.map(|count| T::ONE / T::from_f64(count as f64)).collect()
}

/// The means of what each window covers.
///
/// # Errors
/// [`LinalgError::Length`] if a slice does not fit the geometry.
pub fn mean<T: Real>(g: &Geometry, x: &[T], out: &mut [T]) -> Result<(), LinalgError> {
    check_len("x", x, g.input_len())?;
    check_len("out", out, g.output_len())?;
    let (lattice, channels, weights) = (&g.forwards(), g.in_channels, &weights::<T>(g));
    for_each(Rows::new(out, channels), task_pixels(g), |start, sums| {
        let sums = sums.into_inner();
        sums.fill(T::ZERO);
        dispatch(AddWindows { lattice, start, geometry: g, source: x, sums });
        scale_pixels(sums, channels, weights, start);
    });
    Ok(())
}

/// Multiplies every pixel, the first of which has index `start`, by the weight of its place in the image.
fn scale_pixels<T: Real>(pixels: &mut [T], channels: usize, weights: &[T], start: usize) {
    for (index, pixel) in pixels.chunks_exact_mut(channels).enumerate() {
        let weight = weights[(start + index) % weights.len()];
        pixel.iter_mut().for_each(|x| *x *= weight);
    }
}

/// Adds the gradient of [`mean`] by its input: each mean passes it on in equal parts.
///
/// # Errors
/// [`LinalgError::Length`] if a slice does not fit the geometry.
pub fn mean_backward<T: Real>(g: &Geometry, grad_out: &[T], grad: &mut [T]) -> Result<(), LinalgError> {
    check_len("grad_out", grad_out, g.output_len())?;
    check_len("grad", grad, g.input_len())?;
    let (lattice, channels) = (&g.backwards(), g.in_channels);
    let mut parts = grad_out.to_vec();
    scale_pixels(&mut parts, channels, &weights(g), 0);
    for_each(Rows::new(grad, channels), task_pixels(g), |start, sums| {
        dispatch(AddWindows { lattice, start, geometry: g, source: &parts, sums: sums.into_inner() });
    });
    Ok(())
}
