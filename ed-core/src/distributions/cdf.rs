//! Distribution functions in closed form, as probabilities of intervals.

use dfdx::shapes::Shape;

use super::distribution::Distribution;
use crate::error::Result;
use crate::tensor::Var;

/// A continuous univariate distribution whose distribution function `F` has a closed form.
///
/// Everything is a logarithm in nats, with full precision in both tails, in single precision too: a difference of two
/// distribution functions is never formed where it would cancel. Gradients flow to the ends and to the parameters.
pub trait HasCdf: Distribution {
    /// `ln P(low < X ≤ high)`: minus infinity unless `low < high`; either end may be infinite.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if a run-time axis differs, or the error of an operation that failed
    /// before.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let normal = Normal::new(0.0, 1.0)?;
    /// let far = normal.log_interval(&Var::<(), f64>::scalar(40.0), &Var::scalar(41.0))?;
    /// // SciPy: stats.norm.logsf(40), of which the second end takes away a part of e^-40.5.
    /// approx::assert_relative_eq!(far.item()?, -804.6084420137538, epsilon = 1e-9);
    /// # Ok(()) }
    /// ```
    fn log_interval(
        &self,
        low: &Var<Self::Shape, Self::Elem>,
        high: &Var<Self::Shape, Self::Elem>,
    ) -> Result<Var<Self::Batch, Self::Elem>>;

    /// `ln F(x) = ln P(X ≤ x)`.
    ///
    /// # Errors
    /// As [`HasCdf::log_interval`].
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let log_cdf = Logistic::new(0.5, 2.0)?.log_cdf(&Var::<(), f64>::scalar(0.5))?;
    /// approx::assert_relative_eq!(log_cdf.item()?, -std::f64::consts::LN_2, epsilon = 1e-12);
    /// # Ok(()) }
    /// ```
    fn log_cdf(&self, x: &Var<Self::Shape, Self::Elem>) -> Result<Var<Self::Batch, Self::Elem>> {
        self.log_interval(&everywhere(self, f64::NEG_INFINITY), x)
    }

    /// `ln (1 - F(x)) = ln P(X > x)`.
    ///
    /// # Errors
    /// As [`HasCdf::log_interval`].
    fn log_survival(&self, x: &Var<Self::Shape, Self::Elem>) -> Result<Var<Self::Batch, Self::Elem>> {
        self.log_interval(x, &everywhere(self, f64::INFINITY))
    }
}

fn everywhere<D: HasCdf>(distribution: &D, x: f64) -> Var<D::Shape, D::Elem> {
    Var::full(x, distribution.shape())
}

/// A pair of ends that both have the shape of a draw.
pub(super) fn check_ends<D: Distribution<Shape = S>, S: Shape>(
    distribution: &D,
    low: &Var<S, D::Elem>,
    high: &Var<S, D::Elem>,
) -> Result<()> {
    distribution.check_shape(low)?;
    distribution.check_shape(high)
}

/// `impl HasCdf` from a [`Cdf`](crate::ops::interval::Cdf) and the parameters: `has_cdf!(Normal, OfTwo, loc, scale)`.
macro_rules! has_cdf {
    ($name:ident, $of:ident, $family:ty, $($param:ident),+) => {
        impl<S: dfdx::shapes::Shape, E: $crate::tensor::Float> $crate::distributions::HasCdf for $name<S, E> {
            fn log_interval(
                &self,
                low: &$crate::tensor::Var<S, E>,
                high: &$crate::tensor::Var<S, E>,
            ) -> $crate::Result<$crate::tensor::Var<S, E>> {
                $crate::distributions::cdf::check_ends(self, low, high)?;
                let params = [low.value(), $(&self.$param),+];
                $crate::tensor::Var::from_value($crate::ops::density::log_prob::<
                    $crate::ops::interval::$of<$family>, E, _,
                >(high.value(), params))
            }
        }
    };
}
pub(crate) use has_cdf;
