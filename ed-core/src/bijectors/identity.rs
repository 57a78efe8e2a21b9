//! The identity.

use super::{Bijector, Constraint};
use crate::error::Result;
use crate::tensor::{Float, Value};

/// `y = x`.
#[derive(Clone, Copy, Debug)]
pub struct Identity;

impl<E: Float> Bijector<E> for Identity {
    fn codomain(&self) -> Option<Constraint<E>> {
        Some(Constraint::Real)
    }

    fn is_affine(&self) -> bool {
        true
    }

    fn forward_and_log_det(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        Ok((x.check()?.clone(), Value::full(E::ZERO, *x.dims())))
    }

    fn forward_and_log_det_sum(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        Ok((x.check()?.clone(), Value::scalar(E::ZERO)))
    }

    fn inverse_and_log_det(&self, y: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        self.forward_and_log_det(y)
    }
}
