//! Variances of a Gaussian process's outputs from rows of whitened covariances, with their backward.

use faer::{Accum, Par};

use super::float::Real;
use super::fused::Gradient;
use super::linalg::{view, view_mut};
use super::parallel::{Rows, for_each, in_pool};
use super::reduce;

/// Rows or columns of one task.
const TASK: usize = 64;
/// Multiplications that are worth a second core.
const PARALLEL: usize = 1 << 20;

/// `max(k_b - Σ_i A_bi², ε k_b) + Σ_i A_bi² w_iu` for `A` of `rows × order`, `w` of `order × units` and a `k` for each row.
///
/// The lengths have to fit, and neither `order` nor `units` is 0.
#[derive(Clone, Copy, Debug)]
pub struct MarginalVariances<'a, T> {
    /// Columns of `A`.
    pub order: usize,
    /// Columns of `w`.
    pub units: usize,
    /// Whitened covariances.
    pub a: &'a [T],
    /// Variances of the whitened outputs.
    pub w: &'a [T],
    /// Variances of the process.
    pub k: &'a [T],
}

/// Where [`MarginalVariances::backward`] adds the gradients that are wanted.
#[derive(Debug)]
pub struct MarginalGradients<'a, T> {
    /// By `A`.
    pub a: Option<Gradient<'a, T>>,
    /// By `w`.
    pub w: Option<Gradient<'a, T>>,
    /// By `k`.
    pub k: Option<Gradient<'a, T>>,
}

