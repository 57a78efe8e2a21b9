//! Sample quantiles.

/// Sample quantile at `probability` in `[0, 1]`, linear between order statistics (type 7 of Hyndman &
/// Fan, "Sample quantiles in statistical packages", 1996): the default of R and NumPy.
///
/// NaN if there are no draws, a draw is NaN, or `probability` is outside `[0, 1]`.
///
/// ```
/// # use ed_core::diagnostics::quantile;
/// assert_eq!(quantile(&[3.0, 1.0, 2.0, 4.0], 0.5), 2.5);
/// ```
pub fn quantile(draws: &[f64], probability: f64) -> f64 {
    if draws.iter().any(|x| x.is_nan()) {
        return f64::NAN;
    }
    let mut sorted = draws.to_vec();
    sorted.sort_by(f64::total_cmp);
    quantile_of_sorted(&sorted, probability)
}

/// [`quantile`] of draws that are in increasing order already.
pub(super) fn quantile_of_sorted(sorted: &[f64], probability: f64) -> f64 {
    if sorted.is_empty() || !(0.0..=1.0).contains(&probability) {
        return f64::NAN;
    }
    if sorted.len() == 1 {
        return sorted[0];
    }
    // The position counts from one. Its rounding matters: `x <= quantile` decides about the very draw the
    // quantile falls on, so it is written as in SciPy's mquantiles, which ArviZ compares draws with.
    let size = sorted.len() as f64;
    let position = size * probability + (1.0 - probability);
    let below = position.floor().clamp(1.0, size - 1.0);
    let weight = (position - below).clamp(0.0, 1.0);
    let index = below as usize;
    let (low, high) = (sorted[index - 1], sorted[index]);
    // Nothing is between equal draws, and no part of an infinite one is taken at its finite neighbour.
    match weight {
        _ if low == high => low,
        0.0 => low,
        1.0 => high,
        weight => (1.0 - weight) * low + weight * high,
    }
}
