//! Powers of positive numbers.

use super::Bijector;
use super::fused::{self, scalar_map};
use crate::error::{Error, Result};
use crate::kernels::math;
use crate::tensor::{Float, Value};

/// `y = x^exponent` between positive numbers; `ln |det| = ln |exponent| + (exponent - 1) ln x`.
///
/// The exponent -1 is the reciprocal, 1/2 the square root. A number that is not positive gives NaN.
#[derive(Clone, Copy, Debug)]
pub struct Power {
    exponent: f64,
}

impl Power {
    /// The map with this exponent.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless the exponent is finite and not 0.
    pub fn new(exponent: f64) -> Result<Power> {
        if exponent == 0.0 || !exponent.is_finite() {
            return Err(Error::Parameter {
                of: "power",
                name: "exponent",
                must_be: "finite and not 0",
                got: exponent.to_string(),
            });
        }
        Ok(Power { exponent })
    }

    /// The reciprocal `1 / x`.
    pub fn reciprocal() -> Power {
        Power { exponent: -1.0 }
    }

    /// `x^exponent` and its log-determinant.
    fn apply<E: Float>(exponent: f64, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let exponent = Value::scalar(E::from_f64(exponent));
        let y = fused::each::<Raised, E, 1>(NAME, x, [&exponent])?;
        Ok((y, fused::each::<LogDet, E, 1>(NAME, x, [&exponent])?))
    }
}

scalar_map! {
    Raised<1>(x; exponent) {
        let ln = math::ln::<A, T>(x);
        let y = math::exp::<A, T>(exponent * ln);
    } => y, exponent * y / x, [y * ln];
    LogDet<1>(x; exponent) {
        let ln = math::ln::<A, T>(x);
        let less = exponent - T::ONE;
    } => math::ln::<A, T>(exponent.abs()) + less * ln, less / x, [T::ONE / exponent + ln];
}

const NAME: &str = "power";

impl<E: Float> Bijector<E> for Power {
    fn forward_and_log_det(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        Power::apply(self.exponent, x)
    }

    fn inverse_and_log_det(&self, y: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        Power::apply(1.0 / self.exponent, y)
    }

    fn forward_and_log_det_sum(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let exponent = Value::scalar(E::from_f64(self.exponent));
        let y = fused::each::<Raised, E, 1>(NAME, x, [&exponent])?;
        Ok((y, fused::sum::<LogDet, E, 1>(NAME, x, [&exponent])?))
    }
}
