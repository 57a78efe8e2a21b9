//! Intervals of many parameters side by side: the forest plot.

use super::axes::{Axis, Ticks, chart, draw_line, range};
use super::canvas::{frame, save};
use super::error::{PlotError, not_empty, same_length};
use super::style::{AXIS, GRID, INK, MARGIN, TICK, colour, px, text};
use plotters::element::Circle;
use plotters::prelude::{PathElement, Text};
use plotters::style::Color as _;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;

/// An interval with its middle, such as the 5 %, 50 % and 95 % quantiles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Mean or median.
    pub mid: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// The central 90 % of draws and their median; NaN without draws.
    pub fn of(draws: &[f64]) -> Self {
        let [low, mid, high] = [0.05, 0.5, 0.95].map(|p| crate::diagnostics::quantile(draws, p));
        Self { low, mid, high }
    }
}

/// One line a parameter, one interval a method on it.
#[derive(Clone, Debug)]
pub struct IntervalPlot {
    title: String,
    x_label: String,
    parameters: Vec<String>,
    methods: Vec<(String, Vec<Interval>)>,
    reference: Option<f64>,
}

impl IntervalPlot {
    /// A plot without methods; parameters from top to bottom.
    pub fn new<S: Into<String>>(
        title: impl Into<String>,
        x_label: impl Into<String>,
        parameters: impl IntoIterator<Item = S>,
    ) -> Self {
        Self {
            title: title.into(),
            x_label: x_label.into(),
            parameters: parameters.into_iter().map(Into::into).collect(),
            methods: Vec::new(),
            reference: None,
        }
    }

    /// Adds a method: one interval a parameter; an interval that is not finite is left out.
    pub fn method(mut self, name: impl Into<String>, intervals: &[Interval]) -> Self {
        self.methods.push((name.into(), intervals.to_vec()));
        self
    }

    /// Draws a vertical line at a value, such as zero.
    pub fn reference(mut self, value: f64) -> Self {
        self.reference = Some(value);
        self
    }

    /// Draws and writes the PNG; its height grows with the number of parameters and methods.
    ///
    /// # Errors
    /// [`PlotError`] if there are no parameters, methods or finite intervals, a method has another number of intervals
    /// than there are parameters, or the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        not_empty("parameters", &self.parameters)?;
        not_empty("methods", &self.methods)?;
        for (name, intervals) in &self.methods {
            same_length(format!("intervals of `{name}`"), self.parameters.len(), intervals.len())?;
        }
        let ends =
            self.methods.iter().flat_map(|(_, intervals)| intervals).flat_map(|i| [i.low, i.mid, i.high]);
        let x_range = range(ends.chain(self.reference), 0.04)
            .ok_or_else(|| PlotError::Empty { what: "finite intervals".into() })?;
        let legend: Vec<_> =
            self.methods.iter().enumerate().map(|(i, m)| (m.0.as_str(), colour(i))).collect();
        let row_height = 12.0 + 8.0 * self.methods.len() as f64;
        let height = (row_height * self.parameters.len() as f64) as usize + 110;
        save(path.as_ref(), (600, height), |root| {
            let area = frame(root, &self.title, if legend.len() > 1 { &legend } else { &[] })?;
            let style = text(TICK, INK).pos(Pos::new(HPos::Right, VPos::Center));
            let mut widest = 0;
            for name in &self.parameters {
                widest = widest.max(area.estimate_text_size(name, &style)?.0 as i32);
            }
            // The names stand in a strip of their own to the left of the chart.
            let strip = widest + px(MARGIN);
            let (_, plot) = area.split_horizontally(strip);
            let rows = self.parameters.len() as f64;
            let y_axis = Axis::new("", -rows..0.0).ticks(Ticks::None);
            let mut chart = chart(&plot, &Axis::new(&self.x_label, x_range.clone()), &y_axis)?;
            for (row, name) in self.parameters.iter().enumerate() {
                let y = -(row as f64) - 0.5;
                let at = chart.backend_coord(&(x_range.start, y));
                let (_, top) = area.get_base_pixel();
                area.draw(&Text::new(name.as_str(), (strip + px(4.0), at.1 - top + px(1.5)), style.clone()))?;
                if row > 0 {
                    let line = vec![(x_range.start, -(row as f64)), (x_range.end, -(row as f64))];
                    chart.draw_series([PathElement::new(line, GRID.stroke_width(px(0.75) as u32))])?;
                }
            }
            if let Some(at) = self.reference.filter(|r| r.is_finite()) {
                draw_line(&mut chart, &[(at, -rows), (at, 0.0)], AXIS, 1.0)?;
            }
            for (m, (_, intervals)) in self.methods.iter().enumerate() {
                let offset = (m as f64 + 1.0) / (self.methods.len() as f64 + 1.0);
                // With few methods the lines keep close to the middle of their row.
                let offset = 0.5 + (offset - 0.5) * 0.95;
                for (row, interval) in intervals.iter().enumerate() {
                    let y = -(row as f64) - offset;
                    draw_line(&mut chart, &[(interval.low, y), (interval.high, y)], colour(m), 2.0)?;
                    if interval.mid.is_finite() {
                        chart.draw_series([Circle::new((interval.mid, y), px(3.2), colour(m).filled())])?;
                    }
                }
            }
            Ok(())
        })
    }
}
