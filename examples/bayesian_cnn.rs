//! The Bayesian Layers poster's convolutional network, with one kind of belief after the other: accuracy, calibration,
//! and whether its uncertainty tells other images apart.
//!
//! The network is written once. What it believes about its weights is a type, so that one word makes it Bayesian:
//! `Conv2d::<Deterministic>`, `Conv2d::<Flipout>`. Training and prediction are the same for all.
//!
//! It learns Fashion-MNIST if Debian's package `dataset-fashion-mnist` is installed or `--data FOLDER` holds its files, and
//! the embedded digits of 8 × 8 pixels otherwise, as in a quick run. The images that are unlike anything it has seen are
//! those of the other data set, brought to the same size.
//!
//! The divergence of what is believed from the prior counts a tenth of what it does in the evidence lower bound
//! (Wenzel et al. 2020 call such posteriors cold). With `--kl-weight 1 --images 12000` it counts whole, and leaves the
//! network less sure than its accuracy allows.
//!
//! `cargo run --release --example bayesian_cnn` takes up to half an hour on two cores, prints the table, and draws
//! `out/bayesian_cnn/reliability.png`.

mod common;

use std::path::Path;

use common::{Options, Own, Report};
use ed::data::{self, Batches, Digits, FashionMnist};
use ed::diagnostics::{auroc, calibration::Predictions, entropy_split};
use ed::layers::estimator::Estimator;
use ed::layers::initializers::VarianceScaling;
use ed::layers::weight::NormalPrior;
use ed::layers::{average_members, repeat_for_members};
use ed::params::optimizer::{Adam, Schedule};
use ed::plot::ReliabilityPlot;
use ed::prelude::*;
use ed::table::{Cell, Table};

const CLASSES: usize = 10;

/// Share of the past in the moving averages of normalisation: the last few dozen batches count, so that a short training
/// does not leave them behind.
const MOMENTUM: f64 = 0.95;

const DRAWN: &str = "out/bayesian_cnn/reliability.png";

const BELIEFS: [&str; 6] =
    ["Deterministic", "Reparameterization", "Flipout", "McDropout", "BatchEnsemble", "Rank1"];

/// `[batch, height, width, channels]`.
type Batch = Var<(usize, usize, usize, usize)>;

/// The poster's network. `Conv2d::<W>::new(32, 5)` is the same with the default settings of a belief.
fn network<W: Estimator>(belief: &W) -> impl Apply<Batch, Output = Var<(usize, usize)>> + use<W> {
    let belief = || belief.clone();
    sequential![
        Conv2d::new(32, 5).same().estimator(belief()),
        BatchNorm::new().momentum(MOMENTUM),
        Relu,
        Conv2d::new(32, 5).stride(2).same().estimator(belief()),
        BatchNorm::new().momentum(MOMENTUM),
        Relu,
        Flatten,
        Dense::new(CLASSES).estimator(belief()),
    ]
}

/// Square grey-scale images and their classes.
struct Images {
    pixels: Vec<f32>,
    labels: Vec<u8>,
    side: usize,
}

impl Images {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn image(&self, row: usize) -> &[f32] {
        &self.pixels[row * self.side * self.side..][..self.side * self.side]
    }

    fn batch(&self, rows: &[usize]) -> Result<Batch> {
        let pixels = rows.iter().flat_map(|&row| self.image(row)).copied().collect();
        Var::from_vec(pixels, (rows.len(), self.side, self.side, 1usize))
    }

    /// The same images with another number of pixels, by the mean of those that a pixel covers.
    fn resized(&self, side: usize) -> Images {
        let (step, last) = (self.side as f64 / side as f64, self.side - 1);
        // Where a pixel begins and ends in the old image; one that is smaller than an old one takes the value there.
        let span = |place: usize| {
            let (from, to) = ((place as f64 * step).floor(), ((place + 1) as f64 * step).ceil());
            (from as usize).min(last)..=(to as usize - 1).min(last)
        };
        let mut pixels = Vec::with_capacity(self.len() * side * side);
        for row in 0..self.len() {
            let image = self.image(row);
            for (y, x) in (0..side).flat_map(|y| (0..side).map(move |x| (y, x))) {
                let covered = span(y).flat_map(|y| span(x).map(move |x| image[y * self.side + x]));
                pixels.push(covered.clone().sum::<f32>() / covered.count() as f32);
            }
        }
        Images { pixels, labels: self.labels.clone(), side }
    }
}

impl From<Digits> for Images {
    fn from(digits: Digits) -> Images {
        Images { pixels: digits.images, labels: digits.labels, side: Digits::SIDE }
    }
}

