//! Where each chain's draws rank among all draws.

use super::axes::{Axis, Ticks, chart, draw_dashed};
use super::canvas::{frame, panels, save};
use super::error::{PlotError, not_empty};
use super::style::{INK, LABEL, TICK, colour, px};
use plotters::prelude::Rectangle;
use plotters::style::Color as _;
use std::path::Path;

/// Bars a chain.
const NUM_BINS: usize = 20;

/// Histograms of ranks, one panel a chain: level if the chains explore one distribution, sloped if a chain sits too
/// high or low, bowed if it is too narrow or wide.
///
/// Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021), section 4.5.
#[derive(Clone, Debug)]
pub struct RankPlot {
    title: String,
    chains: Vec<Vec<f64>>,
}

impl RankPlot {
    /// A plot of one scalar's chains.
    pub fn new<C: AsRef<[f64]>>(title: impl Into<String>, chains: &[C]) -> Self {
        Self { title: title.into(), chains: chains.iter().map(|chain| chain.as_ref().to_vec()).collect() }
    }

    /// Draws and writes the PNG; the dashed line is the expected count.
    ///
    /// # Errors
    /// [`PlotError`] if there are no chains, a chain is empty or has a NaN, or the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        not_empty("chains", &self.chains)?;
        for (i, chain) in self.chains.iter().enumerate() {
            if chain.is_empty() || chain.iter().any(|x| x.is_nan()) {
                return Err(PlotError::Empty { what: format!("numbers in chain {}", i + 1) });
            }
        }
        let counts = histogram(&self.chains);
        let top = 1.15 * counts.iter().flatten().max().copied().unwrap_or(0).max(1) as f64;
        let names: Vec<String> = (1..=self.chains.len()).map(|chain| format!("chain {chain}")).collect();
        let legend: Vec<_> = names.iter().enumerate().map(|(i, name)| (name.as_str(), colour(i))).collect();
        let height = self.chains.len().saturating_mul(75) + 90;
        save(path.as_ref(), (600, height), |root| {
            let panels = panels(&frame(root, &self.title, &legend)?, self.chains.len(), LABEL + TICK + 14.0);
            for (c, (counts, panel)) in counts.iter().zip(&panels).enumerate() {
                let last = c + 1 == panels.len();
                let x_axis = Axis::new(if last { "rank among all draws (fraction)" } else { "" }, 0.0..1.0);
                let x_axis = x_axis.ticks(if last { Ticks::Linear } else { Ticks::None });
                let mut chart = chart(panel, &x_axis, &Axis::new("draws", 0.0..top).at_most(3))?;
                let edge = |bin: usize| bin as f64 / NUM_BINS as f64;
                chart.draw_series(counts.iter().enumerate().map(|(bin, &count)| {
                    let mut bar = Rectangle::new(
                        [(edge(bin), 0.0), (edge(bin + 1), count as f64)],
                        colour(c).mix(0.8).filled(),
                    );
                    bar.set_margin(0, 0, px(0.5) as u32, px(0.5) as u32);
                    bar
                }))?;
                let expected = self.chains[c].len() as f64 / NUM_BINS as f64;
                draw_dashed(&mut chart, (0.0, expected), (1.0, expected), INK)?;
            }
            Ok(())
        })
    }
}

/// Counts of each chain's ranks among all draws, in [`NUM_BINS`] bins; ties rank in the order of their chains' draws.
fn histogram(chains: &[Vec<f64>]) -> Vec<[usize; NUM_BINS]> {
    let mut order: Vec<(f64, usize, usize)> = chains
        .iter()
        .enumerate()
        .flat_map(|(c, chain)| chain.iter().enumerate().map(move |(d, &x)| (x + 0.0, d, c)))
        .collect();
    // Adding zero makes zeros of both signs equal.
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let mut counts = vec![[0; NUM_BINS]; chains.len()];
    for (rank, (_, _, chain)) in order.iter().enumerate() {
        counts[*chain][rank * NUM_BINS / order.len()] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_counted_among_all_draws() {
        let chains: Vec<Vec<f64>> = vec![(0..20).map(f64::from).collect(), (20..40).map(f64::from).collect()];
        let counts = histogram(&chains);
        assert_eq!(counts[0], std::array::from_fn(|bin| if bin < 10 { 2 } else { 0 }));
        assert_eq!(counts[1], std::array::from_fn(|bin| if bin < 10 { 0 } else { 2 }));
    }

    #[test]
    fn ties_favour_no_chain() {
        let counts = histogram(&vec![vec![1.0; 40]; 2]);
        assert_eq!(counts[0], [2; NUM_BINS]);
        assert_eq!(counts[1], [2; NUM_BINS]);
        let signed = histogram(&[vec![0.0; 40], vec![-0.0; 40]]);
        assert_eq!(signed[0], signed[1]);
    }
}
