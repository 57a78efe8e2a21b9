//! The names of Edward2's layers.

use crate::estimator::Reparameterization;
use crate::linear::Dense;

/// A dense layer whose kernel is drawn once for the batch.
pub type DenseReparameterization = Dense<Reparameterization>;
