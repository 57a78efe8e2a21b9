//! Long short-term memory as operations.

use super::{check_bias, check_dims, check_sizes, targets};
use crate::error::{Error, Result};
use crate::kernels::recurrent::lstm::{self as kernel, Step};
use crate::kernels::recurrent::{Sizes, lstm_sequence as sequence};
use crate::ops::layout;
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Buffer, Dims, Float, Keep, Op, Value};

const GATES: usize = 4;

/// The hidden state and the cell of a network of long short-term memory, `[batch, units]` each.
///
/// Both lie in one value, so that a step is one operation; [`LstmState::hidden`] and [`LstmState::cell`] copy their half.
///
/// # Examples
/// ```
/// use ed::ops::recurrent::LstmState;
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let (hidden, cell) = (Var::full(1.0, (1usize, 1usize)), Var::<_, f32>::full(2.0, (1usize, 1usize)));
/// let state = LstmState::new(hidden.value(), cell.value())?;
/// assert_eq!(state.cell().as_slice()?, [2.0]);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct LstmState<E: Float> {
    packed: Value<E>,
}

impl<E: Float> LstmState<E> {
    /// The state before anything was seen.
    pub fn zeros(batch: usize, units: usize) -> LstmState<E> {
        LstmState { packed: Value::full(E::ZERO, state_dims(batch, units)) }
    }

    /// A state from its two parts.
    ///
    /// # Errors
    /// [`Error::Shape`] unless both are `[batch, units]`.
    pub fn new(hidden: &Value<E>, cell: &Value<E>) -> Result<LstmState<E>> {
        let got = *hidden.check()?.dims();
        if got.rank() != 2 {
            return Err(Error::Shape { op: "an LSTM state", expected: "[batch, units]".into(), got });
        }
        Ok(LstmState { packed: layout::stack(&[hidden, cell])? })
    }

    /// The hidden state, which is also the output: `[batch, units]`.
    pub fn hidden(&self) -> Value<E> {
        layout::slice(&self.packed, 0, self.part())
    }

    /// The cell: `[batch, units]`.
    pub fn cell(&self) -> Value<E> {
        layout::slice(&self.packed, self.part().num_elements(), self.part())
    }

    /// Both, `[2, batch, units]`: the hidden state, then the cell.
    pub fn packed(&self) -> &Value<E> {
        &self.packed
    }

    fn part(&self) -> Dims {
        self.packed.dims()[1..].iter().copied().collect()
    }
}

fn state_dims(batch: usize, units: usize) -> Dims {
    [2, batch, units].into_iter().collect()
}

#[derive(Debug)]
struct LstmStep {
    units: usize,
}

impl<E: Float> Op<E> for LstmStep {
    fn name(&self) -> &'static str {
        "lstm_step"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], mut keep: Keep<'_, E>) {
        let (pre_activations, state) = (inputs[0], inputs[1]);
        let (_, before) = state.split_at(state.len() / 2);
        let (hidden, cell) = out.split_at_mut(before.len());
        let gates = keep.saved_scratch(pre_activations.len());
        gates.copy_from_slice(pre_activations);
        kernel::step(self.units, gates, before, cell, hidden);
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (gates, state) = (pass.saved, pass.inputs[1]);
        let (_, before) = state.split_at(state.len() / 2);
        let (_, cell) = pass.out.split_at(before.len());
        let (d_hidden, d_after) = pass.grad_out.split_at(before.len());
        let (mut d_gates, mut d_cell) = (Buffer::scratch(gates.len()), Buffer::scratch(before.len()));
        d_cell.copy_from_slice(d_after);
        kernel::step_backward(self.units, Step { gates, before, cell }, d_hidden, &mut d_cell, &mut d_gates);
        let mut targets = targets(pass);
        if let Some(mut target) = targets.next().flatten() {
            target.put(&d_gates);
        }
        if let Some(slot) = targets.next().flatten() {
            if slot.fresh {
                slot.values[..before.len()].fill(E::ZERO);
            }
            let mut cell = slot;
            cell.values = &mut cell.values[before.len()..];
            cell.put(&d_cell);
        }
    }
}

