//! From a drawing to a file: supersampled pixels, PNG in memory, written whole.

use super::error::PlotError;
use super::style::{INK, LABEL, MARGIN, TITLE, bold, px, text};
use plotters::coord::Shift;
use plotters::prelude::{BitMapBackend, DrawingArea, IntoDrawingArea as _, RGBColor, Rectangle, Text, WHITE};
use plotters::style::Color as _;
use std::path::Path;

/// Pixels a point while drawing: twice those of the file in each direction, because plotters smooths neither thick
/// lines nor areas.
pub(super) const DRAWN: u32 = 2 * SAVED;
/// Pixels a point in the file.
const SAVED: u32 = 2;

/// A part of the picture.
pub(super) type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Points of the longest side of a picture: a longer one fits neither memory nor a screen.
const LONGEST: usize = 8_000;

/// Draws a picture of `width × height` points and saves it as PNG.
pub(super) fn save(
    path: &Path,
    (width, height): (usize, usize),
    draw: impl FnOnce(&Area) -> Result<(), PlotError>,
) -> Result<(), PlotError> {
    if width.max(height) > LONGEST || width.saturating_mul(height) > LONGEST * 1_000 {
        return Err(PlotError::Large { width, height });
    }
    let (width, height) = (width as u32, height as u32);
    let size = (width * DRAWN, height * DRAWN);
    let mut pixels = vec![255; size.0 as usize * size.1 as usize * 3];
    {
        let root = BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area();
        root.fill(&WHITE)?;
        draw(&root)?;
        root.present()?;
    }
    let small = halve(&pixels, size.0 as usize);
    let failed = |reason: String| PlotError::Io { path: path.to_owned(), reason };
    let bytes = encode(&small, (width * SAVED, height * SAVED)).map_err(|e| failed(e.to_string()))?;
    crate::atomic_file::write(path, &bytes).map_err(|e| failed(e.to_string()))
}

/// Mean of each two by two pixels.
fn halve(pixels: &[u8], width: usize) -> Vec<u8> {
    let stride = width * 3;
    let mut small = Vec::with_capacity(pixels.len() / 4);
    for rows in pixels.chunks_exact(2 * stride) {
        let (upper, lower) = rows.split_at(stride);
        for (a, b) in upper.chunks_exact(6).zip(lower.chunks_exact(6)) {
            for channel in 0..3 {
                let sum = [a[channel], a[channel + 3], b[channel], b[channel + 3]]
                    .map(u16::from)
                    .iter()
                    .sum::<u16>();
                small.push(((sum + 2) / 4) as u8);
            }
        }
    }
    small
}

fn encode(pixels: &[u8], (width, height): (u32, u32)) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}

/// Draws title and legend and returns the area below them. Entries that do not fit wrap to the next line.
pub(super) fn frame<'a>(
    root: &Area<'a>,
    title: &str,
    legend: &[(&str, RGBColor)],
) -> Result<Area<'a>, PlotError> {
    let mut y = px(MARGIN);
    if !title.is_empty() {
        root.draw(&Text::new(title, (px(MARGIN), y), bold(TITLE, INK)))?;
        y += px(TITLE + 6.0);
    }
    let style = text(LABEL, INK);
    let (swatch, gap, line) = (px(12.0), px(5.0), px(LABEL + 5.0));
    let right = root.dim_in_pixel().0 as i32 - px(MARGIN);
    let mut x = px(MARGIN);
    for (name, colour) in legend {
        let width = root.estimate_text_size(name, &style)?.0 as i32;
        if x + swatch + gap + width > right && x > px(MARGIN) {
            x = px(MARGIN);
            y += line;
        }
        // Letters sit above the middle of their line.
        let box_top = y - px(0.5);
        root.draw(&Rectangle::new([(x, box_top), (x + swatch, box_top + px(9.0))], (*colour).filled()))?;
        root.draw(&Text::new(*name, (x + swatch + gap, y), style.clone()))?;
        x += swatch + gap + width + px(16.0);
    }
    if !legend.is_empty() {
        y += line;
    }
    Ok(root.split_vertically(y + px(2.0)).1)
}

/// Splits an area into panels below each other; the last is taller by `extra` points, for what only it says.
pub(super) fn panels<'a>(area: &Area<'a>, count: usize, extra: f64) -> Vec<Area<'a>> {
    let height = (area.dim_in_pixel().1 as i32 - px(extra)) / count.max(1) as i32;
    let mut panels = Vec::with_capacity(count);
    let mut rest = area.clone();
    for _ in 1..count {
        let (panel, below) = rest.split_vertically(height);
        panels.push(panel);
        rest = below;
    }
    panels.push(rest);
    panels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_averages_blocks() {
        // Two rows of two pixels become one.
        let pixels = [0, 10, 255, 4, 10, 255, 8, 10, 255, 12, 10, 255];
        assert_eq!(halve(&pixels, 2), [6, 10, 255]);
    }
}
