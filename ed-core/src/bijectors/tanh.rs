//! The hyperbolic tangent.

use super::fused::{self, scalar_map};
use super::{Bijector, Constraint};
use crate::error::Result;
use crate::kernels::math;
use crate::ops::elementwise as ew;
use crate::tensor::{Float, Value};

/// `y = tanh x`, onto the open interval (-1, 1); `ln |det| = 2 (ln 2 - |x| - ln(1 + e^-2|x|))`.
#[derive(Clone, Copy, Debug)]
pub struct Tanh;

scalar_map! {
    Inverse<0>(y;) {} => T::HALF * (math::ln_1p::<A, T>(y) - math::ln_1p::<A, T>(-y)),
        T::ONE / ((T::ONE - y) * (T::ONE + y)), [];
    /// `ln(1 - tanh² x)`, without the cancellation.
    LogDet<0>(x;) {
        let e = math::exp::<A, T>(-T::TWO * x.abs());
        let log_det = T::TWO * (T::LN_2 - x.abs() - math::ln_1p::<A, T>(e));
    } => log_det, -T::TWO * math::tanh::<A, T>(x), [];
}

const NAME: &str = "tanh";

impl<E: Float> Bijector<E> for Tanh {
    fn codomain(&self) -> Option<Constraint<E>> {
        Some(Constraint::between(-1.0, 1.0))
    }

    fn forward_and_log_det(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        Ok((ew::tanh(x.check()?), fused::each::<LogDet, E, 0>(NAME, x, [])?))
    }

    fn inverse_and_log_det(&self, y: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let x = fused::each::<Inverse, E, 0>(NAME, y, [])?;
        let log_det = ew::scale(&fused::each::<LogDet, E, 0>(NAME, &x, [])?, -1.0);
        Ok((x, log_det))
    }

    fn forward_and_log_det_sum(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        Ok((ew::tanh(x.check()?), fused::sum::<LogDet, E, 0>(NAME, x, [])?))
    }
}
