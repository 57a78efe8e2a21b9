//! The gradient tape: the operations that led from watched values to a loss, in order.
//!
//! A value on a tape carries only two numbers, the tape's and its own place on it; the tape itself lives in a table of
//! the thread that made it. So values are cloned freely, are `Send + Sync`, and nothing is lost when one is dropped.

use std::cell::Cell;
use std::marker::PhantomData;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use dfdx::shapes::Shape;
use smallvec::SmallVec;

use super::any::AnyVar;
use super::buffer::Buffer;
use super::dims::Dims;
use super::float::Float;
use super::op::{Backward, Keep, Op, Slot, run_backward};
use super::value::Value;
use super::var::Var;
use crate::error::{Error, Result};

/// A place on a tape; tape 0 is no tape, and the last number stands for no tape, too.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Node {
    pub(crate) tape: u32,
    pub(crate) index: u32,
}

impl Node {
    /// A value that no tape watches.
    pub const NONE: Node = Node { tape: 0, index: 0 };

    /// A value that no tape watches and that depends on a random variable: another run may have another.
    pub(crate) const RANDOM: Node = Node { tape: u32::MAX, index: 0 };

    /// Whether the value is on a tape.
    pub fn is_some(&self) -> bool {
        self.tape != Node::NONE.tape && self.tape != Node::RANDOM.tape
    }

    /// Whether the value may be another one in another run: on a tape, or made of something random.
    pub(crate) fn varies(&self) -> bool {
        self.tape != Node::NONE.tape
    }
}

/// Where an input of a recorded operation comes from.
#[derive(Clone)]
pub(crate) enum Source<E: Float> {
    /// An earlier place on the same tape.
    Node(u32),
    /// A value that is not watched.
    Constant(Arc<Buffer<E>>),
}

/// One recorded operation; a watched value is one without.
pub(crate) struct Entry<E: Float> {
    pub op: Option<Rc<dyn Op<E>>>,
    pub inputs: SmallVec<[Source<E>; 4]>,
    pub out: Arc<Buffer<E>>,
    pub saved: Buffer<E>,
}

/// The operations of one tape.
pub(crate) struct Record<E: Float> {
    pub id: u32,
    pub entries: Vec<Entry<E>>,
    /// A number that depends on a watched value has left the tape: a replay could not know what was done with it.
    pub escaped: bool,
    /// Where the program first read numbers that depend on a watched value.
    pub read: Option<Reading>,
}

/// Where numbers on a tape were read, and how much was on the tape by then.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    place: &'static Location<'static>,
    entries: usize,
}

/// The tapes of one thread and one precision.
#[doc(hidden)]
pub struct Tapes<E: Float> {
    live: Vec<Record<E>>,
}

impl<E: Float> Tapes<E> {
    pub(crate) const fn empty() -> Tapes<E> {
        Tapes { live: Vec::new() }
    }

    fn get(&mut self, id: u32) -> Option<&mut Record<E>> {
        // Tapes are few and the latest is the likeliest.
        self.live.iter_mut().rev().find(|record| record.id == id)
    }

    fn remove(&mut self, id: u32) -> Option<Record<E>> {
        let at = self.live.iter().rposition(|record| record.id == id)?;
        Some(self.live.remove(at))
    }
}

/// A gradient tape: watch values on it, compute with them, and call `backward` on the loss.
///
/// One tape serves one backward pass, which consumes its operations. A tape that is dropped forgets them.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let tape = Tape::new();
/// let z = tape.watch(&Var::from([3.0, 4.0]));
/// let loss = (&z * &z).sum();
/// let gradients = loss.backward()?;
/// assert_eq!(gradients.get(&z)?.to_vec()?, [6.0, 8.0]);
/// # Ok(()) }
/// ```
pub struct Tape<E: Float = f32> {
    id: u32,
    // The table is the thread's own, so the handle must stay there.
    not_send: PhantomData<*const E>,
}

impl Tape<f32> {
    /// A tape for `f32` values. For either precision, see [`Tape::of`].
    #[allow(clippy::new_without_default)]
    pub fn new() -> Tape<f32> {
        Tape::of()
    }
}

