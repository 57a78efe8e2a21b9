//! [`Trained`] and [`predict`]: programs with the parameters that a training found.

use std::path::Path;

use crate::error::Result;
use crate::handlers::mean;
use crate::kernels::rng::Key;
use crate::model::Model;
use crate::params::{Params, with_params};
use crate::trace::with_key;

/// Trained parameters, and the way there.
///
/// # Examples
/// Parameters that were saved predict again:
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// # let path = std::env::temp_dir().join(format!("ed-doc-trained-{}.safetensors", std::process::id()));
/// let net = Dense::<Flipout>::new(1);
/// let x: Var<_, f32> = Var::ones((4usize, 3usize));
/// let program = || Ok(net.forward(&x)?.square().mean());
/// let trained = Train::new(4, |_| program()).steps(5).quiet().run(0)?;
/// trained.params().save(&path)?;
///
/// let loaded = Trained::load(&path)?;
/// let losses = |trained: &Trained| trained.predict(3, 1, || program()?.item());
/// assert_eq!(losses(&loaded)?, losses(&trained)?);
/// # std::fs::remove_file(path).ok();
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Trained {
    params: Params,
    steps: usize,
    losses: Vec<f64>,
}

impl From<Params> for Trained {
    /// Parameters that were trained elsewhere.
    fn from(params: Params) -> Trained {
        Trained { params, ..Trained::default() }
    }
}

impl Trained {
    pub(super) fn new(params: Params, losses: Vec<f64>) -> Trained {
        Trained { params, steps: losses.len(), losses }
    }

    /// The parameters of an earlier step instead.
    pub(super) fn with_better(self, params: Params, steps: usize) -> Trained {
        Trained { params, steps, ..self }
    }

    /// The parameters of a file that [`Params::save`] wrote.
    ///
    /// # Errors
    /// As [`Params::load`].
    pub fn load(path: impl AsRef<Path>) -> Result<Trained> {
        Params::load(path).map(Trained::from)
    }

    /// The parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The parameters.
    pub fn into_params(self) -> Params {
        self.params
    }

    /// Steps that led to the parameters: fewer than were taken if better ones were kept
    /// ([`Train::run_best`](super::Train::run_best)), 0 if they come from elsewhere.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// The loss of each step that was taken, in nats for each example.
    pub fn losses(&self) -> &[f64] {
        &self.losses
    }

    /// Runs a program with the trained parameters, `num_draws` times, each time with weights of its own.
    ///
    /// A part of what was trained is used under the name that it had there: `net.part(&net.decoder)?.forward(&z)`.
    ///
    /// # Errors
    /// As [`predict`].
    pub fn predict<T>(&self, num_draws: usize, seed: u64, program: impl Fn() -> Result<T>) -> Result<Vec<T>> {
        predict(&self.params, num_draws, seed, program)
    }

    /// Runs a program with the trained parameters, its beliefs at their means.
    ///
    /// # Errors
    /// As [`predict`].
    pub fn predict_at_mean<T>(&self, program: impl Fn() -> Result<T>) -> Result<T> {
        with_params(&self.params, || with_key(Key::new(0), || mean(&program).run()))
    }
}

/// Runs a program with given parameters, `num_draws` times, each time with other draws of its random variables.
///
/// # Errors
/// [`Error::MissingParameters`](crate::Error::MissingParameters) if the program reads parameters that are not given: a
/// prediction makes none; the program's.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let net = Dense::new(1).without_bias();
/// let x: Var<_, f32> = Var::ones((1usize, 2usize));
/// let mut params = Params::new();
/// params.insert("dense/kernel", Var::from([[1.0f32], [2.0]]))?;
/// assert_eq!(predict(&params, 1, 0, || net.forward(&x)?.to_vec())?, [[3.0]]);
/// # Ok(()) }
/// ```
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
