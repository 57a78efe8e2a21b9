//! Products with a matrix whose columns each see a beginning of the rows: a staircase of ones for a mask.
//!
//! The masked matrix is cut once into rectangles without zeros and small corners along the stairs. A product visits
//! those alone, so that it does about half of the work of a full one when the stairs are the diagonal, and what the mask
//! forbids is not multiplied by zero but left out.

use std::ops::Range;

use faer::{Accum, MatMut, MatRef, Par};

use super::float::Real;
use super::linalg::{LinalgError, check_len, view, view_mut};

/// Columns of a task of a product, or rows of one of the product with the transposed matrix.
const TASK: usize = 128;
/// A corner with at most this many elements is not cut any further.
const CORNER: usize = 32 * 32;
/// Multiplications below which a second core costs more than it saves.
const PARALLEL_FROM: usize = 1 << 19;

/// A rectangle of the matrix: without zeros, or with stairs in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Block {
    rows: Range<usize>,
    columns: Range<usize>,
    full: bool,
}

impl Block {
    fn area(&self) -> usize {
        self.rows.len() * self.columns.len()
    }
}

/// Some rows or columns, and the blocks inside of them; a core takes one of these at a time.
#[derive(Clone, Debug)]
struct Task {
    range: Range<usize>,
    blocks: Vec<Block>,
}

/// The mask of a matrix `rows × columns`: column `c` sees the rows before `reach[c]`.
///
/// The columns are some segments of one width, each with the same stairs, which never go down.
///
/// # Examples
/// ```
/// use ed_core::kernels::staircase::Staircase;
/// let stairs = Staircase::new(3, vec![1, 3], 2).unwrap();
/// assert_eq!(stairs.columns(), 4);
/// assert!(stairs.sees(2, 3) && !stairs.sees(1, 2));
/// assert_eq!(stairs.num_allowed(), 8);
/// ```
#[derive(Clone, Debug)]
pub struct Staircase {
    rows: usize,
    reach: Vec<usize>,
    segments: usize,
    by_columns: Vec<Task>,
    by_rows: Vec<Task>,
}

impl Staircase {
    /// The mask with these stairs in each segment; `None` if they go down anywhere or higher than the rows.
    pub fn new(rows: usize, reach: Vec<usize>, segments: usize) -> Option<Staircase> {
        if !reach.is_sorted() || reach.last().is_some_and(|&last| last > rows) {
            return None;
        }
        let mut blocks = Vec::new();
        let by_columns = tasks(reach.len())
            .map(|columns| {
                blocks.clear();
                cut(&reach, 0..rows, columns.clone(), &mut blocks);
                Task { range: columns, blocks: blocks.clone() }
            })
            .collect();
        let by_rows = tasks(rows)
            .map(|range| {
                blocks.clear();
                cut(&reach, range.clone(), 0..reach.len(), &mut blocks);
                Task { range, blocks: blocks.clone() }
            })
            .collect();
        Some(Staircase { rows, reach, segments, by_columns, by_rows })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns of all segments.
    pub fn columns(&self) -> usize {
        self.segments * self.reach.len()
    }

    /// How many rows each column of a segment sees.
    pub fn reach(&self) -> &[usize] {
        &self.reach
    }

    /// Number of segments.
    pub fn segments(&self) -> usize {
        self.segments
    }

    /// Whether a column sees a row.
    pub fn sees(&self, row: usize, column: usize) -> bool {
        row < self.reach[column % self.reach.len()]
    }

    /// Number of elements that the mask lets through.
    pub fn num_allowed(&self) -> usize {
        self.segments * self.reach.iter().sum::<usize>()
    }

    /// Number of multiplications for each row of the other factor: little above [`Staircase::num_allowed`].
    pub fn num_multiplied(&self) -> usize {
        let blocks = self.by_columns.iter().flat_map(|task| &task.blocks);
        self.segments * blocks.map(Block::area).sum::<usize>()
    }

    fn check<T>(&self, n: usize, x: &[T], w: &[T], y: &[T]) -> Result<(), LinalgError> {
        check_len("x", x, n * self.rows)?;
        check_len("w", w, self.rows * self.columns())?;
        check_len("y", y, n * self.columns())
    }

    /// `y += x (w ∘ mask)` for `x` of `n × rows` and `w` of `rows × columns`.
    ///
    /// # Errors
    /// [`LinalgError::Length`] if a slice does not fit.
    pub fn product<T: Real>(&self, n: usize, x: &[T], w: &[T], y: &mut [T]) -> Result<(), LinalgError> {
        self.check(n, x, w, y)?;
        if n * self.rows * self.columns() == 0 {
            return Ok(());
        }
        let (x, w) = (view(x, n, self.rows), view(w, self.rows, self.columns()));
        let width = self.reach.len();
        self.each_columns(n, view_mut(y, n, self.columns()), &|segment, block, mut y| {
            let columns = segment * width + block.columns.start;
            let part = w.submatrix(block.rows.start, columns, block.rows.len(), block.columns.len());
            let x = x.subcols(block.rows.start, block.rows.len());
            self.with_masked(block, part, |w| T::gemm(y.as_mut(), Accum::Add, x, w, T::ONE, Par::Seq));
        });
        Ok(())
    }

    /// `grad_x += grad_y (w ∘ mask)ᵀ`, or `=` if it is fresh.
    ///
    /// # Errors
    /// [`LinalgError::Length`] if a slice does not fit.
    pub fn grad_left<T: Real>(
        &self,
        n: usize,
        grad_y: &[T],
        w: &[T],
        grad_x: &mut [T],
        fresh: bool,
    ) -> Result<(), LinalgError> {
        self.check(n, grad_x, w, grad_y)?;
        if fresh {
            grad_x.fill(T::ZERO);
        }
        if n * self.rows * self.columns() == 0 {
            return Ok(());
        }
        let (g, w) = (view(grad_y, n, self.columns()), view(w, self.rows, self.columns()));
        let width = self.reach.len();
        let work = |task: &Task, mut grad_x: MatMut<'_, T>| {
            for (segment, block) in (0..self.segments).flat_map(|s| task.blocks.iter().map(move |b| (s, b))) {
                let columns = segment * width + block.columns.start;
                let part = w.submatrix(block.rows.start, columns, block.rows.len(), block.columns.len());
                let g = g.subcols(columns, block.columns.len());
                let first = block.rows.start - task.range.start;
                let mut out = grad_x.as_mut().subcols_mut(first, block.rows.len());
                self.with_masked(block, part, |w| {
                    T::gemm(out.as_mut(), Accum::Add, g, w.transpose(), T::ONE, Par::Seq);
                });
            }
        };
        let threads = n * self.num_multiplied() >= PARALLEL_FROM;
        each_task(&self.by_rows, view_mut(grad_x, n, self.rows), threads, &work);
        Ok(())
    }