/// One step of long short-term memory: from pre-activations `[batch, 4 units]`, with the gates i, f, g, o along the last
/// axis, and the state before it to the state after it.
///
/// `c' = σ(f) c + σ(i) tanh(g)` and `h' = σ(o) tanh(c')` (Gers, Schmidhuber and Cummins 2000, Neural Computation 12,
/// equations 2 to 6, without peepholes). The pre-activations contain the bias.
///
/// # Errors
/// [`Error::Shape`] unless the pre-activations are `[batch, 4 units]` for a state of `[batch, units]`.
///
/// # Examples
/// ```
/// use ed::ops::recurrent::{LstmState, lstm_step};
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// // Zero weights and a forget bias of 1.
/// let z = Var::from_vec(vec![0.0, 1.0, 0.0, 0.0], (1usize, 4usize))?;
/// let (h, c) = (Var::full(0.0, (1usize, 1usize)), Var::<_, f64>::full(0.25, (1usize, 1usize)));
/// let after = lstm_step(z.value(), &LstmState::new(h.value(), c.value())?)?;
/// assert!((after.hidden().as_slice()?[0] - 0.090378257).abs() < 1e-9);
/// # Ok(()) }
/// ```
pub fn lstm_step<E: Float>(pre_activations: &Value<E>, state: &LstmState<E>) -> Result<LstmState<E>> {
    let dims = *state.packed.check()?.dims();
    let (batch, units) = (dims[1], dims[2]);
    check_dims("lstm_step", pre_activations, &[batch, GATES * units], "[batch, 4 units] for this state")?;
    if dims.num_elements() == 0 {
        return Ok(state.clone());
    }
    Ok(LstmState { packed: apply(LstmStep { units }, &[pre_activations, &state.packed], dims) })
}

/// The weights of a network of long short-term memory: the columns are the gates i, f, g, o.
#[derive(Clone, Copy, Debug)]
pub struct LstmWeights<'a, E: Float> {
    /// Weights of the inputs, `[inputs, 4 units]`.
    pub kernel: &'a Value<E>,
    /// Weights of the hidden state, `[units, 4 units]`.
    pub recurrent: &'a Value<E>,
    /// The bias, `[4 units]`; a forget gate (the second quarter) that begins at 1 remembers (Gers et al. 2000).
    pub bias: &'a Value<E>,
}

#[derive(Debug)]
struct LstmSequence {
    sizes: Sizes,
    with_state: bool,
}

impl LstmSequence {
    /// Where the last state begins in the output.
    fn hidden_len(&self) -> usize {
        self.sizes.batch * self.sizes.steps * self.sizes.units
    }
}

fn weights<'a, E: Float>(inputs: &[&'a [E]]) -> sequence::Weights<'a, E> {
    sequence::Weights { kernel: inputs[1], recurrent: inputs[2], bias: inputs[3] }
}

impl<E: Float> Op<E> for LstmSequence {
    fn name(&self) -> &'static str {
        "lstm_sequence"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], mut keep: Keep<'_, E>) {
        let sizes = self.sizes;
        let (hidden, last) = out.split_at_mut(self.hidden_len());
        let last = self.with_state.then_some(last);
        let from = (inputs[0], inputs.get(4).copied());
        let mut working;
        let (kept, kept_steps) = if keep.wants_any() {
            (keep.saved_scratch(sequence::kept_len(sizes, sizes.steps)), sizes.steps)
        } else {
            working = Buffer::scratch(sequence::kept_len(sizes, 1));
            (&mut *working, 1)
        };
        sequence::forward(sizes, weights(inputs), from, (hidden, last), (kept, kept_steps));
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (hidden, _) = pass.out.split_at(self.hidden_len());
        let (d_hidden, d_last) = pass.grad_out.split_at(self.hidden_len());
        let d_last = self.with_state.then_some(d_last);
        let (inputs, kept) = (pass.inputs, pass.saved);
        let passed = sequence::Passed { x: inputs[0], initial: inputs.get(4).copied(), hidden, kept };
        let mut working = Buffer::scratch(sequence::backward_len(self.sizes));
        let mut targets = targets(pass);
        let mut next = || targets.next().flatten();
        let targets =
            sequence::Targets { x: next(), kernel: next(), recurrent: next(), bias: next(), initial: next() };
        sequence::backward(self.sizes, weights(inputs), passed, (d_hidden, d_last), &mut working, targets);
    }
}

