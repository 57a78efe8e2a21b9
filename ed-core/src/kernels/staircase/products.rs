//! The product with a masked matrix, and its two gradients.

use std::ops::Range;

use faer::{Accum, MatMut, MatRef, Par};

use super::{PANEL, Panel, Piece, Place, Staircase};
use crate::kernels::float::Real;
use crate::kernels::linalg::{LinalgError, check_len, view, view_mut};

/// Multiplications below which a second core costs more than it saves.
const PARALLEL_FROM: usize = 1 << 19;
/// Rows of the other factor in a task.
const ROWS: usize = 128;
/// Rows of the masked matrix in a task of the gradient by the other factor: whole tiles of the products.
const OWN_ROWS: usize = 2 * PANEL;
/// Rows of a panel in a task of the gradient by the masked matrix.
const TALL: usize = 512;
/// Fewer tasks than this may be hard to share out evenly: then the rows of the other factor are halved first, each half
/// with all of the tasks.
const FEW_TASKS: usize = 12;

impl Staircase {
    fn check<T>(&self, n: usize, x: &[T], w: &[T], y: &[T]) -> Result<(), LinalgError> {
        check_len("x", x, n * self.rows)?;
        check_len("w", w, self.num_stored())?;
        check_len("y", y, n * self.columns())
    }

    fn in_parallel(&self, n: usize) -> bool {
        n * self.num_multiplied() >= PARALLEL_FROM
    }

    /// `y = x (w ∘ mask) + bias` for `x` of `n × rows`, the stored numbers of `w`, and a bias for each column.
    ///
    /// # Errors
    /// [`LinalgError::Length`] if a slice does not fit.
    pub fn product<T: Real>(
        &self,
        n: usize,
        x: &[T],
        w: &[T],
        bias: &[T],
        y: &mut [T],
    ) -> Result<(), LinalgError> {
        self.check(n, x, w, y)?;
        check_len("bias", bias, self.columns())?;
        let places = self.places();
        let by_rows = places.len() < FEW_TASKS;
        let product = Product { stairs: self, w, bias, by_rows, threads: self.in_parallel(n) };
        product.run(view(x, n, self.rows), view_mut(y, n, self.columns()), &places);
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
        let places = self.places();
        let tasks: Vec<Range<usize>> =
            (0..self.rows).step_by(OWN_ROWS).map(|row| row..(row + OWN_ROWS).min(self.rows)).collect();
        let (by_rows, threads) = (tasks.len() < FEW_TASKS, self.in_parallel(n));
        let of = GradLeft { stairs: self, w, fresh, places: &places, by_rows, threads };
        of.run(view(grad_y, n, self.columns()), view_mut(grad_x, n, self.rows), &tasks);
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
        let parts: Vec<Part<'_>> = self
            .places()
            .into_iter()
            .flat_map(|place| {
                let height = place.panel.height;
                let rows = (0..height).step_by(TALL).map(move |row| row..(row + TALL).min(height));
                rows.map(move |rows| Part { place, rows })
            })
            .collect();
        let (x, g) = (view(x, n, self.rows), view(grad_y, n, self.columns()));
        GradRight { stairs: self, x, g, fresh, threads: self.in_parallel(n) }.run(grad_w, &parts);
        Ok(())
    }

