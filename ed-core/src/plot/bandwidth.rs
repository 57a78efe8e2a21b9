//! How wide a kernel should be.

use crate::diagnostics::chains::unit;
use crate::diagnostics::fourier::cosine_transform;
use crate::diagnostics::quantile;
use std::f64::consts::PI;

/// Bins that the draws are counted in: the bandwidth is found to about a bin.
const BINS: usize = 4096;
/// Distinct draws below which a rule that looks at the shape has nothing to look at.
const FEW: usize = 50;
/// Derivatives that the plug-in rule estimates, the highest first (Botev et al. use as many).
const STAGES: i32 = 7;

/// The standard deviation of a Gaussian kernel for draws in increasing order; zero for constant draws.
pub(super) fn bandwidth(sorted: &[f64]) -> f64 {
    let distinct = sorted.chunk_by(|a, b| a == b).count();
    // Draws with many ties are rounded or counts; the shape that the rule would find is that of the rounding.
    let smooth = distinct >= FEW && 2 * distinct >= sorted.len();
    let improved = if smooth { improved_sheather_jones(sorted, distinct) } else { None };
    improved.unwrap_or_else(|| silverman(sorted))
}

/// `0.9 · min(sd, IQR / 1.34) · n^(-1/5)`; Silverman, "Density Estimation for Statistics and Data Analysis" (1986),
/// equation 3.31.
fn silverman(sorted: &[f64]) -> f64 {
    let (Some(&first), Some(&last)) = (sorted.first(), sorted.last()) else { return 0.0 };
    if first == last {
        return 0.0;
    }
    let (size, unit) = (sorted.len() as f64, unit(sorted.iter().copied()));
    let mean = sorted.iter().map(|x| x / unit).sum::<f64>() / size;
    let squares: f64 = sorted.iter().map(|x| (x / unit - mean).powi(2)).sum();
    let sd = (squares / (size - 1.0).max(1.0)).sqrt() * unit;
    let iqr = (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / 1.34;
    0.9 * if iqr > 0.0 { sd.min(iqr) } else { sd } * size.powf(-0.2)
}

/// The bandwidth that solves `t = ξ γ⁽⁷⁾(t)`, in the unit of the draws; `None` if nothing does.
fn improved_sheather_jones(sorted: &[f64], distinct: usize) -> Option<f64> {
    let (first, last) = (*sorted.first()?, *sorted.last()?);
    // Half of the range as room on both sides: the cosines reflect at the ends.
    let (low, width) = (first - 0.5 * (last - first), 2.0 * (last - first));
    if !(width > 0.0 && width.is_finite() && low.is_finite()) {
        return None;
    }
    let mut counts = vec![0.0; BINS];
    for x in sorted {
        counts[(((x - low) / width * BINS as f64) as usize).min(BINS - 1)] += 1.0 / sorted.len() as f64;
    }
    let squares: Vec<f64> = cosine_transform(&counts).iter().skip(1).map(|a| a * a).collect();
    let excess = |t: f64| t - plug_in(t, distinct as f64, &squares);
    // The smallest solution, as in the paper; kernels range from a tenth of a bin to a third of the width.
    let time = |step: usize| 10_f64.powf(-9.0 + 8.0 * step as f64 / 64.0);
    let above = (1..=64).find(|&step| excess(time(step)) > 0.0)?;
    let (mut low, mut high) = (time(above - 1), time(above));
    for _ in 0..40 {
        let middle = 0.5 * (low + high);
        (low, high) = if excess(middle) > 0.0 { (low, middle) } else { (middle, high) };
    }
    Some((0.5 * (low + high)).sqrt() * width)
}

/// `ξ γ⁽⁷⁾(t)`: the squared norms of derivatives of the density, each estimated with the bandwidth that is best given the
/// next higher one, and the time that is best given the second.
fn plug_in(time: f64, size: f64, squares: &[f64]) -> f64 {
    let norm = |order: i32, time: f64| {
        let terms = squares.iter().enumerate().map(|(i, a)| {
            let frequency = (PI * (i + 1) as f64).powi(2);
            frequency.powi(order) * a * (-frequency * time).exp()
        });
        2.0 * terms.sum::<f64>()
    };
    let mut norm_of = norm(STAGES, time);
    for order in (2..STAGES).rev() {
        let odd: f64 = (0..order).map(|k| f64::from(2 * k + 1)).product();
        let constant = (1.0 + 0.5_f64.powf(f64::from(order) + 0.5)) / 3.0 * odd / (0.5 * PI).sqrt();
        let best = (constant / (size * norm_of)).powf(2.0 / (3.0 + 2.0 * f64::from(order)));
        norm_of = norm(order, best);
    }
    (2.0 * size * PI.sqrt() * norm_of).powf(-0.4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::special::normal_quantile;

    #[test]
    fn few_or_tied_draws_get_silvermans_rule() {
        // Draws ±1: sd² = 4/3 with four draws, IQR = 2.
        let expected = 0.9 * (4.0_f64 / 3.0).sqrt() * 4_f64.powf(-0.2);
        assert!((bandwidth(&[-1.0, -1.0, 1.0, 1.0]) - expected).abs() < 1e-15);
        assert!((bandwidth(&[-1e-200, -1e-200, 1e-200, 1e-200]) / 1e-200 - expected).abs() < 1e-12);
        assert_eq!(bandwidth(&[0.1; 9]), 0.0);
    }

    #[test]
    fn of_normal_draws_it_is_near_the_best_for_a_normal_density() {
        for (count, scale) in [(500, 1.0), (4000, 1e-3), (20_000, 1e8)] {
            let draws: Vec<f64> =
                (0..count).map(|i| scale * normal_quantile((i as f64 + 0.5) / count as f64)).collect();
            // The minimiser of the asymptotic mean integrated squared error: (4 / 3n)^(1/5) σ.
            let best = (4.0 / 3.0 / count as f64).powf(0.2) * scale;
            let ours = bandwidth(&draws);
            assert!((ours / best - 1.0).abs() < 0.15, "{count}: {ours} and {best}");
        }
    }
}
