//! Matrices: triangular systems, diagonals, determinants and outer products.

use dfdx::shapes::Dim;

use super::float::Float;
use super::operators::Operand;
use super::var::Var;
use crate::error::Result;
use crate::kernels::linalg::Transpose;
use crate::ops::linalg;

impl<A: Dim, B: Dim, E: Float> Var<(A, B), E> {
    /// `X` with `L X = rhs`, for the lower triangle `L` of this matrix: `[K, K]` with `[K] → [K]` or `[K, M] → [K, M]`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the matrix is not square,
    /// [`Error::Broadcast`](crate::Error::Broadcast) if `rhs` does not fit, and
    /// [`Error::Value`](crate::Error::Value) if a number on the diagonal is zero or NaN.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let a = Var::from_vec(vec![4.0f64, 2.0, 2.0, 5.0], (2usize, 2usize))?;
    /// let l = a.cholesky()?;
    /// // a x = b in two steps.
    /// let x = l.solve_triangular_transposed(&l.solve_triangular(&Var::from([8.0, 12.0]))?)?;
    /// assert_eq!(x.to_vec()?, [1.0, 2.0]);
    /// assert!((l.log_det_triangular()?.item()? - 4f64.ln()).abs() < 1e-15);
    /// # Ok(()) }
    /// ```
    pub fn solve_triangular<R: Operand<Elem = E>>(&self, rhs: R) -> Result<Var<R::Shape, E>> {
        let rhs = rhs.operand().value();
        Var::from_value(linalg::solve_triangular(self.value(), rhs, Transpose::No)?)
    }

    /// `X` with `Lᵀ X = rhs`, for the lower triangle `L` of this matrix.
    ///
    /// # Errors
    /// As [`Var::solve_triangular`].
    pub fn solve_triangular_transposed<R: Operand<Elem = E>>(&self, rhs: R) -> Result<Var<R::Shape, E>> {
        let rhs = rhs.operand().value();
        Var::from_value(linalg::solve_triangular(self.value(), rhs, Transpose::Yes)?)
    }

    /// The diagonal: `[K, K] → [K]`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the matrix is not square.
    pub fn diagonal(&self) -> Result<Var<(A,), E>> {
        Var::from_value(linalg::diagonal(self.value())?)
    }

    /// `ln |det L|` of a triangular matrix: the sum of the logarithms on its diagonal, in nats.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the matrix is not square.
    pub fn log_det_triangular(&self) -> Result<Var<(), E>> {
        Var::from_value(linalg::log_det_triangular(self.value())?)
    }
}

impl<A: Dim, E: Float> Var<(A,), E> {
    /// Every product of one of these numbers with one of `rhs`: `[N], [M] → [N, M]`.
    pub fn outer<B: Dim>(&self, rhs: &Var<(B,), E>) -> Var<(A, B), E> {
        Var::of(linalg::outer(self.value(), rhs.value()))
    }
}
