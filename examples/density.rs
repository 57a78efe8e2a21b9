//! Flows as densities: three shapes in the plane, or any table of numbers.
//!
//! ```text
//! cargo run --release --example density
//! cargo run --release --example density -- --data FOLDER
//! ```
//!
//! Masked autoregressive flows, affine and with splines, a coupling flow with splines and a Gaussian with full covariance
//! learn the same rows;
//! the table shows the held-out log-likelihood of each, in nats for each row, with its standard error. A flow learns the
//! rows by heart if it is let: a tenth of the rows to learn from says which of its parameters to keep. In the plane, the
//! learnt densities are drawn in `out/density/`. A folder holds `data.txt`, `index_features.txt`, `index_target.txt` and
//! `test_rows.txt`, as the UCI regression benchmarks are published; features and target together are the rows.

mod common;

use std::f64::consts::{PI, TAU};
use std::path::Path;
use std::process::ExitCode;

use common::{Options, Own, Report};
use ed::data::{Batches, Standardiser, split_indices, table_with_splits};
use ed::diagnostics::quantile;
use ed::kernels::rng;
use ed::params::optimizer::{Adam, Optimizer, Schedule};
use ed::params::with_params;
use ed::plot::HeatMap;
use ed::prelude::*;
use ed::table::{Cell, Table};

type Rows = Var<(usize, usize)>;

/// Steps between two looks at the rows that choose when a flow has learnt enough.
const VALIDATED_EVERY: usize = 50;

/// Standardised rows to learn from and held-out ones.
struct Data {
    name: String,
    train: Rows,
    test: Rows,
}

impl Data {
    /// Rows that steps learn from, and a tenth by which the best of their parameters are chosen.
    fn validation(&self, seed: u64) -> Result<(Rows, Rows)> {
        let (learn, validate) = split_indices(self.train.shape().0, 0.1, seed)?;
        Ok((self.train.gather(&learn)?, self.train.gather(&validate)?))
    }
}

/// A shape in the plane: `num` points, a function of the key.
fn shape(name: &str, num: usize, key: Key) -> Result<Rows> {
    let (mut uniform, mut normal) = (vec![0f64; 2 * num], vec![0f64; 2 * num]);
    rng::fill_uniform(key.fold_in(0), &mut uniform);
    rng::fill_normal(key.fold_in(1), &mut normal);
    let point = |i: usize| -> [f64; 2] {
        let ([u, v], [e, f]) = ([uniform[2 * i], uniform[2 * i + 1]], [normal[2 * i], normal[2 * i + 1]]);
        match name {
            "moons" => {
                let (sin, cos) = (PI * u).sin_cos();
                let [x, y] = if i.is_multiple_of(2) { [cos, sin] } else { [1.0 - cos, 0.5 - sin] };
                [1.5 * (x - 0.5) + 0.12 * e, 1.5 * (y - 0.25) + 0.12 * f]
            }
            "rings" => {
                let radius = if i.is_multiple_of(2) { 1.0 } else { 2.0 };
                let (sin, cos) = (TAU * u).sin_cos();
                [radius * cos + 0.1 * e, radius * sin + 0.1 * f]
            }
            _ => {
                let (x, y) = (4.0 * u - 2.0, v);
                let row = 2.0 * ((i / 2) % 2) as f64 - 2.0;
                [x, y + row + x.floor().rem_euclid(2.0)]
            }
        }
    };
    let points = (0..num).flat_map(point).map(|x| x as f32).collect();
    Rows::from_vec(points, (num, 2))
}

fn table(folder: &Path, options: &Options) -> Result<Data> {
    let (data, splits) = table_with_splits(folder)?;
    let width = data.num_features + 1;
    let features: Vec<&[f64]> = data.features.chunks_exact(data.num_features).collect();
    let row = |row: usize| features[row].iter().copied().chain([data.target[row]]);
    let held_out = &splits[0];
    let train: Vec<f64> = (0..data.num_rows).filter(|at| !held_out.contains(at)).flat_map(row).collect();
    let test: Vec<f64> = held_out.iter().flat_map(|&at| row(at)).collect();
    let scale = Standardiser::fit(&train, width)?;
    let rows = |numbers: &[f64]| -> Result<Rows> {
        let numbers = scale.apply(numbers)?;
        let numbers: Vec<f32> = numbers.iter().map(|&x| x as f32).collect();
        let kept = numbers.len() / width;
        let kept = options.pick(kept, kept.min(500));
        Rows::from_vec(numbers[..kept * width].to_vec(), (kept, width))
    };
    let name = folder.file_name().map_or("table".into(), |name| name.to_string_lossy().into_owned());
    Ok(Data { name, train: rows(&train)?, test: rows(&test)? })
}

