//! What a flow does to a number, by parameters that a network gives for it.

use ed_core::Result;
use ed_core::ops::{Direction, rational_quadratic_spline, shift_scale};
use ed_core::tensor::{Dims, Float, Value, Var};

use super::flat::{Flat, unflat_rows};

/// A bijection of single numbers with parameters for each.
///
/// It is stated from the side that the network sees: `x` is on that side, and `y` on the other. For a masked
/// autoregressive flow and a coupling `x` is the data, as in Dinh et al. 2017; for an inverse autoregressive flow it is
/// the base, as in Kingma et al. 2016.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub enum Transform {
    /// `y = shift + eˢ x`, with a log-scale that is soft-clipped at ±7 ([`shift_scale`]).
    #[default]
    Affine,
    /// `y = x + shift`: it keeps volumes (Dinh, Krueger and Bengio 2015).
    Additive,
    /// A monotone rational-quadratic spline of so many bins between `-bound` and `bound`, the identity outside
    /// ([`rational_quadratic_spline`]).
    Spline {
        /// Number of bins.
        bins: usize,
        /// Half of the interval.
        bound: f64,
    },
}

impl Transform {
    /// A spline of eight bins between -5 and 5.
    pub fn spline() -> Transform {
        Transform::Spline { bins: 8, bound: 5.0 }
    }

    /// Numbers that the network gives for each number.
    pub fn num_params(self) -> usize {
        match self {
            Transform::Affine => 2,
            Transform::Additive => 1,
            Transform::Spline { bins, .. } => (3 * bins).saturating_sub(1),
        }
    }

    /// The map, forward from the side that the network sees, and its log-determinants: `x` is `[…, M]` and `params`
    /// `[…, num_params · M]`, one parameter of all numbers after the other. Parameters of zero are the identity.
    ///
    /// # Errors
    /// A misfit of shapes, or the error that an input carries.
    pub fn apply<E: Float>(
        self,
        x: &Value<E>,
        params: &Value<E>,
        direction: Direction,
    ) -> Result<(Value<E>, Value<E>)> {
        match self {
            Transform::Affine => shift_scale(x, params, direction),
            Transform::Spline { bins, bound } => rational_quadratic_spline(x, params, bins, bound, direction),
            Transform::Additive => {
                let (x, shift) = (Flat::of(x)?, Flat::of(params)?);
                let y = match direction {
                    Direction::Forward => &x.rows + &shift.rows,
                    Direction::Inverse => &x.rows - &shift.rows,
                };
                let zeros = Var::zeros((x.front.num_elements(),));
                Ok((x.back(&y.check()?)?, unflat_rows(&zeros, x.front)?))
            }
        }
    }

    /// Its name for summaries.
    pub fn name(self) -> &'static str {
        match self {
            Transform::Affine => "affine",
            Transform::Additive => "additive",
            Transform::Spline { .. } => "spline",
        }
    }
}

/// Sizes of a tensor whose last axis has another size.
pub(crate) fn with_last(dims: Dims, last: usize) -> Dims {
    dims.iter().copied().take(dims.rank().saturating_sub(1)).chain([last]).collect()
}
