//! Tensors as examples, positions and channels.

use dfdx::shapes::Shape;
use ed_core::Result;
use ed_core::tensor::{Float, Value, Var};

use crate::geometry::Layout;

/// The numbers as `[rows, positions, channels]`.
pub(super) fn by_row<S: Shape, E: Float>(x: &Var<S, E>, layout: Layout) -> Result<Value<E>> {
    Ok(x.reshape((layout.rows, layout.positions, layout.channels))?.into_value())
}

/// The numbers in their shape again.
pub(super) fn from_rows<S: Shape, E: Float>(x: Value<E>, shape: S) -> Result<Var<S, E>> {
    Var::<(usize, usize, usize), E>::from_value(x)?.reshape(shape)
}
