//! [`Train`]: parameters of a program that states its own loss, such as a network.

use std::fmt;

use crate::error::{Error, Result};
use crate::handlers::with_kl;
use crate::kernels::rng::Key;
use crate::params::optimizer::{Adam, Optimizer};
use crate::params::{Params, value_gradients_and_undo, with_params};
use crate::progress::Progress;
use crate::tensor::{Float, Var};
use crate::trace::with_key;

/// Training of a program that returns the mean negative log-likelihood of a batch, in nats for each example.
///
/// Each step runs the program once, adds what its beliefs cost for each example
/// ([`with_kl`]: the divergences of the weights' posteriors from their priors, over the number of training examples),
/// and moves the parameters that it read against the gradient of the sum, the negative evidence lower bound.
/// Without beliefs this is maximum likelihood.
///
/// # Examples
/// A network of one Bayesian layer on a line:
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let x = Var::from_vec((0..20).map(|i| i as f32 / 10.0 - 1.0).collect(), (20usize, 1usize))?;
/// let y = Var::from((0..20).map(|i| 3.0 * (i as f32 / 10.0 - 1.0)).collect::<Vec<_>>());
/// let net = Dense::<Reparameterization>::new(1);
/// let trained = Train::new(20, |_| {
///     let mean = net.forward(&x)?.reshape((20usize,))?;
///     Ok(-Normal::new(mean, 0.1)?.log_prob(&y)?.mean())
/// })
/// .learning_rate(0.05)
/// .steps(400)
/// .run(0)?;
/// let slope = trained.params().required("dense/kernel/loc")?.to_vec()?[0];
/// assert!((slope - 3.0).abs() < 0.2);
/// // A prediction draws the weights; many of them show what the network is unsure of.
/// let outputs = trained.predict(8, 1, || net.forward(&x))?;
/// assert_eq!(outputs.len(), 8);
/// # Ok(()) }
/// ```
pub struct Train<F> {
    program: F,
    num_examples: usize,
    num_steps: usize,
    num_samples: usize,
    kl_weight: f64,
    optimizer: Box<dyn Optimizer>,
    params: Params,
    losses: Vec<f64>,
    quiet: bool,
}

impl<F> fmt::Debug for Train<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Train { num_examples, num_steps, optimizer, .. } = self;
        f.debug_struct("Train")
            .field("num_examples", num_examples)
            .field("num_steps", num_steps)
            .field("optimizer", optimizer)
            .finish_non_exhaustive()
    }
}

impl<E: Float, F: Fn(usize) -> Result<Var<(), E>>> Train<F> {
    /// Training of a program on `num_examples` examples in all; the program gets the number of the step, by which it
    /// chooses its batch. 1000 steps of Adam with learning rate 0.001, one draw of the weights a step, unless said
    /// otherwise.
    pub fn new(num_examples: usize, program: F) -> Train<F> {
        Train {
            program,
            num_examples,
            num_steps: 1_000,
            num_samples: 1,
            kl_weight: 1.0,
            optimizer: Box::new(Adam::new(0.001)),
            params: Params::new(),
            losses: Vec::new(),
            quiet: false,
        }
    }

    /// Number of steps that [`Train::run`] takes.
    pub fn steps(self, num_steps: usize) -> Self {
        Train { num_steps, ..self }
    }

    /// Adam with this learning rate.
    pub fn learning_rate(self, learning_rate: f64) -> Self {
        self.optimizer(Adam::new(learning_rate))
    }

    /// The optimiser.
    pub fn optimizer(self, optimizer: impl Optimizer + 'static) -> Self {
        Train { optimizer: Box::new(optimizer), ..self }
    }

    /// Runs of the program, each with its own draw of the weights, that a step averages over.
    pub fn samples(self, num_samples: usize) -> Self {
        Train { num_samples, ..self }
    }

    /// A factor of the divergences: 1 is the evidence lower bound, less is a "cold" posterior (Wenzel et al. 2020).
    pub fn kl_weight(self, kl_weight: f64) -> Self {
        Train { kl_weight, ..self }
    }

