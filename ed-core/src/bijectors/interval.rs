//! The logistic function between two bounds.

use super::fused::{self, scalar_map};
use super::{Bijector, Constraint};
use crate::error::{Error, Result};
use crate::kernels::math;
use crate::ops::elementwise as ew;
use crate::tensor::{Float, Value};

/// `y = low + (high - low) sigmoid(x)`, onto the numbers strictly between two bounds;
/// `ln |det| = ln(high - low) - softplus(x) - softplus(-x)`. Gradients flow into the bounds.
///
/// Where rounding would give a bound, `y` is a number next to it (or the bound itself, if the interval is narrower
/// than the numbers near it can tell).
///
/// # Shapes
/// `low`, `high`: each a scalar, the end of the shape of `x`, or its whole shape.
#[derive(Clone, Debug)]
pub struct Interval<E: Float> {
    low: Value<E>,
    high: Value<E>,
}

impl<E: Float> Interval<E> {
    /// The map onto the numbers between two bounds. Each use checks that they are finite and in order.
    pub fn new(low: Value<E>, high: Value<E>) -> Interval<E> {
        Interval { low, high }
    }

    fn check(&self) -> Result<()> {
        let refuse = |name, must_be, got: E| {
            Err(Error::Parameter { of: "interval", name, must_be, got: got.to_string() })
        };
        let (low, high) = (self.low.peek()?, self.high.peek()?);
        if let Some(&bound) = low.iter().find(|bound| !bound.is_finite()) {
            return refuse("low", "finite", bound);
        }
        if low.is_empty() || high.is_empty() {
            return Ok(());
        }
        // The shorter one repeats.
        let pairs = (0..low.len().max(high.len())).map(|at| (low[at % low.len()], high[at % high.len()]));
        for (low, high) in pairs {
            if !(high.is_finite() && low < high) {
                return refuse("high", "finite and above `low`", high);
            }
        }
        Ok(())
    }
}

scalar_map! {
    Forward<2>(x; low, high) {
        let e = math::exp::<A, T>(-x.abs());
        let (near, far) = (T::ONE / (T::ONE + e), e / (T::ONE + e));
        let (part, rest) = if x >= T::ZERO { (near, far) } else { (far, near) };
        let width = high - low;
        // From the nearer bound, which is the more accurate.
        let y = if x >= T::ZERO { high - width * far } else { low + width * far };
        // The outermost numbers: one rounding error inside the bounds.
        let step = |bound: T| bound.abs() * T::EPSILON + T::MIN_POSITIVE;
        let (least, most) = (low + step(low), high - step(high));
        let y = if y < least { least } else { y };
        let y = if y > most && most > low { most } else { y };
    } => y, width * near * far, [rest, part];
    Inverse<2>(y; low, high) {
        let (below, above) = (y - low, high - y);
        let x = math::ln::<A, T>(below) - math::ln::<A, T>(above);
    } => x, T::ONE / below + T::ONE / above, [-T::ONE / below, -T::ONE / above];
    LogDet<2>(x; low, high) {
        let e = math::exp::<A, T>(-x.abs());
        let width = high - low;
        let log_det = math::ln::<A, T>(width) - x.abs() - T::TWO * math::ln_1p::<A, T>(e);
    } => log_det, -((T::ONE - e) / (T::ONE + e)).copysign(x), [-T::ONE / width, T::ONE / width];
}

const NAME: &str = "interval";

impl<E: Float> Bijector<E> for Interval<E> {
    fn codomain(&self) -> Option<Constraint<E>> {
        Some(Constraint::Interval(self.low.clone(), self.high.clone()))
    }

    fn forward_and_log_det(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        self.check()?;
        let bounds = [&self.low, &self.high];
        Ok((fused::each::<Forward, E, 2>(NAME, x, bounds)?, fused::each::<LogDet, E, 2>(NAME, x, bounds)?))
    }

    fn inverse_and_log_det(&self, y: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        self.check()?;
        let bounds = [&self.low, &self.high];
        let x = fused::each::<Inverse, E, 2>(NAME, y, bounds)?;
        let log_det = ew::scale(&fused::each::<LogDet, E, 2>(NAME, &x, bounds)?, -1.0);
        Ok((x, log_det))
    }

    fn forward_and_log_det_sum(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        self.check()?;
        let bounds = [&self.low, &self.high];
        Ok((fused::each::<Forward, E, 2>(NAME, x, bounds)?, fused::sum::<LogDet, E, 2>(NAME, x, bounds)?))
    }
}
