//! Posterior densities over each other.

use super::axes::{Axis, chart, draw_dashed, draw_line, range};
use super::bars::{Counts, draw_bars};
use super::canvas::{frame, save};
use super::error::{PlotError, not_empty, same_length};
use super::kernel_density::KernelDensity;
use super::style::{AXIS, LINE, colour};
use plotters::prelude::Polygon;
use plotters::style::Color as _;
use std::path::Path;

/// Points a kernel density estimate is drawn through.
const GRID: usize = 1000;

/// Densities of one scalar by several methods, filled lightly so that overlaps show; of counts, the share of each count.
#[derive(Clone, Debug)]
pub struct DensityPlot {
    title: String,
    x_label: String,
    curves: Vec<(String, Curve)>,
    truth: Option<f64>,
}

#[derive(Clone, Debug)]
enum Curve {
    Draws(Vec<f64>),
    Exact(Vec<f64>, Vec<f64>),
}

impl DensityPlot {
    /// An empty plot.
    pub fn new(title: impl Into<String>, x_label: impl Into<String>) -> Self {
        Self { title: title.into(), x_label: x_label.into(), curves: Vec::new(), truth: None }
    }

    /// Adds draws, shown by their [`KernelDensity`], or, if all are whole numbers of a short range, by bars; draws that
    /// are not finite are left out.
    pub fn draws(mut self, name: impl Into<String>, draws: &[f64]) -> Self {
        self.curves.push((name.into(), Curve::Draws(draws.to_vec())));
        self
    }

    /// Adds a known density: points `x` in increasing order and the density at each.
    pub fn curve(mut self, name: impl Into<String>, x: &[f64], density: &[f64]) -> Self {
        self.curves.push((name.into(), Curve::Exact(x.to_vec(), density.to_vec())));
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
    /// [`PlotError`] if there is no curve, one has no finite value, a curve's lengths differ, or the file cannot be
    /// written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        not_empty("densities", &self.curves)?;
        let shapes = self.curves.iter().map(|(name, c)| c.shape(name)).collect::<Result<Vec<_>, _>>()?;
        let points = || shapes.iter().flat_map(Shape::outline);
        let nothing = || PlotError::Empty { what: "finite densities".into() };
        let truth = self.truth.filter(|truth| truth.is_finite());
        let x_range = range(points().map(|p| p.0).chain(truth), 0.0).ok_or_else(nothing)?;
        let top = points().map(|p| p.1).filter(|y| y.is_finite()).fold(0.0, f64::max);
        let top = if top > 0.0 && top.is_finite() { 1.08 * top } else { 1.0 };
        let names = self.curves.iter().enumerate().map(|(i, c)| (c.0.as_str(), colour(i)));
        let legend: Vec<_> = names.chain(truth.map(|_| ("truth", AXIS))).collect();
        let num_bars = shapes.iter().filter(|shape| matches!(shape, Shape::Bars(_))).count();
        let y_label = if num_bars == shapes.len() { "probability" } else { "density" };
        save(path.as_ref(), (600, 340), |root| {
            let area = frame(root, &self.title, &legend)?;
            let y_axis = Axis::new(y_label, 0.0..top);
            let mut chart = chart(&area, &Axis::new(&self.x_label, x_range), &y_axis)?;
            let mut place = 0;
            for (i, shape) in shapes.iter().enumerate() {
                match shape {
                    Shape::Line(line) => {
                        let (Some(first), Some(last)) = (line.first(), line.last()) else { continue };
                        let outline = [&[(first.0, 0.0)], &line[..], &[(last.0, 0.0)]].concat();
                        chart.draw_series([Polygon::new(outline, colour(i).mix(0.12))])?;
                    }
                    Shape::Bars(counts) => {
                        draw_bars(&mut chart, counts, (place, num_bars), colour(i))?;
                        place += 1;
                    }
                }
            }
            for (i, shape) in shapes.iter().enumerate() {
                if let Shape::Line(line) = shape {
                    draw_line(&mut chart, line, colour(i), LINE)?;
                }
            }
            if let Some(truth) = truth {
                draw_dashed(&mut chart, (truth, 0.0), (truth, top), AXIS)?;
            }
            Ok(())
        })
    }
}

/// What is drawn of a curve.
enum Shape {
    Line(Vec<(f64, f64)>),
    Bars(Counts),
}

impl Shape {
    /// Points that the axes must hold.
    fn outline(&self) -> Vec<(f64, f64)> {
        match self {
            Shape::Line(points) => points.clone(),
            Shape::Bars(counts) => counts.outline(),
        }
    }
}

impl Curve {
    fn shape(&self, name: &str) -> Result<Shape, PlotError> {
        match self {
            Curve::Draws(draws) => {
                if let Some(counts) = Counts::of(draws) {
                    return Ok(Shape::Bars(counts));
                }
                let nothing = || PlotError::Empty { what: format!("finite draws of `{name}`") };
                let density = KernelDensity::new(draws).ok_or_else(nothing)?;
                Ok(Shape::Line(density_line(&density)))
            }
            Curve::Exact(x, density) => {
                same_length(format!("densities of `{name}`"), x.len(), density.len())?;
                let finite = x.iter().zip(density).filter(|(x, y)| x.is_finite() && y.is_finite());
                Ok(Shape::Line(finite.map(|(&x, &y)| (x, y)).collect()))
            }
        }
    }
}

/// The density over its range.
pub(super) fn density_line(density: &KernelDensity) -> Vec<(f64, f64)> {
    let (low, high) = density.range();
    let at = |i: usize| (low + (high - low) * i as f64 / (GRID - 1) as f64).clamp(low, high);
    (0..GRID).map(|i| (at(i), density.at(at(i)))).collect()
}
