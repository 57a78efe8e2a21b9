//! Autocovariance of chains by the fast Fourier transform.

use super::chains::{mean, standardised};
use super::fourier::{Complex, Plan};

/// Autocovariance of one chain at lags `0..chain.len()`, divisor `n` at every lag (the biased estimate, whose
/// noise does not grow with the lag).
///
/// Empty for an empty chain; NaN everywhere if a draw is not finite.
pub fn autocovariance(chain: &[f64]) -> Vec<f64> {
    mean_autocovariance(&[chain])
}

/// Autocorrelation of one chain at lags `0..chain.len()`: [`autocovariance`] over its value at lag 0.
///
/// NaN everywhere for a constant chain.
///
/// ```
/// # use ed_core::diagnostics::autocorrelation;
/// let alternating: Vec<f64> = (0..100).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
/// let rho = autocorrelation(&alternating);
/// assert_eq!(rho[0], 1.0);
/// assert!((rho[1] + 0.99).abs() < 1e-12);
/// ```
pub fn autocorrelation(chain: &[f64]) -> Vec<f64> {
    let first = chain.first().copied();
    if chain.iter().all(|&x| Some(x) == first) {
        return vec![f64::NAN; chain.len()];
    }
    let mut covariance = mean_autocovariance(&standardised(&[chain]).0);
    let at_zero = covariance[0];
    covariance.iter_mut().for_each(|c| *c /= at_zero);
    covariance
}

/// Mean over chains of equal length of their [`autocovariance`]s.
///
/// Two chains share one transform as real and imaginary part (the real part of the autocovariance of
/// `x + iy` is the sum of both), and the power spectra are added before the one inverse transform.
pub(super) fn mean_autocovariance<C: AsRef<[f64]>>(chains: &[C]) -> Vec<f64> {
    let draws = chains.first().map_or(0, |chain| chain.as_ref().len());
    if draws == 0 {
        return Vec::new();
    }
    let size = (2 * draws).next_power_of_two();
    let plan = Plan::new(size);
    let mut power = vec![Complex::default(); size];
    for pair in chains.chunks(2) {
        let mut signal = vec![Complex::default(); size];
        let (x, y) = (pair[0].as_ref(), pair.get(1).map_or(&[][..], C::as_ref));
        let (x_mean, y_mean) = (mean(x.iter().copied()), mean(y.iter().copied()));
        signal.iter_mut().zip(x).for_each(|(z, x)| z.re = x - x_mean);
        signal.iter_mut().zip(y).for_each(|(z, y)| z.im = y - y_mean);
        plan.transform(&mut signal);
        power.iter_mut().zip(&signal).for_each(|(p, z)| p.re += z.re * z.re + z.im * z.im);
    }
    // A power spectrum is real: its inverse transform has the real part of the forward one, over the size.
    plan.transform(&mut power);
    let scale = (size * draws * chains.len()) as f64;
    power[..draws].iter().map(|z| z.re / scale).collect()
}
