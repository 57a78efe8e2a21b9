//! A deep Gaussian process, one sparse Gaussian process and a Bayesian network regress: which one knows how far it is off?
//!
//! The deep process is the poster's: `SparseGaussianProcess` layers one after the other, trained by doubly stochastic
//! draws (Salimbeni and Deisenroth 2017). By itself the example fits the elevations of a mountain range from a quarter
//! of its squares, and draws the field and its uncertainty; with `--data FOLDER` it fits a table in the form of the UCI
//! regression sets, over its splits.
//!
//! One method serves all sets: inputs and target standardised; covariances with a lengthscale for each feature; inner
//! layers with as many units as features, at most 16, that pass their inputs on; 10,000 steps of Adam on batches of 512.
//!
//! `cargo run --release --example deep_gp` prints the table, and draws `out/deep_gp/field.png` and
//! `out/deep_gp/uncertainty.png`.

mod common;

use common::{Options, Own, Report};
use ed::data::{self, Batches, Dataset, Standardiser};
use ed::diagnostics::{interval_coverage, mixture_log_likelihood, rmse};
use ed::kernels::special::normal_cdf;
use ed::layers::gp::kernels::ExponentiatedQuadratic;
use ed::layers::gp::likelihoods::{GaussianLikelihood, Likelihood};
use ed::layers::gp::{InducingCovariance, ProjectionMean, SparseGaussianProcess};
use ed::params::optimizer::{Adam, Schedule};
use ed::params::with_params;
use ed::plot::HeatMap;
use ed::prelude::*;
use ed::table::{Cell, Table};

type Matrix = Var<(usize, usize)>;
type Hidden = SparseGaussianProcess<ExponentiatedQuadratic, ProjectionMean>;

/// Units of an inner layer, at most.
const MAX_UNITS: usize = 16;
const BATCH: usize = 512;
/// Rows that a prediction takes at once.
const AT_ONCE: usize = 4_096;
const LEVELS: [f64; 3] = [0.5, 0.9, 0.95];

/// One split of a table, standardised on its training rows.
struct Task {
    inputs: Matrix,
    targets: Matrix,
    test_inputs: Matrix,
    test_targets: Vec<f64>,
    /// Mean and standard deviation of the training targets.
    unit: (f64, f64),
}

fn as_matrix(numbers: &[f64], columns: usize) -> Result<Matrix> {
    let rows = numbers.len() / columns.max(1);
    Matrix::from_vec(numbers.iter().map(|&x| x as f32).collect(), (rows, columns))
}

impl Task {
    fn new(train: &Dataset, test: &Dataset) -> Result<Task> {
        let scale = Standardiser::fit(&train.target, 1)?;
        Ok(Task {
            inputs: as_matrix(&train.standardised(train)?.features, train.num_features)?,
            targets: as_matrix(&scale.apply(&train.target)?, 1)?,
            test_inputs: as_matrix(&test.standardised(train)?.features, train.num_features)?,
            test_targets: test.target.clone(),
            unit: (scale.mean()[0], scale.sd()[0]),
        })
    }
}

/// The sizes of a run.
#[derive(Clone, Copy)]
struct Sizes {
    layers: usize,
    inducing: usize,
    steps: usize,
    draws: usize,
}

/// The layers of a deep process: the inner ones pass their inputs on, and add to them.
#[derive(Clone, Debug)]
struct DeepProcess {
    hidden: Vec<Hidden>,
    last: SparseGaussianProcess<ExponentiatedQuadratic>,
}

impl DeepProcess {
    fn new(layers: usize, inducing: usize, features: usize) -> DeepProcess {
        let kernel = || ExponentiatedQuadratic::new().ard();
        let layer = |units| {
            SparseGaussianProcess::new(units, inducing).kernel(kernel()).covariance(InducingCovariance::Full)
        };
        let hidden = |place: usize| {
            let units = features.min(MAX_UNITS);
            layer(units).mean(ProjectionMean).scale(1e-2).named(format!("hidden{place}"))
        };
        DeepProcess { hidden: (1..layers).map(hidden).collect(), last: layer(1).scale(1.0).named("last") }
    }

