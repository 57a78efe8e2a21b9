//! The softplus function.

use super::fused::{self, scalar_map};
use super::{Bijector, Constraint};
use crate::error::Result;
use crate::kernels::math;
use crate::ops::elementwise as ew;
use crate::tensor::{Float, Value};

/// `y = ln(1 + e^x)`, onto the positive numbers; `ln |det| = ln sigmoid(x)`.
///
/// Like the exponential far below zero, and like the identity far above.
#[derive(Clone, Copy, Debug)]
pub struct Softplus;

scalar_map! {
    /// `x = ln(e^y - 1) = y + ln(1 - e^-y)`.
    Inverse<0>(y;) {
        let rest = -math::expm1::<A, T>(-y);
    } => y + math::ln::<A, T>(rest), T::ONE / rest, [];
    LogDet<0>(x;) {} => math::log_sigmoid::<A, T>(x), math::sigmoid::<A, T>(-x), [];
}

const NAME: &str = "softplus";

impl<E: Float> Bijector<E> for Softplus {
    fn codomain(&self) -> Option<Constraint<E>> {
        Some(Constraint::Positive)
    }

    fn forward_and_log_det(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        Ok((ew::softplus(x.check()?), fused::each::<LogDet, E, 0>(NAME, x, [])?))
    }

    fn inverse_and_log_det(&self, y: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let x = fused::each::<Inverse, E, 0>(NAME, y, [])?;
        let log_det = ew::scale(&fused::each::<LogDet, E, 0>(NAME, &x, [])?, -1.0);
        Ok((x, log_det))
    }

    fn forward_and_log_det_sum(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        Ok((ew::softplus(x.check()?), fused::sum::<LogDet, E, 0>(NAME, x, [])?))
    }
}
