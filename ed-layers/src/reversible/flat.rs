//! Tensors of any rank as rows of features.

use ed_core::tensor::{Dims, Float, Value, Var};
use ed_core::{Error, Result};

/// A matrix of rows.
pub(crate) type Rows<E> = Var<(usize, usize), E>;

/// The rows of a tensor `[…, M]` and the sizes of the axes in front.
#[derive(Clone, Debug)]
pub(crate) struct Flat<E: Float> {
    pub rows: Rows<E>,
    pub front: Dims,
}

impl<E: Float> Flat<E> {
    pub fn of(x: &Value<E>) -> Result<Flat<E>> {
        let dims = *x.check()?.dims();
        let Some((&last, front)) = dims.split_last() else {
            let expected = "with features along the last axis".to_string();
            return Err(Error::Shape { op: "a reversible layer", expected, got: dims });
        };
        let front: Dims = front.iter().copied().collect();
        let rows = Var::from_value(x.reshape(Dims::vector(front.num_elements()).with_last(last))?)?;
        Ok(Flat { rows, front })
    }

    /// Number of features.
    pub fn width(&self) -> usize {
        self.rows.shape().1
    }

    /// Rows in the shape that the tensor had.
    pub fn back(&self, rows: &Rows<E>) -> Result<Value<E>> {
        rows.value().reshape(self.front.with_last(rows.shape().1))
    }
}

/// A context for so many rows: its own, or its one row for all of them.
pub(crate) fn context_for<E: Float>(of: &'static str, context: &Rows<E>, rows: usize) -> Result<Rows<E>> {
    let (own, width) = *context.shape();
    match own {
        _ if own == rows => Ok(context.clone()),
        1 => context.broadcast_to((rows, width)),
        _ => {
            let why = format!(
                "its context has {own} rows, and there are {rows} rows of features: give one for each, or one for all \
                 (`distribution_given` with the context of these rows, or `forward` of a pair)"
            );
            Err(Error::Algorithm { of, why })
        }
    }
}

/// One number for each row in the shape of the axes in front.
pub(crate) fn unflat_rows<E: Float>(rows: &Var<(usize,), E>, front: Dims) -> Result<Value<E>> {
    rows.value().reshape(front)
}