    fn forward(&self, inputs: &Matrix) -> Result<RandomVariable<Normal<(usize, usize)>>> {
        let mut x = inputs.clone();
        for layer in &self.hidden {
            x = layer.forward(&x)?.into_var();
        }
        self.last.forward(&x)
    }
}

/// What a model says of the test rows: a normal for each draw and row, in the target's unit.
struct Prediction {
    loc: Vec<f64>,
    scale: Vec<f64>,
    draws: usize,
}

/// Trains a program that returns the predictive distribution of standardised targets, and predicts.
fn fit(
    task: &Task,
    sizes: Sizes,
    seed: u64,
    start: impl Fn() -> Result<()>,
    loss: impl Fn(&Matrix, &Matrix) -> Result<Var<()>>,
    predict: impl Fn(&Matrix) -> Result<Normal<(usize, usize)>>,
    maps: Option<&Matrix>,
) -> Result<(Prediction, Option<Prediction>)> {
    let rows = task.inputs.len();
    let mut params = Params::new();
    // Inducing inputs start from all training rows.
    ed::params::make_params(&mut params, || ed::handlers::seed(seed, &start))?;
    let batches = std::cell::RefCell::new(Batches::new(rows, BATCH, seed)?);
    let program = |step: usize| {
        let mut batches = batches.borrow_mut();
        let rows = batches.rows(step);
        let (x, y): (Matrix, Matrix) = (task.inputs.gather(rows)?, task.targets.gather(rows)?);
        loss(&x, &y)
    };
    let trained = Train::new(rows, program)
        .params(params)
        .optimizer(Adam::new(Schedule::cosine(0.01, sizes.steps as u64)))
        .steps(sizes.steps)
        .run(seed)?;
    let at = |inputs: &Matrix| -> Result<Prediction> {
        let (mut loc, mut scale) = (Vec::new(), Vec::new());
        let (mean, sd) = task.unit;
        for draw in 0..sizes.draws {
            for from in (0..inputs.len()).step_by(AT_ONCE) {
                let rows: Vec<usize> = (from..(from + AT_ONCE).min(inputs.len())).collect();
                let part: Matrix = inputs.gather(&rows)?;
                let y = with_params(trained.params(), || {
                    ed::handlers::seed(seed.wrapping_add(draw as u64), || predict(&part))
                })?;
                loc.extend(y.loc()?.as_slice()?.iter().map(|&x| mean + sd * f64::from(x)));
                scale.extend(y.scale()?.as_slice()?.iter().map(|&x| sd * f64::from(x)));
            }
        }
        Ok(Prediction { loc, scale, draws: sizes.draws })
    };
    Ok((at(&task.test_inputs)?, maps.map(at).transpose()?))
}

fn fit_process(
    layers: usize,
    task: &Task,
    sizes: Sizes,
    seed: u64,
    maps: Option<&Matrix>,
) -> Result<(Prediction, Option<Prediction>)> {
    let net = DeepProcess::new(layers, sizes.inducing.min(task.inputs.len()), task.inputs.shape().1);
    let noise = GaussianLikelihood::new().noise(0.05);
    let start = || net.forward(&task.inputs).map(|_| ());
    let loss =
        |x: &Matrix, y: &Matrix| Ok(-noise.expected_log_prob(net.forward(x)?.distribution(), y)?.mean());
    let predict = |x: &Matrix| noise.predictive(net.forward(x)?.distribution());
    // Without a hidden layer nothing is drawn.
    let sizes = Sizes { draws: if layers == 1 { 1 } else { sizes.draws }, ..sizes };
    fit(task, sizes, seed, start, loss, predict, maps)
}

fn fit_network(task: &Task, sizes: Sizes, seed: u64) -> Result<Prediction> {
    let net = sequential![Dense::<Reparameterization>::new(50).relu(), Dense::<Reparameterization>::new(1),]
        .named("network");
    let noise = GaussianLikelihood::new().noise(0.05);
    let predict = |x: &Matrix| Normal::new(net.forward(x)?, noise.variance()?.sqrt());
    let start = || net.forward(&task.inputs).map(|_| ());
    let loss = |x: &Matrix, y: &Matrix| Ok(-predict(x)?.log_prob(y)?.mean());
    Ok(fit(task, sizes, seed, start, loss, predict, None)?.0)
}

