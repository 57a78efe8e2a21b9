//! Embedding: a row of a table for each code.

use ed_core::Result;
use ed_core::ops::take_rows;
use ed_core::tensor::{Append, Float, Var};

use super::Geometry;
use crate::linear::Kinded;

/// The row of a table that each code names: `[…] → […, features]`, with a kernel of shape `[codes, features]`.
///
/// Codes are whole numbers from 0 on, in the same floating-point type as the table. This is the dense map of one-hot
/// vectors, without the vectors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableMap {
    /// Number of codes.
    pub num_codes: usize,
    /// Numbers in a row.
    pub features: usize,
}

impl<S: Append<usize>> Geometry<S> for TableMap {
    type Kernel = (usize, usize);
    type Out = S::Appended;

    const CODES: bool = true;

    fn kernel_shape(&self, _: &S) -> Result<(usize, usize)> {
        Ok((self.num_codes, self.features))
    }

    fn apply<E: Float>(&self, x: &Var<S, E>, kernel: &Var<(usize, usize), E>) -> Result<Var<Self::Out, E>> {
        Var::from_value(take_rows(kernel.value(), x.value())?)
    }
}

impl Kinded for TableMap {
    fn kind(&self) -> &'static str {
        "Embedding"
    }

    fn settings(&self) -> String {
        format!("{} codes, {}", self.num_codes, self.features)
    }
}
