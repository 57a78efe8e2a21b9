//! Covariance matrices, whitening and marginal variances: slopes, precisions, edges.

use super::*;
use crate::ops::test_gradients::{assert_close, assert_slopes, gradients_of, wave, weighted_sum};

const PROFILES: [Profile; 5] = [
    Profile::ExponentiatedQuadratic,
    Profile::Matern12,
    Profile::Matern32,
    Profile::Matern52,
    Profile::RationalQuadratic,
];

fn numbers<E: Float>(inputs: &[Value<E>]) -> Hyperparameters<'_, E> {
    Hyperparameters { lengthscale: &inputs[0], variance: &inputs[1], alpha: Some(&inputs[2]) }
}

fn inputs<E: Float>(lengthscales: &[usize]) -> Vec<Value<E>> {
    vec![
        wave(&[5, 3], 0.1, -1.0, 1.0),
        wave(&[4, 3], 1.7, -2.0, 1.0),
        wave(lengthscales, 0.6, 0.7, 1.5),
        wave(&[], 0.2, 0.5, 2.0),
        wave(&[], 0.9, 0.5, 2.0),
    ]
}

#[test]
fn every_gradient_of_a_covariance_matrix_is_its_slope() {
    for profile in PROFILES {
        for lengthscales in [&[][..], &[3]] {
            let inputs = inputs(lengthscales);
            let cross = |v: &[Value<f64>]| {
                let matrix = stationary_covariance(profile, &v[0], Some(&v[1]), numbers(&v[2..]))?;
                Ok(weighted_sum(&matrix))
            };
            assert_slopes(cross, &inputs, 1e-7);
            let own = |v: &[Value<f64>]| {
                Ok(weighted_sum(&stationary_covariance(profile, &v[0], None, numbers(&v[1..]))?))
            };
            let own_inputs: Vec<_> = [0, 2, 3, 4].map(|i| inputs[i].clone()).to_vec();
            assert_slopes(own, &own_inputs, 1e-7);
        }
    }
}

#[test]
fn single_precision_gives_the_gradients_of_double_precision() {
    fn gradients<E: Float>(profile: Profile) -> Vec<Vec<f64>> {
        let program = |v: &[Value<E>]| {
            let cross = stationary_covariance(profile, &v[0], Some(&v[1]), numbers(&v[2..]))?;
            let own = stationary_covariance(profile, &v[1], None, numbers(&v[2..]))?;
            Ok(weighted_sum(&whiten(&own, &cross, 0.1)?.0))
        };
        gradients_of(program, &inputs(&[3]))
    }
    for profile in PROFILES {
        assert_close(&gradients::<f32>(profile), &gradients::<f64>(profile), 2e-4);
    }
}

fn points<E: Float>(features: usize, rows: &[&[f64]]) -> Value<E> {
    let numbers = rows.iter().flat_map(|row| row.iter().map(|&x| E::from_f64(x))).collect();
    Value::from_vec(numbers, Dims::vector(rows.len()).with_last(features)).unwrap()
}

/// The covariances between points, with other points and with one another, which are to be the same.
fn covariances<E: Float>(profile: Profile, x: &Value<E>, lengthscale: f64) -> Vec<f64> {
    let [lengthscale, one] = [lengthscale, 1.0].map(|number| Value::scalar(E::from_f64(number)));
    let numbers = Hyperparameters { lengthscale: &lengthscale, variance: &one, alpha: Some(&one) };
    let cross = stationary_covariance(profile, x, Some(x), numbers).unwrap();
    let own = stationary_covariance(profile, x, None, numbers).unwrap();
    let numbers = |k: &Value<E>| k.peek().unwrap().iter().map(|k| k.to_f64()).collect::<Vec<_>>();
    let (cross, own) = (numbers(&cross), numbers(&own));
    for (a, b) in cross.iter().zip(&own) {
        assert!((a - b).abs() < 4.0 * E::EPSILON.to_f64() || a.is_nan(), "{profile:?}: {a} {b}");
    }
    cross
}

