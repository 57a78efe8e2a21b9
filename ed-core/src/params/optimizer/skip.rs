//! Steps that are left out.

use super::Optimizer;
use super::state::{Reader, Writer, inside, under};
use crate::error::{Error, Result};
use crate::params::Params;

/// An optimiser that leaves out steps which are not finite. See [`Optimizer::skip_not_finite`].
///
/// # Examples
/// ```
/// use ed::params::{Params, optimizer::{Optimizer, Sgd}};
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let mut params = Params::new();
/// params.insert("w", Var::from([1.0f32, 2.0]))?;
/// let gradients = |first: f32| -> Result<Params> {
///     let mut gradients = Params::new();
///     gradients.insert("w", Var::from([first, 1.0]))?;
///     Ok(gradients)
/// };
/// let mut optimizer = Sgd::new(0.5).skip_not_finite(1);
/// optimizer.step(&mut params, gradients(f32::NAN)?)?;
/// assert_eq!((params.required("w")?.to_vec()?, optimizer.num_skipped()), (vec![1.0, 2.0], 1));
/// // One in a row was allowed.
/// let refused = optimizer.step(&mut params, gradients(f32::INFINITY)?).unwrap_err();
/// assert!(refused.to_string().contains("`w`"));
/// optimizer.step(&mut params, gradients(1.0)?)?;
/// assert_eq!(params.required("w")?.to_vec()?, [0.5, 1.5]);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Skipping<O> {
    optimizer: O,
    allowed: u64,
    in_a_row: u64,
    skipped: u64,
}

impl<O: Optimizer> Skipping<O> {
    pub(super) fn new(optimizer: O, allowed: u64) -> Skipping<O> {
        Skipping { optimizer, allowed, in_a_row: 0, skipped: 0 }
    }
}

impl<O: Optimizer> Optimizer for Skipping<O> {
    fn step(&mut self, params: &mut Params, gradients: Params) -> Result<()> {
        match self.optimizer.step(params, gradients) {
            Ok(()) => {
                self.in_a_row = 0;
                Ok(())
            }
            Err(refused @ Error::NotFinite { .. }) => self.on_not_finite(refused),
            Err(other) => Err(other),
        }
    }

    fn check(&self, params: &Params, gradients: &Params) -> Result<()> {
        self.optimizer.check(params, gradients)
    }

    fn state(&self) -> Result<Params> {
        let mut state = Writer::default();
        state.count("skipping/in a row", self.in_a_row)?;
        state.count("skipping/skipped", self.skipped)?;
        let mut state = state.finish();
        under("skipping/of/", &self.optimizer.state()?, &mut state)?;
        Ok(state)
    }

    fn set_state(&mut self, state: &Params) -> Result<()> {
        let reader = Reader::new("an optimiser that skips", state);
        let (in_a_row, skipped) = (reader.count("skipping/in a row")?, reader.count("skipping/skipped")?);
        self.optimizer.set_state(&inside("skipping/of/", state)?)?;
        (self.in_a_row, self.skipped) = (in_a_row, skipped);
        Ok(())
    }

    fn on_not_finite(&mut self, refused: Error) -> Result<()> {
        if self.in_a_row >= self.allowed {
            return Err(refused);
        }
        self.in_a_row += 1;
        self.skipped += 1;
        Ok(())
    }

    fn num_skipped(&self) -> u64 {
        self.skipped
    }
}
