//! A smooth density from draws.

use crate::diagnostics::quantile;
use std::f64::consts::TAU;

/// Gaussian kernel density estimate of one scalar.
///
/// Bandwidth `0.9 · min(sd, IQR / 1.34) · n^(-1/5)`; Silverman, "Density Estimation for Statistics and Data Analysis"
/// (1986), equation 3.31. Constant draws get a narrow bump.
///
/// ```
/// # use ed_core::plot::KernelDensity;
/// let density = KernelDensity::new(&[-1.0, 0.0, 1.0]).unwrap();
/// assert!(density.at(0.0) > density.at(1.0));
/// ```
#[derive(Clone, Debug)]
pub struct KernelDensity {
    /// In increasing order, so that far kernels can be left out.
    draws: Vec<f64>,
    bandwidth: f64,
}

impl KernelDensity {
    /// Takes the finite draws; `None` if there are none.
    pub fn new(draws: &[f64]) -> Option<Self> {
        let mut draws: Vec<f64> = draws.iter().copied().filter(|x| x.is_finite()).collect();
        draws.sort_by(f64::total_cmp);
        let (first, last) = (*draws.first()?, *draws.last()?);
        let size = draws.len() as f64;
        let mean = draws.iter().sum::<f64>() / size;
        let sd = (draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (size - 1.0).max(1.0)).sqrt();
        let iqr = (quantile(&draws, 0.75) - quantile(&draws, 0.25)) / 1.34;
        let spread = if iqr > 0.0 { sd.min(iqr) } else { sd };
        let bandwidth = match 0.9 * spread * size.powf(-0.2) {
            width if width > 0.0 => width,
            _ => 1e-3 * first.abs().max(last.abs()).max(1e-3),
        };
        Some(Self { draws, bandwidth })
    }

    /// Standard deviation of the kernel.
    pub fn bandwidth(&self) -> f64 {
        self.bandwidth
    }

    /// The density at `x`.
    pub fn at(&self, x: f64) -> f64 {
        // A kernel beyond eight bandwidths is below the rounding of its neighbours.
        let reach = 8.0 * self.bandwidth;
        let near =
            self.draws.partition_point(|&d| d < x - reach)..self.draws.partition_point(|&d| d <= x + reach);
        let sum: f64 =
            self.draws[near].iter().map(|d| (-0.5 * ((x - d) / self.bandwidth).powi(2)).exp()).sum();
        sum / (self.draws.len() as f64 * self.bandwidth * TAU.sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integrates_to_one() {
        let draws: Vec<f64> = (0..200).map(|i| (f64::from(i) * 0.7).sin() * 3.0).collect();
        let density = KernelDensity::new(&draws).unwrap();
        let total: f64 = (-600..600).map(|i| density.at(f64::from(i) * 0.01) * 0.01).sum();
        assert!((total - 1.0).abs() < 1e-6, "{total}");
    }

    #[test]
    fn has_silvermans_bandwidth() {
        // Draws ±1: sd² = 4/3 with four draws, IQR = 2.
        let density = KernelDensity::new(&[-1.0, 1.0, -1.0, 1.0]).unwrap();
        let expected = 0.9 * (4.0_f64 / 3.0).sqrt() * 4_f64.powf(-0.2);
        assert!((density.bandwidth() - expected).abs() < 1e-15);
    }

    #[test]
    fn takes_constant_draws_and_leaves_out_what_is_not_finite() {
        assert!(KernelDensity::new(&[2.0; 5]).unwrap().at(2.0) > 0.0);
        assert!(KernelDensity::new(&[f64::NAN]).is_none());
        assert!(KernelDensity::new(&[]).is_none());
    }
}