    /// `grad_w += xᵀ grad_y` where the mask lets it through, or `=` if it is fresh, with zeros elsewhere.
    ///
    /// # Errors
    /// [`LinalgError::Length`] if a slice does not fit.
    pub fn grad_right<T: Real>(
        &self,
        n: usize,
        x: &[T],
        grad_y: &[T],
        grad_w: &mut [T],
        fresh: bool,
    ) -> Result<(), LinalgError> {
        self.check(n, x, grad_w, grad_y)?;
        if fresh && (n == 0 || self.num_multiplied() < grad_w.len()) {
            super::parallel::for_each(&mut *grad_w, 1 << 18, |_, part| part.fill(T::ZERO));
        }
        if n * self.rows * self.columns() == 0 {
            return Ok(());
        }
        let (x, g) = (view(x, n, self.rows), view(grad_y, n, self.columns()));
        let (width, rows) = (self.reach.len(), self.rows);
        self.each_columns(n, view_mut(grad_w, rows, self.columns()), &|segment, block, grad_w| {
            let g = g.subcols(segment * width + block.columns.start, block.columns.len());
            let x = x.subcols(block.rows.start, block.rows.len()).transpose();
            let mut out = grad_w.subrows_mut(block.rows.start, block.rows.len());
            if block.full {
                let accumulate = if fresh { Accum::Replace } else { Accum::Add };
                return T::gemm(out, accumulate, x, g, T::ONE, Par::Seq);
            }
            let mut scratch = vec![T::ZERO; block.area()];
            T::gemm(
                view_mut(&mut scratch, block.rows.len(), block.columns.len()),
                Accum::Replace,
                x,
                g,
                T::ONE,
                Par::Seq,
            );
            let scratch = view(&scratch, block.rows.len(), block.columns.len());
            for (column, place) in block.columns.clone().enumerate() {
                for row in 0..block.rows.len().min(self.reach[place].saturating_sub(block.rows.start)) {
                    out[(row, column)] += scratch[(row, column)];
                }
            }
        });
        Ok(())
    }

