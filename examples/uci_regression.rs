//! The regression tables of the Bayesian deep-learning papers: how good is the predictive density of a Bayesian network?
//!
//! One method for all tables. The weights of a network are random variables; an ensemble of such networks, with many
//! draws of the weights of each, is the prediction. With `--noise gaussian` the network gives each row a mean, and the
//! rows share one trainable normal noise, as in most of those papers; with `--noise mixture`, the default, it gives each
//! row a mixture of two Student's t distributions, whose tails forgive the rows that are unlike all others. How strongly
//! the prior of the weights holds is chosen for each split by the log-likelihood of a validation part of its training
//! rows (the other settings stand below and are the same for all tables); the winner is trained anew on all of them. The
//! test rows are looked at once, at the end.
//!
//! `cargo run --release --example uci_regression` takes the diabetes table that comes with the library, in ten random
//! splits. `--data DIR` reads a folder as `ed::data::table_with_splits` describes it. RMSE and log-likelihood are in the
//! target's own units. A target of few different values is not continuous: a density may be sharp around each of them,
//! so that its log-likelihood says more about the bound `NARROWEST` than about the network.

mod common;

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use common::{Options, Own, Report};
use ed::data::{self, Batches, Dataset, Standardiser, split_indices};
use ed::diagnostics::{log_mean_exp, rmse};
use ed::inference::Trained;
use ed::layers::initializers::VarianceScaling;
use ed::layers::weight::NormalPrior;
use ed::params::optimizer::{Adam, Schedule};
use ed::prelude::*;
use ed::progress::Progress;
use ed::table::{Cell, Table};
use rand::RngCore;

type Rows = Var<(usize, usize)>;
type Numbers = Var<(usize,)>;
type Uncertain = Dense<LocalReparameterization>;

/// Units of each of the two hidden layers.
const UNITS: usize = 50;
/// Distributions in the predictive mixture of one network at one draw of its weights.
const COMPONENTS: usize = 2;
/// Their degrees of freedom: tails that a lone outlier does not ruin, a middle that is nearly normal.
const DF: f64 = 5.0;
/// None of the mixture's scales is smaller than this, in standard deviations of the target.
const NARROWEST: f64 = 0.03;
/// Standard deviations that the posteriors start with.
const STARTING_SCALE: f64 = 0.02;
const LEARNING_RATE: f64 = 0.005;
/// The part of the training rows that validates.
const VALIDATION: f64 = 0.2;
/// What validation chooses from: factors of the divergence from the prior. Below 1 the posterior is "cold" (Wenzel et
/// al. 2020): independent normals with the full divergence lose more of a small table than they gain.
const KL_WEIGHTS: [f64; 3] = [1.0, 0.3, 0.1];

/// What is trained, and how long everything takes.
#[derive(Clone, Copy, Debug)]
struct Effort {
    noise: Noise,
    steps: usize,
    members: usize,
    draws: usize,
}

/// What a network says of the spread of a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Noise {
    /// One normal noise for all rows.
    Gaussian,
    /// A mixture of Student's t distributions for each row.
    Mixture,
}

/// A network of two hidden layers that gives a distribution for each row.
#[derive(Debug, Layer)]
struct Network {
    first: Uncertain,
    second: Uncertain,
    loc: Uncertain,
    raw_scale: Uncertain,
    logits: Uncertain,
    #[layer(skip)]
    noise: Noise,
}

impl Network {
    fn new(noise: Noise) -> Network {
        let prior = NormalPrior::Scaled(VarianceScaling::he(), 1.0);
        let belief = || LocalReparameterization::default().prior(prior).scale(STARTING_SCALE);
        let hidden = || Uncertain::new(UNITS).estimator(belief()).relu();
        let readout = |units| Uncertain::new(units).estimator(belief());
        Network {
            first: hidden(),
            second: hidden(),
            loc: readout(if noise == Noise::Gaussian { 1 } else { COMPONENTS }),
            raw_scale: readout(COMPONENTS),
            logits: readout(COMPONENTS),
            noise,
        }
    }
}

/// The distributions of the rows.
enum Prediction {
    /// Means, and the one standard deviation.
    Gaussian { loc: Numbers, scale: Var<()> },
    /// Locations, scales and log weights of the distributions, `[rows, components]`.
    Mixture { loc: Rows, scale: Rows, log_weight: Rows },
}

impl Prediction {
    fn log_prob(&self, targets: &Numbers) -> Result<Numbers> {
        match self {
            Prediction::Gaussian { loc, scale } => Normal::new(loc, scale)?.log_prob(targets),
            Prediction::Mixture { loc, scale, log_weight } => {
                let parts = StudentT::new(DF, loc, scale)?.log_prob(&targets.expand_last(COMPONENTS))?;
                (parts + log_weight).logsumexp().check()
            }
        }
    }

    fn mean(&self) -> Numbers {
        match self {
            Prediction::Gaussian { loc, .. } => loc.clone(),
            Prediction::Mixture { loc, log_weight, .. } => (log_weight.exp() * loc).sum_last(),
        }
    }
}

