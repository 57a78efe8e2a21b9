//! Gated recurrent units as operations.

use super::{check_bias, check_dims, check_sizes, targets};
use crate::error::{Error, Result};
use crate::kernels::recurrent::gru as kernel;
use crate::kernels::recurrent::{Sizes, gru_sequence as sequence};
use crate::ops::layout;
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Buffer, Dims, Float, Keep, Op, Value};

const GATES: usize = 3;

#[derive(Debug)]
struct GruStep {
    units: usize,
}

impl<E: Float> Op<E> for GruStep {
    fn name(&self) -> &'static str {
        "gru_step"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], mut keep: Keep<'_, E>) {
        let kept = keep.saved_scratch(kernel::KEPT * out.len());
        kernel::step(self.units, [inputs[0], inputs[1]], inputs[2], kept, out);
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (units, kept, before) = (self.units, pass.saved, pass.inputs[2]);
        let (mut d_kept, mut d_hidden) = (Buffer::scratch(kept.len()), Buffer::scratch(before.len()));
        d_hidden.copy_from_slice(pass.grad_out);
        kernel::step_backward(units, (kept, before), &mut d_hidden, &mut d_kept);
        let mut targets = targets(pass);
        // What the two pre-activations of a row take from that of what was kept.
        for candidate in [2, 3] {
            let Some(target) = targets.next().flatten() else { continue };
            let rows = target.values.chunks_exact_mut(GATES * units);
            for (row, d_kept) in rows.zip(d_kept.chunks_exact(kernel::KEPT * units)) {
                let candidate = &d_kept[candidate * units..(candidate + 1) * units];
                let terms = d_kept[..2 * units].iter().chain(candidate);
                match target.fresh {
                    true => row.iter_mut().zip(terms).for_each(|(grad, &term)| *grad = term),
                    false => row.iter_mut().zip(terms).for_each(|(grad, &term)| *grad += term),
                }
            }
        }
        if let Some(mut target) = targets.next().flatten() {
            target.put(&d_hidden);
        }
    }
}

/// One step of gated recurrent units: from the pre-activations by the inputs, `x W + b`, and by the state, `h U + c`,
/// `[batch, 3 units]` each with the gates z, r, n along the last axis, and the state `h` to the next one, `[batch, units]`.
///
/// `z` and `r` are the logistic functions of the sums of their parts, `n = tanh(n_x + r n_h)` and `h' = (1 - z) n + z h`:
/// the form that resets after the product (Cho et al. 2014, EMNLP, equations 5 to 8, as in cuDNN, Keras and PyTorch).
///
/// # Errors
/// [`Error::Shape`] unless the sizes fit as above.
///
/// # Examples
/// ```
/// use ed::ops::recurrent::gru_step;
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let by_inputs = Var::from_vec(vec![0.0, 0.0, 1.0], (1usize, 3usize))?;
/// let (by_state, h) = (Var::zeros((1usize, 3usize)), Var::<_, f64>::full(0.5, (1usize, 1usize)));
/// let after = gru_step(by_inputs.value(), by_state.value(), h.value())?;
/// assert!((after.as_slice()?[0] - 0.5 * (1f64.tanh() + 0.5)).abs() < 1e-12);
/// # Ok(()) }
/// ```
pub fn gru_step<E: Float>(by_inputs: &Value<E>, by_state: &Value<E>, state: &Value<E>) -> Result<Value<E>> {
    let got = *state.check()?.dims();
    let &[batch, units] = &*got else {
        return Err(Error::Shape { op: "gru_step", expected: "[batch, units]".into(), got });
    };
    for part in [by_inputs, by_state] {
        check_dims("gru_step", part, &[batch, GATES * units], "[batch, 3 units] for this state")?;
    }
    if batch * units == 0 {
        return Ok(state.clone());
    }
    Ok(apply(GruStep { units }, &[by_inputs, by_state, state], got))
}

/// The weights of a network of gated recurrent units: the columns are the gates z (update), r (reset), n (candidate).
#[derive(Clone, Copy, Debug)]
pub struct GruWeights<'a, E: Float> {
    /// Weights of the inputs, `[inputs, 3 units]`.
    pub kernel: &'a Value<E>,
    /// Weights of the hidden state, `[units, 3 units]`.
    pub recurrent: &'a Value<E>,
    /// The bias of the inputs' part, `[3 units]`.
    pub bias: &'a Value<E>,
    /// The bias of the state's part, `[3 units]`; its candidate part is inside the reset.
    pub recurrent_bias: &'a Value<E>,
}

#[derive(Debug)]
struct GruSequence {
    sizes: Sizes,
}

