//! Cholesky factors and triangular systems over batches of row-major matrices, with their backwards.
//!
//! Matrices are square, of order `n`, and follow each other in a slice of `batch n²` numbers. Only lower
//! triangles are read.

use faer::dyn_stack::MemBuffer;
use faer::{Accum, Par};

use super::float::Real;
pub use super::linalg::{LinalgError, Transpose};
use super::linalg::{check_len, parallelism, view, view_mut};
use super::parallel::{Rows, map_reduce};

/// Matrices that are worth a thread: about 2¹⁶ multiplications.
fn matrices_per_chunk(n: usize) -> usize {
    ((1 << 16) / (n * n * n).max(1)).max(1)
}

/// Parallelism within one matrix: none if the batch is spread over the threads.
fn within(batch: usize, multiplications: usize) -> Par {
    if batch > 1 { Par::Seq } else { parallelism(multiplications) }
}

/// The lower triangular `L` with `A = L Lᵀ` for each matrix of `a`; `l` gets zeros above the diagonal.
///
/// # Errors
/// [`LinalgError::NotPositiveDefinite`] for the first matrix that has none (a NaN counts as such), with
/// the order of the failing minor; [`LinalgError::Length`] if `l` is not as long as `a`, or `a` not a
/// multiple of `n²`. The contents of `l` mean nothing after an error.
///
/// ```
/// use ed_core::kernels::cholesky::{LinalgError, cholesky};
/// let mut l = [0.0; 4];
/// cholesky(2, &[4.0, 2.0, 2.0, 5.0], &mut l).unwrap();
/// assert_eq!(l, [2.0, 0.0, 1.0, 2.0]);
/// let error = cholesky(2, &[1.0, 2.0, 2.0, 1.0], &mut l).unwrap_err();
/// assert_eq!(error, LinalgError::NotPositiveDefinite { matrix: 0, minor: 2 });
/// ```
pub fn cholesky<T: Real>(n: usize, a: &[T], l: &mut [T]) -> Result<(), LinalgError> {
    let batch = batch_of("a", n, a)?;
    check_len("l", l, a.len())?;
    if batch == 0 {
        return Ok(());
    }
    let size = n * n;
    let parts = (Rows::new(l, size), Rows::new(a, size));
    map_reduce(
        parts,
        matrices_per_chunk(n),
        |start, (l, a)| {
            let mut memory = T::factor_memory(n);
            let matrices = l.into_inner().chunks_exact_mut(size).zip(a.into_inner().chunks_exact(size));
            for (i, (l, a)) in matrices.enumerate() {
                factor_one(n, a, l, within(batch, size * n), &mut memory)
                    .map_err(|minor| LinalgError::NotPositiveDefinite { matrix: start + i, minor })?;
            }
            Ok(())
        },
        Result::and,
    )
}

/// How many matrices a slice holds.
fn batch_of<T>(argument: &'static str, n: usize, values: &[T]) -> Result<usize, LinalgError> {
    if n == 0 {
        return check_len(argument, values, 0).map(|()| 0);
    }
    let batch = values.len().div_ceil(n * n);
    check_len(argument, values, batch * n * n)?;
    Ok(batch)
}

/// Factors one matrix, or returns the order of its failing minor.
fn factor_one<T: Real>(
    n: usize,
    a: &[T],
    l: &mut [T],
    par: Par,
    memory: &mut MemBuffer,
) -> Result<(), usize> {
    l.copy_from_slice(a);
    T::factor(view_mut(l, n, n), par, memory)?;
    for row in 0..n {
        l[row * n + row + 1..(row + 1) * n].fill(T::ZERO);
    }
    // A NaN compares with nothing, so it may pass as a pivot.
    match (0..n).find(|&i| !l[i * n + i].is_finite()) {
        Some(i) => Err(i + 1),
        None => Ok(()),
    }
}

/// Backward of [`cholesky`]: adds to `grad_a` the symmetric gradient `(S + Sᵀ) / 2` of a loss, where
/// `S = L⁻ᵀ Φ(Lᵀ grad_l) L⁻¹` and `Φ` takes the lower triangle and halves the diagonal (Murray 2016,
/// "Differentiation of the Cholesky decomposition", section 3.3). Only the lower triangle of `grad_l` is
/// read.
///
/// # Errors
/// [`LinalgError::Length`] if the slices are not of one length, a multiple of `n²`.
pub fn cholesky_backward<T: Real>(
    n: usize,
    l: &[T],
    grad_l: &[T],
    grad_a: &mut [T],
) -> Result<(), LinalgError> {
    let batch = batch_of("l", n, l)?;
    check_len("grad_l", grad_l, l.len())?;
    check_len("grad_a", grad_a, l.len())?;
    if batch == 0 {
        return Ok(());
    }
    let size = n * n;
    let par = within(batch, size * n);
    let parts = (Rows::new(grad_a, size), Rows::new(l, size), Rows::new(grad_l, size));
    map_reduce(
        parts,
        matrices_per_chunk(n),
        |_, (grad_a, l, grad_l)| {
            let (mut lower, mut s) = (vec![T::ZERO; size], vec![T::ZERO; size]);
            let matrices = l.into_inner().chunks_exact(size).zip(grad_l.into_inner().chunks_exact(size));
            for (grad_a, (l, grad_l)) in grad_a.into_inner().chunks_exact_mut(size).zip(matrices) {
                lower.copy_from_slice(grad_l);
                keep_lower(n, &mut lower, T::ONE);
                let transposed = view(l, n, n).transpose();
                T::gemm(view_mut(&mut s, n, n), Accum::Replace, transposed, view(&lower, n, n), T::ONE, par);
                keep_lower(n, &mut s, T::HALF);
                // S = L⁻ᵀ P L⁻¹: a solve for the columns, then one for the rows.
                T::solve_upper(transposed, view_mut(&mut s, n, n), par);
                T::solve_upper(transposed, view_mut(&mut s, n, n).transpose_mut(), par);
                for i in 0..n {
                    for j in 0..n {
                        grad_a[i * n + j] += T::HALF * (s[i * n + j] + s[j * n + i]);
                    }
                }
            }
        },
        |(), ()| (),
    );
    Ok(())
}

