//! [`Unrolled`]: a cell over whole sequences.

use ed_core::Result;
use ed_core::tensor::{Float, Var};

use super::cell::{Cell, Gates};
use crate::estimator::{Deterministic, Estimator};
use crate::layer::{Apply, Layer};
use crate::scope::Identity;

/// A [`Cell`] over whole sequences, `[N, T, inputs] → [N, T, units]`, as one operation where the estimator has one
/// kernel for all examples: [`Lstm`](super::Lstm), [`Gru`](super::Gru). Its parameters are the cell's.
#[derive(Clone, Debug)]
pub struct Unrolled<G: Gates, W: Estimator = Deterministic>(
    /// The cell.
    pub Cell<G, W>,
);

impl<G: Gates> Unrolled<G> {
    /// A deterministic layer.
    pub fn new(units: usize) -> Self {
        Unrolled(Cell::new(units))
    }
}

impl<G: Gates, W: Estimator> crate::WithUnits for Unrolled<G, W> {
    fn new(units: usize) -> Self {
        Unrolled(<Cell<G, W> as crate::WithUnits>::new(units))
    }
}

impl<G: Gates, W: Estimator> Layer for Unrolled<G, W> {
    fn kind(&self) -> &'static str {
        G::LAYER
    }
    fn identity(&self) -> Option<&Identity> {
        self.0.identity()
    }
    fn settings(&self) -> String {
        self.0.settings()
    }
}

impl<G: Gates, W: Estimator, E: Float> Apply<Var<(usize, usize, usize), E>> for Unrolled<G, W> {
    type Output = Var<(usize, usize, usize), E>;
    fn apply(&self, x: Var<(usize, usize, usize), E>) -> Result<Self::Output> {
        self.0.unroll(&x)
    }
}