    /// Calls `f` with some rows of a piece of a panel, from the piece's first column on, of which the part that the mask
    /// forbids is zero.
    fn with_masked<T: Real>(
        &self,
        panel: &Panel,
        piece: &Piece,
        rows: Range<usize>,
        stored: &[T],
        f: impl FnOnce(MatRef<'_, T>),
    ) {
        let width = panel.width();
        let stored = &stored[rows.start * width..rows.end * width];
        if piece.full {
            return f(view(stored, rows.len(), width));
        }
        let kept = width - piece.from;
        let mut masked = vec![T::ZERO; rows.len() * kept];
        for ((row, masked), stored) in rows.clone().zip(masked.chunks_mut(kept)).zip(stored.chunks(width)) {
            let first = self.first_to_see(panel, row);
            masked[first - piece.from..].copy_from_slice(&stored[first..]);
        }
        f(view(&masked, rows.len(), kept));
    }
}

/// The pieces of a panel that have some of the rows, each with those.
fn pieces_of<'a>(
    panel: &'a Panel,
    rows: &Range<usize>,
) -> impl Iterator<Item = (&'a Piece, Range<usize>)> + use<'a> {
    let (first, end) = (rows.start, rows.end);
    let own = move |piece: &Piece| piece.rows.start.max(first)..piece.rows.end.min(end);
    panel.pieces.iter().map(move |piece| (piece, own(piece))).filter(|(_, rows)| !rows.is_empty())
}

/// Runs both, on two cores if `threads`.
fn both(threads: bool, left: impl FnOnce() + Send, right: impl FnOnce() + Send) {
    if threads {
        rayon::join(left, right);
    } else {
        left();
        right();
    }
}

/// Where to cut a list so that both parts weigh about the same; neither is empty if there are two elements or more.
fn middle(weights: impl Iterator<Item = usize> + Clone, len: usize) -> usize {
    let half = weights.clone().sum::<usize>() / 2;
    let mut sum = 0;
    let before = weights.take_while(|weight| {
        sum += weight;
        sum <= half
    });
    before.count().clamp(1, len - 1)
}

struct Product<'a, T> {
    stairs: &'a Staircase,
    w: &'a [T],
    bias: &'a [T],
    by_rows: bool,
    threads: bool,
}

impl<T: Real> Product<'_, T> {
    /// `y` holds the columns of these panels.
    fn run(&self, x: MatRef<'_, T>, mut y: MatMut<'_, T>, places: &[Place<'_>]) {
        let [first, rest @ ..] = places else { return };
        let rows = y.nrows();
        if self.by_rows && rows >= 2 * ROWS {
            let half = rows.div_ceil(2);
            let ((x_above, x_below), (above, below)) = (x.split_at_row(half), y.split_at_row_mut(half));
            return both(
                self.threads,
                || self.run(x_above, above, places),
                || self.run(x_below, below, places),
            );
        }
        if !rest.is_empty() {
            let weights = places.iter().map(|place| place.panel.num_stored());
            let (left, right) = places.split_at(middle(weights, places.len()));
            let (y_left, y_right) = y.split_at_col_mut(right[0].column - first.column);
            return both(self.threads, || self.run(x, y_left, left), || self.run(x, y_right, right));
        }
        let (panel, stored) = (first.panel, first.stored(self.w));
        let bias = &self.bias[first.column..][..panel.width()];
        for row in 0..rows {
            match y.as_mut().row_mut(row).try_as_row_major_mut() {
                Some(row) => row.as_slice_mut().copy_from_slice(bias),
                None => debug_assert!(false, "the rows of a slice are contiguous"),
            }
        }
        for piece in &panel.pieces {
            let rows = piece.rows.clone();
            let x = x.subcols(rows.start, rows.len());
            self.stairs.with_masked(panel, piece, rows, stored, |w| {
                let y = y.as_mut().subcols_mut(piece.from, w.ncols());
                T::gemm(y, Accum::Add, x, w, T::ONE, Par::Seq);
            });
        }
    }
}

struct GradLeft<'a, T> {
    stairs: &'a Staircase,
    w: &'a [T],
    fresh: bool,
    places: &'a [Place<'a>],
    by_rows: bool,
    threads: bool,
}