impl Apply<Rows> for Network {
    type Output = Prediction;
    fn apply(&self, rows: Rows) -> Result<Prediction> {
        let hidden = self.second.forward(self.first.forward(rows)?)?;
        let loc = self.loc.forward(&hidden)?;
        Ok(match self.noise {
            Noise::Gaussian => Prediction::Gaussian {
                loc: loc.reshape((loc.len(),))?,
                scale: param_as("log_noise", || Var::scalar(-1.0))?.exp(),
            },
            Noise::Mixture => Prediction::Mixture {
                loc,
                scale: self.raw_scale.forward(&hidden)?.softplus() + NARROWEST,
                log_weight: self.logits.forward(&hidden)?.log_softmax(),
            },
        })
    }
}

/// Means and standard deviations of the training rows.
struct Scales {
    features: Standardiser,
    target: Standardiser,
}

impl Scales {
    fn of(training: &Dataset) -> Result<Scales> {
        Ok(Scales {
            features: Standardiser::fit(&training.features, training.num_features)?,
            target: Standardiser::fit(&training.target, 1)?,
        })
    }

    /// Features and targets in standard units.
    fn apply(&self, table: &Dataset) -> Result<(Rows, Numbers)> {
        let single = |numbers: Vec<f64>| numbers.into_iter().map(|x| x as f32).collect::<Vec<_>>();
        let features = single(self.features.apply(&table.features)?);
        let target = single(self.target.apply(&table.target)?);
        Ok((Rows::from_vec(features, (table.num_rows, table.num_features))?, Numbers::from(target)))
    }
}

/// One network, trained on a table.
fn train(table: &Dataset, scales: &Scales, kl_weight: f64, effort: Effort, seed: u64) -> Result<Trained> {
    let Effort { noise, steps, .. } = effort;
    let network = Network::new(noise);
    let (features, targets) = scales.apply(table)?;
    // Small enough for many steps an epoch on a small table, and for operations that stay on the thread of their split.
    let batches = Batches::new(table.num_rows, (table.num_rows / 100).clamp(32, 128), seed)?;
    let batches = RefCell::new(batches);
    Train::new(table.num_rows, |step| {
        let mut batches = batches.borrow_mut();
        let batch = batches.rows(step);
        let prediction = network.forward(features.gather(batch)?)?;
        Ok(-prediction.log_prob(&targets.gather(batch)?)?.mean())
    })
    .kl_weight(kl_weight)
    .optimizer(Adam::new(Schedule::cosine(LEARNING_RATE, steps as u64)))
    .steps(steps)
    .quiet()
    .run(seed)
}

/// How well a table was predicted, in the target's own units.
#[derive(Clone, Copy, Debug)]
struct Quality {
    rmse: f64,
    log_likelihood: f64,
}

/// The equally weighted mixture of all draws of all members, against the truth.
fn judge(members: &[Trained], table: &Dataset, scales: &Scales, effort: Effort) -> Result<Quality> {
    let Effort { noise, draws, .. } = effort;
    let network = Network::new(noise);
    let (features, targets) = scales.apply(table)?;
    let mut log_probs = Vec::new();
    let mut means = vec![0.0; table.num_rows];
    for (seed, member) in (0..).zip(members) {
        for prediction in member.predict(draws, seed, || network.forward(&features))? {
            log_probs.extend(prediction.log_prob(&targets)?.as_slice()?.iter().map(|&x| f64::from(x)));
            for (sum, &mean) in means.iter_mut().zip(prediction.mean().as_slice()?) {
                *sum += f64::from(mean) / (members.len() * draws) as f64;
            }
        }
    }
    let standard: f64 = log_mean_exp(&log_probs, table.num_rows)?.iter().sum();
    Ok(Quality {
        rmse: rmse(&scales.target.invert(&means)?, &table.target)?,
        log_likelihood: standard / table.num_rows as f64 - scales.target.sd()[0].ln(),
    })
}

/// What came of one split.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    kl_weight: f64,
    quality: Quality,
}

/// Chooses on the training rows, trains the ensemble, and looks at the test rows once.
fn run(
    train_rows: &Dataset,
    test_rows: &Dataset,
    effort: Effort,
    seed: u64,
    done: &dyn Fn(),
) -> Result<Outcome> {
    let (fitting, validation) = train_rows.split(VALIDATION, seed)?;
    let scales = Scales::of(&fitting)?;
    let mut best = (f64::NEG_INFINITY, KL_WEIGHTS[0]);
    for kl_weight in KL_WEIGHTS {
        let candidate = train(&fitting, &scales, kl_weight, effort, seed)?;
        let quality = judge(&[candidate], &validation, &scales, effort)?;
        if quality.log_likelihood > best.0 {
            best = (quality.log_likelihood, kl_weight);
        }
        done();
    }
    let kl_weight = best.1;
    let scales = Scales::of(train_rows)?;
    let mut members = Vec::new();
    for member in 0..effort.members as u64 {
        members.push(train(train_rows, &scales, kl_weight, effort, seed.wrapping_add(member))?);
        done();
    }
    Ok(Outcome { kl_weight, quality: judge(&members, test_rows, &scales, effort)? })
}

