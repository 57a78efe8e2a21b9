//! A transformer reads images pixel by pixel and says how likely each level of the next one is.
//!
//! ```text
//! cargo run --release --example pixel_transformer
//! ```
//!
//! Attention is local and causal, and the last layer is PixelCNN++'s mixture of logistic distributions, put on levels: a
//! tensor goes in, a random variable comes out. The images are the embedded digits, or with `--data DIR` Fashion-MNIST
//! at half its height and width. Prints bits per dimension on held-out images, beside those of independent pixels and of
//! a PNG of all of them, and draws new images and completions of half ones: `out/pixel_transformer/samples.png` and
//! `out/pixel_transformer/completions.png`.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/images.rs"]
mod images;
mod network;

use std::process::ExitCode;

use common::{Options, Own, Report};
use ed::data::Batches;
use ed::layers::reversible::bits_per_dim;
use ed::params::optimizer::{Adam, Optimizer, Schedule};
use ed::params::with_params;
use ed::plot::ImageGrid;
use ed::prelude::*;
use images::Data;
use network::{PixelTransformer, Sizes};

/// New images, and completions: some halves, each completed several times.
const SAMPLES: usize = 64;
const HALVES: usize = 4;
const COMPLETIONS: usize = 4;

/// Bits per dimension of a PNG of all images below each other, one byte a pixel.
fn png_bits(data: &Data) -> Result<f64> {
    let failed = |why: png::EncodingError| Error::Algorithm { of: "PNG", why: why.to_string() };
    let mut file = Vec::new();
    let mut encoder =
        png::Encoder::new(&mut file, data.side() as u32, (data.test.len() / data.side()) as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_compression(png::Compression::Best);
    encoder.set_adaptive_filter(png::AdaptiveFilterType::Adaptive);
    let bytes: Vec<u8> = data.test.iter().map(|&level| level as u8).collect();
    encoder.write_header().and_then(|mut writer| writer.write_image_data(&bytes)).map_err(failed)?;
    Ok(8.0 * file.len() as f64 / data.test.len() as f64)
}

fn example(options: &Options, report: &mut Report) -> Result<()> {
    let mut data = match options.value("data") {
        Some(_) => Data::fashion_mnist(options)?.halved(),
        None => Data::digits(options)?,
    };
    data.test.truncate(options.pick(1_000, 30) * data.pixels);
    let (num_train, num_test) = (data.train.len() / data.pixels, data.test.len() / data.pixels);
    println!(
        "{num_train} images of {} to learn from, {num_test} held out; {1} x {1} pixels of {2} levels",
        data.name,
        data.side(),
        data.levels
    );

    let net = PixelTransformer::new(Sizes {
        levels: data.levels,
        pixels: data.pixels,
        features: options.pick(64, 16),
        layers: options.number("layers", options.pick(2, 1))?,
        heads: 4,
        hidden: options.pick(128, 32),
        // A block and the one before it: eight rows of the digits, the whole image above.
        block: 4 * data.side(),
        components: 5,
        dropout: 0.1,
    });
    let batch_size = options.pick(32, 16);
    let steps = options.number("steps", options.pick(1_000, 10))?;
    let mut batches = Batches::new(num_train, batch_size, options.seed)?;
    let rows: Vec<Vec<usize>> = (0..steps).map(|step| batches.rows(step).to_vec()).collect();
    let adam = Adam::new(Schedule::cosine(3e-3, steps as u64)).weight_decay(1e-2).clip_norm(1.0);
    let trained = Train::new(num_train, |step| net.nll(&data.images(&data.train, &rows[step])?))
        .steps(steps)
        .optimizer(adam)
        .run(options.seed)?;

    let bits = |from: &[f32]| -> Result<f64> {
        let rows: Vec<usize> = (0..num_test.min(from.len() / data.pixels)).collect();
        let mut ln_prob = 0.0;
        for rows in rows.chunks(100) {
            let images = data.images(from, rows)?;
            let nll = with_params(trained.params(), || seed(options.seed, || net.nll(&images)))?;
            ln_prob -= f64::from(nll.item()?) * (rows.len() * data.pixels) as f64;
        }
        Ok(bits_per_dim(ln_prob, rows.len() * data.pixels))
    };
    let (held_out, learnt) = (bits(&data.test)?, bits(&data.train)?);
    let (independent, png) = (data.independent_pixels(), png_bits(&data)?);
    println!(
        "\nbits per dimension on held-out images: {held_out:.3} ({learnt:.3} on as many that were learnt from)\n\
         independent pixels: {independent:.3}, PNG: {png:.3}, uniform: {:.3}\nparameters: {}",
        (data.levels as f64).log2(),
        trained.params().num_parameters()
    );
    report.add("bits_per_dim", held_out);
    report.add("bits_per_dim.train", learnt);
    report.add("bits_per_dim.independent", independent);
    report.add("bits_per_dim.png", png);
    report.add("parameters", trained.params().num_parameters() as f64);

    // Pixel by pixel, with the keys and values of the earlier ones kept.
    let draw = |given: &[Vec<f32>], part: u64| {
        let key = Key::new(options.seed).fold_in(part);
        with_params(trained.params(), || ed::trace::with_key(key, || net.draw(given, data.pixels)))
    };
    let shades =
        |image: &[f32]| -> Vec<f32> { image.iter().map(|&level| level / (data.levels - 1) as f32).collect() };
    let samples = draw(&vec![Vec::new(); options.pick(SAMPLES, 4)], 1)?;
    let grid = ImageGrid::new(format!("Drawn pixel by pixel: {}", data.name), data.side(), 8);
    let grid = samples.iter().fold(grid, |grid, image| grid.image("", &shades(image)));
    grid.save("out/pixel_transformer/samples.png")?;

    let halves = options.pick(HALVES, 1);
    let upper = |image: usize| data.test[image * data.pixels..][..data.pixels / 2].to_vec();
    let given: Vec<Vec<f32>> =
        (0..halves).flat_map(|image| std::iter::repeat_n(upper(image), COMPLETIONS)).collect();
    let completed = draw(&given, 2)?;
    let mut grid = ImageGrid::new("Upper halves, completed, beside the whole", data.side(), COMPLETIONS + 1);
    for (image, completed) in completed.chunks(COMPLETIONS).enumerate() {
        grid = grid.image("whole", &shades(&data.test[image * data.pixels..][..data.pixels]));
        grid = completed.iter().fold(grid, |grid, image| grid.image("completed", &shades(image)));
    }
    grid.save("out/pixel_transformer/completions.png")?;
    println!("Drawn: out/pixel_transformer/samples.png and out/pixel_transformer/completions.png.");
    Ok(())
}

fn main() -> ExitCode {
    let own = [
        Own { name: "data", value: "DIR", about: "the folder with Fashion-MNIST's four files" },
        Own { name: "layers", value: "N", about: "layers of attention (default 2)" },
        Own { name: "steps", value: "N", about: "steps of training" },
    ];
    common::run_with("A transformer draws images pixel by pixel.", &own, example)
}
