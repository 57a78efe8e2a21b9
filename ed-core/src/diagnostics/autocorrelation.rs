//! Autocovariance of chains by the fast Fourier transform.

use super::chains::mean;
use std::f64::consts::TAU;

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
    let mut covariance = autocovariance(chain);
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

#[derive(Clone, Copy, Default)]
struct Complex {
    re: f64,
    im: f64,
}

/// Iterative radix-2 transform (Cooley & Tukey, 1965) of one size.
struct Plan {
    /// `exp(-2πi k / size)` for `k < size / 2`.
    roots: Vec<Complex>,
}

impl Plan {
    /// `size`: a power of two, at least two.
    fn new(size: usize) -> Self {
        let root = |k: usize| {
            let (sin, cos) = (-TAU * k as f64 / size as f64).sin_cos();
            Complex { re: cos, im: sin }
        };
        Self { roots: (0..size / 2).map(root).collect() }
    }

    fn transform(&self, data: &mut [Complex]) {
        let size = data.len();
        let bits = size.trailing_zeros();
        for i in 0..size {
            let j = i.reverse_bits() >> (usize::BITS - bits);
            if i < j {
                data.swap(i, j);
            }
        }
        let mut half = 1;
        while half < size {
            let stride = size / (2 * half);
            for block in data.chunks_exact_mut(2 * half) {
                let (low, high) = block.split_at_mut(half);
                for ((a, b), w) in low.iter_mut().zip(high).zip(self.roots.iter().step_by(stride)) {
                    let turned = Complex { re: b.re * w.re - b.im * w.im, im: b.re * w.im + b.im * w.re };
                    *b = Complex { re: a.re - turned.re, im: a.im - turned.im };
                    *a = Complex { re: a.re + turned.re, im: a.im + turned.im };
                }
            }
            half *= 2;
        }
    }
}
