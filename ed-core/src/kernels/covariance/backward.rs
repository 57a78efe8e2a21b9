//! The way back: the gradients by the squared distances in one pass over the matrix, and products of them with the points.

use super::direct::{self, Columns};
use super::{
    Fall, FiveHalves, Half, LANES, Profile, Rational, Squared, Stationary, ThreeHalves, bounded, with_fall,
};
use crate::kernels::dispatch::{Arch, Kernel, dispatch};
use crate::kernels::float::Real;
use crate::kernels::fused::Gradient;
use crate::kernels::linalg::{LinalgError, Transpose};
use crate::kernels::math;
use crate::kernels::matmul::{matmul, matvec_transposed};
use crate::kernels::parallel::{CHUNK, Rows, in_pool, map_reduce};
use crate::kernels::reduce;
use crate::kernels::square::{TILE, plus_transposed_rows};

/// Where [`Stationary::backward`] adds the gradients by points, if they are wanted.
#[derive(Debug)]
pub struct PointGradients<'a, T> {
    /// By those of the rows.
    pub x: Option<Gradient<'a, T>>,
    /// By those of the columns, if they are others.
    pub z: Option<Gradient<'a, T>>,
}

/// The gradients by the numbers of a covariance function.
#[derive(Clone, Debug)]
pub struct NumberGradients {
    /// By each feature's lengthscale; their sum is that of a lengthscale for all.
    pub lengthscale: Vec<f64>,
    /// By the variance.
    pub variance: f64,
    /// By the mixture parameter.
    pub alpha: f64,
}

/// What the backward pass reads of the matrix.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a, T> {
    /// The matrix.
    pub out: &'a [T],
    /// The squared distances that [`Stationary::forward`] kept; not needed by the exponentiated quadratic.
    pub squares: &'a [T],
    /// The gradient of a loss by the matrix.
    pub grad: &'a [T],
}

fn fit(outcome: Result<(), LinalgError>) {
    debug_assert!(outcome.is_ok(), "{outcome:?}");
}

