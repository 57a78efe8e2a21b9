//! Optimisers: rules that move parameters against their gradients, in place.
//!
//! | item | what it is |
//! |---|---|
//! | [`Adam`] | adaptive moments, optionally with decoupled weight decay |
//! | [`Sgd`] | gradient descent, optionally with momentum |
//! | [`Schedule`] | a learning rate for every step |
//! | [`Optimizer::clip_norm`], [`Optimizer::clip_value`] | bounds on the gradients |
//! | [`Groups`] | an optimiser for each group of parameters, by the pattern of their names |
//! | [`Optimizer::skip_not_finite`] | leaves out steps whose loss or gradient is not finite |

mod adam;
mod check;
mod clip;
mod decay;
mod groups;
mod pattern;
mod schedule;
mod sgd;
mod skip;
mod state;

use std::fmt::Debug;

pub use adam::Adam;
pub(crate) use check::finite;
pub use clip::{Clip, Clipped};
pub use groups::Groups;
pub use schedule::Schedule;
pub use sgd::Sgd;
pub use skip::Skipping;

use super::store::Params;
use crate::error::{Error, Result};

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
    /// One step. Parameters without a gradient stay as they are. A step that is refused changes nothing.
    ///
    /// # Errors
    /// Those of [`Optimizer::check`].
    fn step(&mut self, params: &mut Params, gradients: Params) -> Result<()>;

    /// Whether [`Optimizer::step`] would refuse these gradients. An optimiser of one's own refuses what is not finite,
    /// unless it says more.
    ///
    /// # Errors
    /// [`Error::Parameter`] if a setting of the optimiser is out of its domain; [`Error::NoSuchSite`] if a gradient has
    /// the name of no parameter; [`Error::Shape`] or [`Error::Precision`], with the name, if it is of another kind;
    /// [`Error::NotFinite`], with the name, if it is not finite, or too large for what the optimiser computes from it.
    fn check(&self, _params: &Params, gradients: &Params) -> Result<()> {
        finite(gradients)
    }

    /// What the optimiser remembers from step to step, as tensors with names of its own: with it and the parameters, a
    /// training goes on where it was, bit for bit. Settings are not among it.
    ///
    /// # Errors
    /// [`Error::Undefined`] if the optimiser does not tell, which is what one of your own does unless it implements
    /// this method and [`Optimizer::set_state`].
    fn state(&self) -> Result<Params> {
        Err(UNTOLD)
    }

    /// Remembers what [`Optimizer::state`] of an optimiser of the same kind gave.
    ///
    /// # Errors
    /// [`Error::Algorithm`] if it is the state of another kind of optimiser; [`Error::Undefined`] as there.
    fn set_state(&mut self, _state: &Params) -> Result<()> {
        Err(UNTOLD)
    }

    /// What becomes of a step that cannot be taken because its loss is not finite: it is refused with this error, or,
    /// under [`Optimizer::skip_not_finite`], left out.
    ///
    /// # Errors
    /// The one given.
    fn on_not_finite(&mut self, refused: Error) -> Result<()> {
        Err(refused)
    }

    /// How many steps were left out so far.
    fn num_skipped(&self) -> u64 {
        0
    }

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

    /// The same optimiser, which leaves out steps whose loss or gradient is not finite instead of refusing them, as long as
    /// there are not more than `in_a_row` of them one after the other. A step that is left out changes neither parameters
    /// nor averages; [`Optimizer::num_skipped`] counts them, and [`Train`](crate::inference::Train) notes a loss of NaN.
    fn skip_not_finite(self, in_a_row: u64) -> Skipping<Self>
    where
        Self: Sized,
    {
        Skipping::new(self, in_a_row)
    }
}

const UNTOLD: Error = Error::Undefined {
    of: "an optimiser of one's own",
    what: "state that can be saved",
    instead: "implement `Optimizer::state` and `Optimizer::set_state` for it",
};

impl Optimizer for Box<dyn Optimizer> {
    fn step(&mut self, params: &mut Params, gradients: Params) -> Result<()> {
        (**self).step(params, gradients)
    }
    fn check(&self, params: &Params, gradients: &Params) -> Result<()> {
        (**self).check(params, gradients)
    }
    fn state(&self) -> Result<Params> {
        (**self).state()
    }
    fn set_state(&mut self, state: &Params) -> Result<()> {
        (**self).set_state(state)
    }
    fn on_not_finite(&mut self, refused: Error) -> Result<()> {
        (**self).on_not_finite(refused)
    }
    fn num_skipped(&self) -> u64 {
        (**self).num_skipped()
    }
}

/// Checks a setting.
fn require(of: &'static str, name: &'static str, must_be: &'static str, x: f64, holds: bool) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::Parameter { of, name, must_be, got: x.to_string() }) }
}

#[cfg(test)]
mod tests;
