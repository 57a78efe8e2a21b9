//! Where chains stay that never meet: the modes of a posterior that a sampler does not join.

use super::chains::{map, sorted, split};
use super::quantile::quantile_of_sorted;
use crate::table::significant;
use std::fmt;

/// Chains that explore one place, apart from all others.
#[derive(Clone, Debug, PartialEq)]
pub struct ChainGroup {
    /// Their numbers, counted from zero.
    pub chains: Vec<usize>,
    /// The median of their draws.
    pub near: f64,
}

impl fmt::Display for ChainGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} near {}", said(&self.chains), significant(self.near, 3))
    }
}

/// Numbers of chains as people count: `chain 2`, `chains 1, 3 and 4`.
pub(super) fn said(chains: &[usize]) -> String {
    let numbers: Vec<String> = chains.iter().map(|chain| (chain + 1).to_string()).collect();
    match numbers.split_last() {
        Some((last, [])) => format!("chain {last}"),
        Some((last, others)) => format!("chains {} and {last}", others.join(", ")),
        None => "no chain".into(),
    }
}

/// The central 90 % of draws, and their median.
struct Spread {
    low: f64,
    middle: f64,
    high: f64,
}

impl Spread {
    fn of(draws: &[f64]) -> Self {
        let draws = sorted(&[draws]);
        let [low, middle, high] = [0.05, 0.5, 0.95].map(|p| quantile_of_sorted(&draws, p));
        Self { low, middle, high }
    }

    fn holds(&self, x: f64) -> bool {
        (self.low..=self.high).contains(&x)
    }
}

/// Groups of chains whose central 90 % do not meet those of other groups, in increasing order.
///
/// Empty if all chains meet, if a draw is not a number, or if a chain still moves from one place to another, so that a
/// longer run may join them: then the median of one of its halves lies outside of the other's central 90 %.
pub(super) fn places<C: AsRef<[f64]>>(chains: &[C]) -> Vec<ChainGroup> {
    let chains = map(chains, |x| x);
    if chains.iter().any(|chain| chain.len() < 4 || chain.iter().any(|x| !x.is_finite())) {
        return Vec::new();
    }
    let halves: Vec<Spread> = split(&chains).iter().map(|half| Spread::of(half)).collect();
    if halves.chunks(2).any(|pair| !pair[0].holds(pair[1].middle) || !pair[1].holds(pair[0].middle)) {
        return Vec::new();
    }
    let mut spreads: Vec<(usize, Spread)> =
        chains.iter().enumerate().map(|(number, chain)| (number, Spread::of(chain))).collect();
    spreads.sort_by(|a, b| a.1.low.total_cmp(&b.1.low));
    let mut groups: Vec<(Vec<usize>, f64)> = Vec::new();
    for (number, spread) in spreads {
        match groups.last_mut() {
            Some((members, high)) if spread.low <= *high => {
                members.push(number);
                *high = high.max(spread.high);
            }
            _ => groups.push((vec![number], spread.high)),
        }
    }
    if groups.len() < 2 {
        return Vec::new();
    }
    let group = |(mut members, _): (Vec<usize>, f64)| {
        members.sort_unstable();
        let draws: Vec<&Vec<f64>> = members.iter().map(|&number| &chains[number]).collect();
        ChainGroup { near: quantile_of_sorted(&sorted(&draws), 0.5), chains: members }
    };
    groups.into_iter().map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(centre: f64, start: f64) -> Vec<f64> {
        (0..200).map(|i| centre + (start + 2.4 * f64::from(i)).sin()).collect()
    }

    #[test]
    fn says_which_chains_stay_where() {
        let chains = [wave(4.0, 0.0), wave(-4.0, 1.0), wave(4.0, 2.0), wave(-4.0, 3.0)];
        let groups = places(&chains);
        assert_eq!(groups.iter().map(|group| group.chains.clone()).collect::<Vec<_>>(), [[1, 3], [0, 2]]);
        assert!(groups[0].to_string().starts_with("chains 2 and 4 near -"), "{}", groups[0]);
        assert!((groups[0].near + 4.0).abs() < 0.1 && (groups[1].near - 4.0).abs() < 0.1, "{groups:?}");
        assert!(places(&[wave(0.0, 0.0), wave(0.5, 1.0)]).is_empty());
    }

    #[test]
    fn chains_that_still_move_stay_nowhere() {
        let drift = |from: f64| (0..200).map(|i| from + 0.1 * f64::from(i)).collect::<Vec<_>>();
        assert!(places(&[drift(0.0), drift(100.0)]).is_empty());
        assert!(places(&[vec![1.0, f64::NAN, 1.0, 2.0], vec![3.0; 4]]).is_empty());
    }

    #[test]
    fn counts_chains_from_one() {
        assert_eq!(said(&[0]), "chain 1");
        assert_eq!(said(&[0, 2, 3]), "chains 1, 3 and 4");
    }
}
