//! Sums, products, maxima and log-sum-exp.
//!
//! A float reduction vectorises only over explicit lanes, because the compiler must not reorder it:
//! each of `LANES` accumulators sees every `LANES`-th element, and a fixed tree combines them. The
//! error of a sum of `n` numbers is that of about `n / 32` sequential additions within a chunk, and of
//! a tree above it.

use super::dispatch::{Arch, Kernel, dispatch};
use super::float::Real;
use super::math;
use super::parallel::{CHUNK, COSTLY_CHUNK, Rows, for_each, map_reduce};

/// Accumulators of a reduction: enough to hide the latency of an addition.
pub(super) const LANES: usize = 32;

/// Lanes of the padded end: short rows pay for no more than they fill.
const TAIL: usize = 8;

/// Combines lanes pairwise.
#[inline(always)]
pub(super) fn combine_lanes<T: Real>(mut lanes: [T; LANES], f: impl Fn(T, T) -> T) -> T {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] = f(lanes[lane], lanes[lane + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// Folds `x` from `zero` by `step` in lanes, and the lanes by `combine`. `step(a, pad)` must be `a`.
#[inline(always)]
fn fold<T: Real>(x: &[T], zero: T, pad: T, step: impl Fn(T, T) -> T, combine: impl Fn(T, T) -> T) -> T {
    let mut lanes = [zero; LANES];
    let (blocks, rest) = x.as_chunks::<LANES>();
    for block in blocks {
        for lane in 0..LANES {
            lanes[lane] = step(lanes[lane], block[lane]);
        }
    }
    for part in rest.chunks(TAIL) {
        let mut padded = [pad; TAIL];
        padded[..part.len()].copy_from_slice(part);
        for lane in 0..TAIL {
            lanes[lane] = step(lanes[lane], padded[lane]);
        }
    }
    combine_lanes(lanes, combine)
}

/// `Σ f(x)` inside of another loop, for its instruction set.
#[inline(always)]
pub(super) fn lane_sum<T: Real>(x: &[T], f: impl Fn(T) -> T) -> T {
    let (whole, rest) = x.split_at(x.len() / LANES * LANES);
    let sum = fold(whole, T::ZERO, T::ZERO, |a, x| a + f(x), |a, b| a + b);
    rest.iter().fold(sum, |a, &x| a + f(x))
}

macro_rules! kernel {
    ($(#[$doc:meta])* $name:ident($($field:ident: $type:ty),*) -> $out:ty, $arch:ident, $body:expr) => {
        $(#[$doc])*
        struct $name<'a, T> { $($field: &'a $type),* }

        impl<T: Real> Kernel for $name<'_, T> {
            type Out = $out;

            #[inline(always)]
            fn run<$arch: Arch>(self) -> $out {
                let Self { $($field),* } = self;
                $body
            }
        }
    };
}

kernel!(Sum(x: [T]) -> T, A, fold(x, T::ZERO, T::ZERO, |a, x| a + x, |a, b| a + b));
kernel!(SumSq(x: [T]) -> T, A, fold(x, T::ZERO, T::ZERO, |a, x| x.mul_add::<A>(x, a), |a, b| a + b));
kernel!(Max(x: [T]) -> T, A, fold(x, T::NEG_INFINITY, T::NEG_INFINITY, nan_max, nan_max));
kernel!(Dot(x: [T], y: [T]) -> T, A, {
    let mut lanes = [[T::ZERO; TAIL]; LANES / TAIL];
    let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
    for (x, y) in x.iter().zip(y) {
        add_products::<A, T>(&mut lanes, x, y);
    }
    let (mut x, mut y) = ([T::ZERO; LANES], [T::ZERO; LANES]);
    x[..x_rest.len()].copy_from_slice(x_rest);
    y[..y_rest.len()].copy_from_slice(y_rest);
    add_products::<A, T>(&mut lanes, &x, &y);
    let mut flat = [T::ZERO; LANES];
    flat.as_chunks_mut::<TAIL>().0.copy_from_slice(&lanes);
    combine_lanes(flat, |a, b| a + b)
});

/// `lanes += x y`, a vector at a time: the compiler keeps short arrays in registers.
#[inline(always)]
fn add_products<A: Arch, T: Real>(lanes: &mut [[T; TAIL]; LANES / TAIL], x: &[T; LANES], y: &[T; LANES]) {
    for (vector, sums) in lanes.iter_mut().enumerate() {
        let mut next = *sums;
        for lane in 0..TAIL {
            let i = vector * TAIL + lane;
            next[lane] = x[i].mul_add::<A>(y[i], next[lane]);
        }
        *sums = next;
    }
}

/// The larger one, or NaN where one is.
#[inline(always)]
fn nan_max<T: Real>(a: T, b: T) -> T {
    if b > a || b.is_nan() { b } else { a }
}

/// `Σ x`.
///
/// ```
/// assert_eq!(ed_core::kernels::reduce::sum(&[1.0f32, 2.0, 3.5]), 6.5);
/// ```
pub fn sum<T: Real>(x: &[T]) -> T {
    map_reduce(x, CHUNK, |_, x| dispatch(Sum { x }), |a, b| a + b)
}

/// `Σ x²`.
pub fn sum_sq<T: Real>(x: &[T]) -> T {
    map_reduce(x, CHUNK, |_, x| dispatch(SumSq { x }), |a, b| a + b)
}

/// `Σ x y` over as many elements as the shorter slice has.
pub fn dot<T: Real>(x: &[T], y: &[T]) -> T {
    let len = x.len().min(y.len());
    map_reduce((&x[..len], &y[..len]), CHUNK, |_, (x, y)| dispatch(Dot { x, y }), |a, b| a + b)
}

/// The largest number; NaN if there is one, -∞ for no numbers.
pub fn max<T: Real>(x: &[T]) -> T {
    map_reduce(x, CHUNK, |_, x| dispatch(Max { x }), nan_max)
}

/// The index of the first largest number (of the first NaN, if there is one); `None` for no numbers.
pub fn argmax<T: Real>(x: &[T]) -> Option<usize> {
    let max = max(x);
    x.iter().position(|&x| x == max || x.is_nan())
}

/// `ln Σ exp(x)` of one row, as the largest number and what is added to it: against a number of the row the two keep the
/// digits that their sum would round away. An infinite maximum is all of it.
#[inline(always)]
fn row_log_sum_exp<A: Arch, T: Real>(x: &[T]) -> [T; 2] {
    let max = fold(x, T::NEG_INFINITY, T::NEG_INFINITY, nan_max, nan_max);
    if !max.is_finite() {
        return [max, T::ZERO];
    }
    let sum = fold(x, T::ZERO, T::NEG_INFINITY, |a, x| a + math::exp::<A, T>(x - max), |a, b| a + b);
    [max, math::ln::<A, T>(sum)]
}

/// Rows of at most a chunk of elements, at least one.
pub(super) fn rows_per_chunk(columns: usize) -> usize {
    (COSTLY_CHUNK / columns.max(1)).max(1)
}

/// Rows side by side, when a row is too short to fill the lanes itself.
pub(super) const ROW_BLOCK: usize = 16;

/// The two parts of `ln Σ exp(x)` of `ROW_BLOCK` rows: one row in each lane.
#[inline(always)]
fn row_block_log_sum_exp<A: Arch, T: Real>(x: &[T], columns: usize) -> [[T; ROW_BLOCK]; 2] {
    let x = &x[..ROW_BLOCK * columns];
    let mut max = [T::NEG_INFINITY; ROW_BLOCK];
    for column in 0..columns {
        for row in 0..ROW_BLOCK {
            max[row] = nan_max(max[row], x[row * columns + column]);
        }
    }
    let mut sum = [T::ZERO; ROW_BLOCK];
    for column in 0..columns {
        for row in 0..ROW_BLOCK {
            sum[row] += math::exp::<A, T>(x[row * columns + column] - max[row]);
        }
    }
    for row in 0..ROW_BLOCK {
        let ln = math::ln::<A, T>(sum[row]);
        sum[row] = if max[row].abs() < T::INFINITY { ln } else { T::ZERO };
    }
    [max, sum]
}

/// The two parts of `ln Σ exp(x)` of up to `ROW_BLOCK` rows.
#[inline(always)]
pub(super) fn rows_log_sum_exp<A: Arch, T: Real>(x: &[T], columns: usize) -> [[T; ROW_BLOCK]; 2] {
    if columns <= LANES && x.len() == ROW_BLOCK * columns {
        return row_block_log_sum_exp::<A, T>(x, columns);
    }
    let mut parts = [[T::ZERO; ROW_BLOCK]; 2];
    for (index, row) in x.chunks_exact(columns).enumerate() {
        [parts[0][index], parts[1][index]] = row_log_sum_exp::<A, T>(row);
    }
    parts
}

struct LogSumExp<'a, T> {
    x: &'a [T],
    columns: usize,
    largest: &'a mut [T],
    added: &'a mut [T],
}

