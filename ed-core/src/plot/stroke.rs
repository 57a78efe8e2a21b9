//! Lines as sets of pixels: each pixel is inked once, whatever the line does, and none outside of the chart.
//!
//! The polygons that plotters makes of thick lines run far beyond sharp corners, overlap where they are translucent, and
//! cost a polygon for each point.

use super::axes::Chart;
use super::error::PlotError;
use plotters::style::RGBAColor;
use std::ops::Range;

/// Columns to the right and rows downwards.
type Pixel = (i32, i32);

/// Draws a line of `width` pixels with round joins and ends; one point is a dot.
pub(super) fn stroke(
    chart: &mut Chart,
    points: &[(f64, f64)],
    colour: RGBAColor,
    width: i32,
) -> Result<(), PlotError> {
    let radius = 0.5 * f64::from(width.max(1));
    let mut mask = Mask::new(chart.plotting_area().get_pixel_range());
    let points = thinned(points.iter().map(|point| chart.backend_coord(point)));
    if let [point] = points[..] {
        mask.capsule(point, point, radius);
    }
    for ends in points.windows(2) {
        mask.capsule(ends[0], ends[1], radius);
    }
    let area = chart.plotting_area().strip_coord_spec();
    let (left, top) = (mask.columns.start, mask.rows.start);
    mask.pixels()
        .try_for_each(|(x, y)| area.draw_pixel((x - left, y - top), &colour).map_err(PlotError::from))
}

/// Of each run of points in one column of pixels the first, the lowest, the highest and the last: the same picture.
fn thinned(points: impl Iterator<Item = Pixel>) -> Vec<Pixel> {
    let mut kept: Vec<Pixel> = Vec::new();
    let mut run: Option<[Pixel; 4]> = None;
    let mut flush = |run: [Pixel; 4]| {
        run.into_iter().for_each(|point| {
            if kept.last() != Some(&point) {
                kept.push(point);
            }
        });
    };
    for point in points {
        run = match run {
            Some([first, low, high, _]) if first.0 == point.0 => {
                let low = if point.1 < low.1 { point } else { low };
                let high = if point.1 > high.1 { point } else { high };
                Some([first, low, high, point])
            }
            other => {
                other.into_iter().for_each(&mut flush);
                Some([point; 4])
            }
        };
    }
    run.into_iter().for_each(flush);
    kept
}

/// Which pixels of a window are inked.
struct Mask {
    columns: Range<i32>,
    rows: Range<i32>,
    inked: Vec<bool>,
}

impl Mask {
    fn new((columns, rows): (Range<i32>, Range<i32>)) -> Self {
        let inked = vec![false; columns.len() * rows.len()];
        Self { columns, rows, inked }
    }

    /// Inks all pixels nearer than `radius` to the segment from `a` to `b`.
    fn capsule(&mut self, a: Pixel, b: Pixel, radius: f64) {
        let ((ax, ay), (bx, by)) = ((f64::from(a.0), f64::from(a.1)), (f64::from(b.0), f64::from(b.1)));
        let (dx, dy) = (bx - ax, by - ay);
        let length = dx.hypot(dy);
        let reach = radius.ceil() as i32;
        let top = a.1.min(b.1).saturating_sub(reach).max(self.rows.start);
        let bottom = a.1.max(b.1).saturating_add(reach + 1).min(self.rows.end);
        // The sides of the rectangle around the segment, half a width away on both sides.
        let (nx, ny) = if length > 0.0 { (-dy / length * radius, dx / length * radius) } else { (0.0, 0.0) };
        let corners = [(ax + nx, ay + ny), (bx + nx, by + ny), (bx - nx, by - ny), (ax - nx, ay - ny)];
        for row in top..bottom {
            let y = f64::from(row);
            let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
            let mut take = |x: f64| (low, high) = (low.min(x), high.max(x));
            for (x, centre) in [(ax, ay), (bx, by)] {
                let within = radius * radius - (y - centre).powi(2);
                if within >= 0.0 {
                    take(x - within.sqrt());
                    take(x + within.sqrt());
                }
            }
            for side in 0..4 {
                let ((x0, y0), (x1, y1)) = (corners[side], corners[(side + 1) % 4]);
                if y0 != y1 && (y0.min(y1)..=y0.max(y1)).contains(&y) {
                    take(x0 + (y - y0) / (y1 - y0) * (x1 - x0));
                }
            }
            self.ink(row, low, high);
        }
    }

    /// Inks the pixels of a row whose centres lie in `low..=high`.
    fn ink(&mut self, row: i32, low: f64, high: f64) {
        let (start, end) = (self.columns.start, self.columns.end);
        // `as` saturates, and an empty interval stays empty.
        let low = (low.ceil() as i32).max(start);
        let high = (high.floor() as i32).saturating_add(1).min(end);
        if low < high {
            let first = (row - self.rows.start) as usize * self.columns.len();
            self.inked[first + (low - start) as usize..first + (high - start) as usize].fill(true);
        }
    }

    fn pixels(&self) -> impl Iterator<Item = Pixel> + '_ {
        let width = self.columns.len().max(1);
        let inked = self.inked.iter().enumerate().filter(|(_, inked)| **inked);
        inked.map(move |(i, _)| {
            (self.columns.start + (i % width) as i32, self.rows.start + (i / width) as i32)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask() -> Mask {
        Mask::new((10..110, 20..80))
    }

    #[test]
    fn a_sharp_corner_stays_within_its_width() {
        let mut mask = mask();
        mask.capsule((50, 70), (51, 40), 3.0);
        mask.capsule((51, 40), (52, 70), 3.0);
        assert_eq!(mask.pixels().map(|at| at.1).min(), Some(37));
        assert!(mask.pixels().all(|(x, _)| (47..=55).contains(&x)));
    }

    #[test]
    fn nothing_is_inked_outside_of_the_window() {
        let mut mask = mask();
        for (a, b) in [((-500, 50), (5000, 50)), ((60, -9999), (60, 9999)), ((i32::MIN, 0), (i32::MAX, 100))]
        {
            mask.capsule(a, b, 2.0);
        }
        assert!(mask.pixels().all(|(x, y)| (10..110).contains(&x) && (20..80).contains(&y)));
        assert!(mask.pixels().count() > 100 * 4);
    }

    #[test]
    fn a_line_has_its_width_in_every_direction() {
        for end in [(90, 50), (60, 30), (60, 70), (80, 70), (40, 25)] {
            let (mut mask, start) = (mask(), (50, 50));
            mask.capsule(start, end, 2.5);
            let length = f64::from(end.0 - start.0).hypot(f64::from(end.1 - start.1));
            let area = 5.0 * length + std::f64::consts::PI * 6.25;
            let inked = mask.pixels().count() as f64;
            assert!((inked / area - 1.0).abs() < 0.15, "{end:?}: {inked} and {area}");
        }
    }

    #[test]
    fn a_column_of_pixels_keeps_its_ends_and_extremes() {
        let points = [(5, 7), (5, 2), (5, 9), (5, 4), (5, 6), (6, 6), (6, 6)];
        assert_eq!(thinned(points.into_iter()), [(5, 7), (5, 2), (5, 9), (5, 6), (6, 6)]);
        let many = (0..1_000_000).map(|i| (i / 1000, i % 97));
        assert!(thinned(many).len() <= 4000);
        assert!(thinned(std::iter::empty()).is_empty());
    }
}