fn weights<'a, E: Float>(inputs: &[&'a [E]]) -> sequence::Weights<'a, E> {
    let [_, kernel, recurrent, bias, recurrent_bias] = *inputs.first_chunk::<5>().unwrap_or(&[&[]; 5]);
    sequence::Weights { kernel, recurrent, bias, recurrent_bias }
}

impl<E: Float> Op<E> for GruSequence {
    fn name(&self) -> &'static str {
        "gru_sequence"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], mut keep: Keep<'_, E>) {
        let sizes = self.sizes;
        let mut working;
        let (kept, kept_steps) = if keep.wants_any() {
            (keep.saved_scratch(sequence::kept_len(sizes, sizes.steps)), sizes.steps)
        } else {
            working = Buffer::scratch(sequence::kept_len(sizes, 1));
            (&mut *working, 1)
        };
        let from = (inputs[0], inputs.get(5).copied());
        sequence::forward(sizes, weights(inputs), from, out, (kept, kept_steps));
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (inputs, d_hidden) = (pass.inputs, pass.grad_out);
        let (hidden, kept) = (pass.out, pass.saved);
        let passed = sequence::Passed { x: inputs[0], initial: inputs.get(5).copied(), hidden, kept };
        let mut working = Buffer::scratch(sequence::backward_len(self.sizes));
        let mut targets = targets(pass);
        let mut next = || targets.next().flatten();
        let targets = sequence::Targets {
            x: next(),
            kernel: next(),
            recurrent: next(),
            bias: next(),
            recurrent_bias: next(),
            initial: next(),
        };
        sequence::backward(self.sizes, weights(inputs), passed, d_hidden, &mut working, targets);
    }
}

/// The states `[batch, steps, units]` of gated recurrent units over a sequence `x`, `[batch, steps, inputs]`.
///
/// Equal to [`gru_step`] of `x_t W + b` and `h U + c` for every step, but one operation. The network begins at `initial`,
/// `[batch, units]`, or at zero, which costs nothing.
///
/// # Errors
/// [`Error::Shape`] if the weights or the initial state do not fit the sequence, or an axis is empty.
///
/// # Examples
/// ```
/// use ed::ops::recurrent::{GruWeights, gru_sequence};
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let x = Var::from_vec(vec![1.0f64, 0.0], (1usize, 2usize, 1usize))?;
/// let kernel = Var::from_vec(vec![0.0, 0.0, 1.0], (1usize, 3usize))?;
/// let zeros = Var::zeros((1usize, 3usize));
/// let bias = Var::from([0.0f64; 3]);
/// let weights = GruWeights {
///     kernel: kernel.value(),
///     recurrent: zeros.value(),
///     bias: bias.value(),
///     recurrent_bias: bias.value(),
/// };
/// let h = gru_sequence(x.value(), weights, None)?;
/// assert!((h.as_slice()?[0] - 0.5 * 1f64.tanh()).abs() < 1e-12);
/// assert!((h.as_slice()?[1] - 0.25 * 1f64.tanh()).abs() < 1e-12);
/// # Ok(()) }
/// ```
pub fn gru_sequence<E: Float>(
    x: &Value<E>,
    weights: GruWeights<'_, E>,
    initial: Option<&Value<E>>,
) -> Result<Value<E>> {
    let op = "gru_sequence";
    let GruWeights { kernel, recurrent, bias, recurrent_bias } = weights;
    let sizes = check_sizes(op, GATES, x, kernel, recurrent)?;
    check_bias(op, bias, GATES * sizes.units)?;
    check_bias(op, recurrent_bias, GATES * sizes.units)?;
    let Sizes { batch, steps, units, .. } = sizes;
    let mut inputs = vec![x, kernel, recurrent, bias, recurrent_bias];
    if let Some(initial) = initial {
        check_dims(op, initial, &[batch, units], "the initial state, [batch, units]")?;
        inputs.push(initial);
    }
    let dims: Dims = [batch, steps, units].into_iter().collect();
    Ok(apply(GruSequence { sizes }, &inputs, dims))
}

/// As [`gru_sequence`], with the state after the last step, `[batch, units]`.
///
/// # Errors
/// As [`gru_sequence`].
pub fn gru_sequence_with_state<E: Float>(
    x: &Value<E>,
    weights: GruWeights<'_, E>,
    initial: Option<&Value<E>>,
) -> Result<(Value<E>, Value<E>)> {
    let hidden = gru_sequence(x, weights, initial)?;
    let last = layout::at(&layout::permute(&hidden, &[1, 0, 2])?, x.dims()[1] - 1)?;
    Ok((hidden, last))
}
