//! Rows of scores to weights, and the gradient by weights to that by scores.

use std::ops::Range;

use crate::kernels::dispatch::{Arch, Kernel};
use crate::kernels::float::Real;
use crate::kernels::math;
use crate::kernels::reduce::{LANES, combine_lanes, lane_sum};

/// The columns of a row of scores, of some keys, that a query attends to.
pub(super) fn valid(keys: Range<usize>, first: usize) -> Range<usize> {
    keys.start - first..keys.end - first
}

/// The largest of some numbers; NaN is passed over.
#[inline(always)]
fn lane_max<T: Real>(x: &[T]) -> T {
    let mut lanes = [T::NEG_INFINITY; LANES];
    let (blocks, rest) = x.as_chunks::<LANES>();
    for block in blocks {
        for lane in 0..LANES {
            lanes[lane] = if block[lane] > lanes[lane] { block[lane] } else { lanes[lane] };
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane = if x > *lane { x } else { *lane };
    }
    combine_lanes(lanes, |a, b| if b > a { b } else { a })
}

/// Turns scores into weights that sum to one in each row, and writes the logarithms of the sums that they were divided
/// by. What a query does not attend to gets the weight 0.
pub(super) struct Softmax<'a, T, F> {
    pub scores: &'a mut [T],
    pub columns: usize,
    /// The columns that each row attends to.
    pub valid: F,
    pub log_sums: &'a mut [T],
}

impl<T: Real, F: Fn(usize) -> Range<usize>> Kernel for Softmax<'_, T, F> {
    type Out = ();
    const WIDE: bool = true;

    #[inline(always)]
    fn run<A: Arch>(self) {
        let rows = self.scores.chunks_exact_mut(self.columns).zip(self.log_sums);
        for (row, (scores, log_sum)) in rows.enumerate() {
            let Range { start, end } = (self.valid)(row);
            scores[..start].fill(T::ZERO);
            scores[end..].fill(T::ZERO);
            let scores = &mut scores[start..end];
            let max = lane_max(scores);
            for x in scores.iter_mut() {
                *x = math::exp::<A, T>(*x - max);
            }
            let sum = lane_sum(scores, |x| x);
            let share = T::ONE / sum;
            for x in scores.iter_mut() {
                *x *= share;
            }
            *log_sum = max + math::ln::<A, T>(sum);
        }
    }
}

/// Computes the weights again from scores and the logarithms of the sums.
pub(super) struct Again<'a, T, F> {
    pub scores: &'a mut [T],
    pub columns: usize,
    pub valid: F,
    pub log_sums: &'a [T],
}

impl<T: Real, F: Fn(usize) -> Range<usize>> Kernel for Again<'_, T, F> {
    type Out = ();
    const WIDE: bool = true;

    #[inline(always)]
    fn run<A: Arch>(self) {
        let rows = self.scores.chunks_exact_mut(self.columns).zip(self.log_sums);
        for (row, (scores, &log_sum)) in rows.enumerate() {
            let Range { start, end } = (self.valid)(row);
            scores[..start].fill(T::ZERO);
            scores[end..].fill(T::ZERO);
            for x in &mut scores[start..end] {
                *x = math::exp::<A, T>(*x - log_sum);
            }
        }
    }
}

/// Turns the gradient by weights into that by scores: `w (g - Σ w g)` in each row.
pub(super) struct BySlopes<'a, T> {
    pub weights: &'a [T],
    pub slopes: &'a mut [T],
    pub columns: usize,
}

impl<T: Real> Kernel for BySlopes<'_, T> {
    type Out = ();
    const WIDE: bool = true;

    #[inline(always)]
    fn run<A: Arch>(self) {
        let rows = self.weights.chunks_exact(self.columns).zip(self.slopes.chunks_exact_mut(self.columns));
        for (weights, slopes) in rows {
            let mut lanes = [T::ZERO; LANES];
            let ((w, w_rest), (g, g_rest)) = (weights.as_chunks::<LANES>(), slopes.as_chunks::<LANES>());
            for (w, g) in w.iter().zip(g) {
                for lane in 0..LANES {
                    lanes[lane] = w[lane].mul_add::<A>(g[lane], lanes[lane]);
                }
            }
            for (lane, (&w, &g)) in lanes.iter_mut().zip(w_rest.iter().zip(g_rest)) {
                *lane = w.mul_add::<A>(g, *lane);
            }
            let mean = combine_lanes(lanes, |a, b| a + b);
            for (g, &w) in slopes.iter_mut().zip(weights) {
                *g = w * (*g - mean);
            }
        }
    }
}