impl Prediction {
    fn rows(&self) -> usize {
        self.loc.len() / self.draws
    }

    /// Mean and standard deviation of each row's mixture.
    fn moments(&self) -> (Vec<f64>, Vec<f64>) {
        let (rows, draws) = (self.rows(), self.draws as f64);
        let mean = |g: &dyn Fn(usize) -> f64, row: usize| {
            (0..self.draws).map(|draw| g(draw * rows + row)).sum::<f64>() / draws
        };
        let means: Vec<f64> = (0..rows).map(|row| mean(&|i| self.loc[i], row)).collect();
        let spread = |row: usize| {
            let variance = mean(&|i| self.scale[i].powi(2) + (self.loc[i] - means[row]).powi(2), row);
            variance.sqrt()
        };
        let sds = (0..rows).map(spread).collect();
        (means, sds)
    }

    /// How many of the targets lie inside the central interval of a level: where the mixture's distribution function is
    /// between its ends.
    fn coverage(&self, level: f64, targets: &[f64]) -> Result<f64> {
        let rows = self.rows();
        let below = |row: usize| {
            let places = (row..self.loc.len()).step_by(rows);
            let each = places.map(|i| normal_cdf((targets[row] - self.loc[i]) / self.scale[i]));
            each.sum::<f64>() / self.draws as f64
        };
        let reached: Vec<f64> = (0..rows).map(below).collect();
        let end = |sign: f64| vec![0.5 + sign * 0.5 * level; rows];
        Ok(interval_coverage(&end(-1.0), &end(1.0), &reached)?)
    }

    /// RMSE, log-likelihood and coverages.
    fn judged(&self, targets: &[f64]) -> Result<[f64; 5]> {
        let mut figures = [0.0; 5];
        figures[0] = rmse(&self.moments().0, targets)?;
        figures[1] = mixture_log_likelihood(&self.loc, &self.scale, targets)?;
        for (figure, level) in figures[2..].iter_mut().zip(LEVELS) {
            *figure = self.coverage(level, targets)?;
        }
        Ok(figures)
    }
}

const FIGURES: [&str; 5] = ["rmse", "log_likelihood", "coverage50", "coverage90", "coverage95"];

/// Mean and standard error over splits.
fn mean_and_error(figures: &[f64]) -> (f64, f64) {
    let n = figures.len() as f64;
    let mean = figures.iter().sum::<f64>() / n;
    let squares: f64 = figures.iter().map(|x| (x - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0).max(1.0) / n).sqrt())
}

/// The mountains: a quarter of the squares to learn from, the others to judge by.
fn mountains(options: &Options) -> Result<(Dataset, Vec<Vec<usize>>, data::Terrain)> {
    let terrain = data::terrain();
    let place = |i: usize| terrain.place(i / terrain.num_columns, i % terrain.num_columns);
    let places: Vec<[f64; 2]> = (0..terrain.elevation.len()).map(place).collect::<Result<_, _>>()?;
    let table = Dataset {
        features: places.concat(),
        target: terrain.elevation.clone(),
        num_rows: terrain.elevation.len(),
        num_features: 2,
        feature_names: vec!["longitude".into(), "latitude".into()],
    };
    let (_, test) = data::split_indices(table.num_rows, options.pick(0.75, 0.95), options.seed)?;
    Ok((table, vec![test], terrain))
}

