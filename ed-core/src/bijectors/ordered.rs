//! Increasing numbers.

use super::fused;
use super::{Bijector, Constraint};
use crate::error::Result;
use crate::kernels::dispatch::Portable;
use crate::kernels::math;
use crate::ops::elementwise as ew;
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Float, Keep, Op, Value};

/// `y_1 = x_1`, `y_k = y_{k-1} + e^{x_k}` along the last axis: increasing numbers; `ln |det| = Σ_{k≥2} x_k`.
///
/// # Shapes
/// `[…, K] → […, K]`; log-determinants `[…]`.
///
/// # Source
/// Stan Reference Manual, "Ordered vector" transform.
#[derive(Clone, Copy, Debug)]
pub struct Ordered;

const NAME: &str = "ordered";

/// The first number and then steps up.
#[derive(Debug)]
struct Climb {
    row: usize,
}

impl<E: Float> Op<E> for Climb {
    fn name(&self) -> &'static str {
        NAME
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        for (out, x) in out.chunks_mut(self.row.max(1)).zip(inputs[0].chunks(self.row.max(1))) {
            let mut height = x[0];
            out[0] = height;
            for (out, &x) in out.iter_mut().zip(x).skip(1) {
                height += math::exp::<Portable, E>(x);
                *out = height;
            }
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (x, grad_out, row) = (pass.inputs[0], pass.grad_out, self.row.max(1));
        let Some(slot) = pass.grad(0) else { return };
        for ((grad, x), g) in slot.add().chunks_mut(row).zip(x.chunks(row)).zip(grad_out.chunks(row)) {
            let mut above = E::ZERO;
            for k in (1..x.len()).rev() {
                above += g[k];
                grad[k] += above * math::exp::<Portable, E>(x[k]);
            }
            grad[0] += above + g[0];
        }
    }
}

/// The first number and then the logarithms of the steps.
#[derive(Debug)]
struct Steps {
    row: usize,
}

impl<E: Float> Op<E> for Steps {
    fn name(&self) -> &'static str {
        NAME
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        for (out, y) in out.chunks_mut(self.row.max(1)).zip(inputs[0].chunks(self.row.max(1))) {
            out[0] = y[0];
            for k in 1..y.len() {
                out[k] = math::ln::<Portable, E>(y[k] - y[k - 1]);
            }
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (y, grad_out, row) = (pass.inputs[0], pass.grad_out, self.row.max(1));
        let Some(slot) = pass.grad(0) else { return };
        for ((grad, y), g) in slot.add().chunks_mut(row).zip(y.chunks(row)).zip(grad_out.chunks(row)) {
            grad[0] += g[0];
            for k in 1..y.len() {
                let slope = g[k] / (y[k] - y[k - 1]);
                grad[k] += slope;
                grad[k - 1] += -slope;
            }
        }
    }
}

/// The sum of all numbers of a row but the first.
#[derive(Debug)]
struct SumOfSteps {
    row: usize,
}

impl<E: Float> Op<E> for SumOfSteps {
    fn name(&self) -> &'static str {
        NAME
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        for (index, out) in out.iter_mut().enumerate() {
            *out = inputs[0][index * self.row..(index + 1) * self.row].iter().skip(1).copied().sum();
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (grad_out, row) = (pass.grad_out, self.row.max(1));
        let Some(slot) = pass.grad(0) else { return };
        for (grad, &g) in slot.add().chunks_mut(row).zip(grad_out) {
            grad.iter_mut().skip(1).for_each(|grad| *grad += g);
        }
    }
}

impl<E: Float> Bijector<E> for Ordered {
    fn codomain(&self) -> Option<Constraint<E>> {
        Some(Constraint::Ordered)
    }

    fn event_rank(&self) -> usize {
        1
    }

    fn forward_and_log_det(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let batch = fused::batch(NAME, x, 1)?;
        let row = x.dims()[batch.rank()];
        Ok((apply(Climb { row }, &[x], *x.dims()), apply(SumOfSteps { row }, &[x], batch)))
    }

    fn inverse_and_log_det(&self, y: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let batch = fused::batch(NAME, y, 1)?;
        let row = y.dims()[batch.rank()];
        let x = apply(Steps { row }, &[y], *y.dims());
        let log_det = ew::scale(&apply(SumOfSteps { row }, &[&x], batch), -1.0);
        Ok((x, log_det))
    }
}
