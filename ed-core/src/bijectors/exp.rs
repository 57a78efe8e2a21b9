//! The exponential.

use super::{Bijector, Constraint};
use crate::error::Result;
use crate::ops::elementwise as ew;
use crate::tensor::{Float, Value};

/// `y = e^x`, onto the positive numbers; `ln |det| = x`.
#[derive(Clone, Copy, Debug)]
pub struct Exp;

impl<E: Float> Bijector<E> for Exp {
    fn codomain(&self) -> Option<Constraint<E>> {
        Some(Constraint::Positive)
    }

    fn forward_and_log_det(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        Ok((ew::exp(x.check()?), x.clone()))
    }

    fn inverse_and_log_det(&self, y: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let x = ew::ln(y.check()?);
        let log_det = ew::scale(&x, -1.0);
        Ok((x, log_det))
    }
}
