//! Three autoregressive networks make a density of images out of noise: random variable in, random variable out.
//!
//! ```text
//! cargo run --release --example realnvp
//! ```
//!
//! The images are Fashion-MNIST from a folder (`--data DIR`) or from Debian's package, and else the embedded digits;
//! their whole-number intensities are dequantised with uniform noise. Prints bits per dimension on held-out images,
//! beside those of independent pixels, and draws `out/realnvp/samples.png`.

mod common;
#[path = "common/images.rs"]
mod images;

use std::process::ExitCode;

use common::{Options, Own, Report};
use ed::data::Batches;
use ed::layers::reversible::{bits_per_dim, dequantize};
use ed::params::optimizer::{Adam, Optimizer, Schedule};
use ed::params::with_params;
use ed::plot::ImageGrid;
use ed::prelude::*;
use images::Data;

fn example(options: &Options, report: &mut Report) -> Result<()> {
    let data = Data::load(options)?;
    let units = options.number("units", options.pick(512, 32))?;
    let (num_train, num_test) = (data.train.len() / data.pixels, data.test.len() / data.pixels);
    println!("{num_train} images of {} to learn from, {num_test} held out", data.name);

    let model = sequential![
        RealNvp::new(Made::new([units, units])),
        RealNvp::new(Made::new([units, units]).order(RightToLeft)),
        RealNvp::new(Made::new([units, units])),
        Intensities::new(data.levels),
    ];
    let density = |rows: usize| model.distribution(Normal::standard((rows, data.pixels))?);

    let batch_size = options.pick(256, 64);
    let steps = options.number("steps", if num_train > 10_000 { 3_000 } else { options.pick(500, 10) })?;
    let mut batches = Batches::new(num_train, batch_size, options.seed)?;
    let schedule: Vec<Vec<usize>> = (0..steps).map(|step| batches.rows(step).to_vec()).collect();
    let noise = Key::new(options.seed).fold_in_str("dequantisation");
    let adam = Adam::new(Schedule::cosine(1e-3, steps as u64)).weight_decay(1e-2).clip_norm(10.0);
    let trained = Train::new(num_train, |step| {
        let rows = &schedule[step];
        let features = dequantize(&data.images(&data.train, rows)?, noise.fold_in(step as u64))?;
        let outputs = density(rows.len())?;
        Ok(-outputs.log_prob(&features)?.sum() * (1.0 / rows.len() as f64))
    })
    .steps(steps)
    .optimizer(adam)
    .run(options.seed)?;

    let held_out = |from: &[f32], count: usize| -> Result<f64> {
        let rows: Vec<usize> = (0..count).collect();
        let mut total = 0.0;
        for rows in rows.chunks(500) {
            let features = dequantize(&data.images(from, rows)?, noise.fold_in_str("test"))?;
            let log_prob = with_params(trained.params(), || density(rows.len())?.log_prob_sum(&features))?;
            total += f64::from(log_prob.item()?);
        }
        Ok(bits_per_dim(total, count * data.pixels))
    };
    let (bits, bits_train) = (held_out(&data.test, num_test)?, held_out(&data.train, num_test)?);
    let num_parameters = trained.params().num_parameters();
    let independent = data.independent_pixels();
    println!(
        "\nbits per dimension on held-out images: {bits:.3} ({bits_train:.3} on as many that were learnt from, \
         {independent:.3} with independent pixels, {:.3} uniform)\nparameters: {num_parameters}",
        (data.levels as f64).log2(),
    );
    report.add("bits_per_dim", bits);
    report.add("bits_per_dim.train", bits_train);
    report.add("bits_per_dim.independent", independent);
    report.add("parameters", num_parameters as f64);

    // Random variable in, random variable out.
    const SIDE: usize = 6;
    let outputs = with_params(trained.params(), || {
        seed(options.seed, || {
            let base = sample_as("base", Normal::standard((SIDE * SIDE, data.pixels))?)?;
            model.forward(base)
        })
    })?;
    let title = format!("Draws from a density of {}", data.name);
    let top = (data.levels - 1) as f32;
    let draws = outputs.to_vec()?;
    let grid =
        draws.chunks(data.pixels).fold(ImageGrid::new(title, data.side(), SIDE), |grid, image: &[f32]| {
            // A draw is a level and a fraction of the next one.
            let image: Vec<f32> = image.iter().map(|x| x.floor() / top).collect();
            grid.image("", &image)
        });
    grid.save("out/realnvp/samples.png")?;
    println!("Drawn: out/realnvp/samples.png.");
    Ok(())
}

fn main() -> ExitCode {
    let own = [
        Own { name: "data", value: "DIR", about: "the folder with Fashion-MNIST's four files" },
        Own { name: "units", value: "N", about: "hidden units of each of two layers (default 512)" },
        Own { name: "steps", value: "N", about: "steps of training" },
    ];
    common::run_with("A normalising flow of three autoregressive networks learns images.", &own, example)
}
