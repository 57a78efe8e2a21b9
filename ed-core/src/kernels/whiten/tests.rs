use super::*;
use crate::kernels::fused::Gradient;
use crate::kernels::linalg::LinalgError;
use crate::kernels::parallel::tests::same_for_all_threads;

fn numbers(len: usize, seed: usize) -> Vec<f64> {
    (0..len).map(|i| ((i * 7919 + seed * 31) % 1009) as f64 / 500.0 - 1.0).collect()
}

/// A positive definite matrix, its factor, and rows times the factor.
struct System {
    k_zz: Vec<f64>,
    factor: Vec<f64>,
    k_xz: Vec<f64>,
    a: Vec<f64>,
}

const JITTER: f64 = 0.25;

fn system(n: usize, rows: usize) -> System {
    let (mut factor, a) = (numbers(n * n, 1), numbers(rows * n, 2));
    for i in 0..n {
        factor[i * n + i] = 2.0 + factor[i * n + i].abs();
        (0..n).for_each(|j| factor[i * n + j] *= if j > i { 0.0 } else { 1.0 / (1.0 + (i - j) as f64) });
    }
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let line = |m: &[f64], i: usize| m[i * n..][..n].to_vec();
    let times = |x: &[f64], rows: usize| -> Vec<f64> {
        (0..rows * n).map(|ij| dot(&line(x, ij / n), &line(&factor, ij % n))).collect()
    };
    let (mut k_zz, k_xz) = (times(&factor, n), times(&a, rows));
    (0..n).for_each(|i| k_zz[i * n + i] -= JITTER);
    System { k_zz, factor, k_xz, a }
}

/// `A` and `L⁻ᵀ`.
fn run(n: usize, system: &System, wants_inverse: bool) -> (Vec<f64>, Vec<f64>) {
    let (mut factor, mut inverse) = (vec![f64::NAN; n * n], vec![f64::NAN; n * n]);
    let mut a = vec![f64::NAN; system.k_xz.len()];
    let out = Whitened { a: &mut a, factor: &mut factor, inverse: wants_inverse.then_some(&mut inverse[..]) };
    whiten(n, (&system.k_zz, JITTER), &system.k_xz, out).unwrap();
    (a, inverse)
}

fn near(a: &[f64], b: &[f64]) {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).for_each(|(a, b)| assert!((a - b).abs() < 1e-9, "{a} is not {b}"));
}

