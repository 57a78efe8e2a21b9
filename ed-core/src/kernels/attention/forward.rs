//! The forward pass, over whole sequences and for the latest position of growing ones.

use std::ops::Range;

use faer::prelude::ReborrowMut;
use faer::{Accum, MatMut, MatRef, Par};

use super::softmax::{Softmax, valid};
use super::{Pattern, Scratch, Sizes, Three, heads, heads_mut, in_threes, run_tasks};
use crate::kernels::dispatch::dispatch;
use crate::kernels::float::Real;
use crate::kernels::linalg::{LinalgError, check_len, view, view_mut};

/// `softmax(Q Kᵀ / √width) V` of each head, over the positions that the pattern names.
///
/// `packed` is `[batch, length, 3, heads, width]`: queries, keys and values; `out` is `[batch, length, heads, width]`;
/// `kept` gets [`Sizes::kept_len`] numbers for the backward pass. With `lengths`, one for each example and none above
/// `length`, an example ends there: what is behind is not read, and the result there is zero.
///
/// # Errors
/// [`LinalgError::Length`] if a slice does not fit the sizes.
///
/// ```
/// use ed_core::kernels::attention::{Pattern, Sizes, forward};
/// let sizes = Sizes { batch: 1, length: 2, heads: 1, width: 1 };
/// let (mut out, mut kept) = ([0.0; 2], [0.0; 2]);
/// // Queries of zero compare all keys alike: the mean of the values up to the position itself.
/// forward(sizes, Pattern::Causal, None, &[0.0, 5.0, 1.0, 0.0, -5.0, 3.0], &mut out, &mut kept).unwrap();
/// assert_eq!(out, [1.0, 2.0]);
/// ```
pub fn forward<T: Real>(
    sizes: Sizes,
    pattern: Pattern,
    lengths: Option<&[usize]>,
    packed: &[T],
    out: &mut [T],
    kept: &mut [T],
) -> Result<(), LinalgError> {
    check_len("packed", packed, 3 * sizes.output_len())?;
    check_len("out", out, sizes.output_len())?;
    check_len("kept", kept, sizes.kept_len())?;
    if out.is_empty() {
        return Ok(());
    }
    let (length, width, features) = (sizes.length, sizes.width, sizes.features());
    let examples = packed.chunks_exact(length * 3 * features).zip(out.chunks_exact_mut(length * features));
    let log_sums = kept.chunks_exact_mut(length);
    let heads = examples.flat_map(|(packed, out)| {
        in_threes(heads(packed, 3 * features, width), sizes.heads).zip(heads_mut(out, features, width))
    });
    let tasks = heads.zip(log_sums).enumerate().map(|(head, ((of, out), log_sums))| {
        let valid = sizes.valid(lengths, head);
        let (out, mut behind) = out.split_at_row_mut(valid);
        behind.fill(T::ZERO);
        Head { of: of.map(|part| part.subrows(0, valid)), out, log_sums: &mut log_sums[..valid] }
    });
    let tasks = tasks.collect();
    run_tasks(tasks, |scratch, head: Head<'_, T>| head.run(pattern, sizes.scale(), scratch));
    Ok(())
}

/// One head of one example.
struct Head<'a, T> {
    of: Three<MatRef<'a, T>>,
    out: MatMut<'a, T>,
    log_sums: &'a mut [T],
}

impl<T: Real> Head<'_, T> {
    fn run(mut self, pattern: Pattern, scale: T, scratch: &mut Scratch<T>) {
        let ([q, k, v], length) = (self.of, self.log_sums.len());
        for tile in pattern.tiles(length) {
            let keys = pattern.keys_of(&tile, length);
            let (first, count) = (tile.start, tile.len());
            let of = [
                q.subrows(first, count),
                k.subrows(keys.start, keys.len()),
                v.subrows(keys.start, keys.len()),
            ];
            let out = self.out.rb_mut().subrows_mut(first, count);
            let valid = |row| valid(pattern.keys(first + row, length), keys.start);
            attend(of, scale, valid, (out, &mut self.log_sums[tile.clone()]), &mut scratch.scores);
        }
    }
}

/// The attention of a tile of queries.
fn attend<T: Real>(
    [q, k, v]: Three<MatRef<'_, T>>,
    scale: T,
    valid: impl Fn(usize) -> Range<usize>,
    (out, log_sums): (MatMut<'_, T>, &mut [T]),
    scratch: &mut Vec<T>,
) {
    let (rows, columns) = (q.nrows(), k.nrows());
    let scores = Scratch::part(scratch, rows * columns);
    T::gemm(view_mut(scores, rows, columns), Accum::Replace, q, k.transpose(), scale, Par::Seq);
    dispatch(Softmax { scores, columns, valid, log_sums });
    T::gemm(out, Accum::Replace, view(scores, rows, columns), v, T::ONE, Par::Seq);
}

/// The attention of the latest positions of growing sequences to all positions of a window.
///
/// `window` is `[positions, batch, 3, heads, width]`, the latest position last; `out` is `[batch, heads, width]`. The
/// length in `sizes` is not read.
///
/// # Errors
/// [`LinalgError::Length`] if a slice does not fit the sizes, or there is no position.
pub fn latest<T: Real>(sizes: Sizes, window: &[T], out: &mut [T]) -> Result<(), LinalgError> {
    let (batch, width, features) = (sizes.batch, sizes.width, sizes.features());
    let row = batch * 3 * features;
    let positions = (window.len() / row.max(1)).max(1);
    check_len("window", window, positions * row)?;
    check_len("out", out, batch * features)?;
    if out.is_empty() {
        return Ok(());
    }
    let all = in_order(heads(window, row, width), sizes);
    let tasks = all.zip(heads_mut(out, batch * features, width)).collect();
    run_tasks(tasks, |scratch, ([q, k, v], out): (Three<MatRef<'_, T>>, MatMut<'_, T>)| {
        let of = [q.subrows(positions - 1, 1), k, v];
        attend(of, sizes.scale(), |_| 0..positions, (out, &mut [T::ZERO]), &mut scratch.scores);
    });
    Ok(())
}

/// Queries, keys and values of each head of each example, where the examples lie side by side.
fn in_order<'a, T: Real>(
    parts: impl Iterator<Item = MatRef<'a, T>>,
    sizes: Sizes,
) -> impl Iterator<Item = Three<MatRef<'a, T>>> {
    let parts: Vec<MatRef<'a, T>> = parts.collect();
    let example = 3 * sizes.heads;
    (0..sizes.batch).flat_map(move |n| {
        in_threes(parts[n * example..][..example].to_vec(), sizes.heads).collect::<Vec<_>>()
    })
}
