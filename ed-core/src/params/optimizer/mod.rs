//! Optimisers: rules that move parameters against their gradients, in place.
//!
//! | item | what it is |
//! |---|---|
//! | [`Adam`] | adaptive moments, optionally with decoupled weight decay |
//! | [`Sgd`] | gradient descent, optionally with momentum |
//! | [`Schedule`] | a learning rate for every step |
//! | [`Optimizer::clip_norm`], [`Optimizer::clip_value`] | bounds on the gradients |

mod adam;
mod clip;
mod schedule;
mod sgd;

use std::fmt::Debug;

pub use adam::Adam;
pub use clip::{Clip, Clipped};
pub use schedule::Schedule;
pub use sgd::Sgd;

use super::store::Params;
use crate::error::{Error, Result};
use crate::tensor::AnyVar;
use crate::trace::SiteName;

/// A rule that moves parameters against their gradients.
///
/// # Examples
/// ```
/// use ed::params::{Params, optimizer::{Optimizer, Sgd}, param_as, value_and_gradients};
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let mut params = Params::new();
/// let mut optimizer = Sgd::new(0.25).clip_norm(100.0);
/// for _ in 0..60 {
///     let (_, gradients) = value_and_gradients(&mut params, || {
///         Ok((param_as("x", || Var::<(), f64>::scalar(0.0))? - 3.0).square())
///     })?;
///     optimizer.step(&mut params, gradients)?;
/// }
/// assert!((params.required("x")?.item()? - 3.0).abs() < 1e-12);
/// # Ok(()) }
/// ```
pub trait Optimizer: Debug {
    /// One step. Parameters without a gradient stay as they are.
    ///
    /// # Errors
    /// [`Error::Parameter`] if a setting of the optimiser is out of its domain; [`Error::NoSuchSite`] if a gradient has
    /// the name of no parameter; [`Error::Shape`] or [`Error::Precision`], with the name, if it is of another kind.
    fn step(&mut self, params: &mut Params, gradients: Params) -> Result<()>;

    /// The same optimiser on gradients whose joint Euclidean norm is at most `bound`: longer ones are scaled down
    /// (Pascanu, Mikolov & Bengio 2013, algorithm 1).
    fn clip_norm(self, bound: f64) -> Clipped<Self>
    where
        Self: Sized,
    {
        Clipped::new(self, Clip::Norm(bound))
    }

    /// The same optimiser on gradients each element of which is at most `bound` in size.
    fn clip_value(self, bound: f64) -> Clipped<Self>
    where
        Self: Sized,
    {
        Clipped::new(self, Clip::Value(bound))
    }
}

impl Optimizer for Box<dyn Optimizer> {
    fn step(&mut self, params: &mut Params, gradients: Params) -> Result<()> {
        (**self).step(params, gradients)
    }
}

/// Checks a setting.
fn require(of: &'static str, name: &'static str, must_be: &'static str, x: f64, holds: bool) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::Parameter { of, name, must_be, got: x.to_string() }) }
}

/// The parameter that a gradient belongs to.
fn target<'p>(params: &'p mut Params, name: &SiteName, gradient: &AnyVar) -> Result<&'p mut AnyVar> {
    let value = params.required(name.as_str())?;
    super::store::check_kind(value, gradient).map_err(|error| error.at_site(name))?;
    params.get_mut(name).ok_or_else(|| Error::NoSuchSite { name: name.to_string(), known: Vec::new() })
}

#[cfg(test)]
mod tests;
