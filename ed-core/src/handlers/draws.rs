//! `draws`: a program several times, each time with draws of its own.

use crate::error::Result;
use crate::trace::{key_for, with_key};

/// Runs a program several times in one run, each time with draws of its own: the outputs of a Bayesian network for
/// several draws of its weights, say. The keys are made of the one in force, so that the outputs are again a function of
/// the seed.
///
/// One key gives a random variable one value: `net.forward(&x)` twice is the same function twice, which is what a network
/// with shared weights needs, and says nothing about how unsure it is. Outside of a training,
/// [`predict`](crate::inference::predict) does this; to average the loss of a step over several draws, use
/// [`Train::samples`](crate::inference::Train::samples). [`with_kl`](super::with_kl) counts what a weight costs once, whatever the
/// number of draws.
///
/// # Errors
/// The program's; [`Error::Unseeded`](crate::Error::Unseeded) if no key is in force;
/// [`Error::DuplicateSite`](crate::Error::DuplicateSite) under a handler that gives each random variable one value for the
/// whole run, as [`tape`](super::tape) and samplers do.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// use ed::params::with_params;
///
/// let net = Dense::<Reparameterization>::new(1);
/// let x: Var<_, f32> = Var::ones((2usize, 3usize));
/// let mut params = Params::new();
/// seed(0, || net.init(&mut params, &x))?;
///
/// let ten = || with_kl(1, || draws(10, || net.forward(&x)));
/// let (outputs, kl): (_, Var<(), f32>) = with_params(&params, || seed(1, ten))?;
/// assert_eq!(outputs.len(), 10);
/// assert_ne!(outputs[0].to_vec()?, outputs[1].to_vec()?);
/// // The weights cost what they cost, and not ten times that.
/// let one = || with_kl(1, || net.forward(&x));
/// let (_, once): (_, Var<(), f32>) = with_params(&params, || seed(1, one))?;
/// assert!((kl.item()? - once.item()?).abs() < 1e-4);
/// # Ok(()) }
/// ```
pub fn draws<T>(num_draws: usize, program: impl Fn() -> Result<T>) -> Result<Vec<T>> {
    let key = key_for("draw")?;
    (0..num_draws).map(|draw| with_key(key.fold_in(draw as u64), &program)).collect()
}
