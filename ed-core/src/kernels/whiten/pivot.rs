//! The block on the diagonal that an elimination step starts with.

use crate::kernels::dispatch::{Arch, Kernel, dispatch};
use crate::kernels::float::Real;

use super::BLOCK;

/// Columns that a row operation begins at a multiple of, so that its loop is whole vectors.
const STEP: usize = 16;

/// A square block of at most [`BLOCK`] rows, and the inverse of its Cholesky factor.
pub(super) struct Pivot<T> {
    matrix: Vec<[T; BLOCK]>,
    /// The least that may be left on the diagonal of each column.
    least: [T; BLOCK],
    inverse: Vec<[T; BLOCK]>,
}

impl<T: Real> Pivot<T> {
    pub(super) fn new() -> Self {
        let zeros = vec![[T::ZERO; BLOCK]; BLOCK];
        Pivot { matrix: zeros.clone(), least: [T::ZERO; BLOCK], inverse: zeros }
    }

    /// The rows of the block, to be filled before [`Pivot::eliminate`]: its numbers on and above the diagonal are read.
    pub(super) fn matrix(&mut self) -> &mut [T] {
        self.matrix.as_flattened_mut()
    }

    /// What must be left on the diagonal of each column, or more: filled with the rows.
    pub(super) fn least(&mut self) -> &mut [T] {
        &mut self.least
    }

    /// The lower triangular inverse of the factor, with zeros above its diagonal: `BLOCK` numbers a row.
    pub(super) fn inverse(&self) -> &[T] {
        self.inverse.as_flattened()
    }

    /// Inverts the factor of the first `width` rows and columns, or returns the order of the minor that leaves too little.
    pub(super) fn eliminate(&mut self, width: usize) -> Result<(), usize> {
        dispatch(Eliminate {
            width,
            matrix: &mut self.matrix,
            least: &self.least,
            inverse: &mut self.inverse,
        })
    }
}

struct Eliminate<'a, T> {
    width: usize,
    matrix: &'a mut [[T; BLOCK]],
    least: &'a [T; BLOCK],
    inverse: &'a mut [[T; BLOCK]],
}

/// `row -= factor · other` on some columns.
#[inline(always)]
fn subtract<A: Arch, T: Real>(row: &mut [T], factor: T, other: &[T]) {
    for (x, &y) in row.iter_mut().zip(other) {
        *x = (-factor).mul_add::<A>(y, *x);
    }
}

impl<T: Real> Kernel for Eliminate<'_, T> {
    type Out = Result<(), usize>;
    const WIDE: bool = true;

    #[inline(always)]
    fn run<A: Arch>(self) -> Self::Out {
        let width = self.width;
        for (i, row) in self.inverse[..width].iter_mut().enumerate() {
            row.fill(T::ZERO);
            row[i] = T::ONE;
        }
        let padded = width.next_multiple_of(STEP);
        for k in 0..width {
            let (matrix, below) = self.matrix[..width].split_at_mut(k + 1);
            let (inverse, inverse_below) = self.inverse[..width].split_at_mut(k + 1);
            let (row, inverse) = (&mut matrix[k], &mut inverse[k]);
            // A NaN compares with nothing.
            if !(row[k] > self.least[k] && row[k].is_finite()) {
                return Err(k + 1);
            }
            let scale = T::ONE / row[k].sqrt();
            row[k..width].iter_mut().for_each(|x| *x *= scale);
            let known = (k + 1).next_multiple_of(STEP);
            inverse[..known].iter_mut().for_each(|x| *x *= scale);
            for (i, (other, other_inverse)) in below.iter_mut().zip(inverse_below).enumerate() {
                let factor = row[k + 1 + i];
                let first = (k + 1 + i) / STEP * STEP;
                subtract::<A, T>(&mut other[first..padded], factor, &row[first..padded]);
                subtract::<A, T>(&mut other_inverse[..known], factor, &inverse[..known]);
            }
        }
        Ok(())
    }
}
