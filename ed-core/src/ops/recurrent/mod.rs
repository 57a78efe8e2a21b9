//! Recurrent networks: single steps from pre-activations, and whole sequences as one operation.
//!
//! A step serves cells that compute their pre-activations in a way of their own (perturbations for each example, as in
//! Flipout, or scales for each member of an ensemble). A sequence does everything at once: it takes every example through
//! all time steps on one thread, keeps what the backward pass needs and nothing else, and sums the gradients of the
//! weights over all steps in large products.
//!
//! | network | state | step | sequence |
//! |---|---|---|---|
//! | long short-term memory | [`LstmState`] | [`lstm_step`] | [`lstm_sequence`], [`lstm_sequence_with_state`] |
//! | gated recurrent units | `[batch, units]` | [`gru_step`] | [`gru_sequence`], [`gru_sequence_with_state`] |

mod gru;
mod lstm;

pub use gru::{GruWeights, gru_sequence, gru_sequence_with_state, gru_step};
pub use lstm::{LstmState, LstmWeights, lstm_sequence, lstm_sequence_with_state, lstm_step};

use crate::error::{Error, Result};
use crate::kernels::recurrent::{Sizes, Target};
use crate::tensor::{Backward, Dims, Float, Value};

/// `Err` unless a value has the given sizes.
fn check_dims<E: Float>(op: &'static str, x: &Value<E>, sizes: &[usize], axes: &str) -> Result<()> {
    let got = *x.check()?.dims();
    if *got == *sizes {
        return Ok(());
    }
    let expected: Dims = sizes.iter().copied().collect();
    Err(Error::Shape { op, expected: format!("{expected}, {axes}"), got })
}

/// The sizes of a network of so many gates from its input and recurrent weights.
fn check_sizes<E: Float>(
    op: &'static str,
    gates: usize,
    x: &Value<E>,
    kernel: &Value<E>,
    recurrent: &Value<E>,
) -> Result<Sizes> {
    let got = *x.check()?.dims();
    let &[batch, steps, inputs] = &*got else {
        return Err(Error::Shape { op, expected: "[batch, steps, inputs]".into(), got });
    };
    let units = recurrent.check()?.dims().first().copied().unwrap_or(0);
    check_dims(op, recurrent, &[units, gates * units], "the recurrent weights, [units, gates · units]")?;
    check_dims(op, kernel, &[inputs, gates * units], "the weights of the inputs, [inputs, gates · units]")?;
    if batch * steps * inputs * units == 0 {
        let expected = format!("without an empty axis, for {units} units");
        return Err(Error::Shape { op, expected, got });
    }
    Ok(Sizes { batch, steps, inputs, units })
}

/// The first vector of so many gates, or a refusal.
fn check_bias<E: Float>(op: &'static str, bias: &Value<E>, len: usize) -> Result<()> {
    check_dims(op, bias, &[len], "the bias, [gates · units]")
}

/// The gradients of all inputs as targets of a kernel.
fn targets<'a, E: Float>(pass: &'a mut Backward<'_, E>) -> impl Iterator<Item = Option<Target<'a, E>>> {
    pass.grads().map(|slot| {
        slot.map(|slot| {
            let fresh = slot.is_fresh();
            Target { values: slot.raw(), fresh }
        })
    })
}

#[cfg(test)]
mod tests;
