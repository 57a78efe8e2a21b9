//! A tape that runs again: the operations of one evaluation, repeated from other inputs without the program that
//! made them.
//!
//! A sampler evaluates one log-density a hundred thousand times. Running the model each time costs allocations, names
//! and handlers; the operations themselves are always the same, as long as no number that depends on the position was
//! read by the program (it could have chosen what to do next by it). The tape knows whether one was.

use std::rc::Rc;

use smallvec::SmallVec;

use super::buffer::Buffer;
use super::float::Float;
use super::op::{Backward, Keep, Op, Slot, run_backward};
use super::tape::{Node, Source, Tape};
use super::value::Value;
use crate::error::{Error, Result};

/// The recorded operations from one input to one number.
pub(crate) struct Plan<E: Float> {
    steps: Vec<Step<E>>,
    /// Values, in the order of the tape; constants come after them.
    values: Vec<Buffer<E>>,
    grads: Vec<Buffer<E>>,
    /// Whether the gradient of a value was written in this pass.
    touched: Vec<bool>,
    output: usize,
}

struct Step<E: Float> {
    op: Rc<dyn Op<E>>,
    inputs: SmallVec<[usize; 4]>,
    out: usize,
    wanted: SmallVec<[bool; 8]>,
    saved: Vec<E>,
}

impl<E: Float> Plan<E> {
    /// Takes the operations that lead from the first value watched on `tape` to `output`.
    ///
    /// `None` if a number on the tape was read on the way, so that the operations may differ next time.
    pub(crate) fn take(tape: Tape<E>, input: Node, output: &Value<E>) -> Result<Option<Plan<E>>> {
        let node = output.check()?.node();
        if node.tape != input.tape || input.index != 0 {
            return Err(Error::NotWatched { what: "the log-density" });
        }
        let Some(record) = tape.take() else { return Err(Error::TapeGone { op: "a log-density" }) };
        if record.escaped || record.entries[1..].iter().any(|entry| entry.op.is_none()) {
            return Ok(None);
        }
        let last = node.index as usize;
        let needed = needed(&record.entries, last);
        let mut values: Vec<Buffer<E>> = Vec::with_capacity(last + 1);
        let mut grads = Vec::with_capacity(last + 1);
        for (entry, needed) in record.entries[..=last].iter().zip(&needed) {
            let len = if *needed { entry.out.len() } else { 0 };
            let mut value = Buffer::scratch(len);
            value.copy_from_slice(&entry.out[..len]);
            values.push(value);
            grads.push(Buffer::zeros(len));
        }
        let mut steps = Vec::new();
        for (index, entry) in record.entries.into_iter().enumerate().take(last + 1) {
            let Some(op) = entry.op.filter(|_| needed[index]) else { continue };
            let wanted = entry.inputs.iter().map(|source| matches!(source, Source::Node(_))).collect();
            let inputs = entry.inputs.iter().map(|source| match source {
                Source::Node(node) => *node as usize,
                Source::Constant(data) => {
                    values.push(Buffer::clone(data));
                    values.len() - 1
                }
            });
            let inputs = inputs.collect();
            steps.push(Step { op, inputs, out: index, wanted, saved: entry.saved });
        }
        let touched = vec![false; grads.len()];
        Ok(Some(Plan { steps, values, grads, touched, output: last }))
    }

    /// The output and its gradient at `input`.
    pub(crate) fn value_and_gradient(&mut self, input: impl FnOnce(&mut [E])) -> (E, &[E]) {
        input(&mut self.values[0]);
        for step in &mut self.steps {
            let mut out = std::mem::replace(&mut self.values[step.out], Buffer::from(Vec::new()));
            let inputs: SmallVec<[&[E]; 4]> = step.inputs.iter().map(|&index| &*self.values[index]).collect();
            step.op.forward(&inputs, &mut out, Keep { wanted: &step.wanted, saved: &mut step.saved });
            drop(inputs);
            self.values[step.out] = out;
        }
        self.touched.fill(false);
        self.grads[self.output][0] = E::ONE;
        self.touched[self.output] = true;
        for step in self.steps.iter().rev() {
            if self.touched[step.out] {
                step_back(step, &self.values, &mut self.grads, &mut self.touched);
            }
        }
        if !self.touched[0] {
            self.grads[0].fill(E::ZERO);
        }
        (self.values[self.output][0], &self.grads[0])
    }
}

/// Which entries the output depends on.
fn needed<E: Float>(entries: &[super::tape::Entry<E>], last: usize) -> Vec<bool> {
    let mut needed = vec![false; last + 1];
    needed[0] = true;
    needed[last] = true;
    for index in (0..=last).rev().filter(|index| *index > 0) {
        if needed[index] {
            for source in &entries[index].inputs {
                if let Source::Node(node) = source {
                    needed[*node as usize] = true;
                }
            }
        }
    }
    needed
}

fn step_back<E: Float>(step: &Step<E>, values: &[Buffer<E>], grads: &mut [Buffer<E>], touched: &mut [bool]) {
    let inputs: SmallVec<[&[E]; 4]> = step.inputs.iter().map(|&index| &*values[index]).collect();
    let grad_out = std::mem::replace(&mut grads[step.out], Buffer::from(Vec::new()));
    // As in the eager pass, each gradient leaves the table meanwhile, and a second mention gets its own buffer.
    let mut taken: SmallVec<[(usize, Buffer<E>, bool); 4]> = SmallVec::new();
    for (place, &index) in step.inputs.iter().enumerate() {
        if step.wanted[place] {
            if taken.iter().any(|(other, _, _)| *other == index) {
                taken.push((index, Buffer::scratch(inputs[place].len()), true));
            } else {
                let gradient = std::mem::replace(&mut grads[index], Buffer::from(Vec::new()));
                taken.push((index, gradient, !touched[index]));
            }
        }
    }
    {
        let mut buffers = taken.iter_mut();
        let slots: SmallVec<[Option<Slot<'_, E>>; 4]> = (0..inputs.len())
            .map(|place| match step.wanted[place] {
                true => buffers.next().map(|(_, data, fresh)| Slot { data, fresh: *fresh }),
                false => None,
            })
            .collect();
        let pass = Backward {
            inputs: &inputs,
            out: &values[step.out],
            saved: &step.saved,
            grad_out: &grad_out,
            slots,
        };
        run_backward(&*step.op, pass);
    }
    grads[step.out] = grad_out;
    for (index, gradient, _) in taken {
        if grads[index].is_empty() && !gradient.is_empty() {
            grads[index] = gradient;
            touched[index] = true;
        } else {
            grads[index].iter_mut().zip(gradient.iter()).for_each(|(sum, &more)| *sum += more);
        }
    }
}
