//! Rows times the inverse of a Cholesky factor, `A = K_xz L⁻ᵀ` with `L Lᵀ = K_zz + jitter I`: what a Gaussian process
//! with inducing points needs of its covariances, as one step with one backward.

use faer::linalg::matmul::triangular::BlockStructure::{Rectangular, TriangularLower, TriangularUpper};
use faer::{Accum, MatRef};

use super::float::Real;
use super::linalg::{LinalgError, check_len, parallelism, view, view_mut};

/// Writes `A`, `rows × n`, and the factor `L`, `n × n`, column by column with anything above its diagonal. Only one
/// triangle of `k_zz` is read: it has to be symmetric.
///
/// # Errors
/// [`LinalgError::NotPositiveDefinite`] if there is no factor, a NaN included; [`LinalgError::Length`] if a slice does
/// not fit. The contents of the outputs mean nothing then.
pub fn whiten<T: Real>(
    n: usize,
    k_zz: &[T],
    jitter: T,
    k_xz: &[T],
    factor: &mut [T],
    a: &mut [T],
) -> Result<(), LinalgError> {
    check_len("k_zz", k_zz, n * n)?;
    check_len("factor", factor, n * n)?;
    check_len("a", a, k_xz.len())?;
    if n == 0 {
        return Ok(());
    }
    check_len("k_xz", k_xz, k_xz.len() / n * n)?;
    let rows = k_xz.len() / n;
    factor.copy_from_slice(k_zz);
    (0..n).for_each(|i| factor[i * n + i] += jitter);
    let mut memory = T::factor_memory(n);
    // A symmetric matrix is its own transpose, and faer is at its best column by column.
    T::factor(view_mut(factor, n, n).transpose_mut(), parallelism(n * n * n), &mut memory)
        .map_err(|minor| LinalgError::NotPositiveDefinite { matrix: 0, minor })?;
    if let Some(i) = (0..n).find(|&i| !factor[i * n + i].is_finite()) {
        return Err(LinalgError::NotPositiveDefinite { matrix: 0, minor: i + 1 });
    }
    a.copy_from_slice(k_xz);
    if rows > 0 {
        T::solve_lower(lower(n, factor), view_mut(a, rows, n).transpose_mut(), parallelism(n * n * rows));
    }
    Ok(())
}

/// A factor that is stored column by column.
fn lower<T: Real>(n: usize, factor: &[T]) -> MatRef<'_, T> {
    view(factor, n, n).transpose()
}

/// Backward of [`whiten`]: the gradients by `k_zz` (symmetric: spread evenly over both triangles) and by `k_xz`, from
/// those by `a`; each is overwritten.
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
    factor: &[T],
    (a, grad_a): (&[T], &[T]),
    grad_k_zz: Option<&mut [T]>,
    grad_k_xz: Option<&mut [T]>,
) -> Result<(), LinalgError> {
    check_len("factor", factor, n * n)?;
    check_len("grad_a", grad_a, a.len())?;
    if n == 0 {
        return Ok(());
    }
    let rows = a.len() / n;
    let l = lower(n, factor);
    if let Some(grad) = grad_k_xz {
        check_len("grad_k_xz", grad, a.len())?;
        grad.copy_from_slice(grad_a);
        if rows > 0 {
            let par = parallelism(n * n * rows);
            T::solve_upper(l.transpose(), view_mut(grad, rows, n).transpose_mut(), par);
        }
    }
    let Some(grad) = grad_k_zz else { return Ok(()) };
    check_len("grad_k_zz", grad, n * n)?;
    if rows == 0 {
        grad.fill(T::ZERO);
        return Ok(());
    }
    let (par, one) = (parallelism(n * n * n), T::ONE);
    let (mut product, mut inverse, mut partial) =
        (vec![T::ZERO; n * n], vec![T::ZERO; n * n], vec![T::ZERO; n * n]);
    let left = (view(grad_a, rows, n).transpose(), Rectangular);
    let right = (view(a, rows, n), Rectangular);
    let target = (view_mut(&mut product, n, n).transpose_mut(), TriangularLower);
    T::triangular(target, Accum::Replace, left, right, -one, parallelism(n * n * rows));
    (0..n).for_each(|i| product[i * n + i] *= T::HALF);
    T::invert_lower(view_mut(&mut inverse, n, n).transpose_mut(), l, par);
    let inverse = lower(n, &inverse);
    let target = (view_mut(&mut partial, n, n).transpose_mut(), TriangularLower);
    let factors = ((lower(n, &product), TriangularLower), (inverse, TriangularLower));
    T::triangular(target, Accum::Replace, factors.0, factors.1, one, par);
    let target = (view_mut(&mut product, n, n).transpose_mut(), Rectangular);
    let factors = ((inverse.transpose(), TriangularUpper), (lower(n, &partial), TriangularLower));
    T::triangular(target, Accum::Replace, factors.0, factors.1, one, par);
    super::covariance::plus_transposed(n, &product, T::HALF, grad);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_times_its_factor_is_the_row_it_came_from() {
        // L = [[2, 0], [1, 2]]; k = L a.
        let (mut l, mut a) = ([0.0f64; 4], [0.0; 4]);
        whiten(2, &[3.0, 2.0, 2.0, 4.0], 1.0, &[2.0, 5.0, 4.0, 0.0], &mut l, &mut a).unwrap();
        assert_eq!((a, [l[0], l[1], l[3]]), ([1.0, 2.0, 2.0, -1.0], [2.0, 1.0, 2.0]));
    }

    #[test]
    fn refuses_a_matrix_without_a_factor_and_slices_of_other_lengths() {
        let (mut l, mut a) = ([0.0f32; 4], [0.0; 2]);
        let indefinite = [1.0, 2.0, 2.0, 1.0];
        let error = whiten(2, &indefinite, 0.0, &[1.0, 1.0], &mut l, &mut a).unwrap_err();
        assert_eq!(error, LinalgError::NotPositiveDefinite { matrix: 0, minor: 2 });
        let nan = [f32::NAN, 0.0, 0.0, 1.0];
        assert!(whiten(2, &nan, 0.0, &[1.0, 1.0], &mut l, &mut a).is_err());
        assert!(whiten(2, &indefinite, 0.0, &[1.0], &mut l, &mut a).is_err());
        assert!(whiten(0, &[], 0.0f32, &[], &mut [], &mut []).is_ok());
    }
}
