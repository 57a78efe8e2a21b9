//! Stick breaking, onto the simplex.

use smallvec::SmallVec;

use super::fused;
use super::{Bijector, Constraint};
use crate::error::{Error, Result};
use crate::kernels::dispatch::Portable;
use crate::kernels::math;
use crate::ops::elementwise as ew;
use crate::ops::reduce;
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Dims, Float, Keep, Op, Value};

/// From `K - 1` numbers to `K` positive ones that sum to one, along the last axis.
///
/// Part `k` is the share `sigmoid(x_k - ln(K - k))` of what the parts before it have left, so that 0 maps to the
/// uniform point. `ln |det| = Σ_k ln z_k + (K - k) ln(1 - z_k)`, with `z_k` the shares, by the first `K - 1` parts.
///
/// # Shapes
/// `[…, K - 1] → […, K]`; log-determinants `[…]`.
///
/// # Source
/// Stan Reference Manual, "Unit simplex" transform, in the variant with the log-odds offset.
#[derive(Clone, Copy, Debug)]
pub struct StickBreaking;

const NAME: &str = "stick_breaking";

/// The shares of the rest that part `k` of `shares + 1` parts takes and leaves.
fn share<E: Float>(x: E, k: usize, shares: usize) -> (E, E) {
    let offset = math::ln::<Portable, E>(E::from_f64((shares - k) as f64));
    (math::sigmoid::<Portable, E>(x - offset), math::sigmoid::<Portable, E>(offset - x))
}

/// The parts: rows of `shares` numbers to rows of one more.
#[derive(Debug)]
struct Break {
    shares: usize,
}

impl<E: Float> Op<E> for Break {
    fn name(&self) -> &'static str {
        NAME
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        for (row, out) in out.chunks_mut(self.shares + 1).enumerate() {
            let x = &inputs[0][row * self.shares..(row + 1) * self.shares];
            let mut rest = E::ONE;
            for (k, &x) in x.iter().enumerate() {
                let (taken, left) = share(x, k, self.shares);
                out[k] = rest * taken;
                rest *= left;
            }
            out[self.shares] = rest;
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (x, out, grad_out, shares) = (pass.inputs[0], pass.out, pass.grad_out, self.shares);
        let Some(slot) = pass.grad(0) else { return };
        let grad = slot.add();
        for (row, (y, g)) in out.chunks(shares + 1).zip(grad_out.chunks(shares + 1)).enumerate() {
            // Part k grows with its share, and all later parts shrink with it.
            let mut later = y[shares] * g[shares];
            for k in (0..shares).rev() {
                let at = row * shares + k;
                let (taken, left) = share(x[at], k, shares);
                grad[at] += left * y[k] * g[k] - taken * later;
                later += y[k] * g[k];
            }
        }
    }
}

/// The log-determinant of every row.
#[derive(Debug)]
struct LogDet {
    shares: usize,
}

impl<E: Float> Op<E> for LogDet {
    fn name(&self) -> &'static str {
        NAME
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        for (row, out) in out.iter_mut().enumerate() {
            let x = &inputs[0][row * self.shares..(row + 1) * self.shares];
            let term = |(k, &x): (usize, &E)| {
                let later = E::from_f64((self.shares - k) as f64);
                let odds = x - math::ln::<Portable, E>(later);
                math::log_sigmoid::<Portable, E>(odds) + later * math::log_sigmoid::<Portable, E>(-odds)
            };
            // ln(1 - z_k) counts for its own slope and for the rest that the `later - 1` shares after it divide.
            *out = x.iter().enumerate().map(term).sum();
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (x, grad_out, shares) = (pass.inputs[0], pass.grad_out, self.shares);
        let Some(slot) = pass.grad(0) else { return };
        for (at, grad) in slot.add().iter_mut().enumerate() {
            let k = at % shares;
            let (taken, left) = share(x[at], k, shares);
            *grad += grad_out[at / shares] * (left - E::from_f64((shares - k) as f64) * taken);
        }
    }
}

/// The numbers whose shares make given parts.
#[derive(Debug)]
struct Join {
    shares: usize,
}

impl<E: Float> Op<E> for Join {
    fn name(&self) -> &'static str {
        NAME
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        for (row, y) in inputs[0].chunks(self.shares + 1).enumerate() {
            let mut later = y[self.shares];
            for k in (0..self.shares).rev() {
                let offset = math::ln::<Portable, E>(E::from_f64((self.shares - k) as f64));
                out[row * self.shares + k] =
                    math::ln::<Portable, E>(y[k]) - math::ln::<Portable, E>(later) + offset;
                later += y[k];
            }
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (y, grad_out, shares) = (pass.inputs[0], pass.grad_out, self.shares);
        let Some(slot) = pass.grad(0) else { return };
        for (row, (grad, y)) in slot.add().chunks_mut(shares + 1).zip(y.chunks(shares + 1)).enumerate() {
            let g = &grad_out[row * shares..(row + 1) * shares];
            // Part j enters number j by its own logarithm, and every earlier one by what is left after it.
            let mut rest = E::ZERO;
            let mut by_rest: SmallVec<[E; 16]> = SmallVec::from_elem(E::ZERO, shares);
            for k in (0..shares).rev() {
                rest += y[k + 1];
                by_rest[k] = g[k] / rest;
            }
            let mut shrink = E::ZERO;
            for k in 0..shares {
                grad[k] += g[k] / y[k] - shrink;
                shrink += by_rest[k];
            }
            grad[shares] += -shrink;
        }
    }
}

impl<E: Float> Bijector<E> for StickBreaking {
    fn codomain(&self) -> Option<Constraint<E>> {
        Some(Constraint::Simplex)
    }

    fn event_rank(&self) -> usize {
        1
    }

    fn forward_and_log_det(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let batch = fused::batch(NAME, x, 1)?;
        let shares = x.dims()[batch.rank()];
        let y = apply(Break { shares }, &[x], batch.with_last(shares + 1));
        Ok((y, apply(LogDet { shares }, &[x], batch)))
    }

    fn inverse_and_log_det(&self, y: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let batch = fused::batch(NAME, y, 1)?;
        let Some(shares) = y.dims()[batch.rank()].checked_sub(1) else {
            return Err(Error::Shape {
                op: NAME,
                expected: "with at least one part along the last axis".into(),
                got: *y.dims(),
            });
        };
        let x = apply(Join { shares }, &[y], batch.with_last(shares));
        // Σ_k ln z_k + (K - k) ln(1 - z_k) is the sum of the logarithms of all parts.
        let log_det = ew::scale(&reduce::sum_last(&ew::ln(y)), -1.0);
        Ok((x, log_det))
    }

    fn forward_dims(&self, dims: Dims) -> Dims {
        fused::with_last(dims, |last| last + 1)
    }

    fn inverse_dims(&self, dims: Dims) -> Dims {
        fused::with_last(dims, |last| last.saturating_sub(1))
    }
}