fn example(options: &Options, report: &mut Report) -> Result<()> {
    let sizes = Sizes {
        layers: options.number("layers", 3)?,
        inducing: options.number("inducing", options.pick(128, 16))?,
        steps: options.number("steps", options.pick(10_000, 60))?,
        draws: options.pick(50, 5),
    };
    if sizes.layers == 0 || sizes.inducing == 0 {
        let why = "a process needs at least one layer and one inducing point".into();
        return Err(Error::Algorithm { of: "deep_gp", why });
    }
    let (table, splits, terrain) = match options.value("data") {
        Some(folder) => {
            let (table, splits) = data::table_with_splits(folder)?;
            (table, splits, None)
        }
        None => {
            let (table, splits, terrain) = mountains(options)?;
            (table, splits, Some(terrain))
        }
    };
    let num_splits = options.number("splits", splits.len())?.min(splits.len());
    let names = [
        ("deep", format!("deep GP, {} layers", sizes.layers)),
        ("sparse", "sparse GP".into()),
        ("network", "Bayesian network".into()),
    ];
    let mut judged: Vec<Vec<[f64; 5]>> = vec![Vec::new(); names.len()];
    for (number, test) in splits[..num_splits].iter().enumerate() {
        let mut held_out = vec![false; table.num_rows];
        test.iter().for_each(|&row| held_out[row] = true);
        let train: Vec<usize> = (0..table.num_rows).filter(|&row| !held_out[row]).collect();
        let (train, test) = (table.select(&train)?, table.select(test)?);
        println!("split {}: {} rows to learn from, {} held out", number + 1, train.num_rows, test.num_rows);
        let task = Task::new(&train, &test)?;
        let seed = options.seed;
        let grid = match &terrain {
            None => None,
            Some(_) => Some(as_matrix(&table.standardised(&train)?.features, table.num_features)?),
        };
        let (deep, field) = fit_process(sizes.layers, &task, sizes, seed, grid.as_ref())?;
        let predictions =
            [deep, fit_process(1, &task, sizes, seed, None)?.0, fit_network(&task, sizes, seed)?];
        for (judged, prediction) in judged.iter_mut().zip(&predictions) {
            let figures = prediction.judged(&task.test_targets)?;
            println!("  {}", figures.map(|figure| format!("{figure:.4}")).join("  "));
            judged.push(figures);
        }
        if let (Some(terrain), Some(field)) = (&terrain, field) {
            let (mean, sd) = field.moments();
            let map = |title: &str, values: &[f64]| {
                let (x, y) = (terrain.longitude.clone(), terrain.latitude.clone());
                HeatMap::new(title, values, terrain.num_columns, x, y)
                    .labels("degrees east", "degrees north")
                    .unit("metres")
            };
            map("Elevation by a deep Gaussian process", &mean).save("out/deep_gp/field.png")?;
            let seen: Vec<(f64, f64)> = train
                .features
                .chunks(2)
                .map(|x| (x[0], x[1]))
                .step_by((train.num_rows / 60).max(1))
                .collect();
            map("Its standard deviation, and some of the observations", &sd)
                .points(&seen)
                .save("out/deep_gp/uncertainty.png")?;
        }
    }
    let mut printed = Table::new(["", "RMSE", "log-likelihood", "in 50 %", "in 90 %", "in 95 %"]).digits(3);
    for ((key, name), judged) in names.iter().zip(&judged) {
        let mut cells = vec![Cell::from(name.as_str())];
        for (place, figure) in FIGURES.iter().enumerate() {
            let (mean, error) =
                mean_and_error(&judged.iter().map(|figures| figures[place]).collect::<Vec<_>>());
            report.add(format!("{key}.{figure}"), mean);
            if judged.len() > 1 {
                report.add(format!("{key}.{figure}.standard_error"), error);
            }
            cells.push(Cell::from(mean));
        }
        printed.push(cells);
    }
    println!("\n{printed}\nLog-likelihood in nats for each held-out row; coverage of the central intervals.");
    if terrain.is_some() {
        println!("Drawn: out/deep_gp/field.png and out/deep_gp/uncertainty.png.");
    }
    Ok(())
}

const OPTIONS: [Own; 5] = [
    Own { name: "data", value: "FOLDER", about: "a table with splits instead of the mountains" },
    Own { name: "splits", value: "N", about: "only the first N splits" },
    Own { name: "layers", value: "N", about: "layers of the deep process (default 3)" },
    Own { name: "inducing", value: "N", about: "inducing points of each layer (default 128)" },
    Own { name: "steps", value: "N", about: "steps of training (default 10000)" },
];

fn main() -> std::process::ExitCode {
    let about = "A deep Gaussian process, a sparse one and a Bayesian network regress.";
    common::run_with(about, &OPTIONS, example)
}
