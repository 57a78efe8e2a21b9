//! Recurrent networks: the gates of one step in one pass, and whole sequences with their gradients.
//!
//! A sequence is cut into chunks of examples, and one thread takes a chunk through all its time steps: no thread waits
//! for another between the steps. What is kept for the backward pass is laid out chunk by chunk and, within a chunk,
//! step by step, so that the rows of a step lie together. The chunks depend on the batch size only, so the numbers do
//! not depend on the threads.
//!
//! - [`lstm`], [`lstm_sequence`]: long short-term memory.
//! - [`gru`], [`gru_sequence`]: gated recurrent units.

pub mod gru;
pub mod gru_sequence;
mod lanes;
pub mod lstm;
pub mod lstm_sequence;
mod products;

use rayon::prelude::*;

use super::dispatch;
use super::float::Real;

/// The sizes of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Examples.
    pub batch: usize,
    /// Time steps.
    pub steps: usize,
    /// Features of an input.
    pub inputs: usize,
    /// Features of the state.
    pub units: usize,
}

impl Sizes {
    /// The first example and the number of examples of each chunk.
    fn chunks(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let batch = self.batch;
        // Two chunks keep two cores busy; more rows than the largest chunk has make its products no faster.
        let chunk = batch.div_ceil(2).clamp(SMALLEST_CHUNK, LARGEST_CHUNK);
        (0..batch).step_by(chunk).map(move |first| (first, chunk.min(batch - first)))
    }
}

/// Bounds on the examples that one thread takes through all time steps.
const SMALLEST_CHUNK: usize = 16;
const LARGEST_CHUNK: usize = 128;

/// Where a gradient goes.
#[derive(Debug)]
pub struct Target<'a, T> {
    /// The gradient.
    pub values: &'a mut [T],
    /// Whether to replace what is there instead of adding to it.
    pub fresh: bool,
}

impl<T: Real> Target<'_, T> {
    /// Adds some numbers to the gradient, or puts them there the first time.
    pub(crate) fn put(&mut self, terms: &[T]) {
        let pairs = self.values.iter_mut().zip(terms);
        match std::mem::take(&mut self.fresh) {
            true => pairs.for_each(|(grad, &term)| *grad = term),
            false => pairs.for_each(|(grad, &term)| *grad += term),
        }
    }
}

/// The next `len` numbers.
fn cut<'a, T>(rest: &mut &'a [T], len: usize) -> &'a [T] {
    rest.split_off(..len).unwrap_or_default()
}

/// The next `len` numbers, to write.
fn cut_mut<'a, T>(rest: &mut &'a mut [T], len: usize) -> &'a mut [T] {
    rest.split_off_mut(..len).unwrap_or_default()
}

/// Runs `f` on all chunks, in parallel if there are several; the results are in the order of the chunks.
fn run_chunks<C: Send, R: Send>(mut chunks: Vec<C>, f: impl Fn(C) -> R + Sync) -> Vec<R> {
    match chunks.pop() {
        Some(only) if chunks.is_empty() => vec![f(only)],
        Some(last) => {
            chunks.push(last);
            let level = dispatch::level();
            chunks.into_par_iter().map(|chunk| dispatch::with_level(level, || f(chunk))).collect()
        }
        None => Vec::new(),
    }
}
