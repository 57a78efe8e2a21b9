//! The way back through the elimination.

use faer::prelude::{Reborrow, ReborrowMut};
use faer::{Accum, Par};

use crate::kernels::float::Real;
use crate::kernels::fused::Gradient;
use crate::kernels::linalg::{LinalgError, check_len, view, view_mut};
use crate::kernels::parallel::{Rows, for_each, in_pool};
use crate::kernels::square::{Lines, lines, plus_transposed};

use super::PARALLEL;

/// Rows and columns of the blocks that triangular products go by.
const BLOCK: usize = 128;

/// Where [`whiten_backward`] adds what it finds.
#[derive(Debug, Default)]
pub struct WhitenGradients<'a, T> {
    /// By `K_zz`, `n × n`, with working memory for two matrices of its size.
    pub k_zz: Option<(Gradient<'a, T>, [&'a mut [T]; 2])>,
    /// By `K_xz`, `rows × n`.
    pub k_xz: Option<Gradient<'a, T>>,
}

/// Backward of [`whiten`](super::whiten) from `U = L⁻ᵀ`, `A` and the gradient `Ā` by it; the gradient by `K_zz` is
/// symmetric: spread evenly over both triangles.
///
/// With `L Lᵀ = K`, the gradient by `K` is `(S + Sᵀ)/2`, `S = L⁻ᵀ Φ(Lᵀ L̄) L⁻¹`, where `Φ` takes the lower triangle and
/// halves the diagonal (Murray 2016, "Differentiation of the Cholesky decomposition", section 3.3). The factor's own
/// gradient `L̄ = -tril(L⁻ᵀ Āᵀ A)` is never made: `Φ(Lᵀ L̄) = -Φ(Āᵀ A)`, since `Lᵀ` times what `tril` drops is strictly
/// upper triangular.
///
/// # Errors
/// [`LinalgError::Length`] if a slice does not fit.
pub fn whiten_backward<T: Real>(
    n: usize,
    inverse: &[T],
    (a, grad_a): (&[T], &[T]),
    gradients: WhitenGradients<'_, T>,
) -> Result<(), LinalgError> {
    check_len("inverse", inverse, n * n)?;
    check_len("grad_a", grad_a, a.len())?;
    if let Some(grad) = &gradients.k_xz {
        check_len("grad_k_xz", grad.values, a.len())?;
    }
    if let Some((grad, memory)) = &gradients.k_zz {
        check_len("grad_k_zz", grad.values, n * n)?;
        memory.iter().try_for_each(|memory| check_len("memory", memory, n * n))?;
    }
    if n == 0 {
        return Ok(());
    }
    let rows = a.len() / n;
    check_len("a", a, rows * n)?;
    let back = Back { n, rows, inverse, a, grad_a };
    let run = || {
        if let Some(grad) = gradients.k_xz {
            back.by_rows(grad);
        }
        if let Some((grad, [first, second])) = gradients.k_zz {
            back.by_matrix(grad, first, second);
        }
    };
    if n * (n * n + a.len()) > PARALLEL {
        in_pool(run)
    } else {
        run()
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct Back<'a, T> {
    n: usize,
    rows: usize,
    inverse: &'a [T],
    a: &'a [T],
    grad_a: &'a [T],
}

impl<T: Real> Back<'_, T> {
    /// `K̄_xz = Ā L⁻¹`.
    fn by_rows(self, grad: Gradient<'_, T>) {
        let Back { n, inverse, .. } = self;
        let accumulate = if grad.fresh { Accum::Replace } else { Accum::Add };
        let chunk = if self.a.len() * n > PARALLEL { BLOCK } else { usize::MAX };
        for_each((Rows::new(grad.values, n), Rows::new(self.grad_a, n)), chunk, |_, (grad, grad_a)| {
            let (grad, grad_a) = (grad.into_inner(), grad_a.into_inner());
            let rows = grad_a.len() / n;
            for start in (0..n).step_by(BLOCK) {
                let (width, rest) = (BLOCK.min(n - start), n - start);
                let target = view_mut(grad, rows, n).subcols_mut(start, width);
                let left = view(grad_a, rows, n).subcols(start, rest);
                let right = view(inverse, n, n).submatrix(start, start, width, rest);
                T::gemm(target, accumulate, left, right.transpose(), T::ONE, Par::Seq);
            }
        });
    }

    /// `K̄_zz`; the working memories take `Φ(Āᵀ A)`, and `Φ(Āᵀ A) L⁻¹`, and then `S`.
    fn by_matrix(self, grad: Gradient<'_, T>, first: &mut [T], second: &mut [T]) {
        let Back { n, rows, inverse, .. } = self;
        let inverse = view(inverse, n, n);
        let (a, grad_a) = (view(self.a, rows, n), view(self.grad_a, rows, n));
        let mut targets: Vec<_> = lines(n, BLOCK, second).into_iter().zip(lines(n, BLOCK, first)).collect();
        let chunk = if n * n * (n + rows) > PARALLEL { 1 } else { usize::MAX };
        for_each(targets.as_mut_slice(), chunk, |_, targets| {
            for (partial, product) in targets {
                let (start, count) = (partial.start, partial.values.len() / n);
                let end = start + count;
                let mut product = view_mut(product.values, count, n).subcols_mut(0, end);
                let left = grad_a.subcols(start, count).transpose();
                let right = a.subcols(0, end);
                T::gemm(product.rb_mut(), Accum::Replace, left, right, -T::ONE, Par::Seq);
                for i in 0..count {
                    product[(i, start + i)] *= T::HALF;
                    (start + i + 1..end).for_each(|j| product[(i, j)] = T::ZERO);
                }
                let product = product.rb();
                for from in (0..end).step_by(BLOCK) {
                    let width = BLOCK.min(end - from);
                    let target = view_mut(partial.values, count, n).subcols_mut(from, width);
                    let left = product.subcols(from, end - from);
                    let right = inverse.submatrix(from, from, width, end - from).transpose();
                    T::gemm(target, Accum::Replace, left, right, T::ONE, Par::Seq);
                }
            }
        });
        let partial = view(second, n, n);
        for_each(lines(n, BLOCK, first).as_mut_slice(), chunk, |_, targets| {
            for Lines { start, values } in targets {
                let (start, count) = (*start, values.len() / n);
                let end = start + count;
                let mut target = view_mut(values, count, n);
                let left = inverse.subrows(start, count);
                let right = partial.subrows(start, n - start).subcols(0, end);
                let (near, depth) = (target.rb_mut().subcols_mut(0, end), n - start);
                T::gemm(near, Accum::Replace, left.subcols(start, depth), right, T::ONE, Par::Seq);
                for from in (end..n).step_by(BLOCK) {
                    let (width, depth) = (BLOCK.min(n - from), n - from);
                    let right = partial.submatrix(from, from, depth, width);
                    let target = target.rb_mut().subcols_mut(from, width);
                    T::gemm(target, Accum::Replace, left.subcols(from, depth), right, T::ONE, Par::Seq);
                }
            }
        });
        plus_transposed(n, first, T::HALF, grad);
    }
}
