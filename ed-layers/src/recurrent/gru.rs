//! Gated recurrent units.

use std::sync::Arc;

use ed_core::Result;
use ed_core::ops::recurrent::{self as ops, GruWeights};
use ed_core::ops::{add_channels, keep_rows};
use ed_core::tensor::{Float, Value, Var};

use super::cell::{Cell, CellState, Gates};
use super::unrolled::Unrolled;
use crate::estimator::{Deterministic, Estimator};

type Matrix = (usize, usize);

/// Three gates: update, reset, candidate.
#[derive(Clone, Copy, Debug)]
pub struct GruGates;

/// A cell of gated recurrent units: with `x W + b` and `h U + c`, each split into `z, r, n`,
/// `z = σ(xz + hz)`, `r = σ(xr + hr)`, `n = tanh(xn + r hn)` and `h' = z h + (1 - z) n`: the form that resets after the
/// product.
///
/// Its weights are `kernel`, `[inputs, 3 units]`, and `recurrent_kernel`, `[units, 3 units]`; its parameters `bias` and
/// `recurrent_bias` start at 0. An uncertain cell draws its weights once for each [`zero_state`](Cell::zero_state).
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let gru = GruCell::new(8);
/// let x: Var<_, f32> = Var::ones((5usize, 3usize));
/// let (hidden, _) = seed(0, || gru.step(&x, gru.zero_state(5)))?;
/// assert_eq!(hidden.shape(), &(5, 8));
/// # Ok(()) }
/// ```
///
/// # Source
/// Cho et al. 2014.
pub type GruCell<W = Deterministic> = Cell<GruGates, W>;

/// The state of a [`GruCell`] between two steps of a sequence.
pub type GruState<W, E> = CellState<GruGates, W, E>;

/// A [`GruCell`] over whole sequences, `[N, T, inputs] → [N, T, units]`.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let x: Var<_, f32> = Var::ones((5usize, 7usize, 3usize));
/// assert_eq!(seed(0, || Gru::<Flipout>::new(8).forward(&x))?.shape(), &(5, 7, 8));
/// # Ok(()) }
/// ```
pub type Gru<W = Deterministic> = Unrolled<GruGates, W>;

impl<W: Estimator, E: Float> GruState<W, E> {
    /// A state of one's own: `[batch, units]`.
    ///
    /// # Errors
    /// The error that it carries.
    ///
    /// # Examples
    /// ```
    /// use ed::layers::recurrent::GruState;
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let (gru, x) = (GruCell::new(2), Var::<_, f32>::ones((1usize, 3usize)));
    /// let state = GruState::new(Var::from([[0.5f32, -0.5]]))?;
    /// let (hidden, _) = seed(0, || gru.step(&x, state))?;
    /// assert_eq!(hidden.shape(), &(1, 2));
    /// # Ok(()) }
    /// ```
    pub fn new(hidden: Var<Matrix, E>) -> Result<Self> {
        CellState::of(hidden.clone(), hidden.value())
    }
}

impl Gates for GruGates {
    const CELL: &'static str = "GruCell";
    const LAYER: &'static str = "Gru";
    const NAME: &'static str = "gru_cell";
    const NUM_GATES: usize = 3;
    const BIASES: &'static [&'static str] = &["bias", "recurrent_bias"];
    type State<E: Float> = Var<Matrix, E>;

    fn zeros<E: Float>(batch: usize, units: usize) -> Var<Matrix, E> {
        Var::zeros((batch, units))
    }

    fn hidden<E: Float>(state: &Var<Matrix, E>) -> Result<Var<Matrix, E>> {
        Ok(state.clone())
    }

    fn step<E: Float>(
        [by_inputs, by_state]: [Var<Matrix, E>; 2],
        biases: &[Value<E>],
        before: &Var<Matrix, E>,
    ) -> Result<Var<Matrix, E>> {
        let by_inputs = add_channels(by_inputs.value(), &biases[0])?;
        let by_state = add_channels(by_state.value(), &biases[1])?;
        Var::from_value(ops::gru_step(&by_inputs, &by_state, before.value())?)
    }

    fn sequence<E: Float>(
        x: &Value<E>,
        [kernel, recurrent]: [&Value<E>; 2],
        biases: &[Value<E>],
        from: Option<&Var<Matrix, E>>,
    ) -> Result<Value<E>> {
        let [bias, recurrent_bias] = [&biases[0], &biases[1]];
        ops::gru_sequence(x, GruWeights { kernel, recurrent, bias, recurrent_bias }, from.map(Var::value))
    }

    fn sequence_and_state<E: Float>(
        x: &Value<E>,
        [kernel, recurrent]: [&Value<E>; 2],
        biases: &[Value<E>],
        from: Option<&Var<Matrix, E>>,
    ) -> Result<(Value<E>, Var<Matrix, E>)> {
        let [bias, recurrent_bias] = [&biases[0], &biases[1]];
        let weights = GruWeights { kernel, recurrent, bias, recurrent_bias };
        let (y, last) = ops::gru_sequence_with_state(x, weights, from.map(Var::value))?;
        Ok((y, Var::from_value(last)?))
    }

    fn choose<E: Float>(
        go_on: &Arc<[bool]>,
        after: &Var<Matrix, E>,
        before: &Var<Matrix, E>,
    ) -> Result<Var<Matrix, E>> {
        let ended: Arc<[bool]> = go_on.iter().map(|go_on| !go_on).collect();
        let [after, before] = [keep_rows(after.value(), go_on)?, keep_rows(before.value(), &ended)?];
        (Var::<Matrix, E>::from_value(after)? + Var::<Matrix, E>::from_value(before)?).check()
    }
}