/// The rows that are not listed.
fn others(num_rows: usize, rows: &[usize]) -> Vec<usize> {
    let mut listed = vec![false; num_rows];
    rows.iter().for_each(|&row| listed[row] = true);
    (0..num_rows).filter(|&row| !listed[row]).collect()
}

/// All splits, a thread for each core. Every split has seeds of its own, so that the threads do not change the figures.
fn outcomes(table: &Dataset, splits: &[Vec<usize>], effort: Effort, seed: u64) -> Result<Vec<Outcome>> {
    let trainings = KL_WEIGHTS.len() + effort.members;
    let progress = Progress::new("networks", (splits.len() * trainings) as u64);
    let (next, finished) = (AtomicUsize::new(0), AtomicU64::new(0));
    let done = || {
        let finished = finished.fetch_add(1, Ordering::Relaxed) + 1;
        progress.set(finished, || format!("{} splits", splits.len()));
    };
    let work = || -> Result<Vec<(usize, Outcome)>> {
        let mut outcomes = Vec::new();
        loop {
            let split = next.fetch_add(1, Ordering::Relaxed);
            let Some(test) = splits.get(split) else { return Ok(outcomes) };
            let train_rows = table.select(&others(table.num_rows, test))?;
            let seed = Key::new(seed).fold_in(split as u64).stream().next_u64();
            outcomes.push((split, run(&train_rows, &table.select(test)?, effort, seed, &done)?));
        }
    };
    let num_threads = thread::available_parallelism().map_or(1, usize::from).min(splits.len());
    let mut outcomes = Vec::new();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..num_threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| {
            outcomes.extend(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            Ok::<_, ed::Error>(())
        })
    })?;
    outcomes.sort_by_key(|(split, _)| *split);
    Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
}

/// The mean and its standard error; none of a single number.
fn mean_and_error(numbers: &[f64]) -> (f64, Option<f64>) {
    let len = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / len;
    let squares: f64 = numbers.iter().map(|x| (x - mean).powi(2)).sum();
    (mean, (numbers.len() > 1).then(|| (squares / (len - 1.0) / len).sqrt()))
}

fn example(options: &Options, report: &mut Report) -> Result<()> {
    let (table, mut splits) = match options.value("data") {
        Some(folder) => data::table_with_splits(folder)?,
        None => {
            let table = data::diabetes();
            let test = |split| Ok(split_indices(table.num_rows, 0.1, split)?.1);
            let splits = (0..10).map(test).collect::<Result<Vec<_>>>()?;
            (table, splits)
        }
    };
    splits.truncate(options.number("splits", options.pick(usize::MAX, 2))?);
    if splits.is_empty() {
        return Err(ed::Error::Parameter {
            of: "the command line",
            name: "splits",
            must_be: "at least 1",
            got: "no split to run".into(),
        });
    }
    println!("{} rows of {} features, {} splits", table.num_rows, table.num_features, splits.len());
    let noise = match options.value("noise") {
        None | Some("mixture") => Noise::Mixture,
        Some("gaussian") => Noise::Gaussian,
        Some(other) => {
            let (of, name, must_be) = ("the command line", "noise", "`mixture` or `gaussian`");
            return Err(ed::Error::Parameter { of, name, must_be, got: format!("`{other}`") });
        }
    };
    let full = Effort { noise, steps: 5_000, members: 3, draws: 50 };
    let effort = options.pick(full, Effort { noise, steps: 100, members: 1, draws: 5 });
    let outcomes = outcomes(&table, &splits, effort, options.seed)?;

    let mut by_split = Table::new(["split", "KL weight", "RMSE", "test log-likelihood"]).digits(3);
    for (split, Outcome { kl_weight, quality }) in outcomes.iter().enumerate() {
        by_split.push([
            split.into(),
            (*kl_weight).into(),
            quality.rmse.into(),
            quality.log_likelihood.into(),
        ]);
    }
    println!("\n{by_split}");
    let mut summary = Table::new(["", "mean", "standard error"]).digits(4);
    let figures: [(&str, &str, fn(&Quality) -> f64); 2] = [
        ("RMSE", "rmse", |quality| quality.rmse),
        ("test log-likelihood", "log_likelihood", |quality| quality.log_likelihood),
    ];
    for (title, name, figure) in figures {
        let numbers: Vec<f64> = outcomes.iter().map(|outcome| figure(&outcome.quality)).collect();
        let (mean, error) = mean_and_error(&numbers);
        report.add(name, mean);
        error.into_iter().for_each(|error| report.add(format!("{name}.standard_error"), error));
        summary.push([Cell::from(title), mean.into(), error.map_or(Cell::from("-"), Cell::from)]);
    }
    println!("{summary}");
    Ok(())
}

fn main() -> std::process::ExitCode {
    let own = [
        Own { name: "data", value: "DIR", about: "a table with its splits (default: diabetes, ten splits)" },
        Own { name: "noise", value: "KIND", about: "gaussian or mixture (default)" },
        Own { name: "splits", value: "N", about: "runs the first N splits only" },
    ];
    common::run_with(
        "Bayesian networks on the regression tables of the Bayesian deep-learning papers.",
        &own,
        example,
    )
}
