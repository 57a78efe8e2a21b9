//! Square row-major matrices: blocks of a triangle for tasks, and transposes by tiles.

use super::float::Real;
use super::fused::Gradient;
use super::parallel::{Rows, for_each, join};

/// Side of the squares that a transposition goes by: two of them fit the level-1 cache.
pub(super) const TILE: usize = 32;

/// Some rows of a matrix, the first of which is `start`.
pub(super) struct Lines<'a, T> {
    pub start: usize,
    pub values: &'a mut [T],
}

/// The rows of a matrix of order `n` in blocks: the first with the last, the second with the last but one, and so on, as
/// work that grows along a triangle is then spread evenly by halving.
pub(super) fn lines<T>(n: usize, block: usize, matrix: &mut [T]) -> Vec<Lines<'_, T>> {
    let blocks = matrix.chunks_mut((block * n).max(1)).enumerate();
    let mut in_order: std::collections::VecDeque<_> =
        blocks.map(|(i, values)| Lines { start: i * block, values }).collect();
    let mut lines = Vec::with_capacity(in_order.len());
    while let Some(first) = in_order.pop_front() {
        lines.push(first);
        lines.extend(in_order.pop_back());
    }
    lines
}

/// Copies the lower triangle of a matrix of order `n` to the upper one.
pub(super) fn mirror<T: Real>(n: usize, matrix: &mut [T], several: bool) {
    mirror_block(n, 0, matrix, several);
}

/// Mirrors the block on the diagonal of some rows, the first of which is `start`.
fn mirror_block<T: Real>(n: usize, start: usize, rows: &mut [T], several: bool) {
    let count = rows.len() / n.max(1);
    if count <= TILE {
        for i in 0..count {
            for j in 0..i {
                rows[j * n + start + i] = rows[i * n + start + j];
            }
        }
        return;
    }
    // Beside the upper half stands the transpose of what is below it.
    let half = count.div_ceil(TILE) / 2 * TILE;
    let (upper, lower) = rows.split_at_mut(half * n);
    let (middle, end) = (start + half, start + count);
    for_each(Rows::new(&mut *upper, n), if several { TILE } else { half }, |first, rows| {
        let rows = rows.into_inner();
        for left in (middle..end).step_by(TILE) {
            for (i, row) in rows.chunks_exact_mut(n).enumerate() {
                let column = start + first + i;
                for j in left..(left + TILE).min(end) {
                    row[j] = lower[(j - middle) * n + column];
                }
            }
        }
    });
    join(
        several && count > 4 * TILE,
        || mirror_block(n, start, upper, several),
        || mirror_block(n, middle, lower, several),
    );
}

/// Calls `put(i, j, M_ij + M_ji)` for the rows of a task, of which `start` is the first and `i` counts on from it.
#[inline(always)]
pub(super) fn plus_transposed_rows<T: Real>(
    n: usize,
    matrix: &[T],
    (start, count): (usize, usize),
    mut put: impl FnMut(usize, usize, T),
) {
    for left in (0..n).step_by(TILE) {
        for i in 0..count {
            let own = (start + i) * n;
            for j in left..(left + TILE).min(n) {
                put(i, j, matrix[own + j] + matrix[j * n + start + i]);
            }
        }
    }
}

/// Adds `factor (M + Mᵀ)` of a matrix `M` of order `n` to a gradient.
pub(super) fn plus_transposed<T: Real>(n: usize, matrix: &[T], factor: T, grad: Gradient<'_, T>) {
    let Gradient { values, fresh } = grad;
    for_each(Rows::new(values, n), TILE, |start, rows| {
        let rows = rows.into_inner();
        plus_transposed_rows(n, matrix, (start, rows.len() / n), |i, j, sum| {
            let place = &mut rows[i * n + j];
            *place = if fresh { factor * sum } else { *place + factor * sum };
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirrored_matrix_is_symmetric_and_keeps_its_lower_triangle() {
        for n in [0, 1, 5, 32, 33, 100, 257] {
            for several in [false, true] {
                let start: Vec<f64> = (0..n * n).map(|i| i as f64).collect();
                let mut matrix = start.clone();
                mirror(n, &mut matrix, several);
                for i in 0..n {
                    for j in 0..=i {
                        assert_eq!(matrix[i * n + j], start[i * n + j]);
                        assert_eq!(matrix[j * n + i], start[i * n + j]);
                    }
                }
            }
        }
    }

    #[test]
    fn every_row_is_in_one_block() {
        let mut matrix = vec![0.0; 7 * 7];
        let mut starts: Vec<_> = lines(7, 2, &mut matrix).iter().map(|l| (l.start, l.values.len())).collect();
        assert_eq!(starts, [(0, 14), (6, 7), (2, 14), (4, 14)]);
        starts.sort_unstable();
        assert_eq!(starts.iter().map(|(_, len)| len).sum::<usize>(), 49);
    }

    #[test]
    fn a_matrix_and_its_transpose_are_added_to_a_gradient_or_written_over_it() {
        let matrix = [1.0, 2.0, 3.0, 4.0];
        let mut grad = [10.0; 4];
        plus_transposed(2, &matrix, 0.5, Gradient { values: &mut grad, fresh: false });
        assert_eq!(grad, [11.0, 12.5, 12.5, 14.0]);
        plus_transposed(2, &matrix, 0.5, Gradient { values: &mut grad, fresh: true });
        assert_eq!(grad, [1.0, 2.5, 2.5, 4.0]);
    }
}
