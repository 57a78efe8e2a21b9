//! A log-weight as a distribution: the `factor` statement.

use super::univariate::*;
use crate::ops::reduce;

/// A term of the joint log-density that belongs to no random variable. Its one value is 0.
///
/// # Density
/// `log p(0) =` the sum of the log-weights. Not normalised.
///
/// # Shapes
/// batch and event: scalar. `log_prob`: `[] → []`.
#[derive(Clone, Debug)]
pub struct Factor<E: Float = f32> {
    log_weight: Value<E>,
}

impl<E: Float> Factor<E> {
    /// The factor with these log-weights, of any shape, which are summed.
    pub fn new<S: Shape>(log_weight: &Var<S, E>) -> Self {
        Factor { log_weight: log_weight.value().clone() }
    }
}

impl<E: Float> Distribution for Factor<E> {
    type Elem = E;
    type Batch = ();
    type Shape = ();
    const NAME: &'static str = "Factor";

    fn shape(&self) {}

    fn batch_shape(&self) {}

    fn support(&self) -> Constraint<E> {
        Constraint::Exactly(Value::scalar(E::ZERO))
    }

    fn sample(&self, _: Key) -> Result<Var<(), E>> {
        Ok(Var::scalar(0.0))
    }

    fn log_prob(&self, value: &Var<(), E>) -> Result<Var<(), E>> {
        self.check_shape(value)?;
        Var::from_value(reduce::sum(self.log_weight.check()?))
    }
}
