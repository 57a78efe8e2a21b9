//! Axes of one chart: ranges, grid, ticks, descriptions.

use super::canvas::Area;
use super::error::PlotError;
use super::stroke::stroke;
use super::style::{AXIS, FAINT_INK, GRID, INK, LABEL, MARGIN, TICK, px, text, tick};
use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::{BitMapBackend, DashedLineSeries, RGBColor, TRANSPARENT};
use plotters::style::Color;
use std::ops::Range;

/// A chart ready for its data.
pub(super) type Chart<'a> = ChartContext<'a, BitMapBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// How the values of an axis are written.
#[derive(Clone, Copy, Default, PartialEq)]
pub(super) enum Ticks {
    /// As numbers.
    #[default]
    Linear,
    /// The axis holds decimal logarithms; ticks show the numbers.
    Log10,
    /// No ticks, labels or grid lines.
    None,
    /// As `None`, but with the room of numbers, to stand beside an axis that has them.
    Blank,
}

/// What an axis says.
#[derive(Clone, Default)]
pub(super) struct Axis<'a> {
    pub(super) label: &'a str,
    pub(super) range: Range<f64>,
    pub(super) ticks: Ticks,
    /// The most ticks; as many as fit if there is no number.
    pub(super) most: Option<usize>,
}

impl<'a> Axis<'a> {
    /// An axis with numbers.
    pub(super) fn new(label: &'a str, range: Range<f64>) -> Self {
        Self { label, range, ticks: Ticks::Linear, most: None }
    }

    /// This axis with at most so many ticks, for panels that must look alike.
    pub(super) fn at_most(self, ticks: usize) -> Self {
        Self { most: Some(ticks), ..self }
    }

    /// This axis with other ticks.
    pub(super) fn ticks(self, ticks: Ticks) -> Self {
        Self { ticks, ..self }
    }

    fn span(&self) -> f64 {
        self.range.end - self.range.start
    }

    fn format(&self, value: f64) -> String {
        match self.ticks {
            Ticks::Linear => tick(value, self.span()),
            Ticks::None | Ticks::Blank => String::new(),
            // Over several decades only their ends are labelled.
            Ticks::Log10 if self.span() >= 2.0 && (value - value.round()).abs() > 1e-9 => String::new(),
            Ticks::Log10 => {
                let number = 10_f64.powf(value);
                let unit = 10_f64.powf(number.log10().floor() - 1.0);
                tick((number / unit).round() * unit, number)
            }
        }
    }
}

/// Points that the numbers of a vertical axis need: room for five characters, more if its ends are longer.
fn width_of_ticks(axis: &Axis) -> f64 {
    // The ends are not round numbers: one digit longer than the ticks.
    (7.0 * (longest_end(axis) - 1.0) + 6.0).max(38.0)
}

/// Characters of the longer end of an axis.
fn longest_end(axis: &Axis) -> f64 {
    let length = [axis.range.start, axis.range.end].map(|end| axis.format(end).chars().count());
    length[0].max(length[1]) as f64
}

