//! [`Svi`]: stochastic variational inference.

use std::path::Path;

use super::elbo::{Elbo, Estimator};
use super::fit::Fit;
use crate::error::{Error, Result};
use crate::inference::saved::{self, Saved};
use crate::inference::settle::settle;
use crate::kernels::rng::Key;
use crate::model::Model;
use crate::params::optimizer::{Adam, Optimizer, finite};
use crate::params::{Params, Undo, value_gradients_and_undo};
use crate::progress::Progress;

/// Steps between two looks at whether the ELBO still grows.
const WINDOW: usize = 100;

/// Stochastic variational inference (Hoffman et al. 2013; Ranganath, Gerrish & Blei 2014; Kucukelbir et al. 2017): trains
/// a guide, and the parameters of the model, on the ELBO `E_q[log p(x, z) - log q(z)]`, in nats, summed over the data.
///
/// A guide is a model whose random variables have the names of the model's latent ones: an automatic one such as
/// [`MeanField`](super::MeanField), or any program with [`param_as`](crate::params::param_as) statements. Data may be
/// subsampled inside of the model by plates, or outside with [`Svi::step_on`].
///
/// # Examples
/// A guide written by hand:
/// ```
/// use ed::params::param_as;
/// use ed::prelude::*;
///
/// #[model]
/// fn measurement() -> Result<RandomVariable<Normal<(), f64>>> {
///     let x = sample(Normal::new(0.0, 1.0)?);
///     let y = sample(Normal::new(&x, 1.0)?);
///     Ok(y)
/// }
///
/// #[model]
/// fn guide() -> Result<()> {
///     let loc = param_as("loc", || Var::<(), f64>::scalar(0.0))?;
///     let scale = param_as("log_scale", || Var::<(), f64>::scalar(0.0))?.exp();
///     let x = sample(Normal::new(loc, scale)?);
///     let _ = x;
///     Ok(())
/// }
///
/// # fn main() -> Result<()> {
/// let observed = condition(measurement, values![measurement::y = Var::<(), f64>::scalar(2.0)]);
/// let fit = Svi::new(&observed, guide).steps(1_000).learning_rate(0.02).run(0)?;
/// assert!((fit.params().required("loc")?.item()? - 1.0).abs() < 0.1);
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "a fit does nothing until `run` or `step`"]
pub struct Svi<'m, M, G> {
    model: &'m M,
    guide: G,
    num_steps: usize,
    optimizer: Box<dyn Optimizer>,
    elbo: Elbo,
    tolerance: Option<f64>,
    params: Params,
    history: Vec<f64>,
    quiet: bool,
    /// The seed of the last step, and whether it came from a file.
    seed: Option<u64>,
    resumed: bool,
}

