//! A tensor whose shape is known at run time only: what the operations work on.

use std::panic::Location;
use std::sync::Arc;

use super::buffer::Buffer;
use super::dims::Dims;
use super::float::Float;
use super::tape::{self, Node};
use crate::error::{Error, Result};

/// Numbers in row-major order, their dims, their place on a tape, and possibly a fault.
///
/// [`Var`](super::Var) is a `Value` with a typed shape; [`AnyVar`](super::AnyVar) one without a typed precision.
#[derive(Clone)]
pub struct Value<E: Float> {
    data: Arc<Buffer<E>>,
    dims: Dims,
    node: Node,
    fault: Option<Arc<Error>>,
}

impl<E: Float> Value<E> {
    pub(crate) fn new(data: Arc<Buffer<E>>, dims: Dims) -> Value<E> {
        debug_assert_eq!(data.len(), dims.num_elements());
        Value { data, dims, node: Node::NONE, fault: None }
    }

    /// A value from its numbers.
    ///
    /// # Errors
    /// [`Error::Algorithm`] unless there are as many numbers as the dims say.
    pub fn from_vec(data: Vec<E>, dims: Dims) -> Result<Value<E>> {
        let (given, needed) = (data.len(), dims.num_elements());
        if given != needed {
            let needed =
                if needed == usize::MAX { "more than can be counted".into() } else { needed.to_string() };
            let why = format!("the shape {dims} has room for {needed} numbers, and the vector has {given}");
            return Err(Error::Algorithm { of: "a tensor from a vector", why });
        }
        Ok(Value::new(Arc::new(Buffer::from(data)), dims))
    }

    /// One number.
    pub fn scalar(x: E) -> Value<E> {
        Value::new(Arc::new(Buffer::from(vec![x])), Dims::SCALAR)
    }

    /// The same number everywhere; a value that carries [`Error::Shape`] if the numbers do not fit into memory.
    pub fn full(x: E, dims: Dims) -> Value<E> {
        if let Err(error) = Buffer::<E>::check_room("a tensor of one number", &dims) {
            return Value::faulty(Arc::new(error), dims);
        }
        let mut data = Buffer::scratch(dims.num_elements());
        data.fill(x);
        Value::new(Arc::new(data), dims)
    }

    /// A value that stands for an operation that failed. Every operation on it fails in the same way.
    pub(crate) fn faulty(fault: Arc<Error>, dims: Dims) -> Value<E> {
        Value { data: Arc::new(Buffer::from(Vec::new())), dims, node: Node::NONE, fault: Some(fault) }
    }

    pub(crate) fn with_node(mut self, node: Node) -> Value<E> {
        self.node = node;
        self
    }

    /// The sizes of the axes.
    pub fn dims(&self) -> &Dims {
        &self.dims
    }

    pub(crate) fn data(&self) -> &Arc<Buffer<E>> {
        &self.data
    }

    /// The numbers, to change in place; copied first if they are shared.
    pub(crate) fn make_mut(&mut self) -> &mut [E] {
        let buffer: &mut Buffer<E> = Arc::make_mut(&mut self.data);
        buffer
    }

    /// The place on a tape.
    pub fn node(&self) -> Node {
        self.node
    }

    pub(crate) fn fault(&self) -> Option<&Arc<Error>> {
        self.fault.as_ref()
    }

    /// The value, or the fault that it stands for.
    ///
    /// # Errors
    /// The error of the operation that failed on the way here.
    pub fn check(&self) -> Result<&Value<E>> {
        match &self.fault {
            Some(fault) => Err((**fault).clone()),
            None => Ok(self),
        }
    }

    /// The same numbers, off every tape.
    pub fn detach(&self) -> Value<E> {
        tape::mark_escaped::<E>(self.node, None);
        self.off_tape()
    }

    /// As [`Value::detach`], for code that does not let the numbers into what is computed next.
    pub(crate) fn off_tape(&self) -> Value<E> {
        let node = if self.node.varies() { Node::RANDOM } else { Node::NONE };
        Value { node, ..self.clone() }
    }

    /// The same value, known to be another one in another run.
    pub(crate) fn random(self) -> Value<E> {
        match self.node.varies() {
            true => self,
            false => self.with_node(Node::RANDOM),
        }
    }

    /// The numbers, for code that does not let them decide what is computed next.
    pub(crate) fn peek(&self) -> Result<&[E]> {
        Ok(self.check()?.data())
    }

    /// The numbers, for code that chooses by them and loses no gradient: a draw that has none, the places of rows.
    pub(crate) fn consult(&self) -> Result<&[E]> {
        tape::mark_escaped::<E>(self.node, None);
        self.peek()
    }

    /// The numbers in row-major order. What is made of them has no gradient: a program that is differentiated
    /// ([`value_and_gradients`](crate::params::value_and_gradients), `Svi`, `Train`) and reads a number that depends on
    /// its parameters is refused, with the place where it does; `detach` says that this is meant.
    ///
    /// # Errors
    /// The error of an operation that failed on the way here.
    #[track_caller]
    pub fn as_slice(&self) -> Result<&[E]> {
        tape::mark_escaped::<E>(self.node, Some(Location::caller()));
        self.peek()
    }

    /// Another shape over the same numbers, without copying; the gradient follows.
    ///
    /// # Errors
    /// [`Error::Shape`] unless the number of elements is the same, or the error of an operation that failed on the way
    /// here.
    pub fn reshape(&self, dims: Dims) -> Result<Value<E>> {
        if self.check()?.dims.num_elements() != dims.num_elements() {
            let expected = format!("with {} numbers", self.dims.num_elements());
            return Err(Error::Shape { op: "reshape", expected, got: dims });
        }
        Ok(self.with_dims(dims))
    }

    /// Another shape over the same numbers, without copying; the gradient follows.
    pub(crate) fn with_dims(&self, dims: Dims) -> Value<E> {
        debug_assert!(self.fault.is_some() || self.data.len() == dims.num_elements());
        Value { dims, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_that_does_not_fill_its_shape_is_refused_with_both_counts() {
        let refused = |dims: &[usize]| {
            let refused = Value::from_vec(vec![1.0f32, 2.0, 3.0], dims.iter().copied().collect());
            refused.err().map(|error| error.to_string()).unwrap_or_default()
        };
        let (square, wrapping) = (refused(&[2, 2]), refused(&[1 << 63, 2]));
        assert!(square.contains("the shape [2, 2] has room for 4 numbers, and the vector has 3"), "{square}");
        assert!(wrapping.contains("more than can be counted"), "{wrapping}");
    }

    #[test]
    fn a_tensor_that_no_memory_holds_is_an_error_and_no_abort() {
        for dims in [[1 << 63, 2], [1 << 50, 1], [usize::MAX, usize::MAX]] {
            let refused = Value::full(0.0f64, dims.into_iter().collect());
            assert!(matches!(refused.check(), Err(Error::Shape { .. })), "{dims:?}");
        }
        assert!(Value::full(0.0f64, [1 << 63, 2, 0].into_iter().collect()).check().is_ok());
    }
}
