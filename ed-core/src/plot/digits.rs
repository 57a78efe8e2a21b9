//! Small images, with or without their predictive distributions.

use super::canvas::{Area, frame, save};
use super::error::{PlotError, not_empty, same_length};
use super::style::{AXIS, FAINT_INK, INK, MARGIN, MISSING, TICK, colour, px, text};
use plotters::prelude::{RGBColor, Rectangle, Text};
use plotters::style::Color as _;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;

/// Width and height of one item in points.
const ITEM: (u32, u32) = (112, 166);
/// Height of what is below an image: the bars and their classes.
const BARS: u32 = 52;
/// Side of an image in points.
const IMAGE: f64 = 88.0;

/// A grid of grey-scale images, each by itself or with the predicted probability of every class as a bar below.
///
/// The bar of the true class is green, those of other classes are blue.
#[derive(Clone, Debug)]
pub struct ImageGrid {
    title: String,
    image_width: usize,
    num_columns: usize,
    items: Vec<Item>,
}

#[derive(Clone, Debug)]
struct Item {
    title: String,
    pixels: Vec<f32>,
    probs: Option<Vec<f64>>,
    label: Option<usize>,
}

impl ImageGrid {
    /// An empty grid of images `image_width` pixels wide, `num_columns` (at least one) beside each other.
    pub fn new(title: impl Into<String>, image_width: usize, num_columns: usize) -> Self {
        Self { title: title.into(), image_width, num_columns: num_columns.max(1), items: Vec::new() }
    }

    /// Adds an image: `pixels` row after row, 0 white to 1 black, a pixel that is not a number light red; `probs` one a class; `label` the true class, or
    /// `None` if no class is true.
    pub fn item(
        mut self,
        title: impl Into<String>,
        pixels: &[f32],
        probs: &[f64],
        label: Option<usize>,
    ) -> Self {
        let (title, pixels) = (title.into(), pixels.to_vec());
        self.items.push(Item { title, pixels, probs: Some(probs.to_vec()), label });
        self
    }

    /// Adds an image by itself: `pixels` row after row, 0 white to 1 black. A grid of such images has no room for bars.
    pub fn image(mut self, title: impl Into<String>, pixels: &[f32]) -> Self {
        self.items.push(Item { title: title.into(), pixels: pixels.to_vec(), probs: None, label: None });
        self
    }

    /// Draws and writes the PNG; its size grows with the number of items.
    ///
    /// # Errors
    /// [`PlotError`] if there are no items, an image is empty or not whole rows of `image_width`, an item's probabilities are
    /// none, or the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        not_empty("images", &self.items)?;
        for item in &self.items {
            not_empty("pixels", &item.pixels)?;
            if let Some(probs) = &item.probs {
                not_empty("probabilities", probs)?;
            }
            let rows = item.pixels.len() / self.image_width.max(1);
            same_length(format!("pixels of `{}`", item.title), rows * self.image_width, item.pixels.len())?;
        }
        let columns = self.num_columns.min(self.items.len());
        let rows = self.items.len().div_ceil(columns);
        let width = (ITEM.0 as usize).saturating_mul(columns) + 2 * MARGIN as usize;
        let bars = self.items.iter().any(|item| item.probs.is_some());
        let item_height = if bars { ITEM.1 } else { ITEM.1 - BARS };
        let height = (item_height as usize).saturating_mul(rows) + 46;
        save(path.as_ref(), (width, height), |root| {
            let area = frame(root, &self.title, &[])?;
            let (left, top) = (px(MARGIN), 0);
            for (i, item) in self.items.iter().enumerate() {
                let x = left + px(f64::from(ITEM.0)) * (i % columns) as i32;
                let y = top + px(f64::from(item_height)) * (i / columns) as i32;
                self.draw(&area, item, (x, y))?;
            }
            Ok(())
        })
    }

    fn draw(&self, area: &Area, item: &Item, (x, y): (i32, i32)) -> Result<(), PlotError> {
        let middle = x + px(f64::from(ITEM.0) / 2.0);
        let centred = Pos::new(HPos::Center, VPos::Top);
        area.draw(&Text::new(item.title.as_str(), (middle, y), text(TICK, INK).pos(centred)))?;

        let rows = item.pixels.len() / self.image_width;
        let side = (px(IMAGE) / self.image_width.max(rows) as i32).max(1);
        let (left, top) = (middle - side * self.image_width as i32 / 2, y + px(TICK + 5.0));
        for (i, pixel) in item.pixels.iter().enumerate() {
            let (row, column) = ((i / self.image_width) as i32, (i % self.image_width) as i32);
            let grey = 255 - (pixel.clamp(0.0, 1.0) * 255.0) as u8;
            let fill = if pixel.is_nan() { MISSING } else { RGBColor(grey, grey, grey) };
            let corner = (left + side * column, top + side * row);
            let opposite = (corner.0 + side, corner.1 + side);
            area.draw(&Rectangle::new([corner, opposite], fill.filled()))?;
        }
        let (right, bottom) = (left + side * self.image_width as i32, top + side * rows as i32);
        area.draw(&Rectangle::new([(left, top), (right, bottom)], AXIS.stroke_width(px(0.5) as u32)))?;

        let Some(probs) = &item.probs else { return Ok(()) };
        let base = y + px(f64::from(ITEM.1) - 26.0);
        let height = px(32.0);
        let slot = (right - left) as f64 / probs.len() as f64;
        area.draw(&Rectangle::new([(left, base), (right, base + px(0.5))], AXIS.filled()))?;
        for (class, prob) in probs.iter().enumerate() {
            let from = left + (slot * class as f64) as i32;
            let to = left + (slot * (class + 1) as f64) as i32;
            let top = base - (prob.clamp(0.0, 1.0) * f64::from(height)) as i32;
            let fill = if item.label == Some(class) { colour(2) } else { colour(0) };
            if top < base {
                area.draw(&Rectangle::new([(from + px(0.5), top), (to - px(0.5), base)], fill.filled()))?;
            }
            if slot >= f64::from(px(7.0)) {
                let style = text(8.5, FAINT_INK).pos(centred);
                area.draw(&Text::new(class.to_string(), ((from + to) / 2, base + px(2.0)), style))?;
            }
        }
        Ok(())
    }
}
