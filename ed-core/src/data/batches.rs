//! [`Batches`]: which rows each step of training sees.

use rand::Rng;

use super::split::DataError;
use crate::kernels::rng::Key;

/// Rows in batches, in an order that is shuffled anew in each epoch: a function of the seed alone.
///
/// An epoch is `num_rows / batch_size` batches, rounded down, so that all have the same size; the rows that are left
/// over differ from epoch to epoch. [`Batches::keep_last`] makes a batch of them, which is shorter;
/// [`Train::over`](crate::inference::Train::over) weighs batches by their rows.
///
/// ```
/// # use ed_core::data::Batches;
/// let mut batches = Batches::new(10, 4, 0)?;
/// assert_eq!(batches.per_epoch(), 2);
/// let (first, second) = (batches.rows(0).to_vec(), batches.rows(1).to_vec());
/// assert_eq!(first.len(), 4);
/// assert!(first.iter().all(|row| !second.contains(row)));
/// assert_eq!(batches.rows(0), first, "any step can be asked for again");
///
/// let mut batches = batches.keep_last();
/// assert_eq!((batches.per_epoch(), batches.rows(2).len()), (3, 2));
/// # Ok::<(), ed_core::data::DataError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Batches {
    order: Vec<usize>,
    batch_size: usize,
    keeps_last: bool,
    key: Key,
    epoch: usize,
}

impl Batches {
    /// Batches of `batch_size` rows, or of all rows if there are fewer.
    ///
    /// # Errors
    /// [`DataError::Empty`] if there are no rows or a batch has none.
    pub fn new(num_rows: usize, batch_size: usize, seed: u64) -> Result<Batches, DataError> {
        for (what, size) in [("num_rows", num_rows), ("batch_size", batch_size)] {
            if size == 0 {
                return Err(DataError::Empty { what });
            }
        }
        let key = Key::new(seed).fold_in_str("batches");
        let order = shuffled(num_rows, key.fold_in(0));
        Ok(Batches { order, batch_size: batch_size.min(num_rows), keeps_last: false, key, epoch: 0 })
    }

    /// Every epoch has all rows: those that are left over are its last batch, which is shorter.
    pub fn keep_last(mut self) -> Batches {
        self.keeps_last = true;
        self
    }

    /// Number of rows.
    pub fn num_rows(&self) -> usize {
        self.order.len()
    }

    /// Number of batches in an epoch.
    pub fn per_epoch(&self) -> usize {
        match self.keeps_last {
            true => self.order.len().div_ceil(self.batch_size),
            false => self.order.len() / self.batch_size,
        }
    }

    /// Number of rows in an epoch.
    pub fn rows_per_epoch(&self) -> usize {
        self.order.len().min(self.per_epoch() * self.batch_size)
    }

    /// The rows of a step, counted from 0 over all epochs.
    pub fn rows(&mut self, step: usize) -> &[usize] {
        let (epoch, place) = (step / self.per_epoch(), step % self.per_epoch());
        if epoch != self.epoch {
            self.order = shuffled(self.order.len(), self.key.fold_in(epoch as u64));
            self.epoch = epoch;
        }
        let start = place * self.batch_size;
        &self.order[start..(start + self.batch_size).min(self.order.len())]
    }
}

/// Fisher and Yates' shuffle.
fn shuffled(num_rows: usize, key: Key) -> Vec<usize> {
    let mut order: Vec<usize> = (0..num_rows).collect();
    let mut stream = key.stream();
    for last in (1..num_rows).rev() {
        order.swap(last, stream.gen_range(0..=last));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_batches_without_rows() {
        let message = |rows, size| Batches::new(rows, size, 0).unwrap_err().to_string();
        assert_eq!(message(10, 0), "`batch_size` must be at least 1, got 0");
        assert_eq!(message(0, 3), "`num_rows` must be at least 1, got 0");
    }

    #[test]
    fn the_last_batch_holds_what_is_left_and_an_epoch_holds_every_row() -> Result<(), DataError> {
        for (num_rows, size) in [(10, 3), (9, 3), (1, 1), (2, usize::MAX), (7, 5)] {
            let mut batches = Batches::new(num_rows, size, 4)?.keep_last();
            for epoch in 0..3 {
                let steps = epoch * batches.per_epoch()..(epoch + 1) * batches.per_epoch();
                let mut rows: Vec<usize> = steps.flat_map(|step| batches.rows(step).to_vec()).collect();
                rows.sort_unstable();
                assert_eq!(rows, (0..num_rows).collect::<Vec<_>>());
            }
            assert_eq!(batches.rows_per_epoch(), num_rows);
        }
        assert!(!Batches::new(3, 2, 0)?.rows(usize::MAX).is_empty());
        Ok(())
    }
}