impl<'m, M: Model, G: Model> Svi<'m, M, G> {
    /// Training of a guide: 1000 steps of Adam with learning rate 0.01, one sample a step, unless said otherwise.
    pub fn new(model: &'m M, guide: G) -> Svi<'m, M, G> {
        Svi {
            model,
            guide,
            num_steps: 1_000,
            optimizer: Box::new(Adam::new(0.01)),
            elbo: Elbo { estimator: Estimator::Auto, num_samples: 1, baselines: Some(Default::default()) },
            tolerance: None,
            params: Params::new(),
            history: Vec::new(),
            quiet: false,
            seed: None,
            resumed: false,
        }
    }

    /// Number of steps that [`Svi::run`] has taken in the end, those that were taken before included.
    pub fn steps(mut self, num_steps: usize) -> Self {
        self.num_steps = num_steps;
        self
    }

    /// Adam with this learning rate.
    pub fn learning_rate(self, learning_rate: f64) -> Self {
        self.optimizer(Adam::new(learning_rate))
    }

    /// The optimiser.
    pub fn optimizer(mut self, optimizer: impl Optimizer + 'static) -> Self {
        self.optimizer = Box::new(optimizer);
        self
    }

    /// Draws of the guide that each step averages over.
    pub fn samples(mut self, num_samples: usize) -> Self {
        self.elbo.num_samples = num_samples;
        self
    }

    /// How the gradient is estimated.
    pub fn estimator(mut self, estimator: Estimator) -> Self {
        self.elbo.estimator = estimator;
        self
    }

    /// No baseline under the score function: the signal is the ELBO itself.
    pub fn without_baseline(mut self) -> Self {
        self.elbo.baselines = None;
        self
    }

    /// Stops early once the mean ELBO of 100 steps differs from that of the 100 steps before by less than `tolerance`
    /// times its size.
    pub fn until_converged(mut self, tolerance: f64) -> Self {
        self.tolerance = Some(tolerance);
        self
    }

    /// Starts from these parameters, as from those of an earlier fit.
    pub fn params(mut self, params: Params) -> Self {
        self.params = params;
        self
    }

    /// Shows no progress bar.
    pub fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// The parameters so far, for a look between steps.
    ///
    /// # Examples
    /// Steps until the location hardly moves:
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let model = || {
    ///     let x = sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?)?;
    ///     observe_as("y", Normal::new(&x, 1.0)?, &Var::scalar(2.0))
    /// };
    /// let mut svi = Svi::new(&model, Delta::of(&model)?).learning_rate(0.05);
    /// let mut before = f64::INFINITY;
    /// loop {
    ///     svi.step(0)?;
    ///     let now = svi.parameters().required("x.loc")?.item()?;
    ///     if (now - before).abs() < 1e-6 {
    ///         break;
    ///     }
    ///     before = now;
    /// }
    /// assert!((before - 1.0).abs() < 1e-2);
    /// # Ok(()) }
    /// ```
    pub fn parameters(&self) -> &Params {
        &self.params
    }

    /// Writes where the fit stands to a file, whole or not at all, for [`Svi::resume`]. [`Params::load`] reads the
    /// parameters out of it.
    ///
    /// # Errors
    /// [`Error::Io`] with the path if it cannot be written; [`Error::Undefined`] if the optimiser does not tell its state.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let Svi { params, history, seed, optimizer, elbo, .. } = self;
        saved::save(path.as_ref(), params, history, *seed, &**optimizer, None, &elbo.state()?)
    }

    /// Goes on where the fit in a file stood: its parameters, its estimates of the ELBO, its baselines, and what the
    /// optimiser remembers, which has to be of the same kind. With the same seed, the remaining steps are what they would
    /// have been, bit for bit.
    ///
    /// # Errors
    /// [`Error::Io`] with the path if it cannot be read or holds parameters only; those of [`Optimizer::set_state`].
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// # let path = std::env::temp_dir().join(format!("ed-svi-{}.safetensors", std::process::id()));
    /// let model = || {
    ///     let x = sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?)?;
    ///     observe_as("y", Normal::new(&x, 1.0)?, &Var::scalar(2.0))
    /// };
    /// let mut first = Svi::new(&model, MeanField::of(&model)?);
    /// for _ in 0..20 {
    ///     first.step(0)?;
    /// }
    /// first.save(&path)?;
    /// let resumed = Svi::new(&model, MeanField::of(&model)?).resume(&path)?.steps(40).run(0)?;
    /// let at_once = Svi::new(&model, MeanField::of(&model)?).steps(40).run(0)?;
    /// assert_eq!(resumed.elbo(), at_once.elbo());
    /// # std::fs::remove_file(path).ok();
    /// # Ok(()) }
    /// ```
    pub fn resume(mut self, path: impl AsRef<Path>) -> Result<Self> {
        let Saved { params, history, seed, optimizer, own, .. } = saved::load(path.as_ref())?;
        self.optimizer.set_state(&optimizer)?;
        self.elbo.set_state(&own)?;
        Ok(Svi { params, history, seed, resumed: true, ..self })
    }

    /// Takes all steps. The same seed gives the same fit.
    ///
    /// # Errors
    /// As [`Svi::step`], in an [`Error::Stopped`] with the parameters so far if steps were taken before;
    /// [`Error::Parameter`] if there is no step to take.
    pub fn run(mut self, seed: u64) -> Result<Fit<G>> {
        if self.num_steps == 0 && self.history.is_empty() {
            let (of, name) = ("Svi", "steps");
            return Err(Error::Parameter { of, name, must_be: "at least 1", got: "0".into() });
        }
        let total = self.num_steps as u64;
        let progress = if self.quiet { Progress::hidden() } else { Progress::new("SVI", total) };
        while self.history.len() < self.num_steps {
            let elbo = match self.step(seed) {
                Ok(elbo) => elbo,
                Err(why) => return Err(why.stopping(self.history.len(), self.params)),
            };
            progress.set(self.history.len() as u64, || format!("ELBO {elbo:.2}"));
            if self.has_converged() {
                break;
            }
        }
        progress.finish();
        Ok(self.finish())
    }

    /// One step, for loops of one's own; returns its estimate of the ELBO. The random numbers are a function of the seed
    /// and of the number of steps taken before.
    ///
    /// # Errors
    /// Those of the model and the guide; [`Error::Guide`] if their random variables differ; [`Error::NotFinite`], with the
    /// site or parameter and the step, if the ELBO or a gradient is not finite; [`Error::NoParameter`] if there is
    /// nothing to train; [`Error::GradientLost`], with the place, if the model or the guide reads a number that depends on
    /// a parameter; those of the optimiser. The parameters stay as they were.
    pub fn step(&mut self, seed: u64) -> Result<f64> {
        self.step_on(self.model, seed)
    }

    /// One step on another model of the same random variables, such as one that sees another minibatch.
    ///
    /// # Errors
    /// As [`Svi::step`].
    pub fn step_on<N: Model>(&mut self, model: &N, seed: u64) -> Result<f64> {
        if let Some(had) = self.seed.filter(|&had| self.resumed && had != seed) {
            let must_be = "that of the fit which was resumed; to go on with another, start from its parameters with \
                           `.params(…)`";
            let got = format!("{seed} after {had}");
            return Err(Error::Parameter { of: "Svi", name: "seed", must_be, got });
        }
        let baselines = self.elbo.baselines.clone();
        let (mut elbo, run) = match self.gradients_on(model, seed) {
            Ok((elbo, gradients, undo)) => (elbo, Ok((gradients, undo))),
            Err(error) => (f64::NAN, Err(error)),
        };
        let outcome = settle(&mut *self.optimizer, &mut self.params, run);
        if !matches!(outcome, Ok(true)) {
            (elbo, self.elbo.baselines) = (f64::NAN, baselines);
        }
        outcome.map_err(|error| at_step(error, self.history.len()))?;
        self.seed = Some(seed);
        self.history.push(elbo);
        Ok(elbo)
    }

    /// What a step would descend along: an estimate of the ELBO, and of the gradient of the negative ELBO by each
    /// parameter. Changes no parameter, but adds those that are missing.
    ///
    /// # Errors
    /// As [`Svi::step`].
    pub fn gradients(&mut self, seed: u64) -> Result<(f64, Params)> {
        let step = self.history.len();
        let (elbo, gradients, undo) =
            self.gradients_on(self.model, seed).map_err(|error| at_step(error, step))?;
        if let Err(error) = finite(&gradients) {
            undo.apply(&mut self.params);
            return Err(at_step(error, step));
        }
        Ok((elbo, gradients))
    }

    fn gradients_on<N: Model>(&mut self, model: &N, seed: u64) -> Result<(f64, Params, Undo)> {
        let step = self.history.len();
        let key = Key::new(seed).fold_in(step as u64);
        if self.elbo.num_samples == 0 {
            let (of, name) = ("Svi", "samples");
            return Err(Error::Parameter { of, name, must_be: "at least 1", got: "0".into() });
        }
        let Svi { elbo, guide, params, .. } = self;
        let mut estimate = f64::NAN;
        let (_, gradients, undo) = value_gradients_and_undo(params, || {
            let (value, loss) = elbo.loss(model, guide, key)?;
            estimate = value;
            Ok(loss)
        })?;
        Ok((estimate, gradients, undo))
    }

    /// The parameters so far, and all steps' estimates of the ELBO, as a fit.
    pub fn finish(self) -> Fit<G> {
        Fit::new(self.guide, self.params, self.history)
    }

    fn has_converged(&self) -> bool {
        let Some(tolerance) = self.tolerance else { return false };
        let taken = self.history.len();
        if taken < 2 * WINDOW || !taken.is_multiple_of(WINDOW) {
            return false;
        }
        let mean = |from: usize| self.history[from..from + WINDOW].iter().sum::<f64>() / WINDOW as f64;
        let (before, now) = (mean(taken - 2 * WINDOW), mean(taken - WINDOW));
        (now - before).abs() < tolerance * before.abs()
    }
}

/// Adds the step to the error of a number that is not finite.
fn at_step(error: Error, step: usize) -> Error {
    match error {
        Error::NotFinite { what, advice } => {
            Error::NotFinite { what: format!("{}, in step {step},", what.trim_end_matches(',')), advice }
        }
        other => other,
    }
}
