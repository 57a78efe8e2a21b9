//! Long short-term memory.

use std::sync::Arc;

use ed_core::Result;
use ed_core::ops::recurrent::{self as ops, LstmWeights};
use ed_core::ops::{add_channels, keep_rows};
use ed_core::tensor::{Float, Value, Var};

use super::cell::{Cell, CellState, Gates};
use super::unrolled::Unrolled;
use crate::estimator::{Deterministic, Estimator};

type Matrix = (usize, usize);

/// Four gates: input, forget, candidate, output.
#[derive(Clone, Copy, Debug)]
pub struct LstmGates;

/// A cell of long short-term memory: with `z = x W + h U + b`, split into `i, f, g, o`,
/// `c' = σ(f) c + σ(i) tanh(g)` and `h' = σ(o) tanh(c')`.
///
/// Its weights are `kernel`, `[inputs, 4 units]`, and `recurrent_kernel`, `[units, 4 units]`; its `bias` is a parameter
/// that starts at 1 for the forget gate and at 0 elsewhere. An uncertain cell draws its weights once for each
/// [`zero_state`](Cell::zero_state).
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let lstm = LstmCellReparameterization::new(8);
/// let x: Var<_, f32> = Var::ones((5usize, 3usize));
/// let (first, again) = seed(0, || {
///     let (first, state) = lstm.step(&x, lstm.zero_state(5))?;
///     let (again, _) = lstm.step(&x, state.at_zero())?;
///     Ok((first, again))
/// })?;
/// assert_eq!(first.shape(), &(5, 8));
/// assert_eq!(first.to_vec()?, again.to_vec()?, "one sequence has one draw of the weights");
/// let (other, _) = seed(1, || lstm.step(&x, lstm.zero_state(5)))?;
/// assert_ne!(first.to_vec()?, other.to_vec()?, "under another seed another sequence has another");
/// # Ok(()) }
/// ```
///
/// # Source
/// Hochreiter and Schmidhuber 1997; Gers, Schmidhuber and Cummins 2000 for the forget gate. Bayesian: Fortunato,
/// Blundell and Vinyals 2017.
pub type LstmCell<W = Deterministic> = Cell<LstmGates, W>;

/// The state of an [`LstmCell`] between two steps of a sequence.
pub type LstmState<W, E> = CellState<LstmGates, W, E>;

/// An [`LstmCell`] over whole sequences, `[N, T, inputs] → [N, T, units]`.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let lstm = Lstm::<Reparameterization>::new(8);
/// let x: Var<_, f32> = Var::ones((5usize, 7usize, 3usize));
/// assert_eq!(seed(0, || lstm.forward(&x))?.shape(), &(5, 7, 8));
/// # Ok(()) }
/// ```
pub type Lstm<W = Deterministic> = Unrolled<LstmGates, W>;

impl<W: Estimator, E: Float> LstmState<W, E> {
    /// A state of one's own, from tensors `[batch, units]`: what an encoder of any kind gives.
    ///
    /// # Errors
    /// [`Error::Shape`](ed_core::Error::Shape) unless both have the same sizes; or the error that one carries.
    ///
    /// # Examples
    /// ```
    /// use ed::layers::recurrent::LstmState;
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let (lstm, x) = (Lstm::new(2), Var::<_, f32>::ones((1usize, 4usize, 3usize)));
    /// let state = LstmState::new(Var::from([[0.5f32, -0.5]]), Var::from([[1.0, 2.0]]))?;
    /// let (outputs, last) = seed(0, || lstm.forward((&x, state)))?;
    /// assert_eq!(outputs.shape(), &(1, 4, 2));
    /// assert_eq!(last.hidden().transpose()?.map(|h| h.to_vec()).transpose()?, Some(outputs.at(0)?.at(3)?.to_vec()?));
    /// # Ok(()) }
    /// ```
    pub fn new(hidden: Var<Matrix, E>, cell: Var<Matrix, E>) -> Result<Self> {
        CellState::of(ops::LstmState::new(hidden.value(), cell.value())?, hidden.value())
    }

    /// The cell state `[batch, units]`; `None` before the first step, when it is zero.
    pub fn cell(&self) -> Option<Result<Var<Matrix, E>>> {
        self.state.as_ref().map(|state| Var::from_value(state.cell()))
    }
}

impl Gates for LstmGates {
    const CELL: &'static str = "LstmCell";
    const LAYER: &'static str = "Lstm";
    const NAME: &'static str = "lstm_cell";
    const NUM_GATES: usize = 4;
    const BIASES: &'static [&'static str] = &["bias"];
    type State<E: Float> = ops::LstmState<E>;

    fn bias_start(gate: usize) -> f64 {
        // The forget gate starts open.
        if gate == 1 { 1.0 } else { 0.0 }
    }

    fn zeros<E: Float>(batch: usize, units: usize) -> ops::LstmState<E> {
        ops::LstmState::zeros(batch, units)
    }

    fn hidden<E: Float>(state: &ops::LstmState<E>) -> Result<Var<Matrix, E>> {
        Var::from_value(state.hidden())
    }

    fn step<E: Float>(
        [by_input, by_state]: [Var<Matrix, E>; 2],
        biases: &[Value<E>],
        before: &ops::LstmState<E>,
    ) -> Result<ops::LstmState<E>> {
        let sum = (by_input + by_state).check()?;
        ops::lstm_step(&add_channels(sum.value(), &biases[0])?, before)
    }

    fn sequence<E: Float>(
        x: &Value<E>,
        [kernel, recurrent]: [&Value<E>; 2],
        biases: &[Value<E>],
        from: Option<&ops::LstmState<E>>,
    ) -> Result<Value<E>> {
        ops::lstm_sequence(x, LstmWeights { kernel, recurrent, bias: &biases[0] }, from)
    }

    fn sequence_and_state<E: Float>(
        x: &Value<E>,
        [kernel, recurrent]: [&Value<E>; 2],
        biases: &[Value<E>],
        from: Option<&ops::LstmState<E>>,
    ) -> Result<(Value<E>, ops::LstmState<E>)> {
        ops::lstm_sequence_with_state(x, LstmWeights { kernel, recurrent, bias: &biases[0] }, from)
    }

    fn choose<E: Float>(
        go_on: &Arc<[bool]>,
        after: &ops::LstmState<E>,
        before: &ops::LstmState<E>,
    ) -> Result<ops::LstmState<E>> {
        let ended: Arc<[bool]> = go_on.iter().map(|go_on| !go_on).collect();
        let part = |after: Value<E>, before: Value<E>| -> Result<Var<Matrix, E>> {
            let [after, before] = [keep_rows(&after, go_on)?, keep_rows(&before, &ended)?];
            (Var::<Matrix, E>::from_value(after)? + Var::<Matrix, E>::from_value(before)?).check()
        };
        let hidden = part(after.hidden(), before.hidden())?;
        ops::LstmState::new(hidden.value(), part(after.cell(), before.cell())?.value())
    }
}