#[test]
fn rows_times_their_factor_are_the_rows_they_came_from_for_any_number_of_blocks() {
    for (n, rows) in [(1, 1), (2, 0), (3, 5), (64, 2), (65, 64), (130, 300), (257, 129)] {
        let system = system(n, rows);
        let (a, inverse) = run(n, &system, true);
        near(&a, &system.a);
        near(&run(n, &system, false).0, &system.a);
        // U Lᵀ = I.
        for i in 0..n {
            for j in 0..n {
                let sum: f64 = (0..n).map(|k| inverse[i * n + k] * system.factor[j * n + k]).sum();
                assert!((sum - f64::from(u8::from(i == j))).abs() < 1e-9, "{n}: {i} {j} {sum}");
            }
        }
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let (n, rows) = (200, 150);
    let system = system(n, rows);
    same_for_all_threads(|| {
        let (a, inverse) = run(n, &system, true);
        let (grad, mut zz, mut xz) = (numbers(rows * n, 3), vec![0.0; n * n], vec![0.0; rows * n]);
        let (mut first, mut second) = (vec![0.0; n * n], vec![0.0; n * n]);
        let gradients = WhitenGradients {
            k_zz: Some((Gradient { values: &mut zz, fresh: true }, [&mut first, &mut second])),
            k_xz: Some(Gradient { values: &mut xz, fresh: true }),
        };
        whiten_backward(n, &inverse, (&a, &grad), gradients).unwrap();
        (a, inverse, zz, xz)
    });
}

#[test]
fn gradients_over_several_blocks_are_those_of_the_definition() {
    let (n, rows) = (150, 70);
    let system = system(n, rows);
    let (a, inverse) = run(n, &system, true);
    let grad = numbers(rows * n, 3);
    let (mut zz, mut xz) = (vec![1.0; n * n], vec![1.0; rows * n]);
    let (mut first, mut second) = (vec![f64::NAN; n * n], vec![f64::NAN; n * n]);
    let gradients = WhitenGradients {
        k_zz: Some((Gradient { values: &mut zz, fresh: false }, [&mut first, &mut second])),
        k_xz: Some(Gradient { values: &mut xz, fresh: false }),
    };
    whiten_backward(n, &inverse, (&a, &grad), gradients).unwrap();
    // With W = L⁻¹ = Uᵀ: K̄_xz = Ā W, and K̄_zz = sym(Wᵀ Φ W).
    let product = |left: &dyn Fn(usize, usize) -> f64, right: &dyn Fn(usize, usize) -> f64, depth: usize| {
        let cells = (0..n * n).map(|ij| (0..depth).map(|k| left(ij / n, k) * right(k, ij % n)).sum::<f64>());
        cells.collect::<Vec<f64>>()
    };
    let mut phi = product(&|i, k| -grad[k * n + i], &|k, j| a[k * n + j], rows);
    for i in 0..n {
        phi[i * n + i] *= 0.5;
        (i + 1..n).for_each(|j| phi[i * n + j] = 0.0);
    }
    let right = product(&|i, k| phi[i * n + k], &|k, j| inverse[j * n + k], n);
    let s = product(&|i, k| inverse[i * n + k], &|k, j| right[k * n + j], n);
    let expected: Vec<f64> = (0..n * n).map(|ij| 1.0 + 0.5 * (s[ij] + s[ij % n * n + ij / n])).collect();
    near(&zz, &expected);
    let to_rows = |ij: usize| (0..n).map(|k| grad[ij / n * n + k] * inverse[ij % n * n + k]).sum::<f64>();
    near(&xz, &(0..rows * n).map(|ij| 1.0 + to_rows(ij)).collect::<Vec<f64>>());
}

#[test]
fn refuses_a_matrix_without_a_factor_and_slices_of_other_lengths() {
    let (mut factor, mut a) = ([0.0f32; 4], [0.0; 2]);
    let mut run = |k_zz: &[f32], k_xz: &[f32]| {
        let out = Whitened { a: &mut a, factor: &mut factor, inverse: None };
        whiten(2, (k_zz, 0.0), k_xz, out)
    };
    let indefinite = [1.0, 2.0, 2.0, 1.0];
    let failing = |minor| Err(LinalgError::NotPositiveDefinite { matrix: 0, minor });
    assert_eq!(run(&indefinite, &[1.0, 1.0]), failing(2));
    assert_eq!(run(&[f32::NAN, 0.0, 0.0, 1.0], &[1.0, 1.0]), failing(1));
    assert_eq!(run(&[1.0, 0.0, 0.0, f32::INFINITY], &[1.0, 1.0]), failing(2));
    assert!(run(&indefinite, &[1.0]).is_err());
    let out = Whitened { a: &mut [], factor: &mut [], inverse: None };
    assert!(whiten(0, (&[], 0.0f32), &[], out).is_ok());
}

#[test]
fn a_failing_minor_beyond_the_first_block_has_its_own_order() {
    let mut system = system(130, 3);
    system.k_zz[100 * 130 + 100] = -10.0;
    let (mut factor, mut a) = (vec![0.0; 130 * 130], vec![0.0; 3 * 130]);
    let out = Whitened { a: &mut a, factor: &mut factor, inverse: None };
    let outcome = whiten(130, (&system.k_zz, JITTER), &system.k_xz, out);
    assert_eq!(outcome, Err(LinalgError::NotPositiveDefinite { matrix: 0, minor: 101 }));
}