impl<E: Float> Tape<E> {
    /// A tape for values of type `E`.
    pub fn of() -> Tape<E> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed) % (Node::RANDOM.tape - 1) + 1;
        E::with_tapes(|tapes| {
            let record = Record { id, entries: Vec::new(), escaped: false, read: None };
            tapes.borrow_mut().live.push(record);
        });
        Tape { id, not_send: PhantomData }
    }

    /// The same value, watched: what is computed from it is recorded. The data is shared, not copied.
    pub fn watch<S: Shape>(&self, x: &Var<S, E>) -> Var<S, E> {
        Var::from_parts(self.watch_value(x.value()), *x.shape())
    }

    pub(crate) fn watch_value(&self, x: &Value<E>) -> Value<E> {
        let entry = Entry {
            op: None,
            inputs: SmallVec::new(),
            out: x.data().clone(),
            saved: Buffer::from(Vec::new()),
        };
        let node = E::with_tapes(|tapes| {
            let mut tapes = tapes.borrow_mut();
            let record = tapes.get(self.id).map(|record| {
                record.entries.push(entry);
                record.entries.len() as u32 - 1
            });
            record.map_or(Node::NONE, |index| Node { tape: self.id, index })
        });
        x.off_tape().with_node(node)
    }

    /// Checks that no number was read before `loss` was made of it, by which its gradient would be lost.
    ///
    /// # Errors
    /// [`Error::GradientLost`] with the place in the program. What is read after the loss was computed is harmless.
    pub(crate) fn require_unread(&self, loss: Node) -> Result<()> {
        let read = E::with_tapes(|tapes| tapes.borrow_mut().get(self.id).and_then(|record| record.read));
        let made_after = |read: &Reading| loss.tape != self.id || loss.index as usize >= read.entries;
        match read.filter(made_after) {
            Some(read) => Err(Error::GradientLost { place: read.place.to_string() }),
            None => Ok(()),
        }
    }

    /// Ends the tape and hands out what it recorded.
    pub(crate) fn take(self) -> Option<Record<E>> {
        E::with_tapes(|tapes| tapes.borrow_mut().remove(self.id))
    }
}

impl<E: Float> Drop for Tape<E> {
    fn drop(&mut self) {
        // A record is dropped after the table is released: its values may own other tapes' data.
        let record = E::with_tapes(|tapes| tapes.borrow_mut().remove(self.id));
        drop(record);
    }
}

thread_local! {
    static DRAWING: Cell<bool> = const { Cell::new(false) };
}

/// Runs a draw that has no gradient by declaration: it may read the numbers that it depends on.
pub(crate) fn drawing<T>(draw: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            DRAWING.set(self.0);
        }
    }
    let _restore = Restore(DRAWING.replace(true));
    draw()
}

/// Marks the tape of `node` as one whose values left it, and where they were read if their gradient is lost by it.
pub(crate) fn mark_escaped<E: Float>(node: Node, place: Option<&'static Location<'static>>) {
    if node.is_some() {
        let place = place.filter(|_| !DRAWING.get());
        E::with_tapes(|tapes| {
            if let Some(record) = tapes.borrow_mut().get(node.tape) {
                record.escaped = true;
                let entries = record.entries.len();
                record.read = record.read.or(place.map(|place| Reading { place, entries }));
            }
        });
    }
}

/// Runs an operation forward and records it if one of its inputs is watched: how an [`Op`] of one's own is used.
///
/// A fault of an input becomes the fault of the output, so that formulas need no `?`.
pub fn apply<E: Float>(op: impl Op<E>, inputs: &[&Value<E>], dims: Dims) -> Value<E> {
    let mut tape = 0;
    let mut varies = false;
    let mut wanted: SmallVec<[bool; 8]> = SmallVec::new();
    for input in inputs {
        if let Some(fault) = input.fault() {
            return Value::faulty(fault.clone(), dims);
        }
        let node = input.node();
        if node.is_some() {
            if tape != 0 && tape != node.tape {
                return Value::faulty(Arc::new(Error::TwoTapes { op: op.name() }), dims);
            }
            tape = node.tape;
        }
        varies |= node.varies();
        wanted.push(node.is_some());
    }
    if let Err(error) = Buffer::<E>::check_room(op.name(), &dims) {
        return Value::faulty(Arc::new(error), dims);
    }
    let slices: SmallVec<[&[E]; 4]> = inputs.iter().map(|input| &***input.data()).collect();
    let mut out = Buffer::scratch(dims.num_elements());
    let mut saved = Buffer::from(Vec::new());
    op.forward(&slices, &mut out, Keep { wanted: &wanted, saved: &mut saved });
    let out = Arc::new(out);
    if tape == 0 {
        let node = if varies { Node::RANDOM } else { Node::NONE };
        return Value::new(out, dims).with_node(node);
    }
    let sources = inputs
        .iter()
        .map(|input| match input.node() {
            node if node.is_some() => Source::Node(node.index),
            _ => Source::Constant(input.data().clone()),
        })
        .collect();
    let name = op.name();
    let entry = Entry { op: Some(Rc::new(op)), inputs: sources, out: out.clone(), saved };
    let index = E::with_tapes(|tapes| {
        tapes.borrow_mut().get(tape).map(|record| {
            record.entries.push(entry);
            record.entries.len() as u32 - 1
        })
    });
    match index {
        Some(index) => Value::new(out, dims).with_node(Node { tape, index }),
        None => Value::faulty(Arc::new(Error::TapeGone { op: name }), dims),
    }
}

/// The gradients of one backward pass.
pub struct Gradients<E: Float = f32> {
    tape: u32,
    by_leaf: Vec<(u32, Buffer<E>)>,
}

impl<E: Float> Gradients<E> {
    /// The gradient of the loss by a watched value: zeros if the loss does not depend on it.
    ///
    /// # Errors
    /// [`Error::NotWatched`] if `x` is not what [`Tape::watch`] returned on this loss's tape.
    pub fn get<S: Shape>(&self, x: &Var<S, E>) -> Result<Var<S, E>> {
        Ok(Var::from_parts(self.get_value(x.value())?, *x.shape()))
    }

