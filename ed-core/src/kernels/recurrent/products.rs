//! Products of parts of matrices, each on one thread.

use std::ops::Range;

use faer::prelude::ReborrowMut;
use faer::{Accum, MatMut, MatRef, Par};

use super::Sizes;
use crate::kernels::float::Real;
use crate::kernels::linalg::{view, view_mut};

/// Some columns of a row-major matrix with rows of `stride` numbers.
pub(super) fn columns<T: Real>(values: &[T], stride: usize, columns: Range<usize>) -> MatRef<'_, T> {
    let rows = values.len() / stride;
    view(values, rows, stride).subcols(columns.start, columns.len())
}

/// Some columns of a writable row-major matrix with rows of `stride` numbers.
pub(super) fn columns_mut<T: Real>(values: &mut [T], stride: usize, columns: Range<usize>) -> MatMut<'_, T> {
    let rows = values.len() / stride;
    view_mut(values, rows, stride).subcols_mut(columns.start, columns.len())
}

/// `c = a b` if `fresh`, else `c += a b`.
pub(super) fn product<T: Real>(c: MatMut<'_, T>, fresh: bool, a: MatRef<'_, T>, b: MatRef<'_, T>) {
    let accumulate = if fresh { Accum::Replace } else { Accum::Add };
    T::gemm(c, accumulate, a, b, T::ONE, Par::Seq);
}

/// Columns of a weight gradient that one thread sums over all examples and steps: few enough that they stay in a
/// level-2 cache with the rows of one step.
const GRADIENT_COLUMNS: usize = 512;

/// What weights are applied to, step by step.
#[derive(Clone, Copy)]
pub(super) enum Applied<'a, T> {
    /// The inputs of the step, `[batch, steps, width]`.
    Inputs(&'a [T]),
    /// The hidden states before the step: those after each step, `[batch, steps, width]`, and the initial one,
    /// `[batch, width]`, unless it is zero.
    Before(&'a [T], Option<&'a [T]>),
}

impl<'a, T: Real> Applied<'a, T> {
    /// The matrix at one step, of some rows of the batch; `None` if it is zero.
    pub(super) fn at(
        self,
        step: usize,
        (steps, width): (usize, usize),
        (first, rows): (usize, usize),
    ) -> Option<MatRef<'a, T>> {
        let row = steps * width;
        let of = |values: &'a [T], step: usize| {
            let values = &values[first * row..(first + rows) * row];
            columns(values, row, step * width..(step + 1) * width)
        };
        match (self, step) {
            (Applied::Inputs(x), _) => Some(of(x, step)),
            (Applied::Before(_, initial), 0) => {
                initial.map(|initial| view(&initial[first * width..(first + rows) * width], rows, width))
            }
            (Applied::Before(hidden, _), _) => Some(of(hidden, step - 1)),
        }
    }
}

/// The gradient of some columns of weights: `c = Σ aᵀ d` over the steps of all chunks (`c += …` unless `fresh`).
///
/// `d` holds `[steps, rows, stride]` chunk by chunk, of which `part` are the columns of these weights.
pub(super) fn weight_gradient<T: Real>(
    sizes: Sizes,
    (c, fresh): (MatMut<'_, T>, bool),
    a: Applied<'_, T>,
    (d, stride, part): (&[T], usize, Range<usize>),
) {
    let count = c.ncols();
    if count > GRADIENT_COLUMNS {
        let middle = count.div_ceil(GRADIENT_COLUMNS) / 2 * GRADIENT_COLUMNS;
        let (left, right) = c.split_at_col_mut(middle);
        let at = part.start + middle;
        rayon::join(
            || weight_gradient(sizes, (left, fresh), a, (d, stride, part.start..at)),
            || weight_gradient(sizes, (right, fresh), a, (d, stride, at..part.end)),
        );
        return;
    }
    let (mut c, mut fresh) = (c, fresh);
    let width = c.nrows();
    for (first, rows) in sizes.chunks() {
        for step in 0..sizes.steps {
            let Some(a) = a.at(step, (sizes.steps, width), (first, rows)) else { continue };
            let start = (first * sizes.steps + step * rows) * stride;
            let d = columns(&d[start..start + rows * stride], stride, part.clone());
            product(c.rb_mut(), fresh, a.transpose(), d);
            fresh = false;
        }
    }
    if fresh {
        c.fill(T::ZERO);
    }
}
