//! A Bayesian neural network and two ordinary ones read handwritten digits: which one knows what it does not know?
//!
//! The network is a plain `#[model]`: its weights are random variables. It is trained by intercepting its trace and
//! swapping each prior for a posterior (a normal of its own mean and scale). Its twin is the same model, with the same
//! vague priors, at its most likely weights; the third is an ordinary network of layers with usual settings. All are
//! judged on held-out images: how often they are right, how well their probabilities are calibrated, and whether their
//! uncertainty tells digits from corrupted ones.
//!
//! `cargo run --release --example quickstart` takes under a minute on two cores, prints the table, and draws
//! `out/quickstart/reliability.png` and `out/quickstart/least_certain.png`.

mod common;

use std::cell::RefCell;

use common::{Options, Report};
use ed::data::{self, Batches, Digits};
use ed::diagnostics::{auroc, calibration::Predictions, entropy_split};
use ed::layers::initializers::VarianceScaling;
use ed::params::optimizer::{Adam, Schedule};
use ed::plot::{ImageGrid, ReliabilityPlot};
use ed::prelude::*;
use ed::table::{Cell, Table};

const PIXELS: usize = Digits::NUM_PIXELS;
const HIDDEN: usize = 100;
const CLASSES: usize = 10;

type Images = Var<(usize, usize)>;

/// Priors so vague that the data decide, in multiples of the scale at which such networks are usually started.
const VAGUE: f64 = 20.0;

/// A network of one hidden layer, whose weights are normal around 0, `width` times as wide as is usual; the readout's
/// four times wider still, so that it can be as sure as clear digits deserve.
#[model]
fn network(images: &Images, width: f64) -> Result<RandomVariable<Categorical<(usize, usize)>>> {
    let (first, second) = ((PIXELS, HIDDEN), (HIDDEN, CLASSES));
    let usual = VarianceScaling::he();
    let kernel = sample(Normal::new(Var::zeros(first), width * usual.stddev(&first)?)?);
    let bias = sample(Normal::new(Var::zeros((HIDDEN,)), width)?);
    let hidden = (scaled(images).dot(&kernel)? + &bias).relu();
    let readout = sample(Normal::new(Var::zeros(second), 4.0 * width * usual.stddev(&second)?)?);
    let offset = sample(Normal::new(Var::zeros((CLASSES,)), width)?);
    let labels = sample(Categorical::from_logits(hidden.dot(&readout)? + &offset)?);
    Ok(labels)
}

/// Pixels around 0, as networks like them.
fn scaled(images: &Images) -> Images {
    (images - 0.3) * 6.0
}

/// An ordinary network, trained as usual: the mean cross-entropy of batches of 128, Adam, no prior.
fn ordinary(
    images: &Images,
    labels: &Var<(usize,)>,
    steps: usize,
    seed: u64,
) -> Result<impl Fn(&Images) -> Result<Vec<f32>>> {
    let net = sequential![Dense::new(128).relu(), Dense::new(CLASSES)];
    let (pixels, rows) = (scaled(images), labels.len());
    let batches = RefCell::new(Batches::new(rows, 128, seed)?);
    let trained = Train::new(rows, |step| {
        let mut batches = batches.borrow_mut();
        let batch = batches.rows(step);
        softmax_cross_entropy(net.forward(pixels.gather(batch)?)?, &labels.gather(batch)?)
    })
    .learning_rate(0.003)
    .steps(steps)
    .run(seed)?;
    Ok(move |images: &Images| trained.predict_at_mean(|| net.forward(scaled(images))?.softmax().to_vec()))
}

/// Class probabilities `[draws, images, classes]`: one run of the network for each draw of its weights.
fn predict(images: &Images, weights: &[Trace]) -> Result<Vec<f32>> {
    let mut probs = Vec::new();
    for weights in weights {
        let labels = seed(0, || replay(|| network(images, VAGUE), weights).run())?;
        probs.extend_from_slice(labels.distribution().probs()?.as_slice()?);
    }
    Ok(probs)
}

/// The mean over the draws.
fn average(probs: &[f32], draws: usize) -> Vec<f32> {
    let len = probs.len() / draws;
    (0..len)
        .map(|place| (0..draws).map(|draw| probs[draw * len + place]).sum::<f32>() / draws as f32)
        .collect()
}

/// Entropy of each image's mean prediction, in nats.
fn uncertainty(probs: &[f32], draws: usize) -> Result<Vec<f64>> {
    Ok(entropy_split(probs, draws, CLASSES)?.iter().map(|split| split.predictive).collect())
}

