//! Draws in bins.

use super::axes::{Axis, chart, draw_dashed, range};
use super::canvas::{frame, save};
use super::error::{PlotError, not_empty};
use super::style::{AXIS, colour};
use crate::diagnostics::quantile;
use plotters::prelude::Rectangle;
use plotters::style::Color as _;
use std::path::Path;

/// Most bins, whatever the rule or the caller says.
const MOST: usize = 500;

/// How many draws of one scalar fall where, by several methods over each other.
///
/// ```
/// # use ed_core::plot::HistogramPlot;
/// # let folder = std::env::temp_dir().join(format!("ed-histogram-doc-{}", std::process::id()));
/// let draws: Vec<f64> = (0..500).map(|i| (0.7 * f64::from(i)).sin()).collect();
/// HistogramPlot::new("A sine at even steps", "x").draws("sine", &draws).bins(20).save(folder.join("sine.png"))?;
/// # assert!(folder.join("sine.png").exists());
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), ed_core::plot::PlotError>(())
/// ```
#[derive(Clone, Debug)]
pub struct HistogramPlot {
    title: String,
    x_label: String,
    draws: Vec<(String, Vec<f64>)>,
    bins: Option<usize>,
    truth: Option<f64>,
}

impl HistogramPlot {
    /// An empty plot.
    pub fn new(title: impl Into<String>, x_label: impl Into<String>) -> Self {
        Self { title: title.into(), x_label: x_label.into(), draws: Vec::new(), bins: None, truth: None }
    }

    /// Adds draws; those that are not finite are left out.
    pub fn draws(mut self, name: impl Into<String>, draws: &[f64]) -> Self {
        self.draws.push((name.into(), draws.to_vec()));
        self
    }

    /// The number of bins, from 1 to 500. Without it, their width is Freedman and Diaconis' (1981), `2 IQR n^(-1/3)`, or
    /// one if all draws are whole numbers.
    pub fn bins(mut self, bins: usize) -> Self {
        self.bins = Some(bins);
        self
    }

    /// Marks a value, such as the truth of a simulation, by a dashed line.
    pub fn truth(mut self, value: f64) -> Self {
        self.truth = Some(value);
        self
    }

    /// Draws and writes the PNG.
    ///
    /// # Errors
    /// [`PlotError`] if there are no draws, some have no finite number, or the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        not_empty("draws", &self.draws)?;
        for (name, draws) in &self.draws {
            if !draws.iter().any(|x| x.is_finite()) {
                return Err(PlotError::Empty { what: format!("finite draws of `{name}`") });
            }
        }
        let edges = self.edges().ok_or_else(|| PlotError::Empty { what: "a range that is finite".into() })?;
        let counts: Vec<Vec<usize>> = self.draws.iter().map(|(_, draws)| count(draws, &edges)).collect();
        let top = 1.08 * counts.iter().flatten().max().copied().unwrap_or(0).max(1) as f64;
        let truth = self.truth.filter(|truth| truth.is_finite());
        let x_range = range(edges.iter().copied().chain(truth), 0.01)
            .ok_or_else(|| PlotError::Empty { what: "a range that is finite".into() })?;
        let names = self.draws.iter().enumerate().map(|(i, d)| (d.0.as_str(), colour(i)));
        let legend: Vec<_> = names.chain(truth.map(|_| ("truth", AXIS))).collect();
        save(path.as_ref(), (600, 340), |root| {
            let area = frame(root, &self.title, if legend.len() > 1 { &legend } else { &[] })?;
            let y_axis = Axis::new("draws", 0.0..top);
            let mut chart = chart(&area, &Axis::new(&self.x_label, x_range), &y_axis)?;
            let strength = if self.draws.len() > 1 { 0.5 } else { 0.85 };
            for (i, counts) in counts.iter().enumerate() {
                let bars = edges.windows(2).zip(counts).filter(|(_, count)| **count > 0);
                chart.draw_series(bars.map(|(ends, &count)| {
                    let corners = [(ends[0], 0.0), (ends[1], count as f64)];
                    Rectangle::new(corners, colour(i).mix(strength).filled())
                }))?;
            }
            if let Some(truth) = truth {
                draw_dashed(&mut chart, (truth, 0.0), (truth, top), AXIS)?;
            }
            Ok(())
        })
    }

    /// Edges of the bins, common to all draws; `None` if the range overflows.
    fn edges(&self) -> Option<Vec<f64>> {
        let all = || self.draws.iter().flat_map(|(_, draws)| draws).copied().filter(|x| x.is_finite());
        let whole = all().all(|x| x.fract() == 0.0);
        let ends = range(all(), 0.0)?;
        let (low, high) = (all().reduce(f64::min)?, all().reduce(f64::max)?);
        if whole && self.bins.is_none() && high - low < MOST as f64 {
            return Some((0..=(high - low) as usize + 1).map(|i| low - 0.5 + i as f64).collect());
        }
        let bins = self.bins.unwrap_or_else(|| {
            let width =
                self.draws.iter().map(|(_, draws)| freedman_diaconis(draws)).fold(f64::INFINITY, f64::min);
            // `as` saturates, and takes a width of zero to the most and one of infinity to none.
            ((ends.end - ends.start) / width).ceil() as usize
        });
        let bins = bins.clamp(1, MOST);
        let edge = |i: usize| ends.start + (ends.end - ends.start) * (i as f64 / bins as f64);
        Some((0..=bins).map(edge).collect())
    }
}

/// `2 IQR n^(-1/3)`; infinite if the quartiles are equal.
fn freedman_diaconis(draws: &[f64]) -> f64 {
    let finite: Vec<f64> = draws.iter().copied().filter(|x| x.is_finite()).collect();
    match 2.0 * (quantile(&finite, 0.75) - quantile(&finite, 0.25)) / (finite.len() as f64).cbrt() {
        width if width > 0.0 => width,
        _ => f64::INFINITY,
    }
}

/// Draws in each bin; an edge belongs to the bin above it, the last edge to the last bin.
fn count(draws: &[f64], edges: &[f64]) -> Vec<usize> {
    let mut counts = vec![0; edges.len().saturating_sub(1)];
    for x in draws.iter().filter(|x| x.is_finite()) {
        let above = edges.partition_point(|edge| edge <= x).clamp(1, counts.len());
        counts[above - 1] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_draw_is_counted_once() {
        for draws in [vec![0.0, 0.1, 0.5, 1.0, f64::NAN], vec![3.0; 5], vec![0.25; 3], vec![-2.0, 7.0]] {
            for bins in [None, Some(1), Some(7), Some(usize::MAX)] {
                let plot = HistogramPlot { bins, ..HistogramPlot::new("", "").draws("x", &draws) };
                let finite = draws.iter().filter(|x| x.is_finite()).count();
                assert_eq!(count(&draws, &plot.edges().unwrap()).iter().sum::<usize>(), finite);
            }
        }
    }

    #[test]
    fn whole_numbers_stand_in_the_middle_of_their_bins() {
        let plot = HistogramPlot::new("", "").draws("x", &[0.0, 2.0, 2.0]);
        assert_eq!(plot.edges().unwrap(), [-0.5, 0.5, 1.5, 2.5]);
        assert_eq!(count(&[0.0, 2.0, 2.0], &plot.edges().unwrap()), [1, 0, 2]);
    }
}