/// Draws the axes into `area` and returns the chart to draw on.
pub(super) fn chart<'a>(area: &Area<'a>, x: &Axis, y: &Axis) -> Result<Chart<'a>, PlotError> {
    let (width, height) = area.dim_in_pixel();
    let room = |axis: &Axis, ticks: f64| {
        px(if axis.ticks == Ticks::None { 0.0 } else { ticks }
            + if axis.label.is_empty() { 0.0 } else { LABEL + 6.0 })
    };
    let mut chart = ChartBuilder::on(area)
        .margin_left(px(MARGIN))
        .margin_right(px(MARGIN + 4.0))
        .margin_top(px(6.0))
        .margin_bottom(px(8.0))
        .x_label_area_size(room(x, TICK + 8.0))
        .y_label_area_size(room(y, width_of_ticks(y)))
        .build_cartesian_2d(x.range.clone(), y.range.clone())
        .map_err(PlotError::from)?;
    let count = |axis: &Axis, pixels: u32, spacing: f64| match axis.ticks {
        Ticks::None | Ticks::Blank => 0,
        _ => axis.most.unwrap_or((pixels as i32 / px(spacing)).clamp(2, 10) as usize),
    };
    let spacing = (7.0 * longest_end(x) + 14.0).max(70.0);
    let (x_format, y_format) = (|v: &f64| x.format(*v), |v: &f64| y.format(*v));
    let mut mesh = chart.configure_mesh();
    mesh.light_line_style(TRANSPARENT)
        .bold_line_style(GRID.stroke_width(px(0.75) as u32))
        .axis_style(AXIS.stroke_width(px(0.75) as u32))
        .label_style(text(TICK, FAINT_INK))
        .axis_desc_style(text(LABEL, INK))
        .x_labels(count(x, width, spacing))
        .y_labels(count(y, height, 26.0))
        .x_label_formatter(&x_format)
        .y_label_formatter(&y_format)
        .set_all_tick_mark_size(px(3.0));
    if !x.label.is_empty() {
        mesh.x_desc(x.label);
    }
    if !y.label.is_empty() {
        mesh.y_desc(y.label);
    }
    if matches!(x.ticks, Ticks::None | Ticks::Blank) {
        mesh.disable_x_mesh();
    }
    if matches!(y.ticks, Ticks::None | Ticks::Blank) {
        mesh.disable_y_mesh();
    }
    mesh.draw()?;
    Ok(chart)
}

/// A line of `width` points through `points`, broken where a coordinate is not finite; a lone point is a dot.
pub(super) fn draw_line(
    chart: &mut Chart,
    points: &[(f64, f64)],
    colour: impl Color,
    width: f64,
) -> Result<(), PlotError> {
    let (colour, width) = (colour.to_rgba(), px(width));
    let mut dots: Vec<(f64, f64)> = Vec::new();
    for part in points.split(|(x, y)| !(x.is_finite() && y.is_finite())) {
        match part {
            [] => {}
            [point] => dots.push(*point),
            _ => stroke(chart, part, colour, width)?,
        }
    }
    // Of dots in one place one is seen.
    dots.dedup_by_key(|dot| chart.backend_coord(dot));
    dots.into_iter().try_for_each(|dot| stroke(chart, &[dot], colour, px(4.0)))
}

/// A dashed line of one point's width from one place to another.
pub(super) fn draw_dashed(
    chart: &mut Chart,
    from: (f64, f64),
    to: (f64, f64),
    colour: RGBColor,
) -> Result<(), PlotError> {
    let style = colour.stroke_width(px(1.0) as u32);
    chart.draw_series(DashedLineSeries::new([from, to], px(5.0), px(4.0), style))?;
    Ok(())
}

/// The range of the finite values, wider by `padding` of itself on both sides; `None` if there are none.
///
/// A single value gets room around it.
pub(super) fn range(values: impl IntoIterator<Item = f64>, padding: f64) -> Option<Range<f64>> {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values.into_iter().filter(|v| v.is_finite()) {
        low = low.min(value);
        high = high.max(value);
    }
    if low > high {
        return None;
    }
    let room = match high - low {
        // Far apart beyond the largest number: no room can be added.
        width if !width.is_finite() => return None,
        width if width <= 1e-12 * high.abs().max(low.abs()) || width == 0.0 => 0.5 * high.abs().max(1e-3),
        width => padding * width,
    };
    Some(low - room..high + room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_their_values_with_room() {
        assert_eq!(range([0.0, 10.0, f64::NAN], 0.1), Some(-1.0..11.0));
        assert_eq!(range([f64::NAN, f64::INFINITY], 0.1), None);
        let single = range([3.0], 0.0).unwrap();
        assert!(single.start < 3.0 && single.end > 3.0);
        assert_eq!(range([f64::MIN, f64::MAX], 0.1), None);
    }

    #[test]
    fn logarithmic_ticks_show_numbers() {
        let axis = Axis::new("", 0.0..3.0).ticks(Ticks::Log10);
        assert_eq!(axis.format(2.0), "100");
        assert_eq!(axis.format(1.5), "");
        let short = Axis::new("", 0.0..0.5).ticks(Ticks::Log10);
        assert_eq!(short.format(0.3), "2");
    }
}
