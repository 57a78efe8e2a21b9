//! Signs, masks and noise: their laws, their gradients, and what fixes them.

use super::*;
use crate::kernels::parallel::tests::same_for_all_threads;
use crate::ops::test_gradients::{assert_slopes, gradients_of, moments, wave, weighted_sum};

const KEY: Key = Key::new(5);

fn ones(dims: &[usize]) -> Value<f32> {
    Value::full(1.0, dims.iter().copied().collect())
}

/// The factors that an operation multiplies with.
fn factors(f: impl Fn(&Value<f32>) -> Result<Value<f32>>, dims: &[usize]) -> Vec<f32> {
    f(&ones(dims)).unwrap().peek().unwrap().to_vec()
}

#[test]
fn signs_are_one_in_size_and_fair_and_independent() {
    for channels in [1, 31, 32, 33, 512] {
        let rows = 200_000 / channels;
        let signs = factors(|x| flip(x, KEY), &[rows, channels]);
        assert!(signs.iter().all(|s| s.abs() == 1.0));
        let n = signs.len() as f64;
        let correlation =
            |lag: usize| signs.iter().zip(&signs[lag..]).map(|(a, b)| f64::from(a * b)).sum::<f64>() / n;
        assert!(moments(&signs).0.abs() < 4.0 / n.sqrt(), "{channels}");
        for lag in [1, 2, 16, 32, channels] {
            assert!(correlation(lag).abs() < 4.0 / n.sqrt(), "{channels}, lag {lag}");
        }
    }
}

#[test]
fn a_factor_belongs_to_a_row_and_a_channel() {
    let (rows, height, width, channels) = (300, 3, 5, 37);
    for op in [flip::<f32>, |x: &Value<f32>, key| spatial_dropout(x, 0.3, key)] {
        let flat = factors(|x| op(x, KEY), &[rows, channels]);
        let spatial = factors(|x| op(x, KEY), &[rows, height, width, channels]);
        for row in 0..rows {
            for position in 0..height * width {
                let from = (row * height * width + position) * channels;
                assert_eq!(spatial[from..][..channels], flat[row * channels..][..channels]);
            }
        }
        let few = factors(|x| op(x, KEY), &[7, channels]);
        assert_eq!(few, flat[..7 * channels], "rows do not depend on how many there are");
        assert_ne!(factors(|x| op(x, KEY.fold_in(1)), &[rows, channels]), flat);
    }
}

#[test]
fn dropout_keeps_the_mean_and_drops_at_its_rate() {
    let n = 200_000.0f64;
    for rate in [0.0, 0.1, 0.5, 0.9] {
        let kept = factors(|x| dropout(x, rate, KEY), &[1000, 2, 100]);
        let expected = (1.0 / (1.0 - rate)) as f32;
        assert!(kept.iter().all(|&x| x == 0.0 || x == expected));
        let share = kept.iter().filter(|&&x| x == 0.0).count() as f64 / n;
        assert!((share - rate).abs() <= 4.0 * (rate * (1.0 - rate) / n).sqrt(), "{rate}: {share}");
    }
    let elementwise = factors(|x| dropout(x, 0.5, KEY), &[1, 2, 100]);
    assert_ne!(elementwise[..100], elementwise[100..]);
}

#[test]
fn local_noise_has_the_given_moments() {
    let n = 100_000;
    let mean = Value::full(2.0f32, Dims::vector(n));
    let variance = Value::full(0.49f32, Dims::vector(n));
    let out = local_noise(&mean, &variance, KEY).unwrap();
    let (m, v) = moments(out.peek().unwrap());
    assert!((m - 2.0).abs() < 4.0 * 0.7 / (n as f64).sqrt());
    assert!((v / 0.49 - 1.0).abs() < 4.0 * (2.0 / n as f64).sqrt());
}

#[test]
fn gradients_are_the_slopes() {
    let x = [wave(&[3, 2, 35], 0.2, -1.0, 1.0), wave(&[3, 2, 35], 0.8, 0.1, 2.0)];
    assert_slopes(|x| Ok(weighted_sum(&flip(&x[0], KEY)?)), &x[..1], 1e-8);
    assert_slopes(|x| Ok(weighted_sum(&add_flipped(&x[0], &x[1], KEY)?)), &x, 1e-8);
    assert_slopes(|x| Ok(weighted_sum(&add_flipped(&x[0], &x[0], KEY)?)), &x[..1], 1e-8);
    assert_slopes(|x| Ok(weighted_sum(&dropout(&x[0], 0.4, KEY)?)), &x[..1], 1e-8);
    assert_slopes(|x| Ok(weighted_sum(&spatial_dropout(&x[0], 0.4, KEY)?)), &x[..1], 1e-8);
    assert_slopes(|x| Ok(weighted_sum(&local_noise(&x[0], &x[1], KEY)?)), &x, 1e-8);
}

#[test]
fn a_variance_of_zero_has_no_gradient_and_nan_stays() {
    let mean = wave::<f64>(&[4], 0.0, 0.0, 1.0);
    let variance = Value::from_vec(vec![0.0, -1e-9, 1e-300, f64::NAN], Dims::vector(4)).unwrap();
    let out = local_noise(&mean, &variance, KEY).unwrap();
    let (out, centre) = (out.peek().unwrap(), mean.peek().unwrap());
    assert_eq!(out[..2], centre[..2]);
    assert!(out[3].is_nan());
    let gradient =
        gradients_of(|x| Ok(weighted_sum(&local_noise(&mean, &x[0], KEY)?)), &[variance]).remove(0);
    assert_eq!(gradient[..2], [0.0, 0.0]);
    assert!(gradient[2].is_finite());
}

#[test]
fn nothing_depends_on_the_number_of_threads() {
    let x = [wave::<f32>(&[40, 30, 33], 0.2, -1.0, 1.0), wave::<f32>(&[40, 30, 33], 0.8, 0.1, 2.0)];
    same_for_all_threads(|| {
        let loss = |x: &[Value<f32>]| {
            let noisy = local_noise(&x[0], &x[1], KEY)?;
            let flipped = add_flipped(&noisy, &dropout(&x[1], 0.2, KEY)?, KEY)?;
            Ok(weighted_sum(&spatial_dropout(&flipped, 0.3, KEY)?))
        };
        gradients_of(loss, &x)
    });
}

#[test]
fn no_rows_and_no_channels_are_no_trouble() {
    for dims in [&[0, 3][..], &[3, 0], &[2, 0, 3], &[0]] {
        assert!(factors(|x| flip(x, KEY), dims).is_empty());
        assert!(factors(|x| dropout(x, 0.5, KEY), dims).is_empty());
    }
    assert_eq!(factors(|x| flip(x, KEY), &[]).len(), 1);
}

#[test]
fn refuses_rates_outside_of_the_unit_interval_and_shapes_that_differ() {
    let x = ones(&[2, 3]);
    for rate in [-0.1, 1.0, f64::NAN] {
        assert!(matches!(dropout(&x, rate, KEY), Err(Error::Parameter { .. })), "{rate}");
        assert!(spatial_dropout(&x, rate, KEY).is_err());
    }
    assert!(matches!(add_flipped(&x, &ones(&[3, 2]), KEY), Err(Error::Shape { .. })));
    assert!(matches!(local_noise(&x, &ones(&[2]), KEY), Err(Error::Shape { .. })));
}
