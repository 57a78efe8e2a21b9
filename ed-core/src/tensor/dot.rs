//! `dot`: the products of matrices and vectors.

use dfdx::shapes::{Dim, Shape};

use super::float::Float;
use super::operators::Operand;
use super::var::Var;
use crate::error::Result;
use crate::ops::linalg;

/// Shapes between which there is a product: matrix·matrix, matrix·vector, vector·matrix and vector·vector.
pub trait Dot<R: Shape>: Shape {
    /// Shape of the product.
    type Out: Shape;
}

impl<A: Dim, B: Dim, C: Dim, D: Dim> Dot<(C, D)> for (A, B) {
    type Out = (A, D);
}
impl<A: Dim, B: Dim, C: Dim> Dot<(C,)> for (A, B) {
    type Out = (A,);
}
impl<A: Dim, B: Dim, C: Dim> Dot<(B, C)> for (A,) {
    type Out = (C,);
}
impl<A: Dim, B: Dim> Dot<(B,)> for (A,) {
    type Out = ();
}

impl<S: Shape, E: Float> Var<S, E> {
    /// Matrix product: `[N, K]·[K, M] → [N, M]`, `[N, K]·[K] → [N]`, `[K]·[K, M] → [M]`, `[K]·[K] → []`.
    ///
    /// # Errors
    /// [`Error::Broadcast`](crate::Error::Broadcast) if the inner sizes differ.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let x = Var::from_vec(vec![1.0f32, 2.0, 3.0, 4.0], (2usize, 2usize))?;
    /// assert_eq!(x.dot(&Var::from([1.0, 1.0]))?.to_vec()?, [3.0, 7.0]);
    /// # Ok(()) }
    /// ```
    pub fn dot<R: Operand<Elem = E>>(&self, rhs: R) -> Result<Var<S::Out, E>>
    where
        S: Dot<R::Shape>,
    {
        Var::from_value(linalg::dot(self.value().check()?, rhs.operand().value().check()?)?)
    }
}
