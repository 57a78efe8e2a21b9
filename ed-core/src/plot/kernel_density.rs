//! A smooth density from draws.

use super::bandwidth::bandwidth;
use std::f64::consts::TAU;

/// A draw in this fraction of all is needed within one bandwidth of an end for the density to stop there.
const CROWDED: f64 = 0.005;

/// Gaussian kernel density estimate of one scalar.
///
/// The bandwidth is that of the improved Sheather–Jones rule (Botev, Grotowski & Kroese, "Kernel density estimation via
/// diffusion", Annals of Statistics 38(5), 2010, section 5), which presumes no normal shape, so that narrow modes far
/// apart stay narrow; Silverman's rule for fewer than 50 distinct draws. Where draws crowd up to their lowest or highest
/// value, as those of an exponential at zero do, the density ends there, and what the kernels have beyond is folded back.
/// Constant draws get a narrow bump.
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
    /// Where the density ends; infinite where it fades out.
    ends: (f64, f64),
}

impl KernelDensity {
    /// Takes the finite draws; `None` if there are none.
    pub fn new(draws: &[f64]) -> Option<Self> {
        let mut draws: Vec<f64> = draws.iter().copied().filter(|x| x.is_finite()).collect();
        draws.sort_by(f64::total_cmp);
        let (first, last) = (*draws.first()?, *draws.last()?);
        let bandwidth = match bandwidth(&draws) {
            width if width > 0.0 && width.is_finite() => width,
            _ => 1e-3 * first.abs().max(last.abs()).max(1e-3),
        };
        let crowded = |count: usize| first < last && count as f64 >= (CROWDED * draws.len() as f64).max(4.0);
        let low = crowded(draws.partition_point(|&x| x <= first + bandwidth));
        let high = crowded(draws.len() - draws.partition_point(|&x| x < last - bandwidth));
        let ends = (if low { first } else { f64::NEG_INFINITY }, if high { last } else { f64::INFINITY });
        Some(Self { draws, bandwidth, ends })
    }

    /// Standard deviation of the kernel.
    pub fn bandwidth(&self) -> f64 {
        self.bandwidth
    }

    /// The interval outside of which the density is zero or as good as that.
    pub fn range(&self) -> (f64, f64) {
        let room = 3.0 * self.bandwidth;
        let (first, last) = (self.draws[0], self.draws[self.draws.len() - 1]);
        (self.ends.0.max(first - room), self.ends.1.min(last + room))
    }

    /// The density at `x`.
    pub fn at(&self, x: f64) -> f64 {
        let (low, high) = self.ends;
        if x < low || x > high {
            return 0.0;
        }
        // The kernels of draws mirrored at an end are those of the draws at the mirrored place.
        let mirrored = [2.0 * low - x, 2.0 * high - x].into_iter().filter(|x| x.is_finite());
        self.sum(x) + mirrored.map(|x| self.sum(x)).sum::<f64>()
    }

    fn sum(&self, x: f64) -> f64 {
        // A kernel beyond eight bandwidths is below the rounding of its neighbours.
        let reach = 8.0 * self.bandwidth;
        let near =
            self.draws.partition_point(|&d| d < x - reach)..self.draws.partition_point(|&d| d <= x + reach);
        let sum: f64 =
            self.draws[near].iter().map(|d| (-0.5 * ((x - d) / self.bandwidth).powi(2)).exp()).sum();
        sum / self.draws.len() as f64 / self.bandwidth / TAU.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::special::normal_quantile;

    /// Quantiles at the middles of equal parts: as even a sample as can be.
    fn even(count: usize, quantile: impl Fn(f64) -> f64) -> Vec<f64> {
        (0..count).map(|i| quantile((i as f64 + 0.5) / count as f64)).collect()
    }

    fn mass(density: &KernelDensity) -> f64 {
        let (low, high) =
            (density.range().0 - 5.0 * density.bandwidth(), density.range().1 + 5.0 * density.bandwidth());
        let step = (high - low) / 20_000.0;
        (0..20_000).map(|i| density.at(low + (f64::from(i) + 0.5) * step) * step).sum()
    }

    #[test]
    fn integrates_to_one() {
        for draws in [
            even(200, |p| 3.0 * (TAU * p).sin()),
            even(1000, |p| -(1.0 - p).ln()),
            even(500, normal_quantile),
            even(400, |p| p),
            vec![1.0, 2.0, 5.0],
        ] {
            let total = mass(&KernelDensity::new(&draws).unwrap());
            assert!((total - 1.0).abs() < 5e-4, "{total}");
        }
    }

    #[test]
    fn a_positive_scalar_has_no_density_below_zero() {
        let density = KernelDensity::new(&even(2000, |p| -(1.0 - p).ln())).unwrap();
        assert_eq!(density.at(-0.01), 0.0);
        assert!(density.range().0 >= 0.0);
        for x in [0.01, 0.1, 0.5, 1.0, 2.0] {
            let (ours, exact) = (density.at(x), (-x).exp());
            assert!((ours - exact).abs() < 0.06, "{x}: {ours} and {exact}");
        }
    }

    #[test]
    fn a_normal_density_fades_out_on_both_sides() {
        let density = KernelDensity::new(&even(4000, normal_quantile)).unwrap();
        let (low, high) = density.range();
        assert!(low < -3.6 && high > 3.6);
        for x in [-2.0, -1.0f64, 0.0, 0.5] {
            let exact = (-0.5 * x * x).exp() / TAU.sqrt();
            assert!((density.at(x) - exact).abs() < 0.01);
        }
    }

    #[test]
    fn two_narrow_modes_stay_narrow() {
        let draws = [-10.0, 10.0].map(|centre| even(2000, |p| centre + 0.1 * normal_quantile(p))).concat();
        let density = KernelDensity::new(&draws).unwrap();
        // Each mode has half of the mass: its peak is half of 1 / (0.1 √τ).
        let peak = 0.5 / (0.1 * TAU.sqrt());
        assert!((density.at(10.0) / peak - 1.0).abs() < 0.1, "{} and {peak}", density.at(10.0));
        assert!(density.at(9.0) < 1e-3 && density.at(0.0) == 0.0);
    }

    #[test]
    fn takes_constant_draws_and_leaves_out_what_is_not_finite() {
        for x in [2.0, 0.1, -1e-9, 0.0] {
            let density = KernelDensity::new(&[x; 1000]).unwrap();
            let expected = 1e-3 * f64::abs(x).max(1e-3);
            assert!((density.bandwidth() / expected - 1.0).abs() < 1e-12);
            assert!((density.at(x) * density.bandwidth() * TAU.sqrt() - 1.0).abs() < 1e-12);
        }
        assert!(KernelDensity::new(&[f64::NAN]).is_none());
        assert!(KernelDensity::new(&[]).is_none());
    }
}