    /// Calls `work` with each block of columns of each segment and the columns of `y` that it belongs to.
    fn each_columns<T: Real>(
        &self,
        n: usize,
        y: MatMut<'_, T>,
        work: &(impl Fn(usize, &Block, MatMut<'_, T>) + Sync),
    ) {
        let threads = n * self.num_multiplied() >= PARALLEL_FROM;
        let width = self.reach.len();
        let all: Vec<(usize, &Task)> = (0..self.segments)
            .flat_map(|segment| self.by_columns.iter().map(move |t| (segment, t)))
            .collect();
        let place = |&(segment, task): &(usize, &Task)| segment * width + task.range.start;
        split(&all, y, 0, threads, &place, &|&(segment, task), mut y| {
            for block in &task.blocks {
                let first = block.columns.start - task.range.start;
                work(segment, block, y.as_mut().subcols_mut(first, block.columns.len()));
            }
        });
    }

    /// Calls `f` with a block of the matrix, of which the part that the mask forbids is zero.
    fn with_masked<T: Real>(&self, block: &Block, w: MatRef<'_, T>, mut f: impl FnMut(MatRef<'_, T>)) {
        if block.full {
            return f(w);
        }
        let (rows, columns) = (block.rows.len(), block.columns.len());
        let mut masked = vec![T::ZERO; rows * columns];
        let first = block.columns.start;
        for row in 0..rows {
            // Columns that see the row: those from the first one on whose reach goes beyond it.
            let reach = &self.reach[block.columns.clone()];
            let from = reach.partition_point(|&reach| reach <= block.rows.start + row);
            for column in from..columns {
                debug_assert!(self.sees(block.rows.start + row, first + column));
                masked[row * columns + column] = w[(row, column)];
            }
        }
        f(view(&masked, rows, columns));
    }
}

/// Ranges of [`TASK`] of so many.
fn tasks(len: usize) -> impl Iterator<Item = Range<usize>> {
    (0..len.div_ceil(TASK)).map(move |task| task * TASK..((task + 1) * TASK).min(len))
}

/// Cuts what the columns see of the rows into blocks.
fn cut(reach: &[usize], rows: Range<usize>, columns: Range<usize>, blocks: &mut Vec<Block>) {
    // Columns that see none of the rows are left out, and so are rows that no column sees.
    let first = columns.start + reach[columns.clone()].partition_point(|&reach| reach <= rows.start);
    let columns = first..columns.end;
    let Some(&highest) = reach[columns.clone()].last() else { return };
    let rows = rows.start..rows.end.min(highest);
    if rows.is_empty() {
        return;
    }
    let lowest = reach[columns.start].clamp(rows.start, rows.end);
    if lowest > rows.start {
        blocks.push(Block { rows: rows.start..lowest, columns: columns.clone(), full: true });
        return cut(reach, lowest..rows.end, columns, blocks);
    }
    if rows.len() * columns.len() <= CORNER {
        let full = lowest == rows.end;
        return blocks.push(Block { rows, columns, full });
    }
    // The first column sees one row or few: halve the longer side.
    if columns.len() >= rows.len() {
        let middle = columns.start + columns.len() / 2;
        cut(reach, rows.clone(), columns.start..middle, blocks);
        cut(reach, rows, middle..columns.end, blocks);
    } else {
        let middle = rows.start + rows.len() / 2;
        cut(reach, rows.start..middle, columns.clone(), blocks);
        cut(reach, middle..rows.end, columns, blocks);
    }
}

/// Runs tasks on their columns of `y`.
fn each_task<T: Real>(
    tasks: &[Task],
    y: MatMut<'_, T>,
    threads: bool,
    work: &(impl Fn(&Task, MatMut<'_, T>) + Sync),
) {
    split(tasks, y, 0, threads, &|task: &Task| task.range.start, work);
}

/// Halves a list of tasks and the columns of `y` with it, until one is left.
fn split<T: Real, K: Sync>(
    tasks: &[K],
    y: MatMut<'_, T>,
    first: usize,
    threads: bool,
    place: &(impl Fn(&K) -> usize + Sync),
    work: &(impl Fn(&K, MatMut<'_, T>) + Sync),
) {
    match tasks {
        [] => {}
        [task] => work(task, y),
        _ => {
            let (left, right) = tasks.split_at(tasks.len() / 2);
            let middle = place(&right[0]);
            let (y_left, y_right) = y.split_at_col_mut(middle - first);
            let left = || split(left, y_left, first, threads, place, work);
            let right = || split(right, y_right, middle, threads, place, work);
            if threads {
                rayon::join(left, right);
            } else {
                left();
                right();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::parallel::tests::same_for_all_threads;

    fn numbers(len: usize, phase: f64) -> Vec<f64> {
        (0..len).map(|i| (i as f64 * 1.37 + phase).sin()).collect()
    }

    /// Stairs with steps of all kinds: none, small, large, and rows that nobody sees.
    fn stairs() -> Vec<Staircase> {
        let make = |rows, reach: Vec<usize>, segments| Staircase::new(rows, reach, segments).unwrap();
        vec![
            make(3, vec![1, 3], 2),
            make(5, vec![0, 0, 0], 1),
            make(300, (0..170).collect(), 2),
            make(90, (0..700).map(|c| c * 90 / 700).collect(), 1),
            make(700, (0..90).map(|c| c * 700 / 90).collect(), 3),
            make(130, (0..600).map(|c| c.min(100)).collect(), 2),
            make(40, vec![40; 50], 1),
        ]
    }

    #[test]
    fn blocks_cover_the_mask_once_and_full_ones_nothing_else() {
        for stairs in stairs() {
            for tasks in [&stairs.by_columns, &stairs.by_rows] {
                let mut seen = vec![0; stairs.rows * stairs.reach.len()];
                for block in tasks.iter().flat_map(|task| &task.blocks) {
                    for (row, column) in
                        block.rows.clone().flat_map(|r| block.columns.clone().map(move |c| (r, c)))
                    {
                        seen[row * stairs.reach.len() + column] += 1;
                        assert!(!block.full || stairs.sees(row, column));
                    }
                }
                for (place, &count) in seen.iter().enumerate() {
                    let (row, column) = (place / stairs.reach.len(), place % stairs.reach.len());
                    assert!(count <= 1 && (count == 1 || !stairs.sees(row, column)));
                }
            }
            assert!(stairs.num_multiplied() <= stairs.num_allowed() * 5 / 4 + CORNER * 16);
        }
    }

    #[test]
    fn products_are_those_with_the_mask_written_out() {
        let n = 7;
        for stairs in stairs() {
            let (rows, columns) = (stairs.rows(), stairs.columns());
            let (x, w, g) = (numbers(n * rows, 0.1), numbers(rows * columns, 0.2), numbers(n * columns, 0.3));
            let masked: Vec<f64> = (0..rows * columns)
                .map(|i| if stairs.sees(i / columns, i % columns) { w[i] } else { 0.0 })
                .collect();
            let close = |a: &[f64], b: &[f64]| {
                assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-11 * (1.0 + b.abs())));
            };
            use crate::kernels::matmul::{Transpose, matmul};
            let (no, yes) = (Transpose::No, Transpose::Yes);
            let (mut y, mut expected) = (vec![1.0; n * columns], vec![1.0; n * columns]);
            stairs.product(n, &x, &w, &mut y).unwrap();
            matmul([n, rows, columns], 1.0, (&x, no), (&masked, no), 1.0, &mut expected).unwrap();
            close(&y, &expected);
            for fresh in [true, false] {
                let beta = if fresh { 0.0 } else { 1.0 };
                let (mut by_x, mut expected) = (vec![2.0; n * rows], vec![2.0; n * rows]);
                stairs.grad_left(n, &g, &w, &mut by_x, fresh).unwrap();
                matmul([n, columns, rows], 1.0, (&g, no), (&masked, yes), beta, &mut expected).unwrap();
                close(&by_x, &expected);
                let (mut by_w, mut expected) = (vec![2.0; rows * columns], vec![2.0; rows * columns]);
                stairs.grad_right(n, &x, &g, &mut by_w, fresh).unwrap();
                matmul([rows, n, columns], 1.0, (&x, yes), (&g, no), 0.0, &mut expected).unwrap();
                for (i, expected) in expected.iter_mut().enumerate() {
                    let sees = stairs.sees(i / columns, i % columns);
                    *expected = if sees { *expected } else { 0.0 } + 2.0 * beta;
                }
                close(&by_w, &expected);
            }
        }
    }

    #[test]
    fn what_a_column_does_not_see_cannot_spoil_it() {
        let stairs = Staircase::new(300, (0..300).collect(), 1).unwrap();
        let mut w = numbers(300 * 300, 0.0);
        w[299 * 300..].fill(f64::NAN);
        let mut y = vec![0.0; 300];
        stairs.product(1, &numbers(300, 1.0), &w, &mut y).unwrap();
        assert!(y.iter().all(|y| y.is_finite()));
    }

    #[test]
    fn threads_do_not_change_a_product() {
        let stairs = Staircase::new(500, (0..600).map(|c| c * 5 / 6).collect(), 2).unwrap();
        let (x, w) = (numbers(64 * 500, 0.1), numbers(500 * 1200, 0.2));
        same_for_all_threads(|| {
            let mut y = vec![0.0; 64 * 1200];
            stairs.product(64, &x, &w, &mut y).unwrap();
            y
        });
    }

    #[test]
    fn refuses_stairs_that_go_down_or_too_high_and_slices_that_do_not_fit() {
        assert!(Staircase::new(3, vec![2, 1], 1).is_none());
        assert!(Staircase::new(3, vec![2, 4], 1).is_none());
        let stairs = Staircase::new(2, vec![1, 2], 1).unwrap();
        assert!(stairs.product(1, &[0.0; 2], &[0.0; 3], &mut [0.0; 2]).is_err());
        assert!(stairs.grad_left(1, &[0.0; 2], &[0.0; 4], &mut [0.0; 3], true).is_err());
        assert!(stairs.grad_right(1, &[0.0; 1], &[0.0; 2], &mut [0.0; 4], true).is_err());
    }
}
