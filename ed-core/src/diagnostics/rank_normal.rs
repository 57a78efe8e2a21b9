//! Rank normalisation: draws of any shape become standard normal scores that keep their order.

use crate::kernels::special::normal_quantile;

/// Normal scores of the ranks of all draws together: `Φ⁻¹((r - 3/8) / (S + 1/4))`, ties share their mean
/// rank.
///
/// Vehtari, Gelman, Simpson, Carpenter & Bürkner, "Rank-normalization, folding, and localization: an
/// improved R̂ for assessing convergence of MCMC", Bayesian Analysis 16(2), 2021, equation 14; the
/// offset 3/8 is Blom's (1958).
pub(super) fn rank_normalise(chains: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut order: Vec<(usize, usize)> =
        chains.iter().enumerate().flat_map(|(c, chain)| (0..chain.len()).map(move |d| (c, d))).collect();
    let draw = |&(c, d): &(usize, usize)| chains[c][d];
    order.sort_by(|a, b| draw(a).total_cmp(&draw(b)));

    let size = order.len() as f64;
    let mut scores: Vec<Vec<f64>> = chains.iter().map(|chain| vec![0.0; chain.len()]).collect();
    let mut start = 0;
    for tied in order.chunk_by(|a, b| draw(a) == draw(b)) {
        // Ranks count from one: a block of ties holds start + 1 ..= start + len.
        let rank = start as f64 + (tied.len() as f64 + 1.0) / 2.0;
        let score = normal_quantile((rank - 0.375) / (size + 0.25));
        for &(c, d) in tied {
            scores[c][d] = score;
        }
        start += tied.len();
    }
    scores
}
