//! [`Batches`]: which rows each step of training sees.

use rand::Rng;

use crate::kernels::rng::Key;

/// Rows in batches of one size, in an order that is shuffled anew in each epoch: a function of the seed alone.
///
/// An epoch is `num_rows / batch_size` batches, rounded down, so that all have the same size; the rows that are left
/// over differ from epoch to epoch.
///
/// ```
/// # use ed_core::data::Batches;
/// let mut batches = Batches::new(10, 4, 0);
/// assert_eq!(batches.per_epoch(), 2);
/// let (first, second) = (batches.rows(0).to_vec(), batches.rows(1).to_vec());
/// assert_eq!(first.len(), 4);
/// assert!(first.iter().all(|row| !second.contains(row)));
/// assert_eq!(batches.rows(0), first, "any step can be asked for again");
/// ```
#[derive(Clone, Debug)]
pub struct Batches {
    order: Vec<usize>,
    batch_size: usize,
    key: Key,
    epoch: usize,
}

impl Batches {
    /// Batches of `batch_size` rows, or of all rows if there are fewer.
    pub fn new(num_rows: usize, batch_size: usize, seed: u64) -> Batches {
        let key = Key::new(seed).fold_in_str("batches");
        let batch_size = batch_size.clamp(1, num_rows.max(1));
        Batches { order: shuffled(num_rows, key.fold_in(0)), batch_size, key, epoch: 0 }
    }

    /// Number of batches in an epoch.
    pub fn per_epoch(&self) -> usize {
        (self.order.len() / self.batch_size).max(1)
    }

    /// The rows of a step, counted from 0 over all epochs.
    pub fn rows(&mut self, step: usize) -> &[usize] {
        let (epoch, place) = (step / self.per_epoch(), step % self.per_epoch());
        if epoch != self.epoch {
            self.order = shuffled(self.order.len(), self.key.fold_in(epoch as u64));
            self.epoch = epoch;
        }
        let start = place * self.batch_size;
        &self.order[start.min(self.order.len())..(start + self.batch_size).min(self.order.len())]
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