impl<T: Real> GradLeft<'_, T> {
    /// How many elements of the masked matrix lie in these rows.
    fn weight(&self, rows: &Range<usize>) -> usize {
        let of = |panel: &Panel| panel.height.clamp(rows.start, rows.end) - rows.start;
        self.places.iter().map(|place| of(place.panel) * place.panel.width()).sum()
    }

    /// `grad_x` holds the columns of these tasks: rows of the masked matrix.
    fn run(&self, g: MatRef<'_, T>, mut grad_x: MatMut<'_, T>, tasks: &[Range<usize>]) {
        let [task, rest @ ..] = tasks else { return };
        let n = grad_x.nrows();
        if self.by_rows && n >= 2 * ROWS {
            let half = n.div_ceil(2);
            let ((g_above, g_below), (above, below)) = (g.split_at_row(half), grad_x.split_at_row_mut(half));
            return both(
                self.threads,
                || self.run(g_above, above, tasks),
                || self.run(g_below, below, tasks),
            );
        }
        if !rest.is_empty() {
            let (left, right) =
                tasks.split_at(middle(tasks.iter().map(|task| self.weight(task)), tasks.len()));
            let (grad_left, grad_right) = grad_x.split_at_col_mut(right[0].start - task.start);
            return both(self.threads, || self.run(g, grad_left, left), || self.run(g, grad_right, right));
        }
        if self.fresh {
            grad_x.fill(T::ZERO);
        }
        for place in self.places {
            for (piece, rows) in pieces_of(place.panel, task) {
                let mut out = grad_x.as_mut().subcols_mut(rows.start - task.start, rows.len());
                self.stairs.with_masked(place.panel, piece, rows, place.stored(self.w), |w| {
                    let g = g.subcols(place.column + piece.from, w.ncols());
                    T::gemm(out.as_mut(), Accum::Add, g, w.transpose(), T::ONE, Par::Seq);
                });
            }
        }
    }
}

/// Some rows of a panel.
struct Part<'a> {
    place: Place<'a>,
    rows: Range<usize>,
}

impl Part<'_> {
    fn len(&self) -> usize {
        self.rows.len() * self.place.panel.width()
    }
}

struct GradRight<'a, T> {
    stairs: &'a Staircase,
    x: MatRef<'a, T>,
    g: MatRef<'a, T>,
    fresh: bool,
    threads: bool,
}

impl<T: Real> GradRight<'_, T> {
    /// `grad_w` holds the numbers of these parts.
    fn run(&self, grad_w: &mut [T], parts: &[Part<'_>]) {
        let [part, rest @ ..] = parts else { return };
        if !rest.is_empty() {
            let (left, right) = parts.split_at(middle(parts.iter().map(Part::len), parts.len()));
            let (grad_left, grad_right) = grad_w.split_at_mut(left.iter().map(Part::len).sum());
            return both(self.threads, || self.run(grad_left, left), || self.run(grad_right, right));
        }
        let (panel, width) = (part.place.panel, part.place.panel.width());
        for (piece, rows) in pieces_of(panel, &part.rows) {
            let first = (rows.start - part.rows.start) * width;
            let out = &mut grad_w[first..][..rows.len() * width];
            let x = self.x.subcols(rows.start, rows.len()).transpose();
            let g = self.g.subcols(part.place.column + piece.from, width - piece.from);
            if piece.full {
                let accumulate = if self.fresh { Accum::Replace } else { Accum::Add };
                T::gemm(view_mut(out, rows.len(), width), accumulate, x, g, T::ONE, Par::Seq);
                continue;
            }
            let kept = width - piece.from;
            let mut scratch = vec![T::ZERO; rows.len() * kept];
            T::gemm(view_mut(&mut scratch, rows.len(), kept), Accum::Replace, x, g, T::ONE, Par::Seq);
            for ((row, out), terms) in rows.zip(out.chunks_mut(width)).zip(scratch.chunks(kept)) {
                let first = self.stairs.first_to_see(panel, row);
                let (forbidden, allowed) = out.split_at_mut(first);
                let terms = &terms[first - piece.from..];
                if self.fresh {
                    forbidden.fill(T::ZERO);
                    allowed.copy_from_slice(terms);
                } else {
                    allowed.iter_mut().zip(terms).for_each(|(sum, &term)| *sum += term);
                }
            }
        }
    }
}
