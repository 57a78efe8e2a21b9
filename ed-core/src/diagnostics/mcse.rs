//! Monte Carlo standard errors: how exact the reported numbers are.

use super::chains::{draws, map, mean, sorted, standardised, usable, variance};
use super::ess::{ess_mean, ess_quantile};
use special::Beta as _;

/// Monte Carlo standard error of the mean, in the unit of the draws: `sd / √ESS`.
///
/// NaN where the [module](super) says so. Vehtari et al. (2021), section 3.1.
pub fn mcse_mean<C: AsRef<[f64]>>(chains: &[C]) -> f64 {
    if !usable(chains) {
        return f64::NAN;
    }
    let (chains, unit) = standardised(chains);
    (variance(chains.iter().flatten().copied()) / ess_mean(&chains)).sqrt() * unit
}

/// Monte Carlo standard error of the standard deviation, in the unit of the draws.
///
/// From the error of the variance by the delta method, the error of the variance being that of the mean of the
/// squared deviations; agrees with `arviz.mcse(method="sd")`.
pub fn mcse_sd<C: AsRef<[f64]>>(chains: &[C]) -> f64 {
    if !usable(chains) {
        return f64::NAN;
    }
    let (chains, unit) = standardised(chains);
    let centre = mean(draws(&chains));
    let squares = map(&chains, |x| (x - centre).powi(2));
    let second = mean(draws(&squares));
    let fourth = mean(draws(&squares).map(|s| s * s));
    let of_variance = (fourth - second * second) / ess_mean(&squares);
    (of_variance / second / 4.0).sqrt() * unit
}

/// Monte Carlo standard error of the quantile at `probability`, in the unit of the draws.
///
/// Half the distance between the order statistics at the central 68 % of the Beta distribution of the quantile's
/// position; NaN unless `0 < probability < 1`. Vehtari et al. (2021), section 4.4; agrees with
/// `arviz.mcse(method="quantile")`.
pub fn mcse_quantile<C: AsRef<[f64]>>(chains: &[C], probability: f64) -> f64 {
    if !(usable(chains) && probability > 0.0 && probability < 1.0) {
        return f64::NAN;
    }
    /// Φ(-1) as printed in the paper.
    const ONE_SD_BELOW: f64 = 0.158_655_3;
    let ess = ess_quantile(chains, probability);
    let (a, b) = (ess * probability + 1.0, ess * (1.0 - probability) + 1.0);
    let log_beta = a.ln_beta(b);
    let sorted = sorted(chains);
    let last = sorted.len() as f64 - 1.0;
    let position = |tail: f64| tail.inv_inc_beta(a, b, log_beta) * sorted.len() as f64 - 1.0;
    let low = position(ONE_SD_BELOW).max(0.0).floor();
    let high = position(1.0 - ONE_SD_BELOW).min(last).ceil();
    (sorted[high as usize] - sorted[low as usize]) / 2.0
}
