//! Effective sample size: how many independent draws would estimate as well.

use super::autocorrelation::mean_autocovariance;
use super::chains::{constant, map, mean, sorted, split, standardised, usable, variance};
use super::quantile::quantile_of_sorted;
use super::rank_normal::rank_normalise;

/// Effective sample size of the bulk: of the normal scores of the draws, each chain split in halves.
///
/// `chains`: chains × draws of one scalar. Ask for at least 100 a chain. It may exceed the number of draws
/// (antithetic chains), at most by the factor `log₁₀` of it. NaN where the [module](super) says so.
///
/// Vehtari et al. (2021), section 4.1; agrees with `arviz.ess(method="bulk")`.
pub fn ess_bulk<C: AsRef<[f64]>>(chains: &[C]) -> f64 {
    if usable(chains) { ess(&rank_normalise(&split(chains))) } else { f64::NAN }
}

/// Effective sample size of the tails: the smaller of those of the 5 % and the 95 % quantile.
///
/// Vehtari et al. (2021), section 4.3; agrees with `arviz.ess(method="tail")`.
pub fn ess_tail<C: AsRef<[f64]>>(chains: &[C]) -> f64 {
    ess_quantile(chains, 0.05).min(ess_quantile(chains, 0.95))
}

/// Effective sample size of a quantile: of the indicator `draw ≤ quantile`.
///
/// NaN unless `probability` is in `[0, 1]`. An indicator that is true of every draw (heavy ties at the
/// maximum) counts all draws.
pub fn ess_quantile<C: AsRef<[f64]>>(chains: &[C], probability: f64) -> f64 {
    if !usable(chains) {
        return f64::NAN;
    }
    let bound = quantile_of_sorted(&sorted(chains), probability);
    if bound.is_nan() {
        return f64::NAN;
    }
    ess(&split(&map(chains, |x| f64::from(x <= bound))))
}

/// Effective sample size of the mean: of the draws as they are.
///
/// Presumes a finite variance; [`mcse_mean`](super::mcse_mean) is built on it.
pub fn ess_mean<C: AsRef<[f64]>>(chains: &[C]) -> f64 {
    if usable(chains) { ess(&split(&standardised(chains).0)) } else { f64::NAN }
}

/// `S / τ` with `τ = -1 + 2 Σₖ Pₖ`, where `Pₖ = ρ₂ₖ + ρ₂ₖ₊₁` are sums of neighbouring autocorrelations pooled
/// over chains (Vehtari et al., equations 10–13).
///
/// The sum stops before the first pair that is not positive (Geyer's initial positive sequence), and no pair
/// counts for more than the one before it (his initial monotone sequence; Geyer, "Practical Markov chain Monte
/// Carlo", 1992). Of the pair it stops at, the even half enters once: it lessens the bias of antithetic
/// chains.
fn ess(chains: &[Vec<f64>]) -> f64 {
    let draws = chains[0].len();
    let size = (draws * chains.len()) as f64;
    if constant(chains) {
        return size;
    }
    let covariance = mean_autocovariance(chains);
    let within = covariance[0] * draws as f64 / (draws as f64 - 1.0);
    let between = variance(chains.iter().map(|chain| mean(chain.iter().copied())));
    let pooled = covariance[0] + if chains.len() > 1 { between } else { 0.0 };
    let rho = |lag: usize| if lag == 0 { 1.0 } else { 1.0 - (within - covariance[lag]) / pooled };

    let mut pairs = 0.0;
    let mut bound = f64::INFINITY;
    let mut lag = 0;
    let (mut even, mut odd) = (rho(0), rho(1));
    while even + odd > 0.0 && lag + 4 < draws {
        bound = bound.min(even + odd);
        pairs += bound;
        lag += 2;
        (even, odd) = (rho(lag), rho(lag + 1));
    }
    let last = if even > 0.0 || even + odd >= 0.0 { even } else { 0.0 };
    let tau = 2.0 * pairs - 1.0 + last;
    // An antithetic chain may bring τ near zero or below: bounded as in Stan.
    size / tau.max(1.0 / size.log10())
}
