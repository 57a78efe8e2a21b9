//! [`Train`]: parameters of a program that states its own loss, such as a network.

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::saved::{self, Best, Saved};
use super::settle::settle;
use super::trained::Trained;
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
/// Without beliefs this is maximum likelihood. A step that is refused changes nothing, neither parameters nor moving
/// averages.
///
/// The program chooses its batch by the number of the step, all batches of one size; batches of several sizes are
/// weighed by [`Train::over`].
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
#[must_use = "a training does nothing until `run` or `step`"]
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
    patience: Option<usize>,
    /// A file, and the number of steps from one save to the next.
    saves: Option<(PathBuf, usize)>,
    /// The seed of the last step, and whether it came from a file.
    seed: Option<u64>,
    resumed: bool,
    best: Option<Best>,
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
            patience: None,
            saves: None,
            seed: None,
            resumed: false,
            best: None,
        }
    }

    /// Number of steps that [`Train::run`] has taken in the end, those that were taken before included.
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

    /// Ends [`Train::run_best`] once this many validations in a row were no better than the best before them.
    pub fn patience(self, validations: usize) -> Self {
        Train { patience: Some(validations), ..self }
    }

    /// Saves the training to a file every so many steps and after the last, for [`Train::resume`].
    pub fn save_every(self, steps: usize, path: impl Into<PathBuf>) -> Self {
        Train { saves: Some((path.into(), steps)), ..self }
    }

    /// Goes on where the training in a file stood: its parameters, its losses, the best of [`Train::run_best`], and what
    /// the optimiser remembers, which has to be of the same kind. With the same seed, the remaining steps are what they would have been, bit for bit.
    ///
    /// # Errors
    /// [`Error::Io`] with the path if it cannot be read or holds parameters only; those of
    /// [`Optimizer::set_state`].
    ///
    /// # Examples
    /// A hundred steps, and a hundred more in another process:
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// # let path = std::env::temp_dir().join(format!("ed-resume-{}.safetensors", std::process::id()));
    /// let (x, y) = (Var::from([[-1.0f32], [0.1], [1.0]]), Var::from([-1.0f32, 0.9, 0.2]));
    /// let net = Dense::<Flipout>::new(1);
    /// let loss = |_: usize| Ok((net.forward(&x)?.reshape((3usize,))? - &y).square().mean());
    /// let train = || Train::new(3, loss).learning_rate(0.05).quiet();
    /// let mut first = train();
    /// for _ in 0..100 {
    ///     first.step(0)?;
    /// }
    /// first.save(&path)?;
    /// let resumed = train().resume(&path)?.steps(200).run(0)?;
    ///
    /// let at_once = train().steps(200).run(0)?;
    /// assert_eq!(resumed.losses(), at_once.losses());
    /// for (name, value) in at_once.params().iter() {
    ///     assert_eq!(resumed.params().required(name.as_str())?.to_vec()?, value.to_vec()?);
    /// }
    /// # std::fs::remove_file(path).ok();
    /// # Ok(()) }
    /// ```
    pub fn resume(mut self, path: impl AsRef<Path>) -> Result<Self> {
        let Saved { params, history: losses, seed, optimizer, best, .. } = saved::load(path.as_ref())?;
        self.optimizer.set_state(&optimizer)?;
        Ok(Train { params, losses, seed, resumed: true, best, ..self })
    }

    /// Shows no progress bar.
    pub fn quiet(self) -> Self {
        Train { quiet: true, ..self }
    }

    /// Takes all steps. The same seed gives the same parameters.
    ///
    /// # Errors
    /// As [`Train::step`], in an [`Error::Stopped`] with the parameters so far if steps were taken before;
    /// [`Error::Parameter`] if there is no step to take, since nothing would be trained.
    pub fn run(self, seed: u64) -> Result<Trained> {
        Ok(self.drive(seed, |_| Ok(ControlFlow::Continue(())))?.finish())
    }

    /// Takes all steps, and keeps the parameters that do best on data that no step sees: every so many steps and after the
    /// last, the program `validation` runs with the parameters so far, and those of its least result are kept. With
    /// [`Train::patience`] it ends early, without takes all steps all the same.
    ///
    /// Beliefs are drawn in `validation`, by the same noise every time, so that results differ by the parameters alone;
    /// run the program under [`mean`](crate::handlers::mean) to look at it with beliefs at their means.
    ///
    /// # Errors
    /// As [`Train::run`], and those of `validation`, in an [`Error::Stopped`] with the best parameters if there are some;
    /// [`Error::Parameter`] if `every` or the patience is 0; [`Error::NotFinite`] if `validation` never gives a finite
    /// number.
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
        for (name, value) in [("every", Some(every)), ("patience", self.patience)] {
            if value == Some(0) {
                return Err(Error::Parameter { of: "Train", name, must_be: "at least 1", got: "0".into() });
            }
        }
        let mut trained = self.drive(seed, |so_far| {
            let steps = so_far.losses.len();
            if !steps.is_multiple_of(every) && steps < so_far.num_steps {
                return Ok(ControlFlow::Continue(()));
            }
            let key = Key::new(seed).fold_in_str("validation");
            let loss = with_params(&so_far.params, || with_key(key, &validation))?;
            if loss.is_finite() && so_far.best.as_ref().is_none_or(|best| loss < best.loss) {
                so_far.best = Some(Best { loss, steps, params: so_far.params.clone() });
            }
            // Validations since the best, or since the start: the number of this one less that of the best.
            let best = so_far.best.as_ref().map_or(0, |best| best.steps.div_ceil(every));
            let no_better = steps.div_ceil(every) - best;
            let is_over = so_far.patience.is_some_and(|patience| no_better >= patience);
            Ok(if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        match trained.best.take() {
            Some(Best { params, steps, .. }) => Ok(trained.finish().with_better(params, steps)),
            None => Err(Error::NotFinite {
                what: "The validation loss, at every step where it was computed,".into(),
                advice: "check the validation data for NaN, or lower the learning rate",
            }),
        }
    }

    /// Takes all steps, with something to do after each: look at the losses and parameters so far, validate, write a log,
    /// or end it with [`ControlFlow::Break`].
    ///
    /// # Errors
    /// As [`Train::run`], and those of `after`.
    ///
    /// # Examples
    /// Until the loss is small:
    /// ```
    /// use ed::params::param_as;
    /// use ed::prelude::*;
    /// use std::ops::ControlFlow;
    /// # fn main() -> Result<()> {
    /// let program = |_| Ok((param_as("w", || Var::<(), f64>::scalar(0.0))? - 3.0).square());
    /// let trained = Train::new(1, program).learning_rate(0.1).run_with(0, |so_far| {
    ///     assert!(so_far.parameters().required("w")?.item()? > 0.0);
    ///     let small = so_far.losses().last().is_some_and(|loss| *loss < 1e-3);
    ///     Ok(if small { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    /// })?;
    /// assert!(trained.steps() < 1_000 && (trained.params().required("w")?.item()? - 3.0).abs() < 0.1);
    /// # Ok(()) }
    /// ```
    pub fn run_with(
        self,
        seed: u64,
        mut after: impl FnMut(&Self) -> Result<ControlFlow<()>>,
    ) -> Result<Trained> {
        Ok(self.drive(seed, |so_far| after(so_far))?.finish())
    }

    fn drive(
        mut self,
        seed: u64,
        mut after: impl FnMut(&mut Self) -> Result<ControlFlow<()>>,
    ) -> Result<Self> {
        let setting = |name, must_be| Error::Parameter { of: "Train", name, must_be, got: "0".into() };
        if self.num_steps == 0 && self.losses.is_empty() {
            return Err(setting("steps", "at least 1, as nothing is trained otherwise"));
        }
        if self.saves.as_ref().is_some_and(|(_, every)| *every == 0) {
            return Err(setting("save_every", "at least 1"));
        }
        let total = self.num_steps as u64;
        let progress = if self.quiet { Progress::hidden() } else { Progress::new("training", total) };
        while self.losses.len() < self.num_steps {
            let outcome = self.step(seed).and_then(|loss| {
                progress.set(self.losses.len() as u64, || format!("loss {loss:.4}"));
                let flow = after(&mut self)?;
                self.save_if_due(flow.is_break())?;
                Ok(flow)
            });
            match outcome {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => break,
                Err(why) => return Err(self.stopped_by(why)),
            }
        }
        progress.finish();
        Ok(self)
    }

    fn save_if_due(&self, is_last: bool) -> Result<()> {
        match &self.saves {
            Some((path, every)) => {
                let steps = self.losses.len();
                let due = is_last || steps == self.num_steps || steps.is_multiple_of(*every);
                if due { self.save(path) } else { Ok(()) }
            }
            None => Ok(()),
        }
    }

    /// The error with the best parameters or those so far, if there is anything to lose.
    fn stopped_by(self, why: Error) -> Error {
        let steps = self.losses.len();
        match self.best {
            Some(Best { params, steps: kept, .. }) => {
                Error::Stopped { why: Box::new(why), steps, kept, params: Box::new(params) }
            }
            None => why.stopping(steps, self.params),
        }
    }

    /// One step, for loops of one's own; returns its loss: the mean negative log-likelihood and the cost of the beliefs,
    /// in nats for each example.
    ///
    /// # Errors
    /// The program's; [`Error::Parameter`] if the number of examples or of samples is 0, or the weight of the divergences
    /// negative or not finite; [`Error::NotFinite`] with the step if the loss is not finite; [`Error::NoParameter`] if
    /// there is nothing to train; [`Error::GradientLost`], with the place, if the program reads a number that depends on a
    /// parameter; those of the optimiser; [`Error::Parameter`] if a training that was resumed had
    /// another seed. Parameters and state stay as they were.
    ///
    /// # Examples
    /// Epochs, and patience of one's own:
    /// ```
    /// use ed::params::param_as;
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let off = |target: f64| Ok((param_as("w", || Var::<(), f64>::scalar(0.0))? - target).square());
    /// let mut train = Train::new(1, |_| off(3.0)).learning_rate(0.1);
    /// let (mut best, mut waited) = (f64::INFINITY, 0);
    /// while waited < 3 {
    ///     for _ in 0..5 {
    ///         train.step(0)?;
    ///     }
    ///     let held_out = train.so_far().predict_at_mean(|| off(2.0)?.item())?;
    ///     (best, waited) = if held_out < best { (held_out, 0) } else { (best, waited + 1) };
    /// }
    /// assert!(best < 0.1 && train.losses().len() < 100);
    /// # Ok(()) }
    /// ```
    pub fn step(&mut self, seed: u64) -> Result<f64> {
        let setting = |name, must_be, got: String| Error::Parameter { of: "Train", name, must_be, got };
        if self.num_samples == 0 {
            return Err(setting("samples", "at least 1", "0".into()));
        }
        if !(self.kl_weight >= 0.0 && self.kl_weight.is_finite()) {
            return Err(setting("kl_weight", "finite and not negative", self.kl_weight.to_string()));
        }
        if let Some(had) = self.seed.filter(|&had| self.resumed && had != seed) {
            let must_be = "that of the training which was resumed; to go on with another, start from its parameters \
                           with `.params(…)`";
            return Err(setting("seed", must_be, format!("{seed} after {had}")));
        }
        let step = self.losses.len();
        let key = Key::new(seed).fold_in(step as u64);
        let Train { program, params, num_examples, num_samples, kl_weight, .. } = self;
        let run = value_gradients_and_undo(params, || {
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
        });
        let (mut loss, run) = match run {
            Ok((loss, gradients, undo)) if loss.is_finite() => (loss, Ok((gradients, undo))),
            Ok((loss, _, undo)) => {
                undo.apply(params);
                let what = format!("The loss in step {step}, {loss},");
                let advice = "lower the learning rate, clip the gradients, or check the data for NaN";
                (loss, Err(Error::NotFinite { what, advice }))
            }
            Err(error) => (f64::NAN, Err(error)),
        };
        if !settle(&mut *self.optimizer, &mut self.params, run)? {
            loss = f64::NAN;
        }
        self.seed = Some(seed);
        self.losses.push(loss);
        Ok(loss)
    }

    /// The parameters so far.
    pub fn parameters(&self) -> &Params {
        &self.params
    }

    /// The loss of each step so far, in nats for each example; NaN for those that the optimiser left out.
    pub fn losses(&self) -> &[f64] {
        &self.losses
    }

    /// What was trained so far, to predict with between steps. The numbers are shared until the next step.
    pub fn so_far(&self) -> Trained {
        Trained::new(self.params.clone(), self.losses.clone())
    }

    /// Writes where the training stands to a file, whole or not at all, for [`Train::resume`]. [`Params::load`] reads the
    /// parameters out of it.
    ///
    /// # Errors
    /// [`Error::Io`] with the path if it cannot be written; [`Error::Undefined`] if the optimiser does not tell its state.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        saved::save(
            path.as_ref(),
            &self.params,
            &self.losses,
            self.seed,
            &*self.optimizer,
            self.best.as_ref(),
            &Params::new(),
        )
    }

    /// What was trained so far.
    pub fn finish(self) -> Trained {
        Trained::new(self.params, self.losses)
    }
}