#[test]
fn points_at_one_place_have_the_full_covariance_and_nan_stays() {
    // Far from the origin, where the square of a length has no digits left for a distance.
    let x = points::<f32>(1, &[&[1e4], &[1e4], &[1e4 + 1.0], &[f64::NAN]]);
    let k = covariances(Profile::ExponentiatedQuadratic, &x, 1.0);
    for (k, expected) in k.iter().zip([1.0, 1.0, (-0.5f64).exp()]) {
        assert!((k - expected).abs() < 1e-7, "{k} is not {expected}");
    }
    assert!(k[3].is_nan());
}

#[test]
fn points_far_apart_have_no_covariance_and_near_ones_beside_them_keep_theirs() {
    // One and twelve features: differences, and products that would lose what is near.
    for (features, far) in [(1, 1e20), (1, 1e10), (12, 1e20), (12, 1e5), (12, 200.0)] {
        let row = |x: f64| vec![x; features];
        let (a, b, c) = (row(0.0), row(0.25), row(far));
        let x = points::<f32>(features, &[&a, &b, &c, &a]);
        for profile in PROFILES {
            let k = covariances(profile, &x, 1.0);
            let s = features as f64 * 0.0625;
            let expected = match profile {
                Profile::ExponentiatedQuadratic => (-0.5 * s).exp(),
                Profile::Matern12 => (-s.sqrt()).exp(),
                Profile::Matern32 => (1.0 + (3.0 * s).sqrt()) * (-(3.0 * s).sqrt()).exp(),
                Profile::Matern52 => (1.0 + (5.0 * s).sqrt() + 5.0 * s / 3.0) * (-(5.0 * s).sqrt()).exp(),
                Profile::RationalQuadratic => 1.0 / (1.0 + 0.5 * s),
            };
            assert!((k[1] - expected).abs() < 3e-7, "{profile:?} {features} {far}: {}", k[1]);
            assert_eq!((k[0], k[3], k[10]), (1.0, 1.0, 1.0), "{profile:?} {features} {far}");
            assert!((0.0..1e-4).contains(&k[2]), "{profile:?} {features} {far}: {}", k[2]);
        }
    }
}

#[test]
fn points_at_one_place_among_many_features_are_at_distance_0_however_rough_the_function_is() {
    // The product leaves the rounding of a length, whose root is 3e-4 in single precision.
    let row = |phase: f64| (0..40).map(|k| (k as f64 + phase).sin()).collect::<Vec<f64>>();
    let (a, b) = (row(0.0), row(0.5));
    let k = covariances(Profile::Matern12, &points::<f32>(40, &[&a, &b, &a]), 5.0);
    assert_eq!((k[2], k[6]), (1.0, 1.0));
}

#[test]
fn a_tiny_lengthscale_makes_points_independent_with_gradients_that_are_finite() {
    fn check<E: Float>(least: f64) {
        for profile in PROFILES {
            for lengthscale in [1e-10, 1e-25, least] {
                for features in [1, 12] {
                    let rows: Vec<Vec<f64>> = [0.0, 1.0, 1.0, -3.0].map(|x| vec![x; features]).to_vec();
                    let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
                    let x = points::<E>(features, &rows);
                    let k = covariances(profile, &x, lengthscale);
                    // A rational quadratic of α = 1 falls as slowly as the square.
                    assert!((0.0..1e-18).contains(&k[1]) && k[6] == 1.0, "{profile:?} {lengthscale}: {k:?}");
                    let scalars = [lengthscale, 1.0, 1.0].map(|x| Value::scalar(E::from_f64(x)));
                    let inputs = [&[x.clone(), x][..], &scalars].concat();
                    let program = |v: &[Value<E>]| {
                        let cross = stationary_covariance(profile, &v[0], Some(&v[1]), numbers(&v[2..]))?;
                        Ok(weighted_sum(&cross))
                    };
                    let gradients = gradients_of(program, &inputs);
                    assert!(gradients.iter().flatten().all(|g| g.is_finite()), "{profile:?} {gradients:?}");
                }
            }
        }
    }
    check::<f32>(1e-40);
    check::<f64>(1e-310);
}

