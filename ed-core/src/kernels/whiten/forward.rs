//! The elimination.

use faer::prelude::Reborrow;
use faer::{Accum, Par};

use crate::kernels::float::Real;
use crate::kernels::linalg::{LinalgError, check_len, view, view_mut};
use crate::kernels::parallel::{Rows, for_each, in_pool, join};

use super::pivot::Pivot;
use super::{BLOCK, PARALLEL, TASK_ROWS};

/// What [`whiten`] writes.
#[derive(Debug)]
pub struct Whitened<'a, T> {
    /// `A`: `rows × n`.
    pub a: &'a mut [T],
    /// Working memory, `n × n`: the factor without the blocks on its diagonal.
    pub factor: &'a mut [T],
    /// `L⁻ᵀ`, `n × n` with zeros below its diagonal, for [`whiten_backward`](super::whiten_backward).
    pub inverse: Option<&'a mut [T]>,
}

/// Finds `A = K_xz L⁻ᵀ` with `L Lᵀ = K_zz + jitter I`, where `K_zz` is `n × n` and symmetric, and `K_xz` `rows × n`.
///
/// # Errors
/// [`LinalgError::NotPositiveDefinite`] if there is no factor beyond rounding, a NaN included; [`LinalgError::Length`] if a slice does
/// not fit. The contents of the outputs mean nothing then.
pub fn whiten<T: Real>(
    n: usize,
    (k_zz, jitter): (&[T], T),
    k_xz: &[T],
    out: Whitened<'_, T>,
) -> Result<(), LinalgError> {
    check_len("k_zz", k_zz, n * n)?;
    check_len("factor", out.factor, n * n)?;
    check_len("a", out.a, k_xz.len())?;
    if let Some(inverse) = &out.inverse {
        check_len("inverse", inverse, n * n)?;
    }
    if n == 0 {
        return Ok(());
    }
    check_len("k_xz", k_xz, k_xz.len() / n * n)?;
    let covariance = Covariance { n, k_zz, jitter };
    let several = n * (n * n + k_xz.len()) > PARALLEL;
    let run = || covariance.eliminate(k_xz, out, several);
    let outcome = if several { in_pool(run) } else { run() };
    outcome.map_err(|minor| LinalgError::NotPositiveDefinite { matrix: 0, minor })
}

/// The matrix that is factored.
#[derive(Clone, Copy)]
struct Covariance<'a, T> {
    n: usize,
    k_zz: &'a [T],
    jitter: T,
}

