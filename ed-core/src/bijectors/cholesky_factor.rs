//! Lower triangular matrices with a positive diagonal.

use super::fused;
use super::triangle::{matrix_dims, order, square, triangle, vector_dims};
use super::{Bijector, Constraint};
use crate::error::Result;
use crate::kernels::dispatch::Portable;
use crate::kernels::math;
use crate::ops::elementwise as ew;
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Dims, Float, Keep, Op, Value};

/// From `K (K + 1) / 2` numbers to a lower triangular `K × K` matrix with a positive diagonal.
///
/// The numbers fill the triangle row by row; those on the diagonal pass through the exponential.
/// `ln |det|` is the sum of the numbers that land on the diagonal.
///
/// # Shapes
/// `[…, K (K + 1) / 2] → […, K, K]`; log-determinants `[…]`.
///
/// # Source
/// Stan Reference Manual, "Cholesky factors of covariance matrices" transform.
#[derive(Clone, Copy, Debug)]
pub struct CholeskyFactor;

const NAME: &str = "cholesky_factor";

/// `(place among the numbers, place in the matrix, whether on the diagonal)`, row by row.
fn places(order: usize) -> impl Iterator<Item = (usize, usize, bool)> {
    (0..order)
        .flat_map(move |i| (0..=i).map(move |j| (i * order + j, i == j)))
        .enumerate()
        .map(|(number, (place, diagonal))| (number, place, diagonal))
}

/// Numbers to matrices.
#[derive(Debug)]
struct Fill {
    order: usize,
}

impl<E: Float> Op<E> for Fill {
    fn name(&self) -> &'static str {
        NAME
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        let (numbers, cells) = (triangle(self.order), self.order * self.order);
        out.fill(E::ZERO);
        for (out, x) in out.chunks_mut(cells.max(1)).zip(inputs[0].chunks(numbers.max(1))) {
            for (number, place, diagonal) in places(self.order) {
                out[place] = if diagonal { math::exp::<Portable, E>(x[number]) } else { x[number] };
            }
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (numbers, cells) = (triangle(self.order).max(1), (self.order * self.order).max(1));
        let (out, grad_out) = (pass.out, pass.grad_out);
        let Some(slot) = pass.grad(0) else { return };
        let rows = slot.add().chunks_mut(numbers).zip(out.chunks(cells)).zip(grad_out.chunks(cells));
        for ((grad, y), g) in rows {
            for (number, place, diagonal) in places(self.order) {
                grad[number] += if diagonal { g[place] * y[place] } else { g[place] };
            }
        }
    }
}

/// Matrices to numbers.
#[derive(Debug)]
struct Read {
    order: usize,
}

impl<E: Float> Op<E> for Read {
    fn name(&self) -> &'static str {
        NAME
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        let (numbers, cells) = (triangle(self.order).max(1), (self.order * self.order).max(1));
        for (out, y) in out.chunks_mut(numbers).zip(inputs[0].chunks(cells)) {
            for (number, place, diagonal) in places(self.order) {
                out[number] = if diagonal { math::ln::<Portable, E>(y[place]) } else { y[place] };
            }
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (numbers, cells) = (triangle(self.order).max(1), (self.order * self.order).max(1));
        let (y, grad_out) = (pass.inputs[0], pass.grad_out);
        let Some(slot) = pass.grad(0) else { return };
        let rows = slot.add().chunks_mut(cells).zip(y.chunks(cells)).zip(grad_out.chunks(numbers));
        for ((grad, y), g) in rows {
            for (number, place, diagonal) in places(self.order) {
                grad[place] += if diagonal { g[number] / y[place] } else { g[number] };
            }
        }
    }
}

/// The sum of the numbers that land on the diagonal.
#[derive(Debug)]
struct SumOfDiagonal {
    order: usize,
}

impl<E: Float> Op<E> for SumOfDiagonal {
    fn name(&self) -> &'static str {
        NAME
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        let numbers = triangle(self.order);
        for (row, out) in out.iter_mut().enumerate() {
            let x = &inputs[0][row * numbers..(row + 1) * numbers];
            *out = (0..self.order).map(|i| x[triangle(i + 1) - 1]).sum();
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let grad_out = pass.grad_out;
        let Some(slot) = pass.grad(0) else { return };
        for (grad, &g) in slot.add().chunks_mut(triangle(self.order).max(1)).zip(grad_out) {
            (0..self.order).for_each(|i| grad[triangle(i + 1) - 1] += g);
        }
    }
}

impl<E: Float> Bijector<E> for CholeskyFactor {
    fn codomain(&self) -> Option<Constraint<E>> {
        Some(Constraint::CholeskyFactor)
    }

    fn event_rank(&self) -> usize {
        1
    }

    fn codomain_event_rank(&self) -> usize {
        2
    }

    fn forward_and_log_det(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let batch = fused::batch(NAME, x, 1)?;
        let order = order(NAME, x)?;
        let y = apply(Fill { order }, &[x], batch.with_last(order).with_last(order));
        Ok((y, apply(SumOfDiagonal { order }, &[x], batch)))
    }

    fn inverse_and_log_det(&self, y: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let batch = fused::batch(NAME, y, 2)?;
        let order = square(NAME, y)?;
        let x = apply(Read { order }, &[y], batch.with_last(triangle(order)));
        let log_det = ew::scale(&apply(SumOfDiagonal { order }, &[&x], batch), -1.0);
        Ok((x, log_det))
    }

    fn forward_dims(&self, dims: Dims) -> Dims {
        matrix_dims(dims, 0)
    }

    fn inverse_dims(&self, dims: Dims) -> Dims {
        vector_dims(dims, 0)
    }
}
