//! Grey-scale images for densities: Fashion-MNIST, or the embedded digits.

// Each example compiles this file for itself and uses what it needs.
#![allow(dead_code)]

use std::path::Path;

use ed::data::{digits, fashion_mnist, has_fashion_mnist};
use ed::layers::reversible::bits_per_dim;
use ed::prelude::*;

use crate::common::Options;

/// Whole-number intensities, row after row, to learn from and held out.
pub struct Data {
    /// What they are called.
    pub name: &'static str,
    /// Images to learn from.
    pub train: Vec<f32>,
    /// Images held out.
    pub test: Vec<f32>,
    /// Pixels of an image, which is a square.
    pub pixels: usize,
    /// Levels of a pixel, counted from 0.
    pub levels: usize,
}

/// Intensities from 0 to 1 as levels.
fn whole(images: &[f32], levels: usize) -> Vec<f32> {
    images.iter().map(|x| (x * (levels - 1) as f32).round()).collect()
}

impl Data {
    /// Fashion-MNIST from the folder in the option `data` or from Debian's package, and else the digits.
    pub fn load(options: &Options) -> Result<Data> {
        match options.value("data").is_some() || (has_fashion_mnist() && !options.quick) {
            true => Data::fashion_mnist(options),
            false => Data::digits(options),
        }
    }

    /// Fashion-MNIST from the folder in the option `data`, or from Debian's package.
    pub fn fashion_mnist(options: &Options) -> Result<Data> {
        let (train, test) = fashion_mnist(options.value("data").map(Path::new))?;
        let (train, test) = (train.take(options.pick(60_000, 500)), test.take(options.pick(10_000, 100)));
        let (train, test) = (whole(&train.images, 256), whole(&test.images, 256));
        Ok(Data { name: "Fashion-MNIST", train, test, pixels: 784, levels: 256 })
    }

    /// The embedded digits, a fifth of them held out.
    pub fn digits(options: &Options) -> Result<Data> {
        let (train, test) = digits().split(0.2, options.seed)?;
        let (train, test) = (whole(&train.images, 17), whole(&test.images, 17));
        Ok(Data { name: "the embedded digits", train, test, pixels: 64, levels: 17 })
    }

    /// Pixels along an edge.
    pub fn side(&self) -> usize {
        self.pixels.isqrt()
    }

    /// Images of half the height and width: the mean of each 2 × 2 pixels, rounded.
    pub fn halved(self) -> Data {
        let (side, half) = (self.side(), self.side() / 2);
        let halve = |images: &[f32]| -> Vec<f32> {
            let halve = |image: &[f32]| -> Vec<f32> {
                let at = |row: usize, column: usize| image[row * side + column];
                let mean = |place: usize| {
                    let (row, column) = (place / half * 2, place % half * 2);
                    let sum =
                        at(row, column) + at(row, column + 1) + at(row + 1, column) + at(row + 1, column + 1);
                    (sum / 4.0).round()
                };
                (0..half * half).map(mean).collect()
            };
            images.chunks(side * side).flat_map(halve).collect()
        };
        Data { train: halve(&self.train), test: halve(&self.test), pixels: half * half, ..self }
    }

    /// Some of the images, `[rows, pixels]`.
    pub fn images(&self, from: &[f32], rows: &[usize]) -> Result<Var<(usize, usize)>> {
        let pixels = rows.iter().flat_map(|row| &from[row * self.pixels..][..self.pixels]).copied().collect();
        Var::from_vec(pixels, (rows.len(), self.pixels))
    }

    /// Bits per dimension of a histogram for each pixel, with one count added to every level.
    pub fn independent_pixels(&self) -> f64 {
        let count = (self.train.len() / self.pixels + self.levels) as f64;
        let mut counts = vec![1.0; self.pixels * self.levels];
        let place = |(index, &level): (usize, &f32)| index % self.pixels * self.levels + level as usize;
        self.train.iter().enumerate().for_each(|pixel| counts[place(pixel)] += 1.0);
        let ln_prob: f64 =
            self.test.iter().enumerate().map(|pixel| (counts[place(pixel)] / count).ln()).sum();
        bits_per_dim(ln_prob, self.test.len())
    }
}