impl<T: Real> MarginalVariances<'_, T> {
    fn several(&self) -> bool {
        self.a.len() * self.units > PARALLEL
    }

    fn run(&self, f: impl FnOnce() + Send) {
        if self.several() { in_pool(f) } else { f() }
    }

    /// Elements of a task: all of them where threads are not worth it.
    fn chunk(&self) -> usize {
        if self.several() { TASK } else { usize::MAX }
    }

    /// What a row leaves open of the process's variance: not below the rounding of what it is the difference of, so that
    /// it has a square root with a gradient. A NaN stays.
    fn residual(&self, row: &[T], k: T) -> T {
        let (residual, least) = (k - reduce::sum_sq(row), Self::least(k));
        if residual < least { least } else { residual }
    }

    fn least(k: T) -> T {
        (T::EPSILON * k).max(T::ZERO)
    }

    /// Writes the variances, `rows × units`.
    pub fn forward(&self, out: &mut [T]) {
        let &MarginalVariances { order, units, a, w, k } = self;
        let w = view(w, order, units);
        let parts = (Rows::new(out, units), Rows::new(a, order), k);
        self.run(|| {
            for_each(parts, self.chunk(), |_, (out, a, k)| {
                let (out, a) = (out.into_inner(), a.into_inner());
                let squares: Vec<T> = a.iter().map(|&a| a * a).collect();
                let target = view_mut(out, k.len(), units);
                T::gemm(target, Accum::Replace, view(&squares, k.len(), order), w, T::ONE, Par::Seq);
                for ((row, a), &k) in out.chunks_exact_mut(units).zip(a.chunks_exact(order)).zip(k) {
                    let residual = self.residual(a, k);
                    row.iter_mut().for_each(|out| *out += residual);
                }
            });
        });
    }

    /// Adds the gradients of a loss to those that are wanted, from that by the variances.
    pub fn backward(&self, grad_out: &[T], gradients: MarginalGradients<'_, T>) {
        let &MarginalVariances { order, units, a, w, k } = self;
        let rows = k.len();
        let MarginalGradients { a: by_a, w: by_w, k: by_k } = gradients;
        self.run(|| {
            // The gradient by what is left open, where it is not cut off.
            let mut by_rest = vec![T::ZERO; rows];
            let parts = (by_rest.as_mut_slice(), k, Rows::new(a, order), Rows::new(grad_out, units));
            for_each(parts, self.chunk(), |_, (rests, k, a, grad_out)| {
                let lines = a.into_inner().chunks_exact(order).zip(grad_out.into_inner().chunks_exact(units));
                for ((rest, &k), (a, grad_out)) in rests.iter_mut().zip(k).zip(lines) {
                    *rest =
                        if self.residual(a, k) > Self::least(k) { reduce::sum(grad_out) } else { T::ZERO };
                }
            });
            if let Some(Gradient { values, fresh }) = by_k {
                let pairs = values.iter_mut().zip(&by_rest);
                pairs.for_each(|(grad, &rest)| *grad = if fresh { rest } else { *grad + rest });
            }
            if let Some(Gradient { values, fresh }) = by_a {
                let w = view(w, order, units).transpose();
                let sides = (Rows::new(a, order), Rows::new(grad_out, units), by_rest.as_slice());
                for_each(
                    (Rows::new(values, order), sides),
                    self.chunk(),
                    |_, (grad, (a, grad_out, rests))| {
                        let (grad, a, grad_out) = (grad.into_inner(), a.into_inner(), grad_out.into_inner());
                        let mut weights = vec![T::ZERO; a.len()];
                        let target = view_mut(&mut weights, rests.len(), order);
                        let left = view(grad_out, rests.len(), units);
                        T::gemm(target, Accum::Replace, left, w, T::TWO, Par::Seq);
                        let lines = grad.chunks_exact_mut(order).zip(a.chunks_exact(order));
                        for ((grad, a), (weights, &rest)) in lines.zip(weights.chunks_exact(order).zip(rests))
                        {
                            let terms =
                                a.iter().zip(weights).map(|(&a, &weight)| a * (weight - T::TWO * rest));
                            let pairs = grad.iter_mut().zip(terms);
                            match fresh {
                                true => pairs.for_each(|(grad, term)| *grad = term),
                                false => pairs.for_each(|(grad, term)| *grad += term),
                            }
                        }
                    },
                );
            }
            if let Some(Gradient { values, fresh }) = by_w {
                let accumulate = if fresh { Accum::Replace } else { Accum::Add };
                for_each(Rows::new(values, units), self.chunk(), |start, grad| {
                    let grad = grad.into_inner();
                    let count = grad.len() / units;
                    // A task's columns of `A`, squared, stand beside each other.
                    let lines = a.chunks_exact(order).flat_map(|row| &row[start..start + count]);
                    let squares: Vec<T> = lines.map(|&a| a * a).collect();
                    let left = view(&squares, rows, count).transpose();
                    let right = view(grad_out, rows, units);
                    T::gemm(view_mut(grad, count, units), accumulate, left, right, T::ONE, Par::Seq);
                });
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::parallel::tests::same_for_all_threads;

    fn numbers(len: usize, seed: usize) -> Vec<f64> {
        (0..len).map(|i| ((i * 7919 + seed * 31) % 1009) as f64 / 500.0 - 1.0).collect()
    }

    #[test]
    fn variances_and_gradients_over_several_tasks_are_those_of_the_definition() {
        for [rows, order, units] in [[3, 2, 1], [130, 70, 120]] {
            let (a, w) = (numbers(rows * order, 1), numbers(order * units, 2));
            // Some rows explain more than there is.
            let k: Vec<f64> = (0..rows).map(|b| if b % 3 == 0 { 0.0 } else { order as f64 }).collect();
            let g = numbers(rows * units, 3);
            let [out, by_a, by_w, by_k] = same_for_all_threads(|| {
                let of = MarginalVariances { order, units, a: &a, w: &w, k: &k };
                let mut found =
                    [vec![0.0; rows * units], vec![1.0; a.len()], vec![1.0; w.len()], vec![1.0; rows]];
                let [out, by_a, by_w, by_k] = &mut found;
                of.forward(out);
                let [a, w, k] = [by_a, by_w, by_k].map(|v| Some(Gradient { values: v, fresh: false }));
                of.backward(&g, MarginalGradients { a, w, k });
                found
            });
            let near = |x: f64, y: f64| assert!((x - y).abs() < 1e-9, "{x} is not {y}");
            let square = |b: usize, i: usize| a[b * order + i] * a[b * order + i];
            let open: Vec<bool> =
                (0..rows).map(|b| (0..order).map(|i| square(b, i)).sum::<f64>() < k[b]).collect();
            assert!(open.iter().any(|&open| open) && !open.iter().all(|&open| open));
            for b in 0..rows {
                let explained: f64 = (0..order).map(|i| square(b, i)).sum();
                let line = &g[b * units..][..units];
                let rest = if open[b] { line.iter().sum::<f64>() } else { 0.0 };
                near(by_k[b], 1.0 + rest);
                for u in 0..units {
                    let sum: f64 = (0..order).map(|i| square(b, i) * w[i * units + u]).sum();
                    near(out[b * units + u], (k[b] - explained).max(0.0) + sum);
                }
                for i in 0..order {
                    let weight: f64 = line.iter().zip(&w[i * units..]).map(|(g, w)| g * w).sum();
                    near(by_a[b * order + i], 1.0 + 2.0 * a[b * order + i] * (weight - rest));
                }
            }
            for (iu, &by_w) in by_w.iter().enumerate() {
                let (i, u) = (iu / units, iu % units);
                near(by_w, 1.0 + (0..rows).map(|b| square(b, i) * g[b * units + u]).sum::<f64>());
            }
        }
    }
}
