//! Data that are numbers.

use dfdx::shapes::Shape;
use ed_core::bijectors::Constraint;
use ed_core::tensor::{Float, Var};
use ed_core::{Error, Result};

/// Refuses points or observations that are not finite, by their name and with the place of the first.
pub(super) fn check_finite<S: Shape, E: Float>(
    of: &'static str,
    name: &'static str,
    x: &Var<S, E>,
) -> Result<()> {
    Constraint::Real.check(of, x.value()).map_err(|error| match error {
        Error::Value { must_be, got, .. } => Error::Parameter { of, name, must_be, got },
        other => other,
    })
}