impl<T: Real> Kernel for LogSumExp<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let rows = self.x.chunks(ROW_BLOCK.saturating_mul(self.columns));
        for ((largest, added), x) in
            self.largest.chunks_mut(ROW_BLOCK).zip(self.added.chunks_mut(ROW_BLOCK)).zip(rows)
        {
            let parts = rows_log_sum_exp::<A, T>(x, self.columns);
            largest.copy_from_slice(&parts[0][..largest.len()]);
            added.copy_from_slice(&parts[1][..added.len()]);
        }
    }
}

/// `ln Σ exp(x)` over each row of the row-major `x`: `[R, C] → [R]`, `out` giving `R`.
///
/// A row with an infinite maximum gives it; a row with NaN gives NaN; rows of no columns give -∞.
/// As many rows are written as both slices have.
pub fn log_sum_exp<T: Real>(x: &[T], columns: usize, out: &mut [T]) {
    let mut added = vec![T::ZERO; out.len()];
    log_sum_exp_parts(x, columns, out, &mut added);
    out.iter_mut().zip(added).for_each(|(out, added)| *out += added);
}

/// [`log_sum_exp`] in two parts, the largest number of each row and what is added to it: `x - largest - added` keeps the
/// digits that the sum of the two would round away.
pub fn log_sum_exp_parts<T: Real>(x: &[T], columns: usize, largest: &mut [T], added: &mut [T]) {
    if columns == 0 {
        added.fill(T::ZERO);
        return largest.fill(T::NEG_INFINITY);
    }
    let rows = largest.len().min(added.len()).min(x.len() / columns);
    let parts = (&mut largest[..rows], &mut added[..rows], Rows::new(&x[..rows * columns], columns));
    for_each(parts, rows_per_chunk(columns), |_, (largest, added, x)| {
        dispatch(LogSumExp { x: x.into_inner(), columns, largest, added });
    });
}

