//! Shift and scale.

use super::fused::{self, scalar_map};
use super::{Bijector, Constraint};
use crate::error::Result;
use crate::kernels::math;
use crate::ops::elementwise as ew;
use crate::tensor::{Float, Value};

/// `y = loc + scale x`, onto all numbers; `ln |det| = ln |scale|`. Gradients flow into `loc` and `scale`.
///
/// # Shapes
/// `loc`, `scale`: each a scalar, the end of the shape of `x`, or its whole shape.
#[derive(Clone, Debug)]
pub struct Affine<E: Float> {
    loc: Value<E>,
    scale: Value<E>,
}

impl<E: Float> Affine<E> {
    /// The map with this shift and factor. A factor of 0 has no inverse: its log-determinant is -∞.
    pub fn new(loc: Value<E>, scale: Value<E>) -> Affine<E> {
        Affine { loc, scale }
    }
}

scalar_map! {
    Forward<2>(x; loc, scale) {} => loc + scale * x, scale, [T::ONE, x];
    Inverse<2>(y; loc, scale) {
        let x = (y - loc) / scale;
        let slope = T::ONE / scale;
    } => x, slope, [-slope, -x * slope];
    LogDet<1>(_x; scale) {} => math::ln::<A, T>(scale.abs()), T::ZERO, [T::ONE / scale];
}

const NAME: &str = "affine";

impl<E: Float> Bijector<E> for Affine<E> {
    fn codomain(&self) -> Option<Constraint<E>> {
        Some(Constraint::Real)
    }

    fn is_affine(&self) -> bool {
        true
    }

    fn forward_and_log_det(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let y = fused::each::<Forward, E, 2>(NAME, x, [&self.loc, &self.scale])?;
        Ok((y, fused::each::<LogDet, E, 1>(NAME, &x.off_tape(), [&self.scale])?))
    }

    fn inverse_and_log_det(&self, y: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let x = fused::each::<Inverse, E, 2>(NAME, y, [&self.loc, &self.scale])?;
        let log_det = fused::each::<LogDet, E, 1>(NAME, &y.off_tape(), [&self.scale])?;
        Ok((x, ew::scale(&log_det, -1.0)))
    }

    fn forward_and_log_det_sum(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let y = fused::each::<Forward, E, 2>(NAME, x, [&self.loc, &self.scale])?;
        Ok((y, fused::sum::<LogDet, E, 1>(NAME, &x.off_tape(), [&self.scale])?))
    }
}
