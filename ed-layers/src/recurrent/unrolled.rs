//! [`Unrolled`]: a cell over whole sequences.

use ed_core::tensor::Float;
use ed_core::{Result, SiteName};

use super::cell::{Cell, CellState, Gates, Sequences};
use crate::estimator::{Deterministic, Estimator};
use crate::layer::{Apply, Layer};
use crate::lengths::Lengths;
use crate::scope::Identity;

/// A [`Cell`] over whole sequences, `[N, T, inputs] → [N, T, units]`, as one operation where the estimator has one
/// kernel for all examples: [`Lstm`](super::Lstm), [`Gru`](super::Gru). Its parameters are the cell's.
///
/// With [`Lengths`], `(x, lengths)`, each sequence ends where it ends: the outputs behind are zero, and what `x` holds
/// there does not count. With a state, `((x, lengths), state)` or `(x, state)`, it begins there and gives the last state
/// as well, that of each sequence's own end: an encoder hands it on to its decoder.
///
/// # Examples
/// ```
/// use ed::layers::Lengths;
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let (encoder, decoder) = (Lstm::new(8).named("encoder"), Lstm::new(8).named("decoder"));
/// let (x, y): (Var<_, f32>, _) = (Var::ones((2usize, 5usize, 3usize)), Var::ones((2usize, 4usize, 6usize)));
/// let outputs = seed(0, || {
///     let (_, state) = encoder.forward(((&x, Lengths::new([5, 3])), encoder.zero_state(2)))?;
///     Ok(decoder.forward((&y, state.carried::<Deterministic>()))?.0)
/// })?;
/// assert_eq!(outputs.shape(), &(2, 4, 8));
/// # Ok(()) }
/// ```
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

impl<G: Gates, W: Estimator> Unrolled<G, W> {
    /// With a name.
    pub fn named(self, name: impl Into<SiteName>) -> Self {
        Unrolled(self.0.named(name))
    }

    /// With an estimator that has settings.
    pub fn estimator<V: Estimator>(self, estimator: V) -> Unrolled<G, V> {
        Unrolled(self.0.estimator(estimator))
    }

    /// The state before the first step of so many sequences; see [`Cell::zero_state`].
    pub fn zero_state<E: Float>(&self, batch: usize) -> CellState<G, W, E> {
        self.0.zero_state(batch)
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

impl<G: Gates, W: Estimator, E: Float> Apply<Sequences<E>> for Unrolled<G, W> {
    type Output = Sequences<E>;
    fn apply(&self, x: Sequences<E>) -> Result<Self::Output> {
        self.0.unroll(&x)
    }
}

impl<G: Gates, W: Estimator, E: Float> Apply<(Sequences<E>, Lengths)> for Unrolled<G, W> {
    type Output = Sequences<E>;
    fn apply(&self, (x, lengths): (Sequences<E>, Lengths)) -> Result<Self::Output> {
        // Nothing that comes later reaches an earlier output.
        lengths.mask(&self.0.unroll(&lengths.mask(&x)?)?)
    }
}

impl<G: Gates, W: Estimator, E: Float> Apply<(Sequences<E>, CellState<G, W, E>)> for Unrolled<G, W> {
    type Output = (Sequences<E>, CellState<G, W, E>);
    fn apply(&self, (x, state): (Sequences<E>, CellState<G, W, E>)) -> Result<Self::Output> {
        self.0.unroll_from(&x, None, state)
    }
}

impl<G: Gates, W: Estimator, E: Float> Apply<((Sequences<E>, Lengths), CellState<G, W, E>)>
    for Unrolled<G, W>
{
    type Output = (Sequences<E>, CellState<G, W, E>);
    fn apply(
        &self,
        ((x, lengths), state): ((Sequences<E>, Lengths), CellState<G, W, E>),
    ) -> Result<Self::Output> {
        self.0.unroll_from(&lengths.mask(&x)?, Some(&lengths), state)
    }
}
