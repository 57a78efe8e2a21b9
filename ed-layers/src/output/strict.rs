//! Distributions of data, which refuse data that cannot be theirs.

use std::ops::Deref;

use ed_core::Result;
use ed_core::bijectors::Constraint;
use ed_core::distributions::Distribution;
use ed_core::distributions::erased::AnyDistribution;
use ed_core::kernels::rng::Key;
use ed_core::tensor::{Value, Var};

/// A distribution as an output layer gives it: a value outside of its support is an error with the number, its place and
/// the support, where the plain distribution says minus infinity. What is asked of it is a loss, and labels that the layer
/// can never give are a fault of the data.
///
/// It dereferences to the plain distribution.
///
/// # Examples
/// ```
/// use ed::layers::output;
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let digits = seed(0, || output::Categorical::new(10).forward(Var::<_, f32>::ones((2usize, 3usize))))?;
/// let refused = digits.distribution().log_prob(&Var::from([9.0, 10.0])).unwrap_err();
/// assert_eq!(
///     refused.to_string(),
///     "Categorical: the value must be an integer from 0 up to the largest, got 10 at [1], largest 9"
/// );
/// assert_eq!(digits.distribution().probs()?.shape(), &(2, 10));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Strict<D>(D);

impl<D: Distribution> Strict<D> {
    /// A distribution of data.
    pub fn new(distribution: D) -> Strict<D> {
        Strict(distribution)
    }

    fn check_support(&self, value: &Var<D::Shape, D::Elem>) -> Result<()> {
        self.0.check_shape(value)?;
        self.0.support().check(D::NAME, value.value())
    }
}

impl<D> Deref for Strict<D> {
    type Target = D;
    fn deref(&self) -> &D {
        &self.0
    }
}

impl<D: Distribution> Distribution for Strict<D> {
    type Elem = D::Elem;
    type Batch = D::Batch;
    type Shape = D::Shape;
    const NAME: &'static str = D::NAME;
    const DISCRETE: bool = D::DISCRETE;
    const PATHWISE: bool = D::PATHWISE;

    fn shape(&self) -> D::Shape {
        self.0.shape()
    }

    fn batch_shape(&self) -> D::Batch {
        self.0.batch_shape()
    }

    fn support(&self) -> Constraint<D::Elem> {
        self.0.support()
    }

    fn sample(&self, key: Key) -> Result<Var<D::Shape, D::Elem>> {
        Distribution::sample(&self.0, key)
    }

    /// # Errors
    /// As [`Distribution::log_prob`], and [`Error::Value`](ed_core::Error::Value) outside of the support.
    fn log_prob(&self, value: &Var<D::Shape, D::Elem>) -> Result<Var<D::Batch, D::Elem>> {
        self.check_support(value)?;
        Distribution::log_prob(&self.0, value)
    }

    fn log_prob_sum(&self, value: &Var<D::Shape, D::Elem>) -> Result<Var<(), D::Elem>> {
        self.check_support(value)?;
        Distribution::log_prob_sum(&self.0, value)
    }

    fn mean(&self) -> Result<Var<D::Shape, D::Elem>> {
        Distribution::mean(&self.0)
    }

    fn variance(&self) -> Result<Var<D::Shape, D::Elem>> {
        Distribution::variance(&self.0)
    }

    fn entropy(&self) -> Result<Var<D::Batch, D::Elem>> {
        Distribution::entropy(&self.0)
    }

    fn kl_to(&self, other: &dyn AnyDistribution) -> Option<Result<Value<D::Elem>>> {
        Distribution::kl_to(&self.0, other)
    }
}