fn run_sequence<E: Float>(
    x: &Value<E>,
    weights: LstmWeights<'_, E>,
    initial: Option<&LstmState<E>>,
    with_state: bool,
) -> Result<(Value<E>, Sizes)> {
    let op = "lstm_sequence";
    let LstmWeights { kernel, recurrent, bias } = weights;
    let sizes = check_sizes(op, GATES, x, kernel, recurrent)?;
    check_bias(op, bias, GATES * sizes.units)?;
    let Sizes { batch, steps, units, .. } = sizes;
    let mut inputs = vec![x, kernel, recurrent, bias];
    if let Some(LstmState { packed }) = initial {
        check_dims(op, packed, &state_dims(batch, units), "the initial state, [2, batch, units]")?;
        inputs.push(packed);
    }
    let dims = match with_state {
        true => Dims::vector(batch * (steps + 2) * units),
        false => [batch, steps, units].into_iter().collect(),
    };
    Ok((apply(LstmSequence { sizes, with_state }, &inputs, dims), sizes))
}

/// The hidden states `[batch, steps, units]` of long short-term memory over a sequence `x`, `[batch, steps, inputs]`.
///
/// Equal to [`lstm_step`] of `x_t W + h U + b` for every step, but one operation. The network begins at `initial`, or at
/// zero, which costs nothing.
///
/// # Errors
/// [`Error::Shape`] if the weights or the initial state do not fit the sequence, or an axis is empty.
///
/// # Examples
/// ```
/// use ed::ops::recurrent::{LstmWeights, lstm_sequence};
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let x = Var::from_vec(vec![1.0f64, -1.0], (1usize, 2usize, 1usize))?;
/// let kernel = Var::from_vec(vec![1.0, 0.0, 2.0, 0.0], (1usize, 4usize))?;
/// let recurrent = Var::zeros((1usize, 4usize));
/// let bias = Var::from([0.0, 1.0, 0.0, 0.0]);
/// let weights = LstmWeights { kernel: kernel.value(), recurrent: recurrent.value(), bias: bias.value() };
/// let h = lstm_sequence(x.value(), weights, None)?;
/// // σ(0) tanh(σ(1) tanh 2) at the first step.
/// let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
/// assert!((h.as_slice()?[0] - 0.5 * (logistic(1.0) * 2f64.tanh()).tanh()).abs() < 1e-12);
/// # Ok(()) }
/// ```
pub fn lstm_sequence<E: Float>(
    x: &Value<E>,
    weights: LstmWeights<'_, E>,
    initial: Option<&LstmState<E>>,
) -> Result<Value<E>> {
    Ok(run_sequence(x, weights, initial, false)?.0)
}

/// As [`lstm_sequence`], with the state after the last step.
///
/// # Errors
/// As [`lstm_sequence`].
pub fn lstm_sequence_with_state<E: Float>(
    x: &Value<E>,
    weights: LstmWeights<'_, E>,
    initial: Option<&LstmState<E>>,
) -> Result<(Value<E>, LstmState<E>)> {
    let (out, Sizes { batch, steps, units, .. }) = run_sequence(x, weights, initial, true)?;
    let hidden = layout::slice(&out, 0, [batch, steps, units].into_iter().collect());
    let packed = layout::slice(&out, batch * steps * units, state_dims(batch, units));
    Ok((hidden, LstmState { packed }))
}