#[test]
fn gradients_by_differences_are_those_by_products() {
    // The same points, among them one so far that products are not used.
    for profile in PROFILES {
        let near = wave::<f64>(&[5, 12], 0.1, -1.0, 1.0);
        let far = wave::<f64>(&[5, 12], 0.1, -30.0, 30.0);
        for x in [near, far] {
            let lengthscale = if x.peek().unwrap().iter().any(|x| x.abs() > 5.0) { 20.0 } else { 0.9 };
            let inputs = [
                x,
                wave(&[4, 12], 1.7, -2.0, 1.0),
                Value::scalar(lengthscale),
                Value::scalar(1.3),
                Value::scalar(0.7),
            ];
            let program = |v: &[Value<f64>]| {
                let cross = stationary_covariance(profile, &v[0], Some(&v[1]), numbers(&v[2..]))?;
                let own = stationary_covariance(profile, &v[0], None, numbers(&v[2..]))?;
                Ok(crate::ops::elementwise::add(&weighted_sum(&cross), &weighted_sum(&own)))
            };
            assert_slopes(program, &inputs, 1e-6);
        }
    }
}

#[test]
fn refuses_points_and_numbers_that_do_not_fit() {
    let inputs = inputs::<f64>(&[2]);
    let profile = Profile::Matern32;
    let error = stationary_covariance(profile, &inputs[0], None, numbers(&inputs[2..])).unwrap_err();
    assert!(error.to_string().contains("[] or [3] for the lengthscale, got [2]"), "{error}");
    let narrow = wave(&[4, 2], 0.0, 0.0, 1.0);
    let error = stationary_covariance(profile, &inputs[0], Some(&narrow), numbers(&inputs[2..]));
    assert!(error.unwrap_err().to_string().contains("[M, 3]"));
    assert!(stationary_covariance(profile, &inputs[3], None, numbers(&inputs[2..])).is_err());
    assert!(whiten(&narrow, &narrow, 0.0).is_err());
    assert!(marginal_variance(&narrow, &narrow, &narrow).is_err());
}

#[test]
fn whitening_has_the_slopes_of_a_factor_and_a_solve() {
    let program = |v: &[Value<f64>]| {
        let lengthscale = Value::scalar(0.8);
        let variance = Value::scalar(1.3);
        let numbers = Hyperparameters { lengthscale: &lengthscale, variance: &variance, alpha: None };
        let profile = Profile::Matern52;
        let own = stationary_covariance(profile, &v[1], None, numbers)?;
        let cross = stationary_covariance(profile, &v[0], Some(&v[1]), numbers)?;
        Ok(weighted_sum(&whiten(&own, &cross, 0.01)?.0))
    };
    assert_slopes(program, &inputs(&[])[..2], 1e-6);
}

#[test]
fn marginal_variances_have_their_slopes_and_no_gradient_below_zero() {
    let a = wave(&[4, 3], 0.3, -0.7, 0.7);
    let (w, k) = (wave(&[3, 2], 1.0, 0.1, 1.4), wave(&[4], 0.5, 1.6, 2.0));
    let program = |v: &[Value<f64>]| Ok(weighted_sum(&marginal_variance(&v[0], &v[1], &v[2])?));
    assert_slopes(program, &[a.clone(), w.clone(), k], 1e-8);
    let none = wave(&[4], 0.5, -2.0, -1.0);
    assert_slopes(program, &[a, w, none.clone()], 1e-8);
    let zero = Value::full(0.0, Dims::vector(3).with_last(2));
    let cut = marginal_variance(&wave(&[4, 3], 0.3, -0.7, 0.7), &zero, &none).unwrap();
    assert_eq!(cut.peek().unwrap(), [0.0; 8]);
}

#[test]
fn a_matrix_without_a_factor_is_an_error_that_names_the_minor() {
    let k = Value::from_vec(vec![1.0f64, 2.0, 2.0, 1.0], Dims::vector(2).with_last(2)).unwrap();
    let error = whiten(&k, &k, 0.0).unwrap_err();
    assert!(matches!(error, Error::NotPositiveDefinite { minor: 2, .. }), "{error}");
    assert!(whiten(&k, &k, 1.5).is_ok());
    // A matrix of rank one has a factor with a little on its diagonal.
    let k = Value::full(1.0f64, Dims::vector(2).with_last(2));
    let (_, jitter) = whiten(&k, &k, 0.0).unwrap();
    assert!(jitter > 0.0 && jitter < 1e-14, "{jitter}");
}
