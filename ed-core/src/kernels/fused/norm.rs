//! Normalisation of rows (layer norm) and of columns (batch norm), forward and backward.
//!
//! `x` is row-major `[R, C]`. The means and variances come from centred sums within a chunk that the cache holds, and
//! the chunks are joined by the formula of Chan, Golub and LeVeque 1983: the variance of numbers far from 0 keeps its
//! digits, and `x` is read from memory once.

use super::{Gradient, accumulate};
use crate::kernels::parallel::{CHUNK, Rows, for_each, map_reduce};
use crate::kernels::{Arch, Kernel, Real, dispatch, reduce};

/// The slices of a backward pass that both norms read.
#[derive(Clone, Copy)]
struct Inputs<'a, T> {
    x: &'a [T],
    scale: &'a [T],
    grad_out: &'a [T],
}

/// Rows that one core takes at a time.
fn rows_per_chunk(columns: usize) -> usize {
    (CHUNK / columns.max(1)).max(1)
}

/// Sums over rows: of `grad_out · normalised`, and of `grad_out`.
struct ColumnSums<T> {
    by_scale: Vec<T>,
    by_offset: Vec<T>,
}

impl<T: Real> ColumnSums<T> {
    fn zeros(columns: usize) -> Self {
        Self { by_scale: vec![T::ZERO; columns], by_offset: vec![T::ZERO; columns] }
    }

    fn add(mut self, other: Self) -> Self {
        let add = |to: &mut [T], from: &[T]| to.iter_mut().zip(from).for_each(|(to, &from)| *to += from);
        add(&mut self.by_scale, &other.by_scale);
        add(&mut self.by_offset, &other.by_offset);
        self
    }
}

/// `(x - mean) / √(variance + epsilon) · scale + offset` within each row of `[R, C]`.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm<'a, T> {
    /// One factor for each column.
    pub scale: &'a [T],
    /// One term for each column.
    pub offset: &'a [T],
    /// What is added to the variances.
    pub epsilon: T,
}

impl<T: Real> LayerNorm<'_, T> {
    /// Writes the normalised rows, and the mean and the reciprocal standard deviation of each to `moments`, `[R, 2]`.
    pub fn forward(self, x: &[T], moments: &mut [T], out: &mut [T]) {
        let columns = self.scale.len();
        let parts = (Rows::new(out, columns), Rows::new(x, columns), Rows::new(moments, 2));
        for_each(parts, rows_per_chunk(columns), |_, (out, x, moments)| {
            let (out, x, moments) = (out.into_inner(), x.into_inner(), moments.into_inner());
            dispatch(LayerForward { norm: self, x, moments, out });
        });
    }

    /// Writes the gradient by `x`, if it is wanted, and returns those by the scale and by the offset.
    pub fn backward(
        self,
        x: &[T],
        moments: &[T],
        grad_out: &[T],
        gradient: Option<Gradient<T>>,
    ) -> [Vec<T>; 2] {
        let (columns, scale) = (self.scale.len(), self.scale);
        let (grad, fresh) = Gradient::parts(gradient);
        let rows = |slice| Rows::new(slice, columns);
        let parts =
            (rows(x), rows(grad_out), Rows::new(moments, 2), grad.map(|grad| Rows::new(grad, columns)));
        let sums = map_reduce(
            parts,
            rows_per_chunk(columns),
            |_, (x, grad_out, moments, grad)| {
                let inputs = Inputs { x: x.into_inner(), scale, grad_out: grad_out.into_inner() };
                let mut sums = ColumnSums::zeros(columns);
                let (moments, grad) = (moments.into_inner(), grad.map(Rows::into_inner));
                dispatch(LayerBack { inputs, moments, grad, fresh, sums: &mut sums });
                sums
            },
            ColumnSums::add,
        );
        [sums.by_scale, sums.by_offset]
    }
}

struct LayerForward<'a, T> {
    norm: LayerNorm<'a, T>,
    x: &'a [T],
    moments: &'a mut [T],
    out: &'a mut [T],
}

impl<T: Real> Kernel for LayerForward<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let LayerNorm { scale, offset, epsilon } = self.norm;
        let columns = scale.len();
        let offset = &offset[..columns];
        let share = T::ONE / T::from_f64(columns as f64);
        let rows = self.out.chunks_exact_mut(columns).zip(self.x.chunks_exact(columns));
        for ((out, x), moments) in rows.zip(self.moments.chunks_exact_mut(2)) {
            let mean = reduce::lane_sum(x, |x| x) * share;
            let variance = reduce::lane_sum(x, |x| (x - mean) * (x - mean)) * share;
            let inverse = T::ONE / (variance + epsilon).sqrt();
            (moments[0], moments[1]) = (mean, inverse);
            for c in 0..columns {
                out[c] = ((x[c] - mean) * inverse).mul_add::<A>(scale[c], offset[c]);
            }
        }
    }
}

