//! The logistic function.

use super::fused::{self, scalar_map};
use super::{Bijector, Constraint};
use crate::error::Result;
use crate::kernels::math;
use crate::ops::elementwise as ew;
use crate::tensor::{Float, Value};

/// `y = 1 / (1 + e^-x)`, onto the open interval (0, 1); `ln |det| = -softplus(x) - softplus(-x)`.
///
/// Where rounding would give 0 or 1, `y` is the nearest number inside the interval, so that densities with the
/// interval as support stay finite.
#[derive(Clone, Copy, Debug)]
pub struct Sigmoid;

scalar_map! {
    Forward<0>(x;) {
        let e = math::exp::<A, T>(-x.abs());
        let (near, far) = (T::ONE / (T::ONE + e), e / (T::ONE + e));
        let y = if x >= T::ZERO { near } else { far };
        let y = if y < T::MIN_POSITIVE { T::MIN_POSITIVE } else { y };
        let below_one = T::ONE - T::HALF * T::EPSILON;
    } => if y > below_one { below_one } else { y }, near * far, [];
    Inverse<0>(y;) {} => math::ln::<A, T>(y) - math::ln_1p::<A, T>(-y), T::ONE / (y * (T::ONE - y)), [];
    /// Even in `x`: `-|x| - 2 ln(1 + e^-|x|)`; its slope is `-tanh(x / 2)`.
    LogDet<0>(x;) {
        let e = math::exp::<A, T>(-x.abs());
        let log_det = -x.abs() - T::TWO * math::ln_1p::<A, T>(e);
    } => log_det, -((T::ONE - e) / (T::ONE + e)).copysign(x), [];
}

const NAME: &str = "sigmoid";

impl<E: Float> Bijector<E> for Sigmoid {
    fn codomain(&self) -> Option<Constraint<E>> {
        Some(Constraint::UnitInterval)
    }

    fn forward_and_log_det(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        Ok((fused::each::<Forward, E, 0>(NAME, x, [])?, fused::each::<LogDet, E, 0>(NAME, x, [])?))
    }

    fn inverse_and_log_det(&self, y: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let x = fused::each::<Inverse, E, 0>(NAME, y, [])?;
        let log_det = ew::scale(&fused::each::<LogDet, E, 0>(NAME, &x, [])?, -1.0);
        Ok((x, log_det))
    }

    fn forward_and_log_det_sum(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        Ok((fused::each::<Forward, E, 0>(NAME, x, [])?, fused::sum::<LogDet, E, 0>(NAME, x, [])?))
    }
}