impl<T: Real> Stationary<'_, T> {
    /// The length of the working memory of [`Stationary::backward`].
    pub fn backward_memory(&self) -> usize {
        let (n, m, d) = (self.rows(), self.columns(), self.features);
        let points = n + if self.z.is_some() { m } else { 0 };
        n * m + points * (d + 1) + n.max(m) * d
    }

    /// Adds the gradients of a loss by the points where they are wanted, and finds those by the numbers.
    ///
    /// The working memory, of any contents, has [`Stationary::backward_memory`] numbers.
    pub fn backward(
        &self,
        matrix: Matrix<'_, T>,
        points: PointGradients<'_, T>,
        memory: &mut [T],
    ) -> NumberGradients {
        if self.rows() * self.columns() == 0 {
            let fresh = [points.x, points.z].into_iter().flatten().filter(|grad| grad.fresh);
            fresh.for_each(|grad| grad.values.fill(T::ZERO));
            let variance = matrix.grad.iter().map(|g| g.to_f64()).sum();
            return NumberGradients { lengthscale: vec![0.0; self.features.max(1)], variance, alpha: 0.0 };
        }
        let run = || self.pull_back(matrix, points, memory);
        if self.several() { in_pool(run) } else { run() }
    }

    fn pull_back(
        &self,
        matrix: Matrix<'_, T>,
        gradients: PointGradients<'_, T>,
        memory: &mut [T],
    ) -> NumberGradients {
        let (n, m, d) = (self.rows(), self.columns(), self.features);
        let scale = self.in_lengthscales();
        let (weights, memory) = memory.split_at_mut(n * m);
        let (row_sums, memory) = memory.split_at_mut(n);
        let [by_variance, by_alpha] = self.weigh(matrix, weights, row_sums);
        let (weights, row_sums) = (&*weights, &*row_sums);
        // With both places of a pair in one weight, every term of the sums was counted twice.
        let once = if self.z.is_none() { 0.5 } else { 1.0 };
        let factors = scale.factors.as_slice();
        let scaled = |points: &[T], memory: &mut [T]| {
            scale.apply(points, memory, None);
            memory.chunks_exact(d).any(|point| direct::is_far(reduce::sum_sq(point)))
        };
        let differences = self.has_few_features()
            || scaled(self.x, &mut memory[..n * d])
            || self.z.is_some_and(|z| scaled(z, &mut memory[n * d + m..][..m * d]));
        let by_distance = if differences {
            let columns = &mut memory[..m * d];
            direct::by_feature(self.z.unwrap_or(self.x), d, columns);
            let columns = Columns { points: columns, factors };
            let mut total = direct::pull(self, weights, columns, gradients.x, gradients.z);
            total.iter_mut().for_each(|total| *total *= once);
            total
        } else {
            self.by_products(weights, row_sums, factors, gradients, memory)
        };
        NumberGradients {
            lengthscale: by_distance
                .iter()
                .zip(factors)
                .map(|(total, f)| -2.0 * (f.to_f64() * total))
                .collect(),
            variance: once * by_variance / self.variance.to_f64(),
            alpha: once * by_alpha,
        }
    }

    /// The gradients by the points, and the sums for those by the lengthscales, from products of the weights with the points
    /// in lengthscales, which lie at the start of the memory, those of the columns after `columns` other numbers.
    fn by_products(
        &self,
        weights: &[T],
        row_sums: &[T],
        factors: &[T],
        gradients: PointGradients<'_, T>,
        memory: &mut [T],
    ) -> Vec<f64> {
        let (n, m, d) = (self.rows(), self.columns(), self.features);
        let (x, memory) = memory.split_at_mut(n * d);
        let x = &*x;
        match self.z {
            None => {
                let pulled = &mut memory[..n * d];
                fit(matmul([n, n, d], T::ONE, (weights, Transpose::No), (x, Transpose::No), T::ZERO, pulled));
                pull(factors, x, row_sums, Some(pulled), gradients.x)
            }
            Some(_) => {
                let (column_sums, memory) = memory.split_at_mut(m);
                let (z, pulled) = memory.split_at_mut(m * d);
                let z = &*z;
                fit(matvec_transposed([n, m], weights, &vec![T::ONE; n], column_sums));
                let alone = match (gradients.x.is_some(), gradients.z.is_some()) {
                    (true, true) => None,
                    (true, false) => Some([(x, row_sums), (z, &*column_sums)]),
                    _ => Some([(z, &*column_sums), (x, row_sums)]),
                };
                let (with_x, with_z) =
                    (gradients.x.is_some(), gradients.z.is_some() || gradients.x.is_none());
                let mut total = vec![0.0; d];
                if with_x {
                    let (pulled, sides) =
                        (&mut pulled[..n * d], [(weights, Transpose::No), (z, Transpose::No)]);
                    fit(matmul([n, m, d], T::ONE, sides[0], sides[1], T::ZERO, pulled));
                    add(&mut total, 1.0, &pull(factors, x, row_sums, Some(pulled), gradients.x));
                }
                if with_z {
                    let (pulled, sides) =
                        (&mut pulled[..m * d], [(weights, Transpose::Yes), (x, Transpose::No)]);
                    fit(matmul([m, n, d], T::ONE, sides[0], sides[1], T::ZERO, pulled));
                    add(&mut total, 1.0, &pull(factors, z, column_sums, Some(pulled), gradients.z));
                }
                if let Some([own, other]) = alone {
                    // The products `p·u` of the other side are those of this one.
                    total.iter_mut().for_each(|total| *total *= 2.0);
                    add(&mut total, 1.0, &pull(factors, other.0, other.1, None, None));
                    add(&mut total, -1.0, &pull(factors, own.0, own.1, None, None));
                }
                total
            }
        }
    }

    /// Writes the gradient by each squared distance, for both places of a pair if the points are those of the columns,
    /// and their sums by row; gives those by the logarithm of the variance and by `alpha`.
    fn weigh(&self, matrix: Matrix<'_, T>, weights: &mut [T], row_sums: &mut [T]) -> [f64; 2] {
        let (m, symmetric) = (self.columns(), self.z.is_none());
        let chunk = if self.several() { TILE } else { row_sums.len() };
        let task = |start: usize, (weights, row_sums): (Rows<&mut [T]>, &mut [T])| {
            let weights = weights.into_inner();
            let range = start * m..start * m + weights.len();
            let both = symmetric.then(|| {
                let mut both = vec![T::ZERO; weights.len()];
                let count = weights.len() / m;
                plus_transposed_rows(m, matrix.grad, (start, count), |i, j, sum| both[i * m + j] = sum);
                both
            });
            let grad = both.as_deref().unwrap_or(&matrix.grad[range.clone()]);
            let squares = matrix.squares.get(range.clone()).unwrap_or(&[]);
            let mut totals = [0.0; 2];
            for (i, (weights, row_sum)) in weights.chunks_exact_mut(m).zip(row_sums).enumerate() {
                let row = i * m..(i + 1) * m;
                let squares = squares.get(row.clone()).unwrap_or(&[]);
                let (out, grad) = (&matrix.out[range.clone()][row.clone()], &grad[row]);
                let (variance, alpha) = (self.variance, self.alpha);
                let (sum, by_numbers) = with_fall!(self.profile, F => dispatch(Weigh::<F, T> {
                    out, squares, grad, variance, alpha, weights, fall: Default::default()
                }));
                *row_sum = sum;
                totals = [totals[0] + by_numbers[0], totals[1] + by_numbers[1]];
            }
            totals
        };
        map_reduce((Rows::new(weights, m), row_sums), chunk, task, |a, b| [a[0] + b[0], a[1] + b[1]])
    }
}

