//! The house style: one font, one palette, one set of sizes.

use plotters::style::{FontDesc, FontFamily, FontStyle, IntoFont as _, RGBColor, TextStyle, register_font};
use std::sync::Once;

/// Okabe & Ito's colours without yellow, which is too light for lines on white.
const PALETTE: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(90, 90, 90),
];

/// Titles and other text that matters.
pub(super) const INK: RGBColor = RGBColor(38, 38, 38);
/// Tick labels and remarks.
pub(super) const FAINT_INK: RGBColor = RGBColor(95, 95, 95);
/// Axis lines, reference lines.
pub(super) const AXIS: RGBColor = RGBColor(130, 130, 130);
/// Grid lines.
pub(super) const GRID: RGBColor = RGBColor(232, 232, 232);

/// A pixel or cell without a number.
pub(super) const MISSING: RGBColor = RGBColor(255, 190, 170);

/// Sizes in points; a picture has [`DRAWN`](super::canvas::DRAWN) pixels a point while it is drawn.
pub(super) const TITLE: f64 = 16.0;
/// Axis descriptions and legend.
pub(super) const LABEL: f64 = 12.5;
/// Tick labels.
pub(super) const TICK: f64 = 11.5;
/// Width of data lines.
pub(super) const LINE: f64 = 1.6;
/// Distance of everything from the edge of the picture.
pub(super) const MARGIN: f64 = 12.0;

/// Decimals of the finest tick: a double has no more digits.
const MAX_DECIMALS: f64 = 17.0;

const FAMILY: &str = "ed-sans";
static REGULAR: &[u8] = include_bytes!("font/DejaVuSans.ttf");
static BOLD: &[u8] = include_bytes!("font/DejaVuSans-Bold.ttf");

/// Colour of the series with this number; colours repeat after seven.
pub(super) fn colour(index: usize) -> RGBColor {
    PALETTE[index % PALETTE.len()]
}

/// Pixels while drawing.
pub(super) fn px(points: f64) -> i32 {
    (points * super::canvas::DRAWN as f64).round() as i32
}

/// Regular text of a size in points.
pub(super) fn text(points: f64, colour: RGBColor) -> TextStyle<'static> {
    font(points, FontStyle::Normal).color(&colour)
}

/// Bold text of a size in points.
pub(super) fn bold(points: f64, colour: RGBColor) -> TextStyle<'static> {
    font(points, FontStyle::Bold).color(&colour)
}

fn font(points: f64, style: FontStyle) -> FontDesc<'static> {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // A font that did not parse is found missing by the first text drawn, which reports it.
        let _ = register_font(FAMILY, FontStyle::Normal, REGULAR);
        let _ = register_font(FAMILY, FontStyle::Bold, BOLD);
    });
    (FontFamily::Name(FAMILY), px(points), style).into_font()
}

/// A tick's text on an axis that spans `span`: as short as tells ticks apart, with a true minus sign.
pub(super) fn tick(value: f64, span: f64) -> String {
    let size = value.abs();
    // A step between ticks is at least a hundredth of the span.
    let decimals = |unit: f64| (2.0 - (span / unit).log10().floor()).clamp(0.0, MAX_DECIMALS) as usize;
    let text = if size != 0.0 && !(1e-3..1e6).contains(&size) {
        let unit = 10_f64.powf(size.log10().floor());
        let decimals = decimals(unit);
        let text = format!("{value:.decimals$e}");
        match text.split_once('e') {
            Some((digits, power)) => format!("{}e{power}", trim_zeros(digits)),
            None => text,
        }
    } else {
        let decimals = decimals(1.0);
        trim_zeros(&format!("{value:.decimals$}")).to_owned()
    };
    match text.as_str() {
        "-0" => "0".to_owned(),
        _ => text.replace('-', "\u{2212}"),
    }
}

fn trim_zeros(decimal: &str) -> &str {
    if decimal.contains('.') { decimal.trim_end_matches('0').trim_end_matches('.') } else { decimal }
}

#[cfg(test)]
mod tests {
    use super::tick;

    #[test]
    fn ticks_are_short() {
        for (value, span, text) in [
            (0.0, 1.0, "0"),
            (-0.0, 1.0, "0"),
            (0.5, 1.0, "0.5"),
            (-0.25, 1.0, "\u{2212}0.25"),
            (20.0, 100.0, "20"),
            (1e6, 1e7, "1e6"),
            (2.5e-5, 1e-4, "2.5e\u{2212}5"),
            (0.30000000000000004, 1.0, "0.3"),
            (1000.0002, 0.001, "1000.0002"),
            (3.0, f64::INFINITY, "3"),
            (1e300, f64::INFINITY, "1e300"),
            (123_456_000.0, 2_000.0, "1.23456e8"),
            (1.0 + 4e-11, 1e-11, "1.00000000004"),
            (1e-9 + 2e-12, 1e-11, "1.002e\u{2212}9"),
        ] {
            assert_eq!(tick(value, span), text);
        }
    }

    #[test]
    fn ticks_of_any_axis_differ() {
        for (origin, step) in
            [(1.23e8, 100.0), (1.0, 1e-13), (-5e-7, 1e-9), (1e15, 1.0), (3e-300, 1e-302), (0.0, 2e5)]
        {
            let ticks: Vec<String> = (0..6).map(|i| tick(origin + step * f64::from(i), 5.0 * step)).collect();
            let distinct: std::collections::HashSet<&String> = ticks.iter().collect();
            assert_eq!(distinct.len(), 6, "{ticks:?}");
        }
    }
}
