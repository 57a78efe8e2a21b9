//! Ulp bounds of the elementary functions against the C library.

use super::super::dispatch::{Avx2, Portable};
use super::*;

/// Distance in ulps of `reference`; 0 where both are the same infinity or NaN.
fn ulps_f32(got: f32, reference: f64) -> f64 {
    let nearest = reference as f32;
    if nearest.is_nan() || nearest.is_infinite() || got.is_nan() || got.is_infinite() {
        let overflow_edge =
            nearest.is_infinite() && got == f32::MAX || got.is_infinite() && nearest == f32::MAX;
        let same = nearest.is_nan() && got.is_nan() || got == nearest || overflow_edge;
        return if same { 0.0 } else { f64::INFINITY };
    }
    let next = f32::from_bits(nearest.abs().to_bits() + 1);
    (f64::from(got) - reference).abs() / (f64::from(next) - f64::from(nearest.abs()))
}

fn ulps_f64(got: f64, reference: f64) -> f64 {
    if reference.is_nan() || reference.is_infinite() || got.is_nan() || got.is_infinite() {
        let same = reference.is_nan() && got.is_nan() || got == reference;
        return if same { 0.0 } else { f64::INFINITY };
    }
    let next = f64::from_bits(reference.abs().to_bits() + 1);
    (got - reference).abs() / (next - reference.abs())
}

/// Edge cases, every magnitude of both signs, and a dense grid in the middle.
fn grid() -> Vec<f64> {
    let mut grid = vec![0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1.0, -1.0, 0.5, -0.5];
    for edge in [88.72, 88.73, 89.5, -87.4, -103.9, -104.5, 709.78, 709.79, 711.0, -708.5, -745.1, -746.5] {
        grid.push(edge);
    }
    for edge in [f64::MIN_POSITIVE, 5e-324, 1e-310, f64::MAX, 1e-45, 1e-40, 1.2e-38, 3.4e38] {
        grid.extend([edge, -edge]);
    }
    let mut x = 1e-320;
    while x < 1e308 {
        grid.extend([x, -x]);
        x *= 1.37;
    }
    let mut x = -30.0;
    while x < 30.0 {
        grid.push(x);
        x += 0.000_713_7;
    }
    let mut x = -110.0;
    while x < 110.0 {
        grid.push(x);
        x += 0.013_37;
    }
    grid
}

/// Asserts the bounds for both numbers on both instruction sets. Without fused instructions on the
/// processor the `Avx2` code computes the same through library calls.
macro_rules! within_ulps {
    ($name:ident, $function:ident, $reference:expr, $f32:literal, $f64:literal) => {
        #[test]
        fn $name() {
            let reference: fn(f64) -> f64 = $reference;
            let mut worst = [(0.0, 0.0); 4];
            for x in grid() {
                let single = x as f32;
                let errors = [
                    (
                        ulps_f32($function::<Portable, f32>(single), reference(f64::from(single))),
                        f64::from(single),
                    ),
                    (
                        ulps_f32($function::<Avx2, f32>(single), reference(f64::from(single))),
                        f64::from(single),
                    ),
                    (ulps_f64($function::<Portable, f64>(x), reference(x)), x),
                    (ulps_f64($function::<Avx2, f64>(x), reference(x)), x),
                ];
                for (worst, error) in worst.iter_mut().zip(errors) {
                    *worst = if error.0 > worst.0 { error } else { *worst };
                }
            }
            for (worst, bound) in worst.into_iter().zip([$f32, $f32, $f64, $f64]) {
                assert!(worst.0 <= bound, "{worst:?} (ulps, input), bound {bound}; all {worst:?}");
            }
            println!("{worst:?}");
        }
    };
}

fn reference_softplus(x: f64) -> f64 {
    if x > 0.0 { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() }
}

fn reference_sigmoid(x: f64) -> f64 {
    if x > 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) }
}

within_ulps!(exp_is_within_its_bound, exp, f64::exp, 2.0, 2.0);
within_ulps!(expm1_is_within_its_bound, expm1, f64::exp_m1, 3.0, 3.0);
within_ulps!(ln_is_within_its_bound, ln, f64::ln, 1.5, 1.5);
within_ulps!(ln_1p_is_within_its_bound, ln_1p, f64::ln_1p, 2.0, 2.0);
within_ulps!(tanh_is_within_its_bound, tanh, f64::tanh, 4.0, 4.0);
within_ulps!(sigmoid_is_within_its_bound, sigmoid, reference_sigmoid, 3.0, 3.0);
within_ulps!(softplus_is_within_its_bound, softplus, reference_softplus, 3.0, 3.0);
within_ulps!(log_sigmoid_is_within_its_bound, log_sigmoid, |x| -reference_softplus(-x), 3.0, 3.0);
within_ulps!(erf_is_within_its_bound, erf, libm::erf, 3.0, 3.0);
within_ulps!(erfc_is_within_its_bound, erfc, libm::erfc, 8.0, 8.0);

#[test]
fn zeros_keep_their_sign() {
    for f in [expm1::<Portable, f64>, ln_1p::<Portable, f64>, tanh::<Portable, f64>, erf::<Portable, f64>] {
        assert!(f(-0.0).is_sign_negative() && f(-0.0) == 0.0);
        assert!(f(0.0).is_sign_positive() && f(0.0) == 0.0);
    }
}

#[test]
fn cos_and_sin_of_turns_are_within_an_ulp_of_one() {
    for i in -1000..=1000 {
        let a = f64::from(i) / 8000.0;
        let (sin, cos) = (2.0 * f64::PI * a).sin_cos();
        let double = cos_sin_octant::<Portable, f64>(a);
        assert!((double.0 - cos).abs() < f64::EPSILON && (double.1 - sin).abs() < f64::EPSILON);
        let (sin, cos) = (2.0 * f64::PI * f64::from(a as f32)).sin_cos();
        let single = cos_sin_octant::<Portable, f32>(a as f32);
        assert!((f64::from(single.0) - cos).abs() < f64::from(f32::EPSILON));
        assert!((f64::from(single.1) - sin).abs() < f64::from(f32::EPSILON));
    }
}

#[test]
fn powi_equals_repeated_products() {
    for n in 0..12 {
        let product = (0..n).fold(1.0, |p, _| p * 1.5);
        assert_eq!(powi(1.5f64, n), product);
    }
}