struct LayerBack<'a, T> {
    inputs: Inputs<'a, T>,
    moments: &'a [T],
    grad: Option<&'a mut [T]>,
    fresh: bool,
    sums: &'a mut ColumnSums<T>,
}

impl<T: Real> Kernel for LayerBack<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(mut self) {
        let Inputs { x, scale, grad_out } = self.inputs;
        let columns = scale.len();
        let share = T::ONE / T::from_f64(columns as f64);
        let (by_scale, by_offset) = (&mut self.sums.by_scale[..columns], &mut self.sums.by_offset[..columns]);
        // The normalised row and its weighted gradient, for the second walk along the row.
        let (mut normalised, mut weighted) = (vec![T::ZERO; columns], vec![T::ZERO; columns]);
        let rows = x.chunks_exact(columns).zip(grad_out.chunks_exact(columns));
        for (row, ((x, g), moments)) in rows.zip(self.moments.chunks_exact(2)).enumerate() {
            let (mean, inverse) = (moments[0], moments[1]);
            for c in 0..columns {
                normalised[c] = (x[c] - mean) * inverse;
                weighted[c] = g[c] * scale[c];
                by_scale[c] = g[c].mul_add::<A>(normalised[c], by_scale[c]);
                by_offset[c] += g[c];
            }
            if let Some(grad) = &mut self.grad {
                let along = reduce::lane_sum(&weighted, |w| w) * share;
                weighted.iter().zip(&mut normalised).for_each(|(&w, n)| *n *= w);
                let across = reduce::lane_sum(&normalised, |p| p) * share;
                accumulate(&mut grad[row * columns..][..columns], self.fresh, |c| {
                    (weighted[c] - along - (x[c] - mean) * inverse * across) * inverse
                });
            }
        }
    }
}

/// `(x - mean) / √(variance + epsilon) · scale + offset` within each column of `[R, C]`.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm<'a, T> {
    /// One factor for each column.
    pub scale: &'a [T],
    /// One term for each column.
    pub offset: &'a [T],
    /// What is added to the variances.
    pub epsilon: T,
}

/// Number of rows, their mean, and their summed squared distances from it.
struct Moments<T> {
    rows: usize,
    mean: Vec<T>,
    squares: Vec<T>,
}

impl<T: Real> Moments<T> {
    fn join(mut self, other: Self) -> Self {
        let rows = self.rows + other.rows;
        let share = T::from_f64(other.rows as f64 / rows.max(1) as f64);
        let weight = T::from_f64(self.rows as f64) * share;
        let others = other.mean.iter().zip(&other.squares);
        for ((mean, square), (&m, &s)) in self.mean.iter_mut().zip(&mut self.squares).zip(others) {
            let apart = m - *mean;
            *mean += apart * share;
            *square += s + apart * apart * weight;
        }
        self.rows = rows;
        self
    }
}

impl<T: Real> BatchNorm<'_, T> {
    /// Writes the normalised columns and returns the mean and the (biased) variance of each.
    pub fn forward(self, x: &[T], out: &mut [T]) -> [Vec<T>; 2] {
        let columns = self.scale.len();
        let chunk = rows_per_chunk(columns);
        let moments = map_reduce(
            Rows::new(x, columns),
            chunk,
            |_, x| {
                let x = x.into_inner();
                let (mean, squares) = (vec![T::ZERO; columns], vec![T::ZERO; columns]);
                let mut moments = Moments { rows: x.len() / columns.max(1), mean, squares };
                dispatch(ColumnMoments { x, moments: &mut moments });
                moments
            },
            Moments::join,
        );
        let Moments { rows, mean, squares } = moments;
        let variance: Vec<T> = squares.iter().map(|&s| s / T::from_f64(rows as f64)).collect();
        let factor = self.inverse(&variance).zip(self.scale).map(|(inverse, &scale)| inverse * scale);
        let factor: Vec<T> = factor.collect();
        for_each((Rows::new(out, columns), Rows::new(x, columns)), chunk, |_, (out, x)| {
            let (out, x) = (out.into_inner(), x.into_inner());
            dispatch(BatchForward { x, mean: &mean, factor: &factor, offset: self.offset, out });
        });
        [mean, variance]
    }

    /// Reciprocal standard deviations.
    fn inverse(self, variance: &[T]) -> impl Iterator<Item = T> {
        variance.iter().map(move |&variance| T::ONE / (variance + self.epsilon).sqrt())
    }

    /// Writes the gradient by `x`, if it is wanted, and returns those by the scale and by the offset.
    pub fn backward(
        self,
        x: &[T],
        [mean, variance]: [&[T]; 2],
        grad_out: &[T],
        gradient: Option<Gradient<T>>,
    ) -> [Vec<T>; 2] {
        let (columns, scale) = (self.scale.len(), self.scale);
        let inverse: Vec<T> = self.inverse(variance).collect();
        let chunk = rows_per_chunk(columns);
        let rows = |slice| Rows::new(slice, columns);
        let sums = map_reduce(
            (rows(x), rows(grad_out)),
            chunk,
            |_, (x, grad_out)| {
                let inputs = Inputs { x: x.into_inner(), scale, grad_out: grad_out.into_inner() };
                let mut sums = ColumnSums::zeros(columns);
                dispatch(BatchSums { inputs, mean, inverse: &inverse, sums: &mut sums });
                sums
            },
            ColumnSums::add,
        );
        if let Some(Gradient { values, fresh }) = gradient {
            let share = T::from_f64(columns as f64 / x.len().max(1) as f64);
            for_each((Rows::new(values, columns), rows(x), rows(grad_out)), chunk, |_, (grad, x, g)| {
                let inputs = Inputs { x: x.into_inner(), scale, grad_out: g.into_inner() };
                let (inverse, sums, grad) = (&inverse, &sums, grad.into_inner());
                dispatch(BatchBack { inputs, mean, inverse, share, sums, grad, fresh });
            });
        }
        [sums.by_scale, sums.by_offset]
    }
}