    /// Starts from these parameters, as from those of an earlier training or a file.
    pub fn params(self, params: Params) -> Self {
        Train { params, ..self }
    }

    /// Shows no progress bar.
    pub fn quiet(self) -> Self {
        Train { quiet: true, ..self }
    }

    /// Takes all steps. The same seed gives the same parameters.
    ///
    /// # Errors
    /// As [`Train::step`].
    pub fn run(self, seed: u64) -> Result<Trained> {
        self.run_and(seed, |_| Ok(()))
    }

    /// Takes all steps, and keeps the parameters that do best on data that no step sees (early stopping): every so many
    /// steps and after the last, the program `validation` runs with the parameters so far, and those of its least result
    /// are kept.
    ///
    /// # Errors
    /// As [`Train::step`]; [`Error::Parameter`] if `every` is 0; those of `validation`; [`Error::NotFinite`] if it never
    /// gives a finite number.
    ///
    /// # Examples
    /// Noise has nothing to learn beyond its mean, and a line through three points is too sure of itself:
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let (x, y) = (Var::from([[-1.0f32], [0.1], [1.0]]), Var::from([-1.0f32, 0.9, 0.2]));
    /// let (held_out_x, held_out_y) = (Var::from([[-1.0f32], [0.0], [1.0]]), Var::from([0.1f32, -0.1, 0.0]));
    /// let net = Dense::new(1);
    /// let loss = |x: &Var<_>, y: &Var<_>| Ok((net.forward(x)?.reshape((3usize,))? - y).square().mean());
    /// let train = || Train::new(3, |_| loss(&x, &y)).learning_rate(0.05).steps(200);
    /// let best = train().run_best(0, 10, || loss(&held_out_x, &held_out_y)?.item().map(f64::from))?;
    /// assert!(best.steps() < 200);
    /// let held_out = |trained: &Trained| trained.predict_at_mean(|| loss(&held_out_x, &held_out_y)?.item());
    /// assert!(held_out(&best)? < held_out(&train().run(0)?)?);
    /// # Ok(()) }
    /// ```
    pub fn run_best(self, seed: u64, every: usize, validation: impl Fn() -> Result<f64>) -> Result<Trained> {
        if every == 0 {
            let must_be = "at least 1";
            return Err(Error::Parameter { of: "Train", name: "every", must_be, got: "0".into() });
        }
        let num_steps = self.num_steps;
        let mut best: Option<(f64, Params, usize)> = None;
        let last = self.run_and(seed, |so_far| {
            let steps = so_far.losses.len();
            if !steps.is_multiple_of(every) && steps < num_steps {
                return Ok(());
            }
            let key = Key::new(seed).fold_in_str("validation");
            let loss = with_params(&so_far.params, || with_key(key, &validation))?;
            if loss.is_finite() && best.as_ref().is_none_or(|(least, ..)| loss < *least) {
                best = Some((loss, so_far.params.clone(), steps));
            }
            Ok(())
        })?;
        let (_, params, steps) = best.ok_or_else(|| Error::NotFinite {
            what: "The validation loss, at every step where it was computed,".into(),
            advice: "check the validation data for NaN, or lower the learning rate",
        })?;
        Ok(Trained { params, steps, ..last })
    }

    /// Takes all steps, with something to do after each.
    fn run_and(mut self, seed: u64, mut after: impl FnMut(&Self) -> Result<()>) -> Result<Trained> {
        let total = self.num_steps as u64;
        let progress = if self.quiet { Progress::hidden() } else { Progress::new("training", total) };
        for step in 0..self.num_steps {
            let loss = self.step(seed)?;
            after(&self)?;
            progress.set(step as u64 + 1, || format!("loss {loss:.4}"));
        }
        progress.finish();
        Ok(self.finish())
    }

