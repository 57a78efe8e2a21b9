//! What a bijector is: an invertible, differentiable map with a known Jacobian determinant.

use std::fmt::Debug;
use std::sync::Arc;

use super::Constraint;
use crate::error::Result;
use crate::ops::reduce;
use crate::tensor::{Dims, Float, Value};

/// An invertible map between tensors, with the log-determinant of its Jacobian.
///
/// The map acts on the last [`event_rank`](Bijector::event_rank) axes jointly and on the axes before them
/// independently, so that a log-determinant (in nats) has the sizes of the axes before them. Where `y` has more
/// coordinates than freedom, as on a simplex, the Jacobian is that of the coordinates that each bijector names.
/// `inverse_and_log_det` gives that of the inverse, the negative of the forward one at the same pair of points.
pub trait Bijector<E: Float>: Debug + Send + Sync {
    /// Number of axes of `x` that are transformed jointly: 0 for an elementwise map.
    fn event_rank(&self) -> usize {
        0
    }

    /// Number of axes of `y` that belong together: more than those of `x` where numbers become matrices.
    fn codomain_event_rank(&self) -> usize {
        self.event_rank()
    }

    /// `y = f(x)` and `ln |det ∂y/∂x|`.
    ///
    /// # Errors
    /// The error of an operation that failed on the way to `x`.
    fn forward_and_log_det(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)>;

    /// `x = f⁻¹(y)` and `ln |det ∂x/∂y|`.
    ///
    /// # Errors
    /// The error of an operation that failed on the way to `y`.
    fn inverse_and_log_det(&self, y: &Value<E>) -> Result<(Value<E>, Value<E>)>;

    /// `y = f(x)` and the sum of all its log-determinants, one number.
    ///
    /// # Errors
    /// As [`Bijector::forward_and_log_det`].
    fn forward_and_log_det_sum(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let (y, log_det) = self.forward_and_log_det(x)?;
        Ok((y, reduce::sum(&log_det)))
    }

    /// `y = f(x)`.
    ///
    /// # Errors
    /// As [`Bijector::forward_and_log_det`].
    fn forward(&self, x: &Value<E>) -> Result<Value<E>> {
        Ok(self.forward_and_log_det(x)?.0)
    }

    /// `x = f⁻¹(y)`.
    ///
    /// # Errors
    /// As [`Bijector::inverse_and_log_det`].
    fn inverse(&self, y: &Value<E>) -> Result<Value<E>> {
        Ok(self.inverse_and_log_det(y)?.0)
    }

    /// The image of all real numbers, where [`Constraint`] has a name for it.
    fn codomain(&self) -> Option<Constraint<E>> {
        None
    }

    /// Whether the Jacobian is the same everywhere.
    fn is_affine(&self) -> bool {
        false
    }

    /// Whether one of the directions goes through the elements in turn, as that of an autoregressive flow does, and so
    /// is dear.
    fn is_sequential(&self) -> bool {
        false
    }

    /// Sizes of `f(x)` for sizes of `x`.
    fn forward_dims(&self, dims: Dims) -> Dims {
        dims
    }

    /// Sizes of `f⁻¹(y)` for sizes of `y`.
    fn inverse_dims(&self, dims: Dims) -> Dims {
        dims
    }
}

/// A shared bijector is the bijector.
impl<E: Float, B: Bijector<E> + ?Sized> Bijector<E> for Arc<B> {
    fn event_rank(&self) -> usize {
        (**self).event_rank()
    }

    fn codomain_event_rank(&self) -> usize {
        (**self).codomain_event_rank()
    }

    fn forward_and_log_det(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        (**self).forward_and_log_det(x)
    }

    fn inverse_and_log_det(&self, y: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        (**self).inverse_and_log_det(y)
    }

    fn forward_and_log_det_sum(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        (**self).forward_and_log_det_sum(x)
    }

    fn forward(&self, x: &Value<E>) -> Result<Value<E>> {
        (**self).forward(x)
    }

    fn inverse(&self, y: &Value<E>) -> Result<Value<E>> {
        (**self).inverse(y)
    }

    fn codomain(&self) -> Option<Constraint<E>> {
        (**self).codomain()
    }

    fn is_affine(&self) -> bool {
        (**self).is_affine()
    }

    fn is_sequential(&self) -> bool {
        (**self).is_sequential()
    }

    fn forward_dims(&self, dims: Dims) -> Dims {
        (**self).forward_dims(dims)
    }

    fn inverse_dims(&self, dims: Dims) -> Dims {
        (**self).inverse_dims(dims)
    }
}