impl From<FashionMnist> for Images {
    fn from(clothes: FashionMnist) -> Images {
        Images { pixels: clothes.images, labels: clothes.labels, side: FashionMnist::SIDE }
    }
}

/// What is learnt, and what is held against it.
struct Task {
    name: &'static str,
    train: Images,
    test: Images,
    /// Images of another kind.
    others: Images,
    epochs: usize,
}

fn task(options: &Options) -> Result<Task> {
    let folder = options.value("data").map(Path::new);
    let fashion = folder.is_some() || (data::has_fashion_mnist() && !options.quick);
    if fashion {
        let (train, test) = data::fashion_mnist(folder)?;
        let images = options.number("images", options.pick(usize::MAX, 256))?;
        let (train, test) = (train.take(images), test.take(options.pick(usize::MAX, 128)));
        return Ok(Task {
            name: "Fashion-MNIST",
            train: train.into(),
            test: test.into(),
            others: Images::from(data::digits()).resized(FashionMnist::SIDE),
            epochs: options.number("epochs", options.pick(10, 1))?,
        });
    }
    let (train, test) = data::digits().split(0.3, options.seed)?;
    let others = match data::has_fashion_mnist() && !options.quick {
        true => Images::from(data::fashion_mnist(None)?.1).resized(Digits::SIDE),
        false => broken(&test),
    };
    Ok(Task {
        name: "digits",
        train: train.into(),
        test: test.into(),
        others,
        epochs: options.number("epochs", options.pick(40, 1))?,
    })
}

/// Digits cut into quarters that are put together the wrong way round, where there is no other data set.
fn broken(digits: &Digits) -> Images {
    let (side, half) = (Digits::SIDE, Digits::SIDE / 2);
    let mut pixels = Vec::with_capacity(digits.images.len());
    for image in digits.images.chunks_exact(side * side) {
        let moved = |place: usize| (place + half) % side;
        pixels.extend((0..side * side).map(|place| image[moved(place / side) * side + moved(place % side)]));
    }
    Images { pixels, labels: digits.labels.clone(), side }
}

/// A trained network's class probabilities, `[draws, images, classes]`.
struct Predicted {
    probs: Vec<f32>,
    draws: usize,
}

impl Predicted {
    /// The mean over the draws, `[images, classes]`.
    fn mean(&self) -> Vec<f32> {
        let len = self.probs.len() / self.draws;
        let draws = || self.probs.chunks_exact(len);
        (0..len).map(|place| draws().map(|draw| draw[place]).sum::<f32>() / self.draws as f32).collect()
    }

    /// Entropy of each image's mean prediction, in nats.
    fn entropy(&self) -> Result<Vec<f64>> {
        Ok(entropy_split(&self.probs, self.draws, CLASSES)?.iter().map(|split| split.predictive).collect())
    }
}

/// One row of the table.
struct Trial<'a> {
    task: &'a Task,
    options: &'a Options,
    report: &'a mut Report,
    table: &'a mut Table,
    reliability: ReliabilityPlot,
}