/// Images with three tenths of their pixels replaced by noise.
fn corrupted(images: &[f32], seed: u64) -> Vec<f32> {
    let [one, two] = Key::new(seed).fold_in_str("corruption").split_array();
    let (mut noise, mut chance) = (vec![0f32; images.len()], vec![0f32; images.len()]);
    ed::kernels::rng::fill_uniform(one, &mut noise);
    ed::kernels::rng::fill_uniform(two, &mut chance);
    images.iter().zip(noise).zip(chance).map(|((&x, noise), u)| if u < 0.3 { noise } else { x }).collect()
}

fn example(options: &Options, report: &mut Report) -> Result<()> {
    let (train, test) = data::digits().split(0.2, options.seed)?;
    let as_images = |pixels: &[f32]| Images::from_vec(pixels.to_vec(), (pixels.len() / PIXELS, PIXELS));
    let images = as_images(&train.images)?;
    let labels = Var::from(train.labels.iter().map(|&label| f32::from(label)).collect::<Vec<_>>());
    println!("{} images to learn from, {} held out", train.num_rows, test.num_rows);

    let steps = options.pick(2_500, 250);
    let adam = || Adam::new(Schedule::cosine(0.03, steps as u64));
    let observed = condition(|| network(&images, VAGUE), values![network::labels = &labels]);
    // Both start at the same usual weights.
    let usual = condition(|| network(&images, 1.0), values![network::labels = &labels]);
    let start = seed(options.seed, || tape(&usual))?.1.latent_values();

    // The Bayesian network: each prior is swapped for a posterior, a normal of its own.
    let guide = MeanField::of(&observed)?.init_loc(&start)?.init_scale(0.02)?;
    let bayes = Svi::new(&observed, guide).steps(steps).optimizer(adam()).run(options.seed)?;
    let draw = |draw| Ok(seed(draw, || tape(&bayes.posterior()))?.1);
    let bayes_weights: Vec<Trace> = (0..options.pick(100, 10)).map(draw).collect::<Result<_>>()?;

    // Its twin: each prior is swapped for one number.
    let guide = Delta::of(&observed)?.init_loc(&start)?;
    let twin = Svi::new(&observed, guide).steps(steps).optimizer(adam()).run(options.seed)?;
    let twin_weights = vec![seed(0, || tape(&twin.posterior()))?.1];

    // And a network as anybody would train one.
    let ordinary = ordinary(&images, &labels, 2 * steps, options.seed)?;

    let mut table = Table::new(["", "accuracy", "NLL", "Brier", "ECE", "AUROC"]).digits(3);
    let mut reliability = ReliabilityPlot::new("Held-out digits");
    let mut grid =
        ImageGrid::new("The digits that the Bayesian network is least certain of", Digits::SIDE, 6);
    let (digits, broken) = (as_images(&test.images)?, as_images(&corrupted(&test.images, options.seed))?);
    let networks: [(&str, &str, usize, &dyn Fn(&Images) -> Result<Vec<f32>>); 3] = [
        ("Bayesian", "bayes", bayes_weights.len(), &|images| predict(images, &bayes_weights)),
        ("its mode", "twin", 1, &|images| predict(images, &twin_weights)),
        ("ordinary", "ordinary", 1, &ordinary),
    ];
    for (name, key, draws, predict) in networks {
        let probs = predict(&digits)?;
        let doubt = uncertainty(&probs, draws)?;
        let doubt_of_broken = uncertainty(&predict(&broken)?, draws)?;
        let probs = average(&probs, draws);
        let predictions = Predictions::new(&probs, &test.labels)?;
        let figures = [
            ("accuracy", predictions.accuracy()),
            ("nll", predictions.nll()),
            ("brier", predictions.brier()),
            ("ece", predictions.ece()),
            ("auroc", auroc(&doubt_of_broken, &doubt)?),
        ];
        figures.iter().for_each(|(figure, value)| report.add(format!("{key}.{figure}"), *value));
        table.push(std::iter::once(Cell::from(name)).chain(figures.map(|(_, value)| Cell::from(value))));
        reliability = reliability.model(name, &predictions.reliability(10));
        if key == "bayes" {
            let mut rows: Vec<usize> = (0..test.num_rows).collect();
            rows.sort_by(|&a, &b| doubt[b].total_cmp(&doubt[a]));
            for &row in &rows[..12] {
                let label = usize::from(test.labels[row]);
                let probs: Vec<f64> =
                    probs[row * CLASSES..][..CLASSES].iter().map(|&p| f64::from(p)).collect();
                grid = grid.item(format!("a {label}"), test.image(row)?, &probs, Some(label));
            }
        }
    }
    println!("\n{table}\nAUROC: telling digits from corrupted ones by the entropy of the prediction.");
    reliability.save("out/quickstart/reliability.png")?;
    grid.save("out/quickstart/least_certain.png")?;
    println!("Drawn: out/quickstart/reliability.png and out/quickstart/least_certain.png.");
    Ok(())
}

fn main() -> std::process::ExitCode {
    common::run("A Bayesian network and two ordinary ones read handwritten digits.", example)
}
