//! A bijector the other way round.

use super::{Bijector, Constraint};
use crate::error::Result;
use crate::tensor::{Dims, Float, Value};

/// `y = f⁻¹(x)` for another bijector `f`.
///
/// # Examples
/// ```
/// use ed::bijectors::{Bijector, Exp, Inverse};
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let ln = Inverse::new(Exp);
/// let (y, log_det) = ln.forward_and_log_det(Var::from([1.0f64, 10.0]).value())?;
/// assert!((y.as_slice()?[1] - 10f64.ln()).abs() < 1e-12);
/// assert!((log_det.as_slice()?[1] + 10f64.ln()).abs() < 1e-12);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Inverse<B> {
    of: B,
}

impl<B> Inverse<B> {
    /// The inverse of `of`.
    pub fn new(of: B) -> Inverse<B> {
        Inverse { of }
    }
}

impl<E: Float, B: Bijector<E>> Bijector<E> for Inverse<B> {
    fn event_rank(&self) -> usize {
        self.of.codomain_event_rank()
    }

    fn codomain_event_rank(&self) -> usize {
        self.of.event_rank()
    }

    fn forward_and_log_det(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        self.of.inverse_and_log_det(x)
    }

    fn inverse_and_log_det(&self, y: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        self.of.forward_and_log_det(y)
    }

    fn codomain(&self) -> Option<Constraint<E>> {
        self.of.is_affine().then_some(Constraint::Real)
    }

    fn is_affine(&self) -> bool {
        self.of.is_affine()
    }

    fn is_sequential(&self) -> bool {
        self.of.is_sequential()
    }

    fn forward_dims(&self, dims: Dims) -> Dims {
        self.of.inverse_dims(dims)
    }

    fn inverse_dims(&self, dims: Dims) -> Dims {
        self.of.forward_dims(dims)
    }
}
