//! `seed`: where draws come from.

use crate::error::Result;
use crate::kernels::rng::Key;
use crate::trace::with_key;

/// Runs a program whose unvalued random variables are drawn from a seed.
///
/// Each draw is a function of the seed and the variable's name: the same seed gives the same draws, whatever else the
/// program samples, on any number of threads.
///
/// In one run each name is one random variable: a second one of the same name is an error, and a layer that runs twice has
/// the same weights both times. For several draws of a program, run it under [`draws`](super::draws), or with
/// [`predict`](crate::inference::predict); in training, [`Train::samples`](crate::inference::Train::samples).
///
/// # Errors
/// The program's; [`Error::DuplicateSite`](crate::Error::DuplicateSite) for two random variables of one name.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let draw = || seed(3, || sample_as("x", <Normal>::new(0.0, 1.0)?));
/// assert_eq!(draw()?.item()?, draw()?.item()?);
/// # Ok(()) }
/// ```
pub fn seed<T>(seed: u64, program: impl FnOnce() -> Result<T>) -> Result<T> {
    with_key(Key::new(seed), program)
}