struct LogSoftmax<'a, T> {
    x: &'a [T],
    columns: usize,
    out: &'a mut [T],
}

impl<T: Real> Kernel for LogSoftmax<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let size = ROW_BLOCK.saturating_mul(self.columns);
        for (out, x) in self.out.chunks_mut(size).zip(self.x.chunks(size)) {
            let [largest, added] = rows_log_sum_exp::<A, T>(x, self.columns);
            let rows = out.chunks_exact_mut(self.columns).zip(x.chunks_exact(self.columns));
            for ((out, x), (largest, added)) in rows.zip(largest.into_iter().zip(added)) {
                for (out, &x) in out.iter_mut().zip(x) {
                    *out = (x - largest) - added;
                }
            }
        }
    }
}

/// `x - ln Σ exp(x)` within each row of the row-major `x`: `[R, C] → [R, C]`.
pub fn log_softmax<T: Real>(x: &[T], columns: usize, out: &mut [T]) {
    let len = x.len().min(out.len()) / columns.max(1) * columns;
    let parts = (Rows::new(&mut out[..len], columns), Rows::new(&x[..len], columns));
    if columns > 0 {
        for_each(parts, rows_per_chunk(columns), |_, (out, x)| {
            dispatch(LogSoftmax { x: x.into_inner(), columns, out: out.into_inner() });
        });
    }
}

struct LogSoftmaxBackward<'a, T> {
    log_probs: &'a [T],
    grad_out: &'a [T],
    columns: usize,
    grad_in: &'a mut [T],
}

impl<T: Real> Kernel for LogSoftmaxBackward<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let rows = self.log_probs.chunks_exact(self.columns).zip(self.grad_out.chunks_exact(self.columns));
        for (grad_in, (log_probs, grad_out)) in self.grad_in.chunks_exact_mut(self.columns).zip(rows) {
            let total = fold(grad_out, T::ZERO, T::ZERO, |a, x| a + x, |a, b| a + b);
            for ((grad_in, &log_prob), &grad) in grad_in.iter_mut().zip(log_probs).zip(grad_out) {
                *grad_in += grad - math::exp::<A, T>(log_prob) * total;
            }
        }
    }
}