    /// One step, for loops of one's own; returns its loss: the mean negative log-likelihood and the cost of the beliefs,
    /// in nats for each example.
    ///
    /// # Errors
    /// The program's; [`Error::Parameter`] if the number of examples or of samples is 0, or the weight of the divergences
    /// negative or not finite; [`Error::NotFinite`] with the step if the loss is not finite; [`Error::NoParameter`] if
    /// there is nothing to train; [`Error::GradientLost`], with the place, if the program reads a number that depends on a
    /// parameter; those of the optimiser. The parameters stay as they were.
    pub fn step(&mut self, seed: u64) -> Result<f64> {
        let setting = |name, must_be, got: String| Error::Parameter { of: "Train", name, must_be, got };
        if self.num_samples == 0 {
            return Err(setting("samples", "at least 1", "0".into()));
        }
        if !(self.kl_weight >= 0.0 && self.kl_weight.is_finite()) {
            return Err(setting("kl_weight", "finite and not negative", self.kl_weight.to_string()));
        }
        let step = self.losses.len();
        let key = Key::new(seed).fold_in(step as u64);
        let Train { program, params, num_examples, num_samples, kl_weight, .. } = self;
        let (loss, gradients, undo) = value_gradients_and_undo(params, || {
            let one = |sample: usize| -> Result<Var<(), E>> {
                let run = || with_kl::<_, E>(*num_examples, || program(step));
                let (nll, kl) = with_key(key.fold_in(sample as u64), run)?;
                Ok(if *kl_weight == 1.0 { nll + kl } else { nll + kl * *kl_weight })
            };
            let mut loss = one(0)?;
            for sample in 1..*num_samples {
                loss = loss + one(sample)?;
            }
            let loss = if *num_samples == 1 { loss } else { loss * (1.0 / *num_samples as f64) };
            loss.check()
        })?;
        if !loss.is_finite() {
            undo.apply(&mut self.params);
            let what = format!("The loss in step {step}, {loss},");
            let advice = "lower the learning rate, clip the gradients, or check the data for NaN";
            return Err(Error::NotFinite { what, advice });
        }
        if let Err(refused) = self.optimizer.step(&mut self.params, gradients) {
            undo.apply(&mut self.params);
            return Err(refused);
        }
        self.losses.push(loss);
        Ok(loss)
    }

    /// What was trained so far.
    pub fn finish(self) -> Trained {
        Trained { params: self.params, steps: self.losses.len(), losses: self.losses }
    }
}

/// Trained parameters, and the way there.
#[derive(Clone, Debug, Default)]
pub struct Trained {
    params: Params,
    steps: usize,
    losses: Vec<f64>,
}

impl Trained {
    /// The parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The parameters.
    pub fn into_params(self) -> Params {
        self.params
    }

    /// Steps that led to the parameters: fewer than were taken if better ones were kept ([`Train::run_best`]).
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// The loss of each step that was taken, in nats for each example.
    pub fn losses(&self) -> &[f64] {
        &self.losses
    }

    /// Runs a program with the trained parameters, `num_draws` times, each time with weights of its own.
    ///
    /// # Errors
    /// The program's.
    pub fn predict<T>(&self, num_draws: usize, seed: u64, program: impl Fn() -> Result<T>) -> Result<Vec<T>> {
        predict(&self.params, num_draws, seed, program)
    }

    /// Runs a program with the trained parameters, its beliefs at their means.
    ///
    /// # Errors
    /// The program's.
    pub fn predict_at_mean<T>(&self, program: impl Fn() -> Result<T>) -> Result<T> {
        use crate::handlers::mean;
        use crate::model::Model;
        with_params(&self.params, || with_key(Key::new(0), || mean(&program).run()))
    }
}

/// Runs a program with given parameters, `num_draws` times, each time with other draws of its random variables.
///
/// # Errors
/// The program's.
pub fn predict<T>(
    params: &Params,
    num_draws: usize,
    seed: u64,
    program: impl Fn() -> Result<T>,
) -> Result<Vec<T>> {
    let key = Key::new(seed);
    let draw = |draw: usize| with_params(params, || with_key(key.fold_in(draw as u64), &program));
    (0..num_draws).map(draw).collect()
}