fn add(total: &mut [f64], factor: f64, terms: &[f64]) {
    total.iter_mut().zip(terms).for_each(|(total, term)| *total += factor * term);
}

/// With `t_ik = s_i p_ik - u_ik` for points `p` in lengthscales, the sums `s` of their weights and the products `u` of the
/// weights with the points of the other side (0 if there are none): `Σ_i p_ik t_ik` by feature, and to the gradient
/// `2 t_ik / ℓ_k`.
fn pull<T: Real>(
    factors: &[T],
    points: &[T],
    sums: &[T],
    pulled: Option<&[T]>,
    grad: Option<Gradient<'_, T>>,
) -> Vec<f64> {
    let d = factors.len();
    let (grad, fresh) = grad.map_or((None, true), |grad| (Some(Rows::new(grad.values, d)), grad.fresh));
    let parts = (Rows::new(points, d), sums, pulled.map(|pulled| Rows::new(pulled, d)), grad);
    map_reduce(
        parts,
        (CHUNK / d).max(1),
        |_, (points, sums, pulled, grad)| {
            let (points, pulled) = (points.into_inner(), pulled.map(Rows::into_inner));
            let mut totals = vec![0.0; d];
            let grad = grad.map(Rows::into_inner);
            dispatch(Pull { factors, points, sums, pulled, grad, fresh, totals: &mut totals });
            totals
        },
        |mut a, b| {
            add(&mut a, 1.0, &b);
            a
        },
    )
}

struct Pull<'a, T> {
    factors: &'a [T],
    points: &'a [T],
    sums: &'a [T],
    pulled: Option<&'a [T]>,
    grad: Option<&'a mut [T]>,
    fresh: bool,
    totals: &'a mut [f64],
}

impl<T: Real> Kernel for Pull<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<A: Arch>(mut self) {
        let d = self.factors.len();
        let mut terms = vec![T::ZERO; d];
        for (i, (point, &sum)) in self.points.chunks_exact(d).zip(self.sums).enumerate() {
            let row = i * d..(i + 1) * d;
            match self.pulled {
                None => (0..d).for_each(|k| terms[k] = sum * point[k]),
                Some(pulled) => {
                    let pulled = &pulled[row.clone()];
                    (0..d).for_each(|k| terms[k] = sum * point[k] - pulled[k]);
                }
            }
            for ((total, &x), &term) in self.totals.iter_mut().zip(point).zip(&terms) {
                *total += (x * term).to_f64();
            }
            if let Some(grad) = self.grad.as_mut().map(|grad| &mut grad[row]) {
                let steps = terms.iter().zip(self.factors).map(|(&term, &factor)| T::TWO * term * factor);
                match self.fresh {
                    true => grad.iter_mut().zip(steps).for_each(|(grad, step)| *grad = step),
                    false => grad.iter_mut().zip(steps).for_each(|(grad, step)| *grad += step),
                }
            }
        }
    }
}

/// A row of weights: its sum, and the sums of the gradients by the logarithm of the variance and by `alpha`.
struct Weigh<'a, F, T> {
    out: &'a [T],
    squares: &'a [T],
    grad: &'a [T],
    variance: T,
    alpha: T,
    weights: &'a mut [T],
    fall: std::marker::PhantomData<F>,
}

impl<F: Fall, T: Real> Kernel for Weigh<'_, F, T> {
    type Out = (T, [f64; 2]);
    #[inline(always)]
    fn run<A: Arch>(self) -> (T, [f64; 2]) {
        let len = self.weights.len();
        let (out, grad, weights) = (&self.out[..len], &self.grad[..len], self.weights);
        if self.squares.is_empty() {
            for j in 0..len {
                weights[j] = -T::HALF * out[j] * grad[j];
            }
        } else {
            let squares = &self.squares[..len];
            for j in 0..len {
                weights[j] = self.variance * F::at::<A, T>(squares[j], self.alpha).1 * grad[j];
            }
        }
        let mut sums = [[T::ZERO; LANES]; 2];
        let whole = len / LANES * LANES;
        for base in (0..whole).step_by(LANES) {
            for lane in 0..LANES {
                sums[0][lane] += weights[base + lane];
                sums[1][lane] += out[base + lane] * grad[base + lane];
            }
        }
        for j in whole..len {
            sums[0][0] += weights[j];
            sums[1][0] += out[j] * grad[j];
        }
        let [sum, by_variance] = sums.map(|lanes| lanes.into_iter().sum::<T>());
        // ∂k/∂α = k (u / (1 + u) - ln(1 + u)) with u = s / 2α.
        let by_alpha = if !F::MIXES {
            0.0
        } else {
            let term = |j: usize| {
                let u = bounded(T::HALF * self.squares[j] / self.alpha);
                out[j] * grad[j] * (u / (T::ONE + u) - math::ln_1p::<A, T>(u))
            };
            (0..len).map(|j| term(j).to_f64()).sum()
        };
        (sum, [by_variance.to_f64(), by_alpha])
    }
}
