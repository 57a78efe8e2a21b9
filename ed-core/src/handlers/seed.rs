//! `seed`: where draws come from.

use crate::error::Result;
use crate::kernels::rng::Key;
use crate::trace::with_key;

/// Runs a program whose unvalued random variables are drawn from a seed.
///
/// Each draw is a function of the seed and the variable's name: the same seed gives the same draws, whatever else the
/// program samples, on any number of threads.
///
/// # Errors
/// The program's.
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
