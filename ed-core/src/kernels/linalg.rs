//! What the matrix kernels share: their error, and views of row-major slices.

use std::fmt;

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{self, LltError};
use faer::linalg::triangular_solve;
use faer::{Accum, MatMut, MatRef, Par};

use super::float::Real;

/// Whether a matrix is used as it is stored or transposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transpose {
    /// As stored.
    No,
    /// Rows become columns.
    Yes,
}

impl Transpose {
    /// The other one.
    pub fn flipped(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Yes => Self::No,
        }
    }
}

/// Why a matrix kernel did nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinalgError {
    /// A slice does not hold as many numbers as its dimensions say.
    Length {
        /// The name of the argument.
        argument: &'static str,
        /// How many numbers the dimensions ask for.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A matrix has no Cholesky factor.
    NotPositiveDefinite {
        /// Which matrix of the batch, from 0.
        matrix: usize,
        /// The order of the smallest leading minor that is not positive, from 1.
        minor: usize,
    },
}

impl fmt::Display for LinalgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { argument, expected, found } => write!(
                f,
                "`{argument}` should hold {expected} numbers for the given dimensions, but holds {found}; \
                 pass the dimensions of the slice"
            ),
            Self::NotPositiveDefinite { matrix, minor } => write!(
                f,
                "matrix {matrix} of the batch should be positive definite, but its leading minor of order \
                 {minor} is not positive; add a small multiple of the identity"
            ),
        }
    }
}

impl std::error::Error for LinalgError {}

/// `Ok` if `values` holds `expected` numbers.
pub(super) fn check_len<T>(argument: &'static str, values: &[T], expected: usize) -> Result<(), LinalgError> {
    let found = values.len();
    if found == expected { Ok(()) } else { Err(LinalgError::Length { argument, expected, found }) }
}

/// A row-major `rows × columns` slice as a matrix.
pub(super) fn view<T: Real>(values: &[T], rows: usize, columns: usize) -> MatRef<'_, T> {
    MatRef::from_row_major_slice(values, rows, columns)
}

/// A row-major `rows × columns` slice as a writable matrix.
pub(super) fn view_mut<T: Real>(values: &mut [T], rows: usize, columns: usize) -> MatMut<'_, T> {
    MatMut::from_row_major_slice_mut(values, rows, columns)
}

/// Multiplications below which waking other threads costs more than it saves.
const PARALLEL_MULTIPLICATIONS: usize = 1 << 20;

/// The parallelism for an operation of so many multiplications.
pub(super) fn parallelism(multiplications: usize) -> Par {
    if multiplications < PARALLEL_MULTIPLICATIONS { Par::Seq } else { Par::rayon(0) }
}

/// faer's algorithms for one number type. Generic code reaches them through this trait, because
/// faer's own bounds send the compiler into an endless recursion there.
#[doc(hidden)]
pub trait Backend: Sized {
    /// `c = alpha a b`, or `c += alpha a b`.
    fn gemm(
        c: MatMut<'_, Self>,
        accumulate: Accum,
        a: MatRef<'_, Self>,
        b: MatRef<'_, Self>,
        alpha: Self,
        par: Par,
    );
    /// Working memory of [`Backend::factor`] for order `n`.
    fn factor_memory(n: usize) -> MemBuffer;
    /// Cholesky factor in the lower triangle, or the order of the failing minor.
    fn factor(a: MatMut<'_, Self>, par: Par, memory: &mut MemBuffer) -> Result<(), usize>;
    /// `b = L⁻¹ b`.
    fn solve_lower(l: MatRef<'_, Self>, b: MatMut<'_, Self>, par: Par);
    /// `b = U⁻¹ b`.
    fn solve_upper(u: MatRef<'_, Self>, b: MatMut<'_, Self>, par: Par);
}

macro_rules! impl_backend {
    ($($float:ident)*) => {$(
        impl Backend for $float {
            fn gemm(
                c: MatMut<'_, Self>,
                accumulate: Accum,
                a: MatRef<'_, Self>,
                b: MatRef<'_, Self>,
                alpha: Self,
                par: Par,
            ) {
                faer::linalg::matmul::matmul(c, accumulate, a, b, alpha, par);
            }
            fn factor_memory(n: usize) -> MemBuffer {
                MemBuffer::new(factor::cholesky_in_place_scratch::<$float>(n, Par::Seq, Default::default()))
            }
            fn factor(a: MatMut<'_, Self>, par: Par, memory: &mut MemBuffer) -> Result<(), usize> {
                let stack = MemStack::new(memory);
                match factor::cholesky_in_place(a, Default::default(), par, stack, Default::default()) {
                    Ok(_) => Ok(()),
                    Err(LltError::NonPositivePivot { index }) => Err(index + 1),
                }
            }
            fn solve_lower(l: MatRef<'_, Self>, b: MatMut<'_, Self>, par: Par) {
                triangular_solve::solve_lower_triangular_in_place(l, b, par);
            }
            fn solve_upper(u: MatRef<'_, Self>, b: MatMut<'_, Self>, par: Par) {
                triangular_solve::solve_upper_triangular_in_place(u, b, par);
            }
        }
    )*};
}

impl_backend!(f32 f64);
