//! Whole numbers and their shares, as bars.

use super::axes::Chart;
use super::error::PlotError;
use plotters::prelude::{RGBColor, Rectangle};
use plotters::style::Color as _;

/// Whole numbers over a longer range are drawn as a smooth density: their bars could not be told apart.
const LONGEST: f64 = 100.0;

/// Shares of the whole numbers from a lowest one on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Counts {
    low: f64,
    shares: Vec<f64>,
}

impl Counts {
    /// The shares of the finite draws; `None` if there are none, one is not whole, or their range is long.
    pub(super) fn of(draws: &[f64]) -> Option<Counts> {
        let finite = || draws.iter().copied().filter(|x| x.is_finite());
        let (low, high) = (finite().reduce(f64::min)?, finite().reduce(f64::max)?);
        if finite().any(|x| x.fract() != 0.0) || high - low > LONGEST {
            return None;
        }
        let mut shares = vec![0.0; (high - low) as usize + 1];
        let share = 1.0 / finite().count() as f64;
        finite().for_each(|x| shares[(x - low) as usize] += share);
        Some(Counts { low, shares })
    }

    /// Each number with its share.
    pub(super) fn shares(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.shares.iter().enumerate().map(|(i, &share)| (self.low + i as f64, share))
    }

    /// The share of one number.
    pub(super) fn share(&self, number: f64) -> f64 {
        self.shares().find(|(at, _)| *at == number).map_or(0.0, |(_, share)| share)
    }

    /// Points that an axis must hold: a half on both sides of each number, and the shares.
    pub(super) fn outline(&self) -> Vec<(f64, f64)> {
        self.shares().flat_map(|(x, share)| [(x - 0.5, share), (x + 0.5, share)]).collect()
    }
}

/// Draws the bars of one of several that share the room of each number: the first of three is `(0, 3)`.
pub(super) fn draw_bars(
    chart: &mut Chart,
    counts: &Counts,
    (place, of): (usize, usize),
    colour: RGBColor,
) -> Result<(), PlotError> {
    let width = 0.8 / of.max(1) as f64;
    chart.draw_series(counts.shares().filter(|(_, share)| *share > 0.0).map(|(x, share)| {
        let left = x - 0.4 + width * place as f64;
        Rectangle::new([(left, 0.0), (left + width, share)], colour.mix(0.8).filled())
    }))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_shares_and_other_draws_have_none() {
        let counts = Counts::of(&[3.0, 1.0, 3.0, f64::NAN, 3.0]).unwrap();
        assert_eq!(counts.shares().collect::<Vec<_>>(), [(1.0, 0.25), (2.0, 0.0), (3.0, 0.75)]);
        assert_eq!((counts.share(3.0), counts.share(9.0)), (0.75, 0.0));
        assert_eq!(Counts::of(&[1.0, 1.5]), None);
        assert_eq!(Counts::of(&[0.0, 1e9]), None);
        assert_eq!(Counts::of(&[-1e308, 1e308]), None);
        assert_eq!(Counts::of(&[f64::NAN]), None);
    }
}
