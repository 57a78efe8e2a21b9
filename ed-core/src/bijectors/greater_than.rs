//! The exponential above a bound.

use super::fused::{self, scalar_map};
use super::{Bijector, Constraint};
use crate::error::Result;
use crate::kernels::math;
use crate::ops::elementwise as ew;
use crate::tensor::{Float, Value};

/// `y = bound + e^x`, onto the numbers above a bound; `ln |det| = x`. Gradients flow into the bound.
///
/// # Shapes
/// `bound`: a scalar, the end of the shape of `x`, or its whole shape.
#[derive(Clone, Debug)]
pub struct GreaterThan<E: Float> {
    bound: Value<E>,
}

impl<E: Float> GreaterThan<E> {
    /// The map onto the numbers above `bound`.
    pub fn new(bound: Value<E>) -> GreaterThan<E> {
        GreaterThan { bound }
    }
}

scalar_map! {
    Forward<1>(x; bound) {
        let e = math::exp::<A, T>(x);
    } => bound + e, e, [T::ONE];
    Inverse<1>(y; bound) {
        let distance = y - bound;
        let slope = T::ONE / distance;
    } => math::ln::<A, T>(distance), slope, [-slope];
}

const NAME: &str = "greater_than";

impl<E: Float> Bijector<E> for GreaterThan<E> {
    fn codomain(&self) -> Option<Constraint<E>> {
        Some(Constraint::GreaterThan(self.bound.clone()))
    }

    fn forward_and_log_det(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        Ok((fused::each::<Forward, E, 1>(NAME, x, [&self.bound])?, x.clone()))
    }

    fn inverse_and_log_det(&self, y: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let x = fused::each::<Inverse, E, 1>(NAME, y, [&self.bound])?;
        let log_det = ew::scale(&x, -1.0);
        Ok((x, log_det))
    }
}
