//! Potential scale reduction: do the chains agree?

use super::chains::{map, mean, median, split, usable, variance};
use super::rank_normal::rank_normalise;

/// Rank-normalised split R̂ with folding: the larger of R̂ of the normal scores of the draws (location)
/// and R̂ of the normal scores of their distances from the median (scale and tails).
///
/// `chains`: chains × draws of one scalar, at least two chains. 1 means that the halves of all chains look
/// alike; above 1.01 run longer or doubt the model. `∞` if every half stands still but at different values.
/// NaN with one chain and where the [module](super) says so.
///
/// Vehtari et al. (2021), equations 1–4 and section 4; agrees with `arviz.rhat`.
///
/// ```
/// # use ed_core::diagnostics::rhat;
/// let draws = |start: f64| (0..100).map(|i| (start + 2.4 * i as f64).sin()).collect::<Vec<_>>();
/// assert!(rhat(&[draws(0.0), draws(1.0)]) < 1.01);
/// let apart: Vec<f64> = draws(0.0).iter().map(|x| x + 3.0).collect();
/// assert!(rhat(&[draws(0.0), apart]) > 1.5);
/// ```
pub fn rhat<C: AsRef<[f64]>>(chains: &[C]) -> f64 {
    if chains.len() < 2 || !usable(chains) {
        return f64::NAN;
    }
    let halves = split(chains);
    let centre = median(&halves);
    let location = classic_rhat(&rank_normalise(&halves));
    let scale = classic_rhat(&rank_normalise(&map(&halves, |x| (x - centre).abs())));
    // `f64::max` drops a NaN: the distances are constant when the draws take two values.
    location.max(scale)
}

/// Gelman & Rubin's R̂: root of the pooled over the mean within-chain variance.
fn classic_rhat(chains: &[Vec<f64>]) -> f64 {
    let draws = chains[0].len() as f64;
    let means: Vec<f64> = chains.iter().map(|chain| mean(chain.iter().copied())).collect();
    let between = variance(means.iter().copied());
    let within = mean(chains.iter().map(|chain| variance(chain.iter().copied())));
    (between / within + (draws - 1.0) / draws).sqrt()
}