impl<T: Real> Covariance<'_, T> {
    fn eliminate(self, k_xz: &[T], out: Whitened<'_, T>, several: bool) -> Result<(), usize> {
        let Whitened { a, factor, mut inverse } = out;
        let n = self.n;
        let task_rows = if several { TASK_ROWS } else { usize::MAX };
        let (mut pivot, mut next_pivot) = (Pivot::new(), Pivot::new());
        self.pivot(&mut pivot, 0, &[])?;
        for start in (0..n).step_by(BLOCK) {
            let end = (start + BLOCK).min(n);
            let (above, below) = factor.split_at_mut(end * n);
            let panel = Panel { n, start, end, line: &above[start * n..], inverse: pivot.inverse() };
            let (next, rest) = below.split_at_mut(BLOCK.min(n - end) * n);
            let k_next = &self.k_zz[end * n..];
            let (k_next, k_rest) = k_next.split_at(next.len());
            // The next block on the diagonal needs only the rows beside it, and is ready when the others are.
            let ahead = || {
                panel.run(next, Some(k_next), 0);
                if end < n { self.pivot(&mut next_pivot, end, next) } else { Ok(()) }
            };
            let factor_rows = || {
                for_each((Rows::new(rest, n), Rows::new(k_rest, n)), task_rows, |_, (rows, k)| {
                    panel.run(rows.into_inner(), Some(k.into_inner()), 0);
                });
            };
            let own_rows = || {
                for_each((Rows::new(&mut *a, n), Rows::new(k_xz, n)), task_rows, |_, (rows, k)| {
                    panel.run(rows.into_inner(), Some(k.into_inner()), 0);
                });
            };
            let inverse_rows = || {
                let Some(inverse) = &mut inverse else { return };
                let (known, own) = inverse[..end * n].split_at_mut(start * n);
                for_each(Rows::new(known, n), task_rows, |first, rows| {
                    panel.run(rows.into_inner(), None, first);
                });
                panel.transposed_inverse(own);
            };
            let others = || join(several, own_rows, || join(several, inverse_rows, factor_rows));
            join(several, ahead, others).0?;
            std::mem::swap(&mut pivot, &mut next_pivot);
        }
        Ok(())
    }

    /// Eliminates the block on the diagonal at `start`, beside the rows `line` of the factor.
    fn pivot(&self, pivot: &mut Pivot<T>, start: usize, line: &[T]) -> Result<(), usize> {
        let n = self.n;
        let width = BLOCK.min(n - start);
        for (i, row) in pivot.matrix().chunks_exact_mut(BLOCK).take(width).enumerate() {
            let from = (start + i) * n + start;
            row[..width].copy_from_slice(&self.k_zz[from..from + width]);
            row[i] += self.jitter;
        }
        // What is no larger than the rounding of the number that it is what is left of is nothing: its sign is chance.
        for (i, least) in pivot.least().iter_mut().take(width).enumerate() {
            *least = T::EPSILON * self.k_zz[(start + i) * (n + 1)].max(T::ZERO);
        }
        if start > 0 {
            let line = view(line, width, n).subcols(0, start);
            let target = view_mut(pivot.matrix(), BLOCK, BLOCK).submatrix_mut(0, 0, width, width);
            T::gemm(target, Accum::Add, line, line.transpose(), -T::ONE, Par::Seq);
        }
        pivot.eliminate(width).map_err(|minor| start + minor)
    }
}

/// A block of columns, from `start` to `end`.
#[derive(Clone, Copy)]
struct Panel<'a, T> {
    n: usize,
    start: usize,
    end: usize,
    /// The rows of the factor beside the block on the diagonal.
    line: &'a [T],
    /// The inverse of the factor's block on the diagonal, `BLOCK` numbers a row.
    inverse: &'a [T],
}

impl<T: Real> Panel<'_, T> {
    /// Finds the block's columns of some rows, all of whose columns before it are known, and are 0 before the column
    /// `first`; `k` holds the rows' covariances, if they have any.
    fn run(&self, rows: &mut [T], k: Option<&[T]>, first: usize) {
        let Panel { n, start, end, .. } = *self;
        let (count, width) = (rows.len() / n, end - start);
        if count == 0 {
            return;
        }
        // What the columns before leave of the covariances.
        let mut left = vec![T::ZERO; count * width];
        if let Some(k) = k {
            for (left, k) in left.chunks_exact_mut(width).zip(k.chunks_exact(n)) {
                left.copy_from_slice(&k[start..end]);
            }
        }
        let (known, block) = view_mut(rows, count, n).split_at_col_mut(start);
        if start > first {
            let known = known.rb().subcols(first, start - first);
            let line = view(self.line, width, n).subcols(first, start - first);
            let left = view_mut(&mut left, count, width);
            T::gemm(left, Accum::Add, known, line.transpose(), -T::ONE, Par::Seq);
        }
        let inverse = view(self.inverse, BLOCK, BLOCK).submatrix(0, 0, width, width);
        let (block, left) = (block.subcols_mut(0, width), view(&left, count, width));
        T::gemm(block, Accum::Replace, left, inverse.transpose(), T::ONE, Par::Seq);
    }

    /// Writes the rows of `L⁻ᵀ` beside the block on the diagonal, as far as they are known.
    fn transposed_inverse(&self, rows: &mut [T]) {
        for (i, row) in rows.chunks_exact_mut(self.n).enumerate() {
            row.fill(T::ZERO);
            let columns = self.inverse.chunks_exact(BLOCK).take(self.end - self.start);
            row[self.start..].iter_mut().zip(columns).for_each(|(x, column)| *x = column[i]);
        }
    }
}