/// A flow's log-density of rows.
type LogProb = Box<dyn Fn(&Rows) -> Result<Vec<f32>>>;

fn fit<L: Reversible<f32> + Clone + 'static>(
    flow: L,
    data: &Data,
    options: &Options,
) -> Result<(LogProb, usize)> {
    let width = data.train.shape().1;
    let (train, validation) = data.validation(options.seed)?;
    let num_rows = train.shape().0;
    let steps = options.number("steps", options.pick(2_000, 6))?;
    let mut batches = Batches::new(num_rows, 256, options.seed)?;
    let batches: Vec<Vec<usize>> = (0..steps).map(|step| batches.rows(step).to_vec()).collect();
    let loss = |rows: &Rows| -> Result<Var<()>> {
        let density = flow.distribution(Normal::standard((rows.shape().0, width))?)?;
        Ok(-density.log_prob(rows)?.mean())
    };
    let trained = Train::new(num_rows, |step| loss(&train.gather(&batches[step])?))
        .steps(steps)
        .optimizer(Adam::new(Schedule::cosine(3e-3, steps as u64)).clip_norm(10.0))
        .run_best(options.seed, VALIDATED_EVERY, || Ok(f64::from(loss(&validation)?.item()?)))?;
    let params = trained.into_params();
    let count = params.num_parameters();
    let log_prob = move |rows: &Rows| {
        let base = Normal::standard((rows.shape().0, width))?;
        with_params(&params, || flow.distribution(base)?.log_prob(rows)?.to_vec())
    };
    Ok((Box::new(log_prob), count))
}

/// The Gaussian with the mean and covariance of the rows.
fn gaussian(data: &Data) -> Result<(LogProb, usize)> {
    let (num_rows, width) = *data.train.shape();
    let rows: Var<(usize, usize), f64> = data.train.to_f64()?;
    let mean = Var::<(usize,), f64>::from_vec(
        (0..width)
            .map(
                |column| Ok(rows.to_vec()?.iter().skip(column).step_by(width).sum::<f64>() / num_rows as f64),
            )
            .collect::<Result<_>>()?,
        (width,),
    )?;
    let centred = &rows - &mean;
    let covariance = centred.transpose().dot(&centred)? * (1.0 / num_rows as f64);
    let scale_tril = covariance.cholesky()?;
    let log_det = scale_tril.log_det_triangular()?.item()?;
    let log_prob = move |rows: &Rows| {
        let centred = rows.to_f64()? - &mean;
        let whitened = scale_tril.solve_triangular(&centred.transpose())?.transpose();
        let squares = whitened.square().sum_last().to_vec()?;
        let constant = log_det + 0.5 * width as f64 * TAU.ln();
        Ok(squares.iter().map(|square| (-0.5 * square - constant) as f32).collect())
    };
    Ok((Box::new(log_prob), width * (width + 3) / 2))
}

