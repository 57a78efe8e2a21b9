//! Cholesky factors of correlation matrices.

use super::fused;
use super::triangle::{matrix_dims, order, square, triangle, vector_dims};
use super::{Bijector, Constraint};
use crate::error::{Error, Result};
use crate::kernels::dispatch::Portable;
use crate::kernels::math;
use crate::ops::elementwise as ew;
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Dims, Float, Keep, Op, Value};

/// From `K (K - 1) / 2` numbers to the lower Cholesky factor of a `K × K` correlation matrix: rows of length one.
///
/// The canonical partial correlations are `z = tanh x`, row by row; entry `(i, j)` is `z_ij` times the square root of
/// what the squares before it have left of one. 0 maps to the identity. By the entries below the diagonal,
/// `ln |det| = Σ_{i>j} (1 + (i - 1 - j) / 2) ln(1 - z_ij²)`, rows and columns counted from 0.
///
/// # Shapes
/// `[…, K (K - 1) / 2] → […, K, K]`; log-determinants `[…]`.
///
/// # Source
/// Stan Reference Manual, "Cholesky factors of correlation matrices"; Lewandowski, Kurowicka and Joe 2009, Journal of
/// Multivariate Analysis 100, section 2.
#[derive(Clone, Copy, Debug)]
pub struct CorrelationCholesky;

const NAME: &str = "correlation_cholesky";

/// `(tanh x, 1 / cosh x)`: the share of a row's rest that an entry takes, and the one that it leaves.
fn share<E: Float>(x: E) -> (E, E) {
    let e = math::exp::<Portable, E>(-x.abs());
    (math::tanh::<Portable, E>(x), E::TWO * e / (E::ONE + e * e))
}

/// `x = artanh z` of the share `taken / √(taken² + left²)`.
fn unshare<E: Float>(taken: E, left: E) -> E {
    // artanh z = arsinh(z / √(1 - z²)), which keeps its digits as z comes near 1.
    let ratio = (taken / left).abs();
    let grown = ratio + ratio * ratio / (E::ONE + (E::ONE + ratio * ratio).sqrt());
    math::ln_1p::<Portable, E>(grown).copysign(taken)
}

/// Numbers to factors; `below` is the order of the triangle below the diagonal.
#[derive(Debug)]
struct Fill {
    below: usize,
}

impl Fill {
    /// The cells of one matrix, and the numbers behind it.
    fn sizes(&self) -> (usize, usize) {
        ((self.below + 1) * (self.below + 1), triangle(self.below))
    }
}

impl<E: Float> Op<E> for Fill {
    fn name(&self) -> &'static str {
        NAME
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        let (cells, numbers) = self.sizes();
        out.fill(E::ZERO);
        for (index, out) in out.chunks_mut(cells).enumerate() {
            let mut x = inputs[0][index * numbers..].iter();
            for (i, row) in out.chunks_mut(self.below + 1).enumerate() {
                let mut rest = E::ONE;
                for (entry, &x) in row[..i].iter_mut().zip(x.by_ref()) {
                    let (taken, left) = share(x);
                    *entry = rest * taken;
                    rest *= left;
                }
                row[i] = rest;
            }
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (cells, numbers) = self.sizes();
        let (x, out, grad_out) = (pass.inputs[0], pass.out, pass.grad_out);
        let Some(slot) = pass.grad(0) else { return };
        let grad = slot.add();
        for (index, (y, g)) in out.chunks(cells).zip(grad_out.chunks(cells)).enumerate() {
            for i in 1..=self.below {
                let first = index * numbers + triangle(i - 1);
                let row = i * (self.below + 1);
                // An entry grows with its own share, and all later ones of its row shrink with it.
                let mut later = y[row + i] * g[row + i];
                let mut rest = E::ONE;
                for j in 0..i {
                    let (_, left) = share(x[first + j]);
                    // The slope of the share itself is left².
                    grad[first + j] += left * left * rest * g[row + j];
                    rest *= left;
                }
                for j in (0..i).rev() {
                    let (taken, _) = share(x[first + j]);
                    grad[first + j] += -taken * later;
                    later += y[row + j] * g[row + j];
                }
            }
        }
    }
}

/// The log-determinant of every matrix.
#[derive(Debug)]
struct LogDet {
    below: usize,
}

