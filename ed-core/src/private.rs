//! What the code that `#[model]` writes calls. Not for use by hand.

use crate::distributions::Distribution;
use crate::error::Result;
use crate::random_variable::RandomVariable;
use crate::tensor::Var;
use crate::trace;
pub use crate::trace::SiteName;

/// A named random variable.
///
/// # Errors
/// As [`trace::sample_as`].
pub fn sample<D: Distribution>(name: SiteName, distribution: D) -> Result<RandomVariable<D>> {
    trace::sample_as(name, distribution)
}

/// A named random variable whose value is data.
///
/// # Errors
/// As [`trace::observe_as`].
pub fn observe<D: Distribution>(
    name: SiteName,
    distribution: D,
    value: &Var<D::Shape, D::Elem>,
) -> Result<RandomVariable<D>> {
    trace::observe_as(name, distribution, value)
}

/// A sub-model.
///
/// # Errors
/// As [`trace::nested_as`].
pub fn nested<T>(name: SiteName, program: impl FnOnce() -> Result<T>) -> Result<T> {
    trace::nested_as(name, program)
}
