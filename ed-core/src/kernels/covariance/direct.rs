//! Distances from differences: where there are few features they cost no more than products, and where points lie far from
//! their centre products would lose what tells near ones apart.

use super::{Fall, FiveHalves, Half, LANES, Profile, Rational, Squared, Stationary, ThreeHalves, with_fall};
use crate::kernels::dispatch::{Arch, Kernel, dispatch};
use crate::kernels::float::Real;
use crate::kernels::fused::Gradient;
use crate::kernels::parallel::{Rows, map_reduce};
use crate::kernels::square::TILE;

/// So many features are few.
const FEW: usize = 8;

/// Squared lengths in lengthscales, from which on a product of points loses digits of the distance between near ones: of
/// the square of a distance, this many units of rounding.
const FAR: f64 = 64.0;

impl<T: Real> Stationary<'_, T> {
    /// Whether the distances are to be found from differences whatever the points are.
    pub(super) fn has_few_features(&self) -> bool {
        self.features <= FEW
    }
}

/// Whether a point of this squared length is far from the centre; a NaN is not.
pub(super) fn is_far<T: Real>(square: T) -> bool {
    square > T::from_f64(FAR)
}

/// Writes the points of the columns feature by feature: `features × columns`.
pub(super) fn by_feature<T: Real>(points: &[T], features: usize, columns: &mut [T]) {
    let count = points.len() / features;
    for (k, column) in columns.chunks_exact_mut(count).take(features).enumerate() {
        column.iter_mut().zip(points[k..].iter().step_by(features)).for_each(|(to, &x)| *to = x);
    }
}

/// The points of the columns by feature, and one over each feature's lengthscale.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a, T> {
    pub points: &'a [T],
    pub factors: &'a [T],
}

impl<T: Real> Columns<'_, T> {
    fn count(&self) -> usize {
        self.points.len() / self.factors.len()
    }
}

/// A row of the matrix, and of squared distances if there is a place for them, from a point.
pub(super) fn fill_row<T: Real>(
    of: &Stationary<'_, T>,
    point: &[T],
    columns: Columns<'_, T>,
    out: &mut [T],
    squares: Option<&mut [T]>,
) {
    let (variance, alpha) = (of.variance, of.alpha);
    with_fall!(of.profile, F => dispatch(Fill::<F, T> {
        point, columns, variance, alpha, out, squares, fall: Default::default()
    }));
}

struct Fill<'a, F, T> {
    point: &'a [T],
    columns: Columns<'a, T>,
    variance: T,
    alpha: T,
    out: &'a mut [T],
    squares: Option<&'a mut [T]>,
    fall: std::marker::PhantomData<F>,
}

impl<F: Fall, T: Real> Kernel for Fill<'_, F, T> {
    type Out = ();
    const WIDE: bool = true;
    #[inline(always)]
    fn run<A: Arch>(self) {
        let Fill { point, columns, variance, alpha, out, squares, .. } = self;
        let (len, count) = (out.len(), columns.count());
        out.fill(T::ZERO);
        for (k, (&x, &factor)) in point.iter().zip(columns.factors).enumerate() {
            let column = &columns.points[k * count..][..len];
            for j in 0..len {
                let t = (x - column[j]) * factor;
                out[j] = t.mul_add::<A>(t, out[j]);
            }
        }
        if let Some(squares) = squares {
            squares[..len].copy_from_slice(out);
        }
        for out in out {
            *out = variance * F::at::<A, T>(*out, alpha).0;
        }
    }
}