fn compare(data: &Data, options: &Options, report: &mut Report) -> Result<()> {
    let (num_rows, width) = *data.train.shape();
    println!("\n{}: {num_rows} rows of {width} numbers, {} held out", data.name, data.test.shape().0);
    let units = options.pick(64, 8);
    let layers = options.pick(6, 2);
    // Data meet the last layer first: it takes them from left to right.
    let made = |layer: usize| {
        let order = if (layers - layer) % 2 == 1 { LeftToRight } else { RightToLeft };
        RealNvp::new(Made::new([units, units]).order(order))
    };
    let splines = |layer| made(layer).transform(Transform::spline());
    // Started by Glorot's law, at half of He's variance: wider starts learn the rows by heart sooner.
    let hidden = || Dense::new(units).activation(Activation::Relu);
    let coupling = |layer: usize| {
        let net = sequential![hidden(), hidden()];
        let kept = if layer.is_multiple_of(2) { Kept::FirstHalf } else { Kept::SecondHalf };
        RealNvp::new(Coupling::new(net).kept(kept).unconditional()).transform(Transform::spline())
    };
    let fits = [
        ("gaussian", "Gaussian, full covariance", gaussian(data)?),
        (
            "maf",
            "masked autoregressive, affine",
            fit(Sequential::of((0..layers).map(made).collect::<Vec<_>>()), data, options)?,
        ),
        (
            "autoregressive_spline",
            "masked autoregressive, with splines",
            fit(Sequential::of((0..layers).map(splines).collect::<Vec<_>>()), data, options)?,
        ),
        (
            "spline",
            "coupling with splines",
            fit(Sequential::of((0..layers).map(coupling).collect::<Vec<_>>()), data, options)?,
        ),
    ];
    let mut figures = Table::new(["", "parameters", "log-likelihood", "standard error"]).digits(4);
    let mut maps = Vec::new();
    for (key, name, (log_prob, num_parameters)) in fits {
        let held_out = log_prob(&data.test)?;
        let count = held_out.len() as f64;
        let mean = held_out.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
        let variance = held_out.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
        let error = (variance / count).sqrt();
        figures.push([
            name.into(),
            Cell::from(num_parameters.to_string()),
            Cell::from(mean),
            Cell::from(error),
        ]);
        report.add(format!("{}.{key}.log_likelihood", data.name), mean);
        report.add(format!("{}.{key}.standard_error", data.name), error);
        if width == 2 {
            maps.push((name, key, map(options, &log_prob)?));
        }
    }
    println!("{figures}");
    pictures(data, options, &maps)
}

/// Cells along an edge of a map.
fn side(options: &Options) -> usize {
    options.pick(160, 24)
}

/// The density over the square from -3 to 3.
fn map(options: &Options, log_prob: &LogProb) -> Result<Vec<f64>> {
    let side = side(options);
    let at = |place: usize| -3.0 + 6.0 * (place as f32 + 0.5) / side as f32;
    let grid = (0..side * side).flat_map(|cell| [at(cell % side), at(cell / side)]).collect();
    let density = log_prob(&Rows::from_vec(grid, (side * side, 2))?)?;
    Ok(density.iter().map(|&x| f64::from(x).exp()).collect())
}

/// A map of each density in the same colours, with some of the rows that it learnt from.
fn pictures(data: &Data, options: &Options, maps: &[(&str, &str, Vec<f64>)]) -> Result<()> {
    // Single cells may be far higher than all others.
    let top = maps.iter().map(|(_, _, density)| quantile(density, 0.995)).fold(f64::MIN_POSITIVE, f64::max);
    let rows = data.train.to_vec()?;
    let points: Vec<(f64, f64)> =
        rows.chunks(2).take(150).map(|row| (f64::from(row[0]), f64::from(row[1]))).collect();
    for (name, key, density) in maps {
        HeatMap::new(format!("{}: {name}", data.name), density, side(options), -3.0..3.0, -3.0..3.0)
            .labels("x₁", "x₂")
            .unit("density")
            .limits(0.0..top)
            .points(&points)
            .save(format!("out/density/{}_{key}.png", data.name))?;
    }
    Ok(())
}

fn example(options: &Options, report: &mut Report) -> Result<()> {
    if let Some(folder) = options.value("data") {
        return compare(&table(Path::new(folder), options)?, options, report);
    }
    for name in ["moons", "rings", "checkerboard"] {
        let key = Key::new(options.seed).fold_in_str(name);
        let (train, test) = (options.pick(8_000, 256), options.pick(2_000, 100));
        let data = Data {
            name: name.into(),
            train: shape(name, train, key.fold_in(0))?,
            test: shape(name, test, key.fold_in(1))?,
        };
        compare(&data, options, report)?;
    }
    println!("\nDrawn: out/density/*.png, one for each shape and density.");
    Ok(())
}

fn main() -> ExitCode {
    let own = [
        Own { name: "data", value: "DIR", about: "a folder with a table and its splits" },
        Own { name: "steps", value: "N", about: "steps of training" },
    ];
    common::run_with("Flows and a Gaussian learn densities.", &own, example)
}
