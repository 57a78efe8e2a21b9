//! Chains over draws.

use super::axes::{Axis, chart, draw_line, range};
use super::canvas::{frame, panels, save};
use super::error::{PlotError, not_empty};
use super::style::{LABEL, colour};
use plotters::style::Color as _;
use std::path::Path;

/// Height of one panel in points.
const PANEL: usize = 130;

/// One panel a scalar, one line a chain: stationary chains look like the same noise.
#[derive(Clone, Debug)]
pub struct TracePlot {
    title: String,
    scalars: Vec<(String, Vec<Vec<f64>>)>,
}

impl TracePlot {
    /// An empty plot.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), scalars: Vec::new() }
    }

    /// Adds a scalar's chains; draws that are not finite leave gaps.
    pub fn scalar<C: AsRef<[f64]>>(mut self, name: impl Into<String>, chains: &[C]) -> Self {
        self.scalars.push((name.into(), chains.iter().map(|chain| chain.as_ref().to_vec()).collect()));
        self
    }

    /// Draws and writes the PNG; its height grows with the number of scalars.
    ///
    /// # Errors
    /// [`PlotError`] if there is no scalar, one has no finite draw, or the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        not_empty("scalars", &self.scalars)?;
        let mut y_ranges = Vec::new();
        for (name, chains) in &self.scalars {
            let y_range = range(chains.iter().flatten().copied(), 0.05);
            y_ranges
                .push(y_range.ok_or_else(|| PlotError::Empty { what: format!("finite draws of `{name}`") })?);
        }
        let chains = || self.scalars.iter().flat_map(|(_, chains)| chains);
        let num_draws = chains().map(Vec::len).max().unwrap_or(0).max(2);
        let num_chains = self.scalars.iter().map(|(_, chains)| chains.len()).max().unwrap_or(0);
        let names: Vec<String> = (1..=num_chains).map(|chain| format!("chain {chain}")).collect();
        let legend: Vec<_> = names.iter().enumerate().map(|(i, name)| (name.as_str(), colour(i))).collect();
        let height = self.scalars.len().saturating_mul(PANEL) + 80;
        save(path.as_ref(), (600, height), |root| {
            let panels = panels(&frame(root, &self.title, &legend)?, self.scalars.len(), LABEL + 6.0);
            for (i, ((name, chains), panel)) in self.scalars.iter().zip(&panels).enumerate() {
                let x_label = if i + 1 == panels.len() { "draw" } else { "" };
                let x_axis = Axis::new(x_label, 0.0..(num_draws - 1) as f64);
                let mut chart = chart(panel, &x_axis, &Axis::new(name, y_ranges[i].clone()))?;
                for (c, chain) in chains.iter().enumerate() {
                    let points: Vec<(f64, f64)> =
                        chain.iter().enumerate().map(|(t, &x)| (t as f64, x)).collect();
                    draw_line(&mut chart, &points, colour(c).mix(0.75), 0.7)?;
                }
            }
            Ok(())
        })
    }
}
