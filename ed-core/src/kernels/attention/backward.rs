//! The backward pass.

use std::ops::Range;

use faer::prelude::ReborrowMut;
use faer::{Accum, MatMut, MatRef, Par};

use super::softmax::{Again, BySlopes, valid};
use super::{Pattern, Scratch, Sizes, Three, heads, heads_mut, in_threes, run_tasks};
use crate::kernels::dispatch::dispatch;
use crate::kernels::float::Real;
use crate::kernels::fused::Gradient;
use crate::kernels::linalg::{LinalgError, check_len, view, view_mut};

/// What a forward pass read and kept, and the gradient by its result.
#[derive(Clone, Copy, Debug)]
pub struct Passed<'a, T> {
    /// Queries, keys and values, `[batch, length, 3, heads, width]`.
    pub packed: &'a [T],
    /// What [`forward`](super::forward) kept.
    pub kept: &'a [T],
    /// The gradient by the result, `[batch, length, heads, width]`.
    pub grad_out: &'a [T],
}

/// Adds to the gradient by queries, keys and values, `[batch, length, 3, heads, width]`, which is zero behind the ends of
/// examples that have `lengths`.
///
/// # Errors
/// [`LinalgError::Length`] if a slice does not fit the sizes.
pub fn backward<T: Real>(
    sizes: Sizes,
    pattern: Pattern,
    lengths: Option<&[usize]>,
    passed: Passed<'_, T>,
    grad: Gradient<'_, T>,
) -> Result<(), LinalgError> {
    let Gradient { values: grad, fresh } = grad;
    check_len("packed", passed.packed, 3 * sizes.output_len())?;
    check_len("kept", passed.kept, sizes.kept_len())?;
    check_len("grad_out", passed.grad_out, sizes.output_len())?;
    check_len("grad", grad, 3 * sizes.output_len())?;
    if grad.is_empty() {
        return Ok(());
    }
    let (length, width, features) = (sizes.length, sizes.width, sizes.features());
    let (packed_len, len) = (length * 3 * features, length * features);
    let examples = passed.packed.chunks_exact(packed_len).zip(passed.grad_out.chunks_exact(len));
    let heads = examples.zip(grad.chunks_exact_mut(packed_len)).flat_map(|((packed, grad_out), grad)| {
        let of = in_threes(heads(packed, 3 * features, width), sizes.heads);
        let by = in_threes(heads_mut(grad, 3 * features, width), sizes.heads);
        of.zip(heads(grad_out, features, width)).zip(by)
    });
    let tasks = heads
        .zip(passed.kept.chunks_exact(length))
        .enumerate()
        .map(|(head, (((of, grad_out), by), log_sums))| {
            let valid = sizes.valid(lengths, head);
            let by = by.map(|by| {
                let (by, mut behind) = by.split_at_row_mut(valid);
                if fresh {
                    behind.fill(T::ZERO);
                }
                by
            });
            let (of, grad_out) = (of.map(|part| part.subrows(0, valid)), grad_out.subrows(0, valid));
            Head { of, grad_out, by, fresh, log_sums: &log_sums[..valid] }
        })
        .collect();
    run_tasks(tasks, |scratch, head: Head<'_, T>| head.run(pattern, sizes.scale(), scratch));
    Ok(())
}

/// One head of one example.
struct Head<'a, T> {
    of: Three<MatRef<'a, T>>,
    grad_out: MatRef<'a, T>,
    by: Three<MatMut<'a, T>>,
    fresh: bool,
    log_sums: &'a [T],
}

impl<T: Real> Head<'_, T> {
    fn run(mut self, pattern: Pattern, scale: T, scratch: &mut Scratch<T>) {
        let length = self.log_sums.len();
        if self.fresh {
            // Every query is in one tile, but a key may be in several.
            let [_, by_k, by_v] = &mut self.by;
            by_k.fill(T::ZERO);
            by_v.fill(T::ZERO);
        }
        for tile in pattern.tiles(length) {
            let keys = pattern.keys_of(&tile, length);
            self.tile(tile, keys, pattern, scale, scratch);
        }
    }

    fn tile(
        &mut self,
        tile: Range<usize>,
        keys: Range<usize>,
        pattern: Pattern,
        scale: T,
        scratch: &mut Scratch<T>,
    ) {
        let ([q, k, v], length) = (self.of, self.log_sums.len());
        let (first, rows, columns) = (tile.start, tile.len(), keys.len());
        let (q, g) = (q.subrows(first, rows), self.grad_out.subrows(first, rows));
        let (k, v) = (k.subrows(keys.start, columns), v.subrows(keys.start, columns));
        let [by_q, by_k, by_v] = &mut self.by;
        let by_q = by_q.rb_mut().subrows_mut(first, rows);
        let by_k = by_k.rb_mut().subrows_mut(keys.start, columns);
        let by_v = by_v.rb_mut().subrows_mut(keys.start, columns);

        let weights = Scratch::part(&mut scratch.scores, rows * columns);
        T::gemm(view_mut(weights, rows, columns), Accum::Replace, q, k.transpose(), scale, Par::Seq);
        let valid = |row| valid(pattern.keys(first + row, length), keys.start);
        dispatch(Again { scores: weights, columns, valid, log_sums: &self.log_sums[tile] });
        T::gemm(by_v, Accum::Add, view(weights, rows, columns).transpose(), g, T::ONE, Par::Seq);

        let slopes = Scratch::part(&mut scratch.slopes, rows * columns);
        T::gemm(view_mut(slopes, rows, columns), Accum::Replace, g, v.transpose(), T::ONE, Par::Seq);
        dispatch(BySlopes { weights, slopes, columns });
        let slopes = view(slopes, rows, columns);
        let accumulate = if self.fresh { Accum::Replace } else { Accum::Add };
        T::gemm(by_q, accumulate, slopes, k, scale, Par::Seq);
        T::gemm(by_k, Accum::Add, slopes.transpose(), q, scale, Par::Seq);
    }
}
