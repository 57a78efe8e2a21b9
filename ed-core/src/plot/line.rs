//! Values over steps.

use super::axes::{Axis, Ticks, chart, draw_line, range};
use super::canvas::{frame, save};
use super::error::{PlotError, not_empty, same_length};
use super::style::{LINE, colour};
use std::path::Path;

/// Several series over one horizontal axis, such as losses over steps.
///
/// Values that are not finite leave a gap in their line. A series keeps its colour by the order of adding.
#[derive(Clone, Debug)]
pub struct LinePlot {
    title: String,
    x_label: String,
    y_label: String,
    log_y: bool,
    series: Vec<(String, Vec<f64>, Vec<f64>)>,
}

impl LinePlot {
    /// An empty plot.
    pub fn new(title: impl Into<String>, x_label: impl Into<String>, y_label: impl Into<String>) -> Self {
        let (title, x_label, y_label) = (title.into(), x_label.into(), y_label.into());
        Self { title, x_label, y_label, log_y: false, series: Vec::new() }
    }

    /// Adds a series: `x` and `y` of one length.
    pub fn series(mut self, name: impl Into<String>, x: &[f64], y: &[f64]) -> Self {
        self.series.push((name.into(), x.to_vec(), y.to_vec()));
        self
    }

    /// Sets a logarithmic vertical axis; values that are not positive leave gaps.
    pub fn log_y(mut self) -> Self {
        self.log_y = true;
        self
    }

    /// Draws and writes the PNG.
    ///
    /// # Errors
    /// [`PlotError`] if there is no drawable value, a series' lengths differ, or the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        not_empty("series", &self.series)?;
        for (name, x, y) in &self.series {
            same_length(format!("values of series `{name}`"), x.len(), y.len())?;
        }
        let height = |y: f64| match self.log_y {
            true if y > 0.0 => y.log10(),
            true => f64::NAN,
            false => y,
        };
        let lines: Vec<Vec<(f64, f64)>> = self
            .series
            .iter()
            .map(|(_, x, y)| x.iter().zip(y).map(|(&x, &y)| (x, height(y))).collect())
            .collect();
        let drawable = || lines.iter().flatten().filter(|(x, y)| x.is_finite() && y.is_finite());
        let nothing = || PlotError::Empty { what: "finite values".into() };
        let x_range = range(drawable().map(|p| p.0), 0.01).ok_or_else(nothing)?;
        let y_range = range(drawable().map(|p| p.1), 0.05).ok_or_else(nothing)?;
        let legend: Vec<_> = self.series.iter().enumerate().map(|(i, s)| (s.0.as_str(), colour(i))).collect();
        save(path.as_ref(), (600, 370), |root| {
            let area = frame(root, &self.title, if legend.len() > 1 { &legend } else { &[] })?;
            let ticks = if self.log_y { Ticks::Log10 } else { Ticks::Linear };
            let y_axis = Axis::new(&self.y_label, y_range).ticks(ticks);
            let mut chart = chart(&area, &Axis::new(&self.x_label, x_range), &y_axis)?;
            lines.iter().enumerate().try_for_each(|(i, line)| draw_line(&mut chart, line, colour(i), LINE))
        })
    }
}