/// Backward of [`log_softmax`]: `grad_in += grad_out - softmax · Σ grad_out` within each row, from its
/// output `log_probs`; all `[R, C]`.
pub fn log_softmax_backward<T: Real>(log_probs: &[T], grad_out: &[T], columns: usize, grad_in: &mut [T]) {
    let len = log_probs.len().min(grad_out.len()).min(grad_in.len()) / columns.max(1) * columns;
    if columns == 0 {
        return;
    }
    let rows = |x| Rows::new(x, columns);
    let parts = (Rows::new(&mut grad_in[..len], columns), rows(&log_probs[..len]), rows(&grad_out[..len]));
    for_each(parts, rows_per_chunk(columns), |_, (grad_in, log_probs, grad_out)| {
        let (log_probs, grad_out) = (log_probs.into_inner(), grad_out.into_inner());
        dispatch(LogSoftmaxBackward { log_probs, grad_out, columns, grad_in: grad_in.into_inner() });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::dispatch::{Level, with_level};
    use crate::kernels::parallel::tests::same_for_all_threads;

    fn numbers(len: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 7919 + 13) % 1009) as f32 / 100.0 - 5.0).collect()
    }

    fn near(a: f32, b: f64, tolerance: f64) {
        assert!((f64::from(a) - b).abs() <= tolerance * (1.0 + b.abs()), "{a} is not {b}");
    }

    const LENGTHS: [usize; 10] = [0, 1, 7, 8, 9, 31, 32, 33, 1000, 200_001];

    #[test]
    fn sums_equal_double_precision_loops_at_every_level() {
        for level in [Level::Portable, Level::Avx2] {
            for len in LENGTHS {
                let x = numbers(len);
                let y: Vec<f32> = x.iter().map(|x| x * 0.5 + 1.0).collect();
                let wide = x.iter().map(|&x| f64::from(x));
                let products = wide.clone().zip(&y).map(|(x, &y)| x * f64::from(y));
                with_level(level, || {
                    near(sum(&x), wide.clone().sum(), 1e-4);
                    near(sum_sq(&x), wide.clone().map(|x| x * x).sum(), 1e-5);
                    near(dot(&x, &y), products.sum(), 1e-4);
                });
            }
        }
    }

    #[test]
    fn threads_do_not_change_a_reduction() {
        let x = numbers(300_000);
        same_for_all_threads(|| [sum(&x), sum_sq(&x), dot(&x, &x), max(&x)].map(f32::to_bits));
    }

    #[test]
    fn max_and_argmax_find_the_first_largest_and_report_nan() {
        for len in LENGTHS {
            let x = numbers(len);
            assert_eq!(max(&x), x.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            assert_eq!(argmax(&x), (0..len).find(|&i| x.iter().all(|&y| y <= x[i])));
        }
        let mut x = numbers(100);
        x[77] = f32::NAN;
        assert!(max(&x).is_nan());
        assert_eq!(argmax(&x), Some(77));
    }

    #[test]
    fn log_sum_exp_and_log_softmax_equal_the_definition() {
        for level in [Level::Portable, Level::Avx2] {
            for columns in [1, 3, 8, 10, 40, 1001] {
                let x = numbers(columns * 23);
                let (mut totals, mut log_probs) = (vec![0.0; 23], vec![0.0; x.len()]);
                with_level(level, || {
                    log_sum_exp(&x, columns, &mut totals);
                    log_softmax(&x, columns, &mut log_probs);
                });
                for (r, row) in x.chunks(columns).enumerate() {
                    let total = row.iter().map(|&x| f64::from(x).exp()).sum::<f64>().ln();
                    near(totals[r], total, 1e-6);
                    for (c, &x) in row.iter().enumerate() {
                        near(log_probs[r * columns + c], f64::from(x) - total, 2e-6);
                    }
                }
            }
        }
    }

    #[test]
    fn log_sum_exp_survives_large_and_infinite_rows() {
        let inf = f64::INFINITY;
        let x = [1000.0, 1000.0, -inf, -inf, inf, 0.0, f64::NAN, 1.0, -1000.0, -inf];
        let mut out = [0.0; 5];
        log_sum_exp(&x, 2, &mut out);
        assert_eq!(out[..3], [1000.0 + 2f64.ln(), -inf, inf]);
        assert!(out[3].is_nan());
        assert_eq!(out[4], -1000.0);
        log_sum_exp::<f64>(&[], 0, &mut out);
        assert_eq!(out, [-inf; 5]);
    }

    #[test]
    fn the_backward_of_log_softmax_matches_finite_differences() {
        let columns = 11;
        let x: Vec<f64> = numbers(columns * 3).into_iter().map(f64::from).collect();
        let weights: Vec<f64> = (0..x.len()).map(|i| (i as f64 * 0.7).sin()).collect();
        let loss = |x: &[f64]| {
            let mut out = vec![0.0; x.len()];
            log_softmax(x, columns, &mut out);
            dot(&out, &weights)
        };
        let mut log_probs = vec![0.0; x.len()];
        log_softmax(&x, columns, &mut log_probs);
        let mut grad = vec![1.0; x.len()];
        log_softmax_backward(&log_probs, &weights, columns, &mut grad);
        for i in 0..x.len() {
            let (mut up, mut down) = (x.clone(), x.clone());
            up[i] += 1e-5;
            down[i] -= 1e-5;
            let difference = (loss(&up) - loss(&down)) / 2e-5;
            assert!((grad[i] - 1.0 - difference).abs() < 1e-8, "{i}");
        }
    }
}
