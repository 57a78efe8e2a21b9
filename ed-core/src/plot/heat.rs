//! A field over the plane.

use super::axes::{Axis, Ticks, chart, range};
use super::canvas::{frame, save};
use super::error::{PlotError, not_empty, same_length};
use super::style::{INK, px};
use plotters::element::Circle;
use plotters::prelude::{RGBColor, Rectangle};
use plotters::style::{Color as _, WHITE};
use std::ops::Range;
use std::path::Path;

/// Anchors of viridis (Smith & van der Walt, matplotlib, 2015; CC0) at equal distances from dark to light.
const VIRIDIS: [[u8; 3]; 9] = [
    [68, 1, 84],
    [71, 44, 122],
    [59, 81, 139],
    [44, 113, 142],
    [33, 144, 141],
    [39, 173, 129],
    [92, 200, 99],
    [170, 220, 50],
    [253, 231, 37],
];

/// Values on a regular grid as colours, with a colour bar and optionally points on top.
#[derive(Clone, Debug)]
pub struct HeatMap {
    title: String,
    x_label: String,
    y_label: String,
    values: Vec<f64>,
    num_columns: usize,
    x: Range<f64>,
    y: Range<f64>,
    points: Vec<(f64, f64)>,
    limits: Option<Range<f64>>,
    unit: String,
}

impl HeatMap {
    /// A map of `values`, `rows × num_columns`, the first row at the lower end of `y`; `x` and `y` are the outer edges
    /// of the field. Cells that are not finite stay white.
    pub fn new(
        title: impl Into<String>,
        values: &[f64],
        num_columns: usize,
        x: Range<f64>,
        y: Range<f64>,
    ) -> Self {
        let (x_label, y_label) = (String::new(), String::new());
        Self {
            title: title.into(),
            x_label,
            y_label,
            values: values.to_vec(),
            num_columns,
            x,
            y,
            points: Vec::new(),
            limits: None,
            unit: String::new(),
        }
    }

    /// Describes the axes.
    pub fn labels(mut self, x: impl Into<String>, y: impl Into<String>) -> Self {
        (self.x_label, self.y_label) = (x.into(), y.into());
        self
    }

    /// The values at the ends of the colours, so that several maps share one scale; values beyond have the colours of the
    /// ends.
    pub fn limits(mut self, limits: Range<f64>) -> Self {
        self.limits = Some(limits);
        self
    }

    /// Says what the values are, beside the colour bar.
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = unit.into();
        self
    }

    /// Marks points, such as observations; those outside of the field, or not finite, are left out.
    pub fn points(mut self, points: &[(f64, f64)]) -> Self {
        self.points.extend_from_slice(points);
        self
    }

    /// Draws and writes the PNG.
    ///
    /// # Errors
    /// [`PlotError`] if there is no finite value, the values are not whole rows, a range is empty or not finite, or the
    /// file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        not_empty("values", &self.values)?;
        let columns = self.num_columns.max(1);
        let rows = self.values.len() / columns;
        same_length("values (rows × columns)", rows * columns, self.values.len())?;
        for (name, ends) in [("x", &self.x), ("y", &self.y)] {
            let width = ends.end - ends.start;
            if !(width > 0.0 && width.is_finite()) {
                return Err(PlotError::Empty { what: format!("points in the range of {name}") });
            }
        }
        if let Some(limits) =
            self.limits.as_ref().filter(|l| !(l.start < l.end && (l.end - l.start).is_finite()))
        {
            return Err(PlotError::Empty { what: format!("values in the limits {limits:?}") });
        }
        let limits = range(self.values.iter().copied(), 0.0)
            .ok_or_else(|| PlotError::Empty { what: "finite values".into() })?;
        let limits = self.limits.clone().unwrap_or(limits);
        let place = |ends: &Range<f64>, i: usize, n: usize| {
            ends.start + (ends.end - ends.start) * i as f64 / n as f64
        };
        save(path.as_ref(), (560, 460), |root| {
            let area = frame(root, &self.title, &[])?;
            let (field, bar) = area.split_horizontally(
                area.dim_in_pixel().0 as i32 - px(if self.unit.is_empty() { 86.0 } else { 106.0 }),
            );
            let x_axis = Axis::new(&self.x_label, self.x.clone());
            let mut map = chart(&field, &x_axis, &Axis::new(&self.y_label, self.y.clone()))?;
            let cells = self.values.iter().enumerate().filter(|(_, value)| value.is_finite());
            map.draw_series(cells.map(|(i, value)| {
                let (row, column) = (i / columns, i % columns);
                let low = (place(&self.x, column, columns), place(&self.y, row, rows));
                let high = (place(&self.x, column + 1, columns), place(&self.y, row + 1, rows));
                Rectangle::new([low, high], viridis(fraction(*value, &limits)).filled())
            }))?;
            let inside = |p: &&(f64, f64)| self.x.contains(&p.0) && self.y.contains(&p.1);
            map.draw_series(self.points.iter().filter(inside).flat_map(|&p| {
                [Circle::new(p, px(3.4), WHITE.filled()), Circle::new(p, px(2.4), INK.filled())]
            }))?;
            // A blank description keeps the bar as high as the map.
            let blank = if self.x_label.is_empty() { "" } else { " " };
            let x_axis = Axis::new(blank, 0.0..1.0).ticks(Ticks::Blank);
            let mut scale = chart(&bar, &x_axis, &Axis::new(&self.unit, limits.clone()))?;
            const STEPS: usize = 256;
            scale.draw_series((0..STEPS).map(|i| {
                let (low, high) = (place(&limits, i, STEPS), place(&limits, i + 1, STEPS));
                Rectangle::new([(0.0, low), (1.0, high)], viridis(fraction(low, &limits)).filled())
            }))?;
            Ok(())
        })
    }
}

fn fraction(value: f64, limits: &Range<f64>) -> f64 {
    (value - limits.start) / (limits.end - limits.start)
}

/// Colour at a fraction in `[0, 1]`, linear between the anchors.
fn viridis(fraction: f64) -> RGBColor {
    let last = VIRIDIS.len() - 1;
    let position = fraction.clamp(0.0, 1.0) * last as f64;
    let below = (position as usize).min(last - 1);
    let weight = position - below as f64;
    let mix = |channel: usize| {
        let (a, b) = (f64::from(VIRIDIS[below][channel]), f64::from(VIRIDIS[below + 1][channel]));
        (a + weight * (b - a)).round() as u8
    };
    RGBColor(mix(0), mix(1), mix(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_run_from_dark_to_light() {
        assert_eq!(viridis(0.0), RGBColor(68, 1, 84));
        assert_eq!(viridis(1.0), RGBColor(253, 231, 37));
        assert_eq!(viridis(0.5), RGBColor(33, 144, 141));
        assert_eq!(viridis(f64::INFINITY), viridis(1.0));
    }
}
