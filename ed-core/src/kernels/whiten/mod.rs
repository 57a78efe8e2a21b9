//! Rows times the inverse of a Cholesky factor, `A = K_xz L⁻ᵀ` with `L Lᵀ = K_zz + jitter I`: what a Gaussian process
//! with inducing points needs of its covariances, as one step with one backward.
//!
//! The factorisation and the triangular systems are one elimination. Rows appended below a matrix while it is factored
//! come out multiplied by `L⁻ᵀ`: those of `K_xz` as `A`, those of the identity as `L⁻ᵀ` itself, which the backward needs.
//! So every block of columns is one pass over many rows, which all cores share.

mod backward;
mod forward;
mod pivot;
#[cfg(test)]
mod tests;

pub use backward::{WhitenGradients, whiten_backward};
pub use forward::{Whitened, whiten};

/// Columns that are eliminated at a time: the pivot block is the part that only one core works on.
const BLOCK: usize = 64;
/// Rows for one task.
const TASK_ROWS: usize = 128;
/// Multiplications that are worth a second core.
const PARALLEL: usize = 1 << 20;