struct ColumnMoments<'a, T> {
    x: &'a [T],
    moments: &'a mut Moments<T>,
}

impl<T: Real> Kernel for ColumnMoments<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let Moments { rows, mean, squares } = self.moments;
        let columns = mean.len();
        let (mean, squares) = (&mut mean[..columns], &mut squares[..columns]);
        let share = T::ONE / T::from_f64(*rows as f64);
        for x in self.x.chunks_exact(columns) {
            for c in 0..columns {
                mean[c] += x[c];
            }
        }
        mean.iter_mut().for_each(|mean| *mean *= share);
        for x in self.x.chunks_exact(columns) {
            for c in 0..columns {
                let apart = x[c] - mean[c];
                squares[c] = apart.mul_add::<A>(apart, squares[c]);
            }
        }
    }
}

struct BatchForward<'a, T> {
    x: &'a [T],
    mean: &'a [T],
    factor: &'a [T],
    offset: &'a [T],
    out: &'a mut [T],
}

impl<T: Real> Kernel for BatchForward<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let columns = self.mean.len();
        let (mean, factor, offset) = (self.mean, &self.factor[..columns], &self.offset[..columns]);
        for (out, x) in self.out.chunks_exact_mut(columns).zip(self.x.chunks_exact(columns)) {
            for c in 0..columns {
                out[c] = (x[c] - mean[c]).mul_add::<A>(factor[c], offset[c]);
            }
        }
    }
}

struct BatchSums<'a, T> {
    inputs: Inputs<'a, T>,
    mean: &'a [T],
    inverse: &'a [T],
    sums: &'a mut ColumnSums<T>,
}

impl<T: Real> Kernel for BatchSums<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let columns = self.mean.len();
        let (mean, inverse) = (self.mean, &self.inverse[..columns]);
        let (by_scale, by_offset) = (&mut self.sums.by_scale[..columns], &mut self.sums.by_offset[..columns]);
        let Inputs { x, grad_out, .. } = self.inputs;
        for (x, g) in x.chunks_exact(columns).zip(grad_out.chunks_exact(columns)) {
            for c in 0..columns {
                by_scale[c] = g[c].mul_add::<A>((x[c] - mean[c]) * inverse[c], by_scale[c]);
                by_offset[c] += g[c];
            }
        }
    }
}

struct BatchBack<'a, T> {
    inputs: Inputs<'a, T>,
    mean: &'a [T],
    inverse: &'a [T],
    /// The reciprocal number of rows.
    share: T,
    sums: &'a ColumnSums<T>,
    grad: &'a mut [T],
    fresh: bool,
}

impl<T: Real> Kernel for BatchBack<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let columns = self.mean.len();
        let (mean, inverse) = (self.mean, &self.inverse[..columns]);
        let (by_scale, by_offset) = (&self.sums.by_scale[..columns], &self.sums.by_offset[..columns]);
        let Inputs { x, scale, grad_out } = self.inputs;
        let rows = self.grad.chunks_exact_mut(columns).zip(x.chunks_exact(columns));
        for ((grad, x), g) in rows.zip(grad_out.chunks_exact(columns)) {
            accumulate(grad, self.fresh, |c| {
                let normalised = (x[c] - mean[c]) * inverse[c];
                let centred = g[c] - (by_offset[c] + normalised * by_scale[c]) * self.share;
                centred * (inverse[c] * scale[c])
            });
        }
    }
}
