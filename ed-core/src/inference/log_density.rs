//! All that a sampler sees of a model: a number of dimensions, and a log-density with its gradient.

use crate::error::Result;

/// A log-density over unconstrained real vectors.
pub trait LogDensity {
    /// Number of dimensions.
    fn dim(&self) -> usize;

    /// The log-density at `position`, in nats and up to a constant; its gradient goes to `gradient`.
    ///
    /// # Errors
    /// A [recoverable](crate::Error::is_recoverable) error rejects the position; any other stops the sampler.
    fn log_density_and_gradient(&mut self, position: &[f64], gradient: &mut [f64]) -> Result<f64>;
}