impl LogDet {
    /// How often `ln(1 - z²)` of each number counts.
    fn weights<E: Float>(&self) -> impl Iterator<Item = E> {
        (1..=self.below).flat_map(|i| (0..i).map(move |j| E::from_f64(1.0 + (i - 1 - j) as f64 / 2.0)))
    }
}

impl<E: Float> Op<E> for LogDet {
    fn name(&self) -> &'static str {
        NAME
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        let numbers = triangle(self.below);
        for (row, out) in out.iter_mut().enumerate() {
            let x = &inputs[0][row * numbers..(row + 1) * numbers];
            let log_left = |x: E| {
                let e = math::exp::<Portable, E>(-E::TWO * x.abs());
                E::TWO * (E::LN_2 - x.abs() - math::ln_1p::<Portable, E>(e))
            };
            *out = x.iter().zip(self.weights::<E>()).map(|(&x, weight)| weight * log_left(x)).sum();
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (x, grad_out, numbers) = (pass.inputs[0], pass.grad_out, triangle(self.below).max(1));
        let Some(slot) = pass.grad(0) else { return };
        for ((grad, x), &g) in slot.add().chunks_mut(numbers).zip(x.chunks(numbers)).zip(grad_out) {
            for ((grad, &x), weight) in grad.iter_mut().zip(x).zip(self.weights::<E>()) {
                *grad += -E::TWO * g * weight * math::tanh::<Portable, E>(x);
            }
        }
    }
}

/// Factors to numbers.
#[derive(Debug)]
struct Read {
    below: usize,
}

impl<E: Float> Op<E> for Read {
    fn name(&self) -> &'static str {
        NAME
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        let (cells, numbers) = (Fill { below: self.below }).sizes();
        for (y, out) in inputs[0].chunks(cells).zip(out.chunks_mut(numbers.max(1))) {
            for i in 1..=self.below {
                let row = &y[i * (self.below + 1)..][..=i];
                let mut later = row[i] * row[i];
                for j in (0..i).rev() {
                    out[triangle(i - 1) + j] = unshare(row[j], later.sqrt());
                    later += row[j] * row[j];
                }
            }
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (cells, numbers) = (Fill { below: self.below }).sizes();
        let (y, grad_out) = (pass.inputs[0], pass.grad_out);
        let Some(slot) = pass.grad(0) else { return };
        let matrices = slot.add().chunks_mut(cells).zip(y.chunks(cells));
        for ((grad, y), g) in matrices.zip(grad_out.chunks(numbers.max(1))) {
            for i in 1..=self.below {
                let start = i * (self.below + 1);
                let row = &y[start..=start + i];
                let mut later = row[i] * row[i];
                for j in (0..i).rev() {
                    let whole = later + row[j] * row[j];
                    let g = g[triangle(i - 1) + j];
                    // x = arsinh(r), r = entry / √later: both slopes have the factor 1 / √(1 + r²).
                    grad[start + j] += g / whole.sqrt();
                    let by_later = -g * row[j] / (whole.sqrt() * later);
                    for l in j + 1..=i {
                        grad[start + l] += by_later * row[l];
                    }
                    later = whole;
                }
            }
        }
    }
}

impl<E: Float> Bijector<E> for CorrelationCholesky {
    fn codomain(&self) -> Option<Constraint<E>> {
        Some(Constraint::CorrelationCholesky)
    }

    fn event_rank(&self) -> usize {
        1
    }

    fn codomain_event_rank(&self) -> usize {
        2
    }

    fn forward_and_log_det(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let batch = fused::batch(NAME, x, 1)?;
        let below = order(NAME, x)?;
        let y = apply(Fill { below }, &[x], batch.with_last(below + 1).with_last(below + 1));
        Ok((y, apply(LogDet { below }, &[x], batch)))
    }

    fn inverse_and_log_det(&self, y: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let batch = fused::batch(NAME, y, 2)?;
        let Some(below) = square(NAME, y)?.checked_sub(1) else {
            return Err(Error::Shape { op: NAME, expected: "of order 1 or more".into(), got: *y.dims() });
        };
        let x = apply(Read { below }, &[y], batch.with_last(triangle(below)));
        let log_det = ew::scale(&apply(LogDet { below }, &[&x], batch), -1.0);
        Ok((x, log_det))
    }

    fn forward_dims(&self, dims: Dims) -> Dims {
        matrix_dims(dims, 1)
    }

    fn inverse_dims(&self, dims: Dims) -> Dims {
        vector_dims(dims, 1)
    }
}
