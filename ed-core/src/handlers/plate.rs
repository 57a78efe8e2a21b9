//! Plates: independent repetitions, of which a run may see a random part.

use std::rc::Rc;

use rand::seq::index;

use super::scale::Scale;
use crate::error::{Error, Result};
use crate::trace::{SiteName, key_for, with_tracer};

/// The repetitions that a run of a plate sees.
#[derive(Clone, Debug)]
pub struct Plate {
    size: usize,
    indices: Vec<usize>,
}

impl Plate {
    /// Number of repetitions in all.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The repetitions of this run, in increasing order; all of them unless the plate is subsampled.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// Number of repetitions in this run.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }
}

/// Runs a part of a model for all of `size` independent repetitions.
///
/// # Errors
/// The program's.
pub fn plate_as<T>(
    name: impl Into<SiteName>,
    size: usize,
    program: impl FnOnce(&Plate) -> Result<T>,
) -> Result<T> {
    let _ = name.into();
    program(&Plate { size, indices: (0..size).collect() })
}

/// Runs a part of a model for `batch` of `size` independent repetitions, drawn without replacement; the log-densities
/// inside count `size / batch` times, so that the joint log-density keeps its expectation.
///
/// # Errors
/// [`Error::Parameter`] unless `1 ≤ batch ≤ size`; [`Error::Unseeded`] if no key is in force, as in samplers that need
/// one log-density and not a different one at each call; and the program's.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let data = Var::from(vec![0.0f64; 100]);
/// let model = || subsampled_plate_as("rows", 100, 10, |rows| {
///     observe_as("x", Normal::standard((rows.len(),))?, &data.gather::<usize>(rows.indices())?)
/// });
/// let (_, trace) = seed(0, || tape(&model))?;
/// assert!((trace.log_prob()?.item()? + 100.0 * 0.9189385332).abs() < 1e-6);
/// # Ok(()) }
/// ```
pub fn subsampled_plate_as<T>(
    name: impl Into<SiteName>,
    size: usize,
    batch: usize,
    program: impl FnOnce(&Plate) -> Result<T>,
) -> Result<T> {
    if batch == 0 || batch > size {
        return Err(Error::Parameter {
            of: "a subsampled plate",
            name: "batch",
            must_be: "at least 1 and at most its size",
            got: format!("{batch} of {size}"),
        });
    }
    let mut stream = key_for(name.into().as_str())?.stream();
    let mut indices = index::sample(&mut stream, size, batch).into_vec();
    indices.sort_unstable();
    let factor = size as f64 / batch as f64;
    with_tracer(Rc::new(Scale::by(factor)), || program(&Plate { size, indices }))
}
