//! [`Rows`]: the part of a plate that a run sees.

use std::cell::Cell;
use std::sync::Arc;

use rand::seq::index;

use super::name::SiteName;
use super::stack::key_for;
use crate::error::{Error, Result};
use crate::ops::layout;
use crate::tensor::{AnyVar, Float, with_value};

thread_local! {
    static WHOLE: Cell<bool> = const { Cell::new(false) };
}

/// The repetitions of a subsampled plate that one run sees.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rows {
    name: SiteName,
    size: usize,
    batch: usize,
    indices: Arc<[usize]>,
}

impl Rows {
    /// The rows that a plate has under the key in force: those that any other program gets for a plate of this name and
    /// these sizes under this key. All of them, in order, inside of [`whole_plates`].
    ///
    /// # Errors
    /// [`Error::Unseeded`] with the plate's name if no key is in force.
    pub(crate) fn drawn(name: &SiteName, size: usize, batch: usize) -> Result<Rows> {
        let indices = if batch == size || WHOLE.get() {
            (0..size).collect()
        } else {
            let key = key_for(name.as_str()).map_err(|_| Error::UnseededPlate {
                name: name.to_string(),
                batch,
                size,
            })?;
            let mut indices = index::sample(&mut key.stream(), size, batch).into_vec();
            indices.sort_unstable();
            indices.into()
        };
        Ok(Rows { name: super::full_name(name), size, batch, indices })
    }

    /// The plate's name, with the prefixes of the sub-models around it.
    pub fn name(&self) -> &SiteName {
        &self.name
    }

    /// Number of repetitions in all.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Number of repetitions that the program asked for.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The repetitions of this run, in increasing order.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// Whether some repetitions are not in this run, or would not be if plates were not whole.
    pub(crate) fn is_part(&self) -> bool {
        self.batch < self.size
    }

    /// How often a repetition of this run counts.
    pub(crate) fn factor(&self) -> f64 {
        self.size as f64 / self.indices.len() as f64
    }

    /// The rows of this run, of a value that has one for every repetition along its first axis.
    pub(crate) fn of(&self, all: &AnyVar) -> Result<AnyVar> {
        if self.indices.len() == self.size {
            return Ok(all.clone());
        }
        with_value!(all, all => Ok(Float::into_any(layout::gather(all, &self.indices)?)))
    }
}

/// Runs a program whose subsampled plates all see every repetition: what is asked about each row of a plate, such as
/// draws from a posterior, cannot come from some of them.
///
/// A program whose types fix the size of a batch cannot do that, and sees the batches that it asks for.
///
/// # Errors
/// The program's.
pub(crate) fn whole_plates<T>(program: impl Fn() -> Result<T>) -> Result<T> {
    whole(&program).or_else(|error| program().map_err(|_| error))
}

fn whole<T>(program: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            WHOLE.set(self.0);
        }
    }
    let _restore = Restore(WHOLE.replace(true));
    program()
}
