//! Accuracy against confidence.

use super::axes::{Axis, chart, draw_dashed, draw_line, range};
use super::canvas::{frame, save};
use super::error::{PlotError, not_empty};
use super::style::{AXIS, LINE, colour, px};
use crate::diagnostics::calibration::ReliabilityBin;
use plotters::element::Circle;
use plotters::prelude::Rectangle;
use plotters::style::Color as _;
use std::path::Path;

/// Reliability diagram of several classifiers: accuracy in each confidence bin above, predictions in it below.
///
/// On the dashed diagonal confidence is accuracy; below it the classifier is overconfident.
#[derive(Clone, Debug)]
pub struct ReliabilityPlot {
    title: String,
    models: Vec<(String, Vec<ReliabilityBin>)>,
}

impl ReliabilityPlot {
    /// An empty plot.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), models: Vec::new() }
    }

    /// Adds a classifier's bins; see
    /// [`Predictions::reliability`](crate::diagnostics::calibration::Predictions::reliability).
    pub fn model(mut self, name: impl Into<String>, bins: &[ReliabilityBin]) -> Self {
        self.models.push((name.into(), bins.to_vec()));
        self
    }

    /// Draws and writes the PNG.
    ///
    /// # Errors
    /// [`PlotError`] if there is no model, a model has no predictions, or the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        not_empty("models", &self.models)?;
        for (name, bins) in &self.models {
            if bins.iter().all(|bin| bin.count == 0) {
                return Err(PlotError::Empty { what: format!("predictions of `{name}`") });
            }
        }
        let filled = || self.models.iter().flat_map(|(_, bins)| bins).filter(|bin| bin.count > 0);
        // Classifiers of few classes have no low confidences: the empty half is left out.
        let low = filled().map(|bin| bin.lower).fold(1.0, f64::min).clamp(0.0, 0.95);
        let x_range =
            range([low, 1.0], 0.02).ok_or_else(|| PlotError::Empty { what: "finite bins".into() })?;
        let y_range = range(filled().map(|bin| bin.accuracy).chain([low, 1.0]), 0.03)
            .ok_or_else(|| PlotError::Empty { what: "finite bins".into() })?;
        let most = filled().map(|bin| bin.count).max().unwrap_or(1) as f64;
        let legend: Vec<_> = self.models.iter().enumerate().map(|(i, m)| (m.0.as_str(), colour(i))).collect();
        save(path.as_ref(), (480, 500), |root| {
            let area = frame(root, &self.title, &legend)?;
            let (upper, lower) = area.split_vertically((area.dim_in_pixel().1 as f64 * 0.7) as i32);
            let mut above = chart(&upper, &Axis::new("", x_range.clone()), &Axis::new("accuracy", y_range))?;
            draw_dashed(&mut above, (low, low), (1.0, 1.0), AXIS)?;
            let mut below =
                chart(&lower, &Axis::new("confidence", x_range), &Axis::new("count", 0.0..1.1 * most))?;
            for (m, (_, bins)) in self.models.iter().enumerate() {
                let bins: Vec<&ReliabilityBin> = bins.iter().filter(|bin| bin.count > 0).collect();
                let points: Vec<(f64, f64)> = bins.iter().map(|bin| (bin.confidence, bin.accuracy)).collect();
                draw_line(&mut above, &points, colour(m), LINE)?;
                above.draw_series(points.iter().map(|&p| Circle::new(p, px(3.0), colour(m).filled())))?;
                below.draw_series(bins.iter().map(|bin| {
                    let slot = (bin.upper - bin.lower) / (self.models.len() as f64 + 0.4);
                    let left = bin.lower + slot * (m as f64 + 0.2);
                    Rectangle::new(
                        [(left, 0.0), (left + slot, bin.count as f64)],
                        colour(m).mix(0.85).filled(),
                    )
                }))?;
            }
            Ok(())
        })
    }
}