    pub(crate) fn get_value(&self, x: &Value<E>) -> Result<Value<E>> {
        let gradient = match self.slice(x.node())? {
            Some(gradient) => {
                let mut copy = Buffer::scratch(gradient.len());
                copy.copy_from_slice(gradient);
                copy
            }
            None => Buffer::zeros(x.dims().num_elements()),
        };
        Ok(Value::new(Arc::new(gradient), *x.dims()))
    }

    /// The gradient by the watched value at `node`, without a copy; `None` if it is zero.
    pub(crate) fn slice(&self, node: Node) -> Result<Option<&[E]>> {
        if node.tape != self.tape {
            return Err(Error::NotWatched { what: "the value" });
        }
        let found = self.by_leaf.iter().find(|(index, _)| *index == node.index);
        Ok(found.map(|(_, gradient)| &**gradient))
    }

    /// The gradient by a watched value, moved out; `None` if it is zero, or of another tape.
    pub(crate) fn take(&mut self, x: &Value<E>) -> Option<Value<E>> {
        let node = x.node();
        if node.tape != self.tape {
            return None;
        }
        let at = self.by_leaf.iter().position(|(index, _)| *index == node.index)?;
        let (_, gradient) = self.by_leaf.swap_remove(at);
        Some(Value::new(Arc::new(gradient), *x.dims()))
    }

    /// The gradient by a watched value whose type is forgotten.
    ///
    /// # Errors
    /// As [`Gradients::get`], and [`Error::Precision`] for the other precision.
    pub fn get_any(&self, x: &AnyVar) -> Result<AnyVar> {
        Ok(E::into_any(self.get_value(x.as_value::<E>()?)?))
    }
}

/// The backward pass: consumes the tape of `loss`, freeing each operation's memory as it goes.
pub(crate) fn backward<E: Float>(loss: &Value<E>) -> Result<Gradients<E>> {
    if let Some(fault) = loss.fault() {
        return Err((**fault).clone());
    }
    if loss.dims().num_elements() != 1 {
        return Err(Error::Shape { op: "backward", expected: "[]".into(), got: *loss.dims() });
    }
    let node = loss.node();
    if !node.is_some() {
        return Err(Error::NotWatched { what: "the loss" });
    }
    let record = E::with_tapes(|tapes| tapes.borrow_mut().remove(node.tape));
    let Some(mut record) = record else {
        return Err(Error::TapeGone { op: "backward" });
    };
    record.entries.truncate(node.index as usize + 1);
    let mut grads: Vec<Option<Buffer<E>>> = Vec::new();
    grads.resize_with(record.entries.len(), || None);
    grads[node.index as usize] = Some(Buffer::from(vec![E::ONE]));
    let mut by_leaf = Vec::new();
    while let Some(entry) = record.entries.pop() {
        let index = record.entries.len();
        let Some(grad_out) = grads[index].take() else { continue };
        match entry.op {
            None => by_leaf.push((index as u32, grad_out)),
            Some(ref op) => step_back(&**op, &entry, &record.entries, &grad_out, &mut grads),
        }
    }
    Ok(Gradients { tape: node.tape, by_leaf })
}

/// The backward pass of one recorded operation.
fn step_back<E: Float>(
    op: &dyn Op<E>,
    entry: &Entry<E>,
    earlier: &[Entry<E>],
    grad_out: &[E],
    grads: &mut [Option<Buffer<E>>],
) {
    let inputs: SmallVec<[&[E]; 4]> = entry
        .inputs
        .iter()
        .map(|source| match source {
            Source::Node(index) => &**earlier[*index as usize].out,
            Source::Constant(data) => &***data,
        })
        .collect();
    // Each gradient is taken out of the table while the operation adds to it. An input that stands twice in one
    // operation gets a second buffer, added afterwards.
    let mut taken: SmallVec<[(u32, Buffer<E>, bool); 4]> = SmallVec::new();
    for (source, input) in entry.inputs.iter().zip(&inputs) {
        if let Source::Node(index) = source {
            match grads[*index as usize].take() {
                Some(gradient) => taken.push((*index, gradient, false)),
                None => taken.push((*index, Buffer::scratch(input.len()), true)),
            }
        }
    }
    {
        let mut buffers = taken.iter_mut();
        let mut slots: Vec<Option<Slot<'_, E>>> = entry
            .inputs
            .iter()
            .map(|source| match source {
                Source::Node(_) => buffers.next().map(|(_, data, fresh)| Slot { data, fresh: *fresh }),
                Source::Constant(_) => None,
            })
            .collect();
        let (out, saved, slots) = (&entry.out, &entry.saved, &mut slots);
        run_backward(op, Backward { inputs: &inputs, out, saved, grad_out, slots });
    }
    for (index, gradient, _) in taken {
        match &mut grads[index as usize] {
            Some(first) => first.iter_mut().zip(gradient.iter()).for_each(|(sum, &more)| *sum += more),
            empty => *empty = Some(gradient),
        }
    }
}
