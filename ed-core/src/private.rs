//! What the code that `#[model]` writes calls. Not for use by hand.

use crate::distributions::Distribution;
use crate::error::{Error, Result};
use crate::handlers::{self, Plate};
use crate::random_variable::RandomVariable;
use crate::tensor::{Operand, Var};
use crate::trace;
pub use crate::trace::SiteName;

/// What stands before a `?` among the arguments of a word: an error there belongs to the word's site.
pub struct Located<R>(pub R);

impl<T> Located<Result<T, Error>> {
    /// The same with the site's name in the error.
    ///
    /// # Errors
    /// The one that is there.
    pub fn __ed_at_site(self, name: impl FnOnce() -> SiteName) -> Result<T, Error> {
        self.0.map_err(|error| error.at_site(trace::full_name(&name())))
    }
}

/// The other types that have a `?`, which stay as they are.
pub trait Unlocated {
    /// The type.
    type Inner;
    /// The same.
    fn __ed_at_site(self, name: impl FnOnce() -> SiteName) -> Self::Inner;
}

impl<R> Unlocated for Located<R> {
    type Inner = R;
    fn __ed_at_site(self, _: impl FnOnce() -> SiteName) -> R {
        self.0
    }
}

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

/// A computed quantity under a name.
///
/// # Errors
/// As [`trace::deterministic_as`].
pub fn deterministic<T: Operand>(name: SiteName, value: T) -> Result<Var<T::Shape, T::Elem>> {
    trace::deterministic_as(name, value)
}

/// A log-weight.
///
/// # Errors
/// As [`trace::factor_as`].
pub fn factor<T: Operand>(name: SiteName, log_weight: T) -> Result<()> {
    trace::factor_as(name, log_weight)
}

/// A sub-model.
///
/// # Errors
/// As [`trace::nested_as`].
pub fn nested<T>(name: SiteName, program: impl FnOnce() -> Result<T>) -> Result<T> {
    trace::nested_as(name, program)
}

/// All repetitions of a plate.
///
/// # Errors
/// As [`handlers::plate_as`].
pub fn plate<T>(name: SiteName, size: usize, program: impl FnOnce(&Plate) -> Result<T>) -> Result<T> {
    handlers::plate_as(name, size, program)
}

/// Some repetitions of a plate.
///
/// # Errors
/// As [`handlers::subsampled_plate_as`].
pub fn subsampled_plate<T>(
    name: SiteName,
    size: usize,
    batch: usize,
    program: impl FnOnce(&Plate) -> Result<T>,
) -> Result<T> {
    handlers::subsampled_plate_as(name, size, batch, program)
}
