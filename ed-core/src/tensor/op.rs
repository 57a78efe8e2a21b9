//! What an operation is: a way forward, a way back, and nothing about tapes.
//!
//! An operation is data, not a closure: the tape keeps it, so that the same list of operations serves the backward
//! pass and, run again from new inputs, the forward one (see [`Plan`](super::plan::Plan)).

use std::fmt::Debug;

use super::buffer::Buffer;
use super::float::Float;
use crate::kernels::fused::Gradient;
use crate::kernels::parallel::fill;

/// Which inputs will be asked for a gradient, and where to keep what the backward pass will want.
pub struct Keep<'a, E: Float> {
    pub(super) wanted: &'a [bool],
    pub(super) saved: &'a mut Buffer<E>,
}

impl<E: Float> Keep<'_, E> {
    /// Whether the gradient of input `index` will be asked for.
    pub fn wants(&self, index: usize) -> bool {
        self.wanted[index]
    }

    /// Whether any gradient will be asked for.
    pub fn wants_any(&self) -> bool {
        self.wanted.contains(&true)
    }

    /// The memory for intermediate results; the backward pass gets it as [`Backward::saved`].
    pub fn saved(&mut self) -> &mut Vec<E> {
        self.saved.as_vec()
    }

    /// The same memory, of `len` numbers of unspecified value: for large results, which reuse that of earlier steps.
    pub fn saved_scratch(&mut self, len: usize) -> &mut [E] {
        if self.saved.len() != len {
            *self.saved = Buffer::scratch(len);
        }
        self.saved
    }
}

/// The gradient of one input while it is gathered.
pub struct GradSlot<'a, E> {
    data: &'a mut [E],
    fresh: bool,
}

impl<'a, E: Float> GradSlot<'a, E> {
    /// The gradient so far, to add to.
    pub fn add(self) -> &'a mut [E] {
        if self.fresh {
            fill(self.data, E::ZERO);
        }
        self.data
    }

    /// The number of elements of the input.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether the input has no elements.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Whether nothing was added yet: then an operation may overwrite [`GradSlot::raw`] instead of adding.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// The slot as the fused kernels take it.
    pub(crate) fn gradient(self) -> Gradient<'a, E> {
        Gradient { values: self.data, fresh: self.fresh }
    }

    /// The memory as it is: of unspecified value if the slot is fresh.
    pub fn raw(self) -> &'a mut [E] {
        self.data
    }
}

/// All that the backward pass of one operation sees.
pub struct Backward<'a, E> {
    /// The inputs of the forward pass.
    pub inputs: &'a [&'a [E]],
    /// The output of the forward pass.
    pub out: &'a [E],
    /// What the forward pass kept.
    pub saved: &'a [E],
    /// Gradient of the loss by the output.
    pub grad_out: &'a [E],
    pub(super) slots: &'a mut [Option<Slot<'a, E>>],
}

/// A gradient buffer on loan to an operation.
pub(super) struct Slot<'a, E> {
    pub data: &'a mut [E],
    pub fresh: bool,
}

impl<E> Slot<'_, E> {
    fn lend(&mut self) -> GradSlot<'_, E> {
        let fresh = std::mem::replace(&mut self.fresh, false);
        GradSlot { data: self.data, fresh }
    }
}

impl<E: Float> Backward<'_, E> {
    /// The gradient of input `index`, if it is wanted.
    pub fn grad(&mut self, index: usize) -> Option<GradSlot<'_, E>> {
        self.slots[index].as_mut().map(Slot::lend)
    }

    /// The gradients of all inputs, in order.
    pub fn grads(&mut self) -> impl Iterator<Item = Option<GradSlot<'_, E>>> {
        self.slots.iter_mut().map(|slot| slot.as_mut().map(Slot::lend))
    }
}

/// Runs the backward pass of one operation; a gradient that it did not touch is zero.
pub(super) fn run_backward<E: Float>(op: &dyn Op<E>, mut pass: Backward<'_, E>) {
    op.backward(&mut pass);
    for slot in pass.slots.iter_mut().flatten().filter(|slot| slot.fresh) {
        fill(slot.data, E::ZERO);
    }
}

/// A differentiable operation on contiguous, row-major numbers.
///
/// The sizes are fixed when the operation is made; `forward` and `backward` must not panic on any values.
/// An operation whose gradient is not asked for is never put on a tape.
pub trait Op<E: Float>: Debug + 'static {
    /// Name for error messages.
    fn name(&self) -> &'static str;

    /// Writes every element of `out`.
    fn forward(&self, inputs: &[&[E]], out: &mut [E], keep: Keep<'_, E>);

    /// Adds to the gradient of each wanted input.
    fn backward(&self, pass: &mut Backward<'_, E>);

    /// Where the output begins in the first input, if it is just consecutive numbers of it: then a tape that runs again
    /// need not copy them.
    fn part_of_input(&self) -> Option<usize> {
        None
    }
}
