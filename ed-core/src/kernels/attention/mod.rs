//! Attention: `softmax(Q Kᵀ / √D) V` of several heads over sequences, with its gradient.
//!
//! Queries, keys and values lie side by side: `[batch, length, 3, heads, width]`, as one product with a kernel gives
//! them. The weights of the attention are never all in memory: a tile of queries is compared with the keys that it
//! attends to, and what is kept for the backward pass is one number for each query and head, the logarithm of the sum
//! that its weights were divided by, from which the weights are computed again (Dao et al. 2022, "FlashAttention",
//! algorithms 2 and 4). So memory is linear in the length, and with a local [`Pattern`] time is, too.
//!
//! Each head of each example is one task for one thread; no result depends on the number of threads.

mod backward;
mod forward;
mod pattern;
mod softmax;

pub use backward::{Passed, backward};
pub use forward::{forward, latest};
pub use pattern::Pattern;

use faer::{MatMut, MatRef};
use rayon::prelude::*;

use super::dispatch;
use super::float::Real;
use super::linalg::{view, view_mut};

/// The sizes of an attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Examples.
    pub batch: usize,
    /// Positions of a sequence.
    pub length: usize,
    /// Heads.
    pub heads: usize,
    /// Features of a head.
    pub width: usize,
}

impl Sizes {
    /// Features of all heads together.
    pub fn features(&self) -> usize {
        self.heads * self.width
    }

    /// Numbers in the result.
    pub fn output_len(&self) -> usize {
        self.batch * self.length * self.features()
    }

    /// How many numbers are kept for the backward pass.
    pub fn kept_len(&self) -> usize {
        self.batch * self.heads * self.length
    }

    /// How many positions of a head's example there are, if the examples have lengths of their own.
    fn valid(&self, lengths: Option<&[usize]>, head: usize) -> usize {
        let own = lengths.and_then(|lengths| lengths.get(head / self.heads.max(1)));
        own.map_or(self.length, |&own| own.min(self.length))
    }

    /// The factor of the scores, `1 / √width`.
    fn scale<T: Real>(&self) -> T {
        T::from_f64(1.0 / (self.width as f64).sqrt())
    }
}

/// The query, key and value of one head, or the gradients by them: `[length, width]` each.
type Three<M> = [M; 3];

/// The heads of one example's rows of features, each `[rows, width]`.
fn heads<T: Real>(values: &[T], row: usize, width: usize) -> impl Iterator<Item = MatRef<'_, T>> {
    let all = view(values, values.len() / row, row);
    (0..row / width).map(move |head| all.subcols(head * width, width))
}

/// The heads of one example's rows of features, to write.
fn heads_mut<T: Real>(values: &mut [T], row: usize, width: usize) -> Vec<MatMut<'_, T>> {
    let mut rest = view_mut(values, values.len() / row, row);
    let mut parts = Vec::with_capacity(row / width);
    while rest.ncols() > 0 {
        let (head, others) = rest.split_at_col_mut(width);
        parts.push(head);
        rest = others;
    }
    parts
}

/// Queries, keys and values of each head from those of all.
fn in_threes<M>(parts: impl IntoIterator<Item = M>, heads: usize) -> impl Iterator<Item = Three<M>> {
    let mut parts = parts.into_iter();
    let queries: Vec<M> = parts.by_ref().take(heads).collect();
    let keys: Vec<M> = parts.by_ref().take(heads).collect();
    queries.into_iter().zip(keys).zip(parts).map(|((query, key), value)| [query, key, value])
}

/// Working memory of one thread: the scores of a tile, and the gradients by them.
struct Scratch<T> {
    scores: Vec<T>,
    slopes: Vec<T>,
}

impl<T: Real> Scratch<T> {
    /// The first `len` numbers of a buffer, which grows as needed.
    fn part(buffer: &mut Vec<T>, len: usize) -> &mut [T] {
        if buffer.len() < len {
            buffer.resize(len, T::ZERO);
        }
        &mut buffer[..len]
    }
}

/// Runs `f` on all tasks, in parallel if there are several, each thread with its own working memory.
fn run_tasks<C: Send, T: Real>(tasks: Vec<C>, f: impl Fn(&mut Scratch<T>, C) + Sync) {
    let level = dispatch::level();
    let scratch = || Scratch { scores: Vec::new(), slopes: Vec::new() };
    tasks.into_par_iter().for_each_init(scratch, |scratch, task| {
        dispatch::with_level(level, || f(scratch, task));
    });
}

#[cfg(test)]
mod tests;