/// Adds to the gradients by the points that are wanted, from the weights `∂loss/∂s_ij` of the squared distances
/// (`rows × columns`), and gives `Σ_ij w_ij t_ijk²` for each feature, where `t` is a difference in lengthscales.
pub(super) fn pull<T: Real>(
    of: &Stationary<'_, T>,
    weights: &[T],
    columns: Columns<'_, T>,
    by_x: Option<Gradient<'_, T>>,
    by_z: Option<Gradient<'_, T>>,
) -> Vec<f64> {
    let (d, m) = (of.features, columns.count());
    let rows = weights.len() / m;
    let (by_x, fresh) = by_x.map_or((None, true), |grad| (Some(Rows::new(grad.values, d)), grad.fresh));
    let wants_z = by_z.is_some();
    let task = |_: usize, (weights, x, by_x): (Rows<&[T]>, Rows<&[T]>, Option<Rows<&mut [T]>>)| {
        let mut sums = Sums { squares: vec![0.0; d], by_z: vec![T::ZERO; if wants_z { d * m } else { 0 }] };
        let (weights, points, by_x) = (weights.into_inner(), x.into_inner(), by_x.map(Rows::into_inner));
        dispatch(Pull { weights, points, columns, by_x, fresh, sums: &mut sums });
        sums
    };
    let chunk = if of.several() { TILE } else { rows };
    let sums = map_reduce((Rows::new(weights, m), Rows::new(of.x, d), by_x), chunk, task, Sums::plus);
    if let Some(Gradient { values, fresh }) = by_z {
        for (j, grads) in values.chunks_exact_mut(d).enumerate() {
            for (k, grad) in grads.iter_mut().enumerate() {
                let step = -T::TWO * sums.by_z[k * m + j] * columns.factors[k];
                *grad = if fresh { step } else { *grad + step };
            }
        }
    }
    sums.squares
}

/// What the rows of a task add up to.
struct Sums<T> {
    squares: Vec<f64>,
    /// `Σ_i w_ij t_ijk`, feature by feature.
    by_z: Vec<T>,
}

impl<T: Real> Sums<T> {
    fn plus(mut self, other: Sums<T>) -> Sums<T> {
        self.squares.iter_mut().zip(&other.squares).for_each(|(sum, x)| *sum += x);
        self.by_z.iter_mut().zip(&other.by_z).for_each(|(sum, &x)| *sum += x);
        self
    }
}

struct Pull<'a, 'b, T> {
    weights: &'a [T],
    points: &'a [T],
    columns: Columns<'a, T>,
    by_x: Option<&'a mut [T]>,
    fresh: bool,
    sums: &'b mut Sums<T>,
}

impl<T: Real> Kernel for Pull<'_, '_, T> {
    type Out = ();
    #[inline(always)]
    fn run<A: Arch>(mut self) {
        let Columns { points: columns, factors } = self.columns;
        let (d, m) = (factors.len(), self.columns.count());
        // A difference that overflows has weight 0, and its product with it is to be 0.
        let most = T::MAX.sqrt();
        let limited = |t: T| {
            if t > most {
                most
            } else if t < -most {
                -most
            } else {
                t
            }
        };
        for (i, (weights, point)) in self.weights.chunks_exact(m).zip(self.points.chunks_exact(d)).enumerate()
        {
            for k in 0..d {
                let (x, factor, column) = (point[k], factors[k], &columns[k * m..][..m]);
                let (mut first, mut second) = ([T::ZERO; LANES], [T::ZERO; LANES]);
                let whole = m / LANES * LANES;
                for base in (0..whole).step_by(LANES) {
                    for lane in 0..LANES {
                        let t = limited((x - column[base + lane]) * factor);
                        let weighted = weights[base + lane] * t;
                        first[lane] += weighted;
                        second[lane] = weighted.mul_add::<A>(t, second[lane]);
                    }
                }
                for j in whole..m {
                    let t = limited((x - column[j]) * factor);
                    first[0] += weights[j] * t;
                    second[0] += weights[j] * t * t;
                }
                if !self.sums.by_z.is_empty() {
                    let by_z = &mut self.sums.by_z[k * m..][..m];
                    for j in 0..m {
                        by_z[j] += weights[j] * limited((x - column[j]) * factor);
                    }
                }
                self.sums.squares[k] += second.into_iter().map(|x| x.to_f64()).sum::<f64>();
                if let Some(grad) = self.by_x.as_mut().map(|grad| &mut grad[i * d + k]) {
                    let step = T::TWO * first.into_iter().sum::<T>() * factor;
                    *grad = if self.fresh { step } else { *grad + step };
                }
            }
        }
    }
}