/// Clears what is above the diagonal and scales the diagonal.
fn keep_lower<T: Real>(n: usize, matrix: &mut [T], diagonal: T) {
    for (i, row) in matrix.chunks_exact_mut(n).enumerate() {
        row[i] *= diagonal;
        row[i + 1..].fill(T::ZERO);
    }
}

/// Solves `L X = B` (or `Lᵀ X = B`) for each matrix of the batch, in place: `b` is `batch × n × k`.
/// A zero on the diagonal gives infinities, as the division does.
///
/// # Errors
/// [`LinalgError::Length`] if `l` is not a multiple of `n²`, or `b` not `n × k` for each.
///
/// ```
/// use ed_core::kernels::cholesky::{Transpose, solve_triangular};
/// let mut b = [2.0, 5.0];
/// solve_triangular([2, 1], (&[2.0, 0.0, 1.0, 2.0], Transpose::No), &mut b).unwrap();
/// assert_eq!(b, [1.0, 2.0]);
/// ```
pub fn solve_triangular<T: Real>(
    [n, k]: [usize; 2],
    (l, op): (&[T], Transpose),
    b: &mut [T],
) -> Result<(), LinalgError> {
    let batch = batch_of("l", n, l)?;
    check_len("b", b, batch * n * k)?;
    if batch * k == 0 {
        return Ok(());
    }
    let par = within(batch, n * n * k);
    let parts = (Rows::new(b, n * k), Rows::new(l, n * n));
    map_reduce(
        parts,
        matrices_per_chunk(n),
        |_, (b, l)| {
            let systems = b.into_inner().chunks_exact_mut(n * k).zip(l.into_inner().chunks_exact(n * n));
            for (b, l) in systems {
                let (l, b) = (view(l, n, n), view_mut(b, n, k));
                match op {
                    Transpose::No => T::solve_lower(l, b, par),
                    Transpose::Yes => T::solve_upper(l.transpose(), b, par),
                }
            }
        },
        |(), ()| (),
    );
    Ok(())
}

/// Backward of [`solve_triangular`] from its solution `x` and `grad_x`: `grad_b += L⁻ᵀ grad_x` and
/// `grad_l -= tril(L⁻ᵀ grad_x xᵀ)`; for the transposed system, `grad_b += L⁻¹ grad_x` and
/// `grad_l -= tril(x (L⁻¹ grad_x)ᵀ)` (Giles 2008, "Collected matrix derivative results", section 2.3.1).
///
/// # Errors
/// [`LinalgError::Length`] if the slices do not fit, as there.
pub fn solve_triangular_backward<T: Real>(
    [n, k]: [usize; 2],
    (l, op): (&[T], Transpose),
    x: &[T],
    grad_x: &[T],
    grad_l: &mut [T],
    grad_b: &mut [T],
) -> Result<(), LinalgError> {
    let batch = batch_of("l", n, l)?;
    check_len("x", x, batch * n * k)?;
    check_len("grad_x", grad_x, x.len())?;
    check_len("grad_l", grad_l, l.len())?;
    check_len("grad_b", grad_b, x.len())?;
    if batch * k == 0 {
        return Ok(());
    }
    let mut solved = grad_x.to_vec();
    solve_triangular([n, k], (l, op.flipped()), &mut solved)?;
    grad_b.iter_mut().zip(&solved).for_each(|(grad, &solved)| *grad += solved);
    let par = within(batch, n * n * k);
    let solutions = (Rows::new(x, n * k), Rows::new(solved.as_slice(), n * k));
    map_reduce(
        (Rows::new(grad_l, n * n), solutions),
        matrices_per_chunk(n),
        |_, (grad_l, (x, solved))| {
            let mut product = vec![T::ZERO; n * n];
            let systems = x.into_inner().chunks_exact(n * k).zip(solved.into_inner().chunks_exact(n * k));
            for (grad_l, (x, solved)) in grad_l.into_inner().chunks_exact_mut(n * n).zip(systems) {
                let (x, solved) = (view(x, n, k), view(solved, n, k));
                let (left, right) = if op == Transpose::No { (solved, x) } else { (x, solved) };
                T::gemm(view_mut(&mut product, n, n), Accum::Replace, left, right.transpose(), T::ONE, par);
                for i in 0..n {
                    for j in 0..=i {
                        grad_l[i * n + j] -= product[i * n + j];
                    }
                }
            }
        },
        |(), ()| (),
    );
    Ok(())
}

/// `ln det A = 2 Σ ln Lᵢᵢ` for each Cholesky factor of the batch; `out` holds one number for each. Its
/// derivative is `2 / Lᵢᵢ` on the diagonal.
///
/// # Errors
/// [`LinalgError::Length`] if `l` is not a multiple of `n²`, or `out` not as long as the batch.
pub fn log_det<T: Real>(n: usize, l: &[T], out: &mut [T]) -> Result<(), LinalgError> {
    let batch = batch_of("l", n, l)?;
    check_len("out", out, batch)?;
    for (out, l) in out.iter_mut().zip(l.chunks_exact((n * n).max(1))) {
        let sum: f64 = (0..n).map(|i| l[i * n + i].to_f64().ln()).sum();
        *out = T::from_f64(2.0 * sum);
    }
    Ok(())
}

#[cfg(test)]
#[path = "cholesky_tests.rs"]
mod tests;