impl Trial<'_> {
    /// Trains the network with this belief, and judges the mean of so many predictions: a member of an ensemble makes
    /// one, and so does a draw.
    fn run<W: Estimator>(&mut self, belief: W, predictions: usize) -> Result<()> {
        if self.options.value("belief").is_some_and(|only| only != W::NAME) {
            return Ok(());
        }
        let start = std::time::Instant::now();
        let Trial { task, options, .. } = *self;
        let members = belief.members();
        let draws = self.options.pick(predictions / members, 1);
        let net = network(&belief);

        let batches = Batches::new(task.train.len(), 64, options.seed)?;
        let steps = task.epochs * batches.per_epoch();
        let batches = std::cell::RefCell::new(batches);
        let trained = Train::new(task.train.len(), |step| {
            let mut batches = batches.borrow_mut();
            let rows = batches.rows(step);
            // The members of an ensemble share the batch: each learns from its part.
            let rows = &rows[..rows.len() / members * members];
            let labels: Vec<f32> = rows.iter().map(|&row| f32::from(task.train.labels[row])).collect();
            softmax_cross_entropy(net.forward(task.train.batch(rows)?)?, &Var::from(labels))
        })
        .optimizer(Adam::new(Schedule::one_cycle(0.003, steps as u64)))
        .steps(steps)
        .kl_weight(options.number("kl-weight", 0.1)?)
        .run(options.seed)?;

        let predict = |images: &Images| -> Result<Predicted> {
            let rows: Vec<usize> = (0..images.len()).collect();
            let mut probs = vec![Vec::with_capacity(images.len() * CLASSES); draws];
            for rows in rows.chunks(500) {
                let batch = repeat_for_members(&images.batch(rows)?, members)?;
                let program = || average_members(&net.forward(&batch)?.softmax(), members)?.to_vec();
                // The same seed for all chunks: the same draws of the weights.
                for (all, chunk) in probs.iter_mut().zip(trained.predict(draws, options.seed, program)?) {
                    all.extend(chunk);
                }
            }
            Ok(Predicted { probs: probs.concat(), draws })
        };
        let predicted = predict(&task.test)?;
        let (doubt, doubt_of_others) = (predicted.entropy()?, predict(&task.others)?.entropy()?);
        let probs = predicted.mean();
        let predictions = Predictions::new(&probs, &task.test.labels)?;
        let figures = [
            ("accuracy", predictions.accuracy()),
            ("nll", predictions.nll()),
            ("ece", predictions.ece()),
            ("auroc", auroc(&doubt_of_others, &doubt)?),
        ];
        for (figure, value) in figures {
            self.report.add(format!("{}.{figure}", W::NAME.to_lowercase()), value);
        }
        let cells = figures.map(|(_, value)| Cell::from(value));
        let seconds = start.elapsed().as_secs_f64();
        let count = Cell::from(draws * members);
        self.table.push(std::iter::once(Cell::from(W::NAME)).chain(cells).chain([count]));
        println!(
            "{:<18} loss {:.4} at the end, accuracy {:.4}, {seconds:.0} s",
            W::NAME,
            trained.losses().last().copied().unwrap_or(f64::NAN),
            predictions.accuracy()
        );
        let reliability = std::mem::replace(&mut self.reliability, ReliabilityPlot::new(""));
        self.reliability = reliability.model(W::NAME, &predictions.reliability(10));
        Ok(())
    }
}

fn example(options: &Options, report: &mut Report) -> Result<()> {
    if let Some(unknown) = options.value("belief").filter(|name| !BELIEFS.contains(name)) {
        let (of, must_be) = ("the command line", "a name in the table, such as `Flipout`");
        return Err(Error::Parameter { of, name: "belief", must_be, got: format!("`{unknown}`") });
    }
    let task = task(options)?;
    println!(
        "{}: {} images to learn from, {} held out, {} of another kind; {} epochs",
        task.name,
        task.train.len(),
        task.test.len(),
        task.others.len(),
        task.epochs
    );
    if task.name != "Fashion-MNIST" {
        println!(
            "(Fashion-MNIST: `apt install dataset-fashion-mnist`, or `--data FOLDER` with its four files.)"
        );
    }
    let mut table =
        Table::new(["belief", "accuracy", "NLL", "ECE", "AUROC", "predictions averaged"]).digits(4);
    let mut trial = Trial {
        reliability: ReliabilityPlot::new(format!("Held-out images of {}", task.name)),
        task: &task,
        options,
        report,
        table: &mut table,
    };
    // A prior as wide as weights that keep the size of what passes through, and posteriors that start narrow beside it.
    let prior = NormalPrior::Scaled(VarianceScaling::lecun(), 1.0);
    trial.run(Deterministic, 1)?;
    trial.run(Reparameterization::default().prior(prior).scale(0.01), 12)?;
    trial.run(Flipout::default().prior(prior).scale(0.01), 12)?;
    trial.run(McDropout { rate: 0.1 }, 12)?;
    trial.run(BatchEnsemble::of(4), 4)?;
    trial.run(Rank1::of(4).scale(0.1), 12)?;

    let reliability = trial.reliability;
    println!("\n{table}\nAUROC: telling images of another kind apart by the entropy of the prediction.");
    reliability.save(DRAWN)?;
    println!("Drawn: {DRAWN}.");
    Ok(())
}

const OWN: [Own; 5] = [
    Own { name: "belief", value: "NAME", about: "run one belief only, as the table names it" },
    Own { name: "data", value: "FOLDER", about: "read Fashion-MNIST from a folder" },
    Own { name: "images", value: "N", about: "learn from the first N images of Fashion-MNIST only" },
    Own { name: "epochs", value: "N", about: "how often each image is learnt from (default 10, digits 40)" },
    Own { name: "kl-weight", value: "W", about: "weight of the divergence from the prior (default 0.1)" },
];

fn main() -> std::process::ExitCode {
    common::run_with(
        "A convolutional network with one belief about its weights after the other.",
        &OWN,
        example,
    )
}
