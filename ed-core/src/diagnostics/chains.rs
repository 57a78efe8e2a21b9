//! What every diagnostic asks of its chains: equal lengths, finite draws, halves.

use super::quantile::quantile_of_sorted;

/// Fewest draws a chain for which a split-chain diagnostic is defined.
const MIN_DRAWS: usize = 4;

/// True if the chains are of one length of at least four and all draws are finite and not all equal.
pub(super) fn usable<C: AsRef<[f64]>>(chains: &[C]) -> bool {
    let Some(first) = chains.first().map(C::as_ref) else { return false };
    first.len() >= MIN_DRAWS
        && chains.iter().all(|chain| chain.as_ref().len() == first.len())
        && draws(chains).all(f64::is_finite)
        && !constant(chains)
}

/// True if no draw differs from the first.
pub(super) fn constant<C: AsRef<[f64]>>(chains: &[C]) -> bool {
    let mut all = draws(chains);
    all.next().is_none_or(|first| all.all(|x| x == first))
}

/// All draws, chain after chain.
pub(super) fn draws<C: AsRef<[f64]>>(chains: &[C]) -> impl Iterator<Item = f64> {
    chains.iter().flat_map(|chain| chain.as_ref().iter().copied())
}

/// All draws in increasing order.
pub(super) fn sorted<C: AsRef<[f64]>>(chains: &[C]) -> Vec<f64> {
    let mut all: Vec<f64> = draws(chains).collect();
    all.sort_by(f64::total_cmp);
    all
}

/// First and last half of every chain; the middle draw of an odd number belongs to neither.
pub(super) fn split<C: AsRef<[f64]>>(chains: &[C]) -> Vec<Vec<f64>> {
    chains
        .iter()
        .flat_map(|chain| {
            let chain = chain.as_ref();
            let half = chain.len() / 2;
            [chain[..half].to_vec(), chain[chain.len() - half..].to_vec()]
        })
        .collect()
}

/// The chains with `f` applied to every draw.
pub(super) fn map<C: AsRef<[f64]>>(chains: &[C], f: impl Fn(f64) -> f64) -> Vec<Vec<f64>> {
    chains.iter().map(|chain| chain.as_ref().iter().map(|&x| f(x)).collect()).collect()
}

/// Middle of all draws.
pub(super) fn median<C: AsRef<[f64]>>(chains: &[C]) -> f64 {
    quantile_of_sorted(&sorted(chains), 0.5)
}

/// The draws less the first one, over a power of two that brings the largest to about one, and that power.
///
/// Squares of such numbers neither overflow nor vanish, and those of equal draws are exactly zero.
pub(super) fn standardised<C: AsRef<[f64]>>(chains: &[C]) -> (Vec<Vec<f64>>, f64) {
    let unit = unit(draws(chains));
    let origin = draws(chains).next().unwrap_or(0.0) / unit;
    (map(chains, |x| x / unit - origin), unit)
}

/// The power of two at or below the largest finite magnitude, but no subnormal one; one if all is zero.
pub(crate) fn unit(values: impl Iterator<Item = f64>) -> f64 {
    const EXPONENT: u64 = 0x7FF0_0000_0000_0000;
    let largest = values.map(f64::abs).filter(|x| x.is_finite()).fold(0.0, f64::max);
    if largest == 0.0 { 1.0 } else { f64::from_bits(largest.to_bits() & EXPONENT).max(f64::MIN_POSITIVE) }
}

/// Mean and standard deviation (divisor `n - 1`) at any scale; equal values have exactly that mean and deviation zero.
pub(super) fn moments(values: &[f64]) -> (f64, f64) {
    let (moved, unit) = standardised(&[values]);
    let origin = values.first().copied().unwrap_or(f64::NAN);
    if !origin.is_finite() {
        return (mean(values.iter().copied()), f64::NAN);
    }
    let moved = &moved[0];
    let mean = (origin / unit + mean(moved.iter().copied())) * unit;
    (mean, variance(moved.iter().copied()).sqrt() * unit)
}

/// Arithmetic mean; NaN of nothing.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0usize), |(sum, count), x| (sum + x, count + 1));
    sum / count as f64
}

/// Variance with divisor `n - 1`, exactly zero of equal values; NaN of fewer than two.
pub(super) fn variance(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let Some(origin) = values.clone().next() else { return f64::NAN };
    // The mean of equal numbers is rounded; that of their distances from one of them is not.
    let distances = values.map(|x| x - origin);
    let centre = mean(distances.clone());
    let (sum, count) = distances.fold((0.0, 0usize), |(s, n), x| (s + (x - centre).powi(2), n + 1));
    if count < 2 { f64::NAN } else { sum / (count - 1) as f64 }
}
