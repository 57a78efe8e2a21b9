//! Maps against scalar definitions, derivatives against finite differences.

use super::*;
use crate::kernels::dispatch::{Level, with_level};
use crate::kernels::parallel::tests::same_for_all_threads;

/// Asserts the value (against `f64` closures) at all lengths and levels, and the derivative.
fn behaves_like(op: impl Unary<f64> + Unary<f32>, points: &[f64], f: impl Fn(f64) -> f64) {
    for level in [Level::Portable, Level::Avx2] {
        for len in [0, 1, 5, 64, 20_001] {
            let x: Vec<f64> = points.iter().copied().cycle().take(len).collect();
            let single: Vec<f32> = x.iter().map(|&x| x as f32).collect();
            let (mut y, mut y_single) = (vec![0.0; len], vec![0.0; len]);
            with_level(level, || {
                map(op, &x, &mut y);
                map(op, &single, &mut y_single);
            });
            let mut in_place = x.clone();
            with_level(level, || map_in_place(op, &mut in_place));
            assert_eq!(in_place, y);
            for i in 0..len {
                let expected = f(x[i]);
                assert!((y[i] - expected).abs() <= 1e-13 * (1.0 + expected.abs()), "{} gives {}", x[i], y[i]);
                let expected = f(f64::from(single[i]));
                let error = (f64::from(y_single[i]) - expected).abs();
                assert!(error <= 1e-6 * (1.0 + expected.abs()), "{} gives {}", single[i], y_single[i]);
            }
        }
    }
    let mut y = vec![0.0; points.len()];
    map(op, points, &mut y);
    let mut grad = vec![10.0; points.len()];
    map_backward(op, points, &y, &vec![3.0; points.len()], &mut grad);
    for (i, &x) in points.iter().enumerate() {
        let h = 1e-5;
        let slope = (f(x + h) - f(x - h)) / (2.0 * h);
        assert!((grad[i] - 10.0 - 3.0 * slope).abs() < 1e-6 * (1.0 + slope.abs()), "slope at {x}");
    }
}

#[test]
fn every_unary_operation_has_its_value_and_derivative() {
    let line = [-4.0, -1.3, -0.2, 0.1, 0.7, 1.9, 5.5];
    let positive = [0.2, 0.7, 1.5, 3.25, 9.0];
    behaves_like(Exp, &line, f64::exp);
    behaves_like(Expm1, &line, f64::exp_m1);
    behaves_like(Ln, &positive, f64::ln);
    behaves_like(Ln1p, &positive, f64::ln_1p);
    behaves_like(Tanh, &line, f64::tanh);
    behaves_like(Sigmoid, &line, |x| 1.0 / (1.0 + (-x).exp()));
    behaves_like(Softplus, &line, |x| x.exp().ln_1p());
    behaves_like(LogSigmoid, &line, |x| -(-x).exp().ln_1p());
    behaves_like(Erf, &line, libm::erf);
    behaves_like(Erfc, &line, libm::erfc);
    behaves_like(Sqrt, &positive, f64::sqrt);
    behaves_like(Square, &line, |x| x * x);
    behaves_like(Reciprocal, &line, |x| 1.0 / x);
    behaves_like(Neg, &line, |x| -x);
    behaves_like(Abs, &line, f64::abs);
    behaves_like(Relu, &line, |x| x.max(0.0));
    behaves_like(Sin, &line, f64::sin);
    behaves_like(Cos, &line, f64::cos);
    behaves_like(LnGamma, &positive, libm::lgamma);
    behaves_like(Digamma, &positive, special::digamma);
}

#[test]
fn every_binary_operation_has_its_value_and_derivatives() {
    fn check(op: impl Binary<f64>, f: impl Fn(f64, f64) -> f64) {
        let (a, b) = ([1.5, -2.0, 0.3], [0.7, 3.0, -1.1]);
        let (mut y, mut grad_a, mut grad_b) = ([0.0; 3], [1.0; 3], [2.0; 3]);
        zip_map(op, a[..].into(), b[..].into(), &mut y);
        zip_map_backward(op, &a, &b, &[2.0; 3], &mut grad_a, &mut grad_b);
        let h = 1e-6;
        for i in 0..3 {
            assert_eq!(y[i], f(a[i], b[i]));
            let slope_a = (f(a[i] + h, b[i]) - f(a[i] - h, b[i])) / (2.0 * h);
            let slope_b = (f(a[i], b[i] + h) - f(a[i], b[i] - h)) / (2.0 * h);
            assert!((grad_a[i] - 1.0 - 2.0 * slope_a).abs() < 1e-7);
            assert!((grad_b[i] - 2.0 - 2.0 * slope_b).abs() < 1e-7);
        }
    }
    check(Add, |a, b| a + b);
    check(Sub, |a, b| a - b);
    check(Mul, |a, b| a * b);
    check(Div, |a, b| a / b);
}

#[test]
fn a_broadcast_side_repeats_across_chunks() {
    let a: Vec<f32> = (0..30_000).map(|i| i as f32).collect();
    let columns = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
    let out = same_for_all_threads(|| {
        let mut out = vec![0.0; a.len()];
        zip_map(Mul, a[..].into(), columns[..].into(), &mut out);
        out
    });
    assert!(out.iter().enumerate().all(|(i, &y)| y == a[i] * columns[i % 7]));
}
