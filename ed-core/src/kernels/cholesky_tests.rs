//! Factors against their product, gradients against finite differences.

use super::*;

fn wave(len: usize, phase: f64) -> Vec<f64> {
    (0..len).map(|i| (i as f64 * 1.37 + phase).sin()).collect()
}

/// `B Bᵀ + n I` for each matrix.
fn positive_definite(n: usize, batch: usize) -> Vec<f64> {
    let b = wave(n * n * batch, 0.3);
    let mut a = vec![0.0; b.len()];
    for (a, b) in a.chunks_exact_mut(n * n).zip(b.chunks_exact(n * n)) {
        for i in 0..n {
            for j in 0..n {
                let product: f64 = (0..n).map(|k| b[i * n + k] * b[j * n + k]).sum();
                a[i * n + j] = product + if i == j { n as f64 } else { 0.0 };
            }
        }
    }
    a
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Compares `grad` with central differences of `f` at `x`.
fn check_gradient(x: &[f64], grad: &[f64], f: impl Fn(&[f64]) -> f64) {
    for i in 0..x.len() {
        let (mut up, mut down) = (x.to_vec(), x.to_vec());
        up[i] += 1e-5;
        down[i] -= 1e-5;
        let difference = (f(&up) - f(&down)) / 2e-5;
        assert!(
            (grad[i] - difference).abs() < 1e-7 * (1.0 + difference.abs()),
            "{i}: {} {difference}",
            grad[i]
        );
    }
}

#[test]
fn the_factor_times_its_transpose_is_the_matrix() {
    for (n, batch) in [(1, 1), (2, 3), (7, 100), (40, 5), (130, 1)] {
        let a = positive_definite(n, batch);
        let mut l = vec![f64::NAN; a.len()];
        cholesky(n, &a, &mut l).unwrap();
        for (a, l) in a.chunks(n * n).zip(l.chunks(n * n)) {
            for i in 0..n {
                for j in 0..n {
                    let product: f64 = (0..n).map(|k| l[i * n + k] * l[j * n + k]).sum();
                    assert!((product - a[i * n + j]).abs() < 1e-11 * n as f64, "{n} {i} {j}");
                    assert!(j <= i || l[i * n + j] == 0.0);
                }
            }
        }
    }
}

#[test]
fn a_batch_of_nothing_is_fine() {
    assert_eq!(cholesky::<f64>(0, &[], &mut []), Ok(()));
    assert_eq!(cholesky::<f64>(3, &[], &mut []), Ok(()));
}

#[test]
fn names_the_matrix_and_the_minor_that_is_not_positive() {
    let n = 5;
    for minor in 1..=n {
        for bad in [-1.0, 0.0, f64::NAN] {
            let mut a = vec![0.0; 3 * n * n];
            for (m, a) in a.chunks_exact_mut(n * n).enumerate() {
                for i in 0..n {
                    a[i * n + i] = if m == 1 && i + 1 == minor { bad } else { 2.0 };
                }
            }
            let error = cholesky(n, &a, &mut vec![0.0; a.len()]).unwrap_err();
            assert_eq!(error, LinalgError::NotPositiveDefinite { matrix: 1, minor }, "{bad}");
        }
    }
}

#[test]
fn refuses_slices_that_are_no_batch_of_matrices() {
    assert!(cholesky(3, &[1.0; 10], &mut [0.0; 10]).is_err());
    assert!(cholesky(3, &[1.0; 9], &mut [0.0; 8]).is_err());
    assert!(solve_triangular([2, 1], (&[1.0; 4], Transpose::No), &mut [1.0; 3]).is_err());
    assert!(log_det(2, &[1.0; 4], &mut [0.0; 2]).is_err());
}

#[test]
fn the_backward_of_cholesky_matches_finite_differences() {
    for (n, batch) in [(1, 1), (4, 3)] {
        let a = positive_definite(n, batch);
        let weights = wave(a.len(), 2.0);
        // The loss sees the symmetric part, as the gradient does.
        let loss = |a: &[f64]| {
            let mut symmetric = a.to_vec();
            for (s, a) in symmetric.chunks_exact_mut(n * n).zip(a.chunks_exact(n * n)) {
                for i in 0..n {
                    for j in 0..n {
                        s[i * n + j] = 0.5 * (a[i * n + j] + a[j * n + i]);
                    }
                }
            }
            let mut l = vec![0.0; a.len()];
            cholesky(n, &symmetric, &mut l).unwrap();
            dot(&l, &weights)
        };
        let (mut l, mut grad) = (vec![0.0; a.len()], vec![0.0; a.len()]);
        cholesky(n, &a, &mut l).unwrap();
        cholesky_backward(n, &l, &weights, &mut grad).unwrap();
        check_gradient(&a, &grad, loss);
    }
}

#[test]
fn triangular_solutions_and_their_gradients_are_right() {
    let (n, k, batch) = (4, 3, 2);
    let mut l = vec![0.0; n * n * batch];
    cholesky(n, &positive_definite(n, batch), &mut l).unwrap();
    let b = wave(n * k * batch, 0.9);
    let weights = wave(b.len(), 1.9);
    for op in [Transpose::No, Transpose::Yes] {
        let solve = |l: &[f64], b: &[f64]| {
            let mut x = b.to_vec();
            solve_triangular([n, k], (l, op), &mut x).unwrap();
            x
        };
        let x = solve(&l, &b);
        for m in 0..batch {
            for i in 0..n {
                for c in 0..k {
                    let product: f64 = (0..n)
                        .map(|j| {
                            let (row, column) = if op == Transpose::No { (i, j) } else { (j, i) };
                            l[m * n * n + row * n + column] * x[(m * n + j) * k + c]
                        })
                        .sum();
                    assert!((product - b[(m * n + i) * k + c]).abs() < 1e-13);
                }
            }
        }
        let (mut grad_l, mut grad_b) = (vec![0.0; l.len()], vec![0.0; b.len()]);
        solve_triangular_backward([n, k], (&l, op), &x, &weights, &mut grad_l, &mut grad_b).unwrap();
        check_gradient(&b, &grad_b, |b| dot(&solve(&l, b), &weights));
        check_gradient(&l, &grad_l, |l| dot(&solve(l, &b), &weights));
    }
}

#[test]
fn the_log_determinant_is_that_of_the_matrix() {
    let a = [4.0, 2.0, 2.0, 5.0, 9.0, 0.0, 0.0, 1.0];
    let (mut l, mut out) = ([0.0; 8], [0.0; 2]);
    cholesky(2, &a, &mut l).unwrap();
    log_det(2, &l, &mut out).unwrap();
    assert!((out[0] - 16f64.ln()).abs() < 1e-14 && (out[1] - 9f64.ln()).abs() < 1e-14);
}
