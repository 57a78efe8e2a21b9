//! Highest-density interval.

/// The narrowest interval `(low, high)` between draws that holds the fraction `probability` of them.
///
/// For a density of one mode this is the highest-density interval; of several modes it spans the valley between.
/// Both ends NaN if `probability` is not in `(0, 1)`, a draw is NaN, or there are fewer than two draws.
/// Agrees with `arviz.hdi`.
///
/// ```
/// # use ed_core::diagnostics::hdi;
/// assert_eq!(hdi(&[0.0, 0.1, 0.2, 0.3, 9.0], 0.6), (0.0, 0.3));
/// ```
pub fn hdi(draws: &[f64], probability: f64) -> (f64, f64) {
    let inside = probability > 0.0 && probability < 1.0;
    if !inside || draws.len() < 2 || draws.iter().any(|x| x.is_nan()) {
        return (f64::NAN, f64::NAN);
    }
    let mut sorted = draws.to_vec();
    sorted.sort_by(f64::total_cmp);
    let steps = (probability * sorted.len() as f64) as usize;
    let mut best = (sorted[0], sorted[steps]);
    for ends in sorted.windows(steps + 1) {
        if ends[steps] - ends[0] < best.1 - best.0 {
            best = (ends[0], ends[steps]);
        }
    }
    best
}
