//! Bijectors one after another.

use super::{Bijector, Constraint};
use crate::error::Result;
use crate::ops::elementwise as ew;
use crate::ops::reduce;
use crate::tensor::{Dims, Float, Value};

/// `y = f_n(… f_2(f_1(x)))`: the first bijector of the list is the first to act.
///
/// # Examples
/// ```
/// use ed::bijectors::{Affine, Bijector, Chain, Exp};
/// use ed::prelude::*;
/// use ed::tensor::Value;
/// # fn main() -> Result<()> {
/// // Log-normal numbers from standard normal ones.
/// let shift = Affine::new(Value::scalar(1.0f64), Value::scalar(0.5));
/// let map = Chain::new(vec![Box::new(shift), Box::new(Exp)]);
/// let (y, log_det) = map.forward_and_log_det(&Value::scalar(2.0))?;
/// assert!((y.as_slice()?[0] - 2f64.exp()).abs() < 1e-12);
/// assert!((log_det.as_slice()?[0] - (2.0 + 0.5f64.ln())).abs() < 1e-12);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Chain<E: Float> {
    parts: Vec<Box<dyn Bijector<E>>>,
    event_rank: usize,
    codomain_event_rank: usize,
}

impl<E: Float> Chain<E> {
    /// The bijectors in the order in which they act; with none, the identity.
    pub fn new(parts: Vec<Box<dyn Bijector<E>>>) -> Chain<E> {
        // Ranks grow to the right so far that every part finds the axes that it needs, and no further.
        let mut event_rank = 0_usize;
        for part in parts.iter().rev() {
            event_rank = part.event_rank() + event_rank.saturating_sub(part.codomain_event_rank());
        }
        let codomain_event_rank = parts.iter().fold(event_rank, |rank, part| {
            (rank + part.codomain_event_rank()).saturating_sub(part.event_rank())
        });
        Chain { parts, event_rank, codomain_event_rank }
    }
}

/// Sums a log-determinant over its last axes until `rank` are left.
fn reduced<E: Float>(mut log_det: Value<E>, rank: usize) -> Value<E> {
    while log_det.dims().rank() > rank {
        log_det = reduce::sum_last(&log_det);
    }
    log_det
}

impl<E: Float> Bijector<E> for Chain<E> {
    fn event_rank(&self) -> usize {
        self.event_rank
    }

    fn codomain_event_rank(&self) -> usize {
        self.codomain_event_rank
    }

    fn forward_and_log_det(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let batch = super::fused::batch("chain", x, self.event_rank)?;
        let (mut y, mut total) = (x.clone(), Value::full(E::ZERO, batch));
        for (index, part) in self.parts.iter().enumerate() {
            let (next, log_det) = part.forward_and_log_det(&y)?;
            let log_det = reduced(log_det, batch.rank());
            total = if index == 0 { log_det } else { ew::add(&total, &log_det) };
            y = next;
        }
        Ok((y, total))
    }

    fn inverse_and_log_det(&self, y: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let batch = super::fused::batch("chain", y, self.codomain_event_rank)?;
        let (mut x, mut total) = (y.clone(), Value::full(E::ZERO, batch));
        for (index, part) in self.parts.iter().rev().enumerate() {
            let (next, log_det) = part.inverse_and_log_det(&x)?;
            let log_det = reduced(log_det, batch.rank());
            total = if index == 0 { log_det } else { ew::add(&total, &log_det) };
            x = next;
        }
        Ok((x, total))
    }

    fn forward_and_log_det_sum(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let (mut y, mut total) = (x.check()?.clone(), Value::scalar(E::ZERO));
        for (index, part) in self.parts.iter().enumerate() {
            let (next, log_det) = part.forward_and_log_det_sum(&y)?;
            total = if index == 0 { log_det } else { ew::add(&total, &log_det) };
            y = next;
        }
        Ok((y, total))
    }

    /// The last part's, if it gets all real numbers.
    fn codomain(&self) -> Option<Constraint<E>> {
        let Some((last, first)) = self.parts.split_last() else { return Some(Constraint::Real) };
        let all_real = first.iter().all(|part| matches!(part.codomain(), Some(Constraint::Real)));
        last.codomain().filter(|_| all_real)
    }

    fn is_affine(&self) -> bool {
        self.parts.iter().all(|part| part.is_affine())
    }

    fn is_sequential(&self) -> bool {
        self.parts.iter().any(|part| part.is_sequential())
    }

    fn forward_dims(&self, dims: Dims) -> Dims {
        self.parts.iter().fold(dims, |dims, part| part.forward_dims(dims))
    }

    fn inverse_dims(&self, dims: Dims) -> Dims {
        self.parts.iter().rev().fold(dims, |dims, part| part.inverse_dims(dims))
    }
}
