//! What a distribution is: its shapes, its support, a draw and a log-density, and all that follows from them.

use std::fmt::Debug;

use dfdx::shapes::Shape;

use super::erased::AnyDistribution;
use crate::bijectors::Constraint;
use crate::error::{Error, Result};
use crate::kernels::rng::Key;
use crate::tensor::{Dims, Float, Value, Var};

/// A probability distribution over tensors of one shape.
///
/// A draw has shape `[batch…, event…]`: independent draws along the batch axes, one joint draw along the event axes.
/// Values of discrete distributions are whole numbers in the same floating-point type.
///
/// Of what has to be said, only `sample` and `log_prob` need more than a line; a quantity without a closed form keeps its
/// default, which is an error that says so.
///
/// # Examples
/// A distribution of one's own, the hyperbolic secant with density `½ sech(πx / 2)`. Every handler, sampler and guide
/// takes it as one of those that come with the library.
/// ```
/// use ed::prelude::*;
/// use std::f64::consts::PI;
///
/// #[derive(Clone, Debug)]
/// struct HyperbolicSecant<S: Shape> {
///     shape: S,
/// }
///
/// impl<S: Shape> Distribution for HyperbolicSecant<S> {
///     type Elem = f64;
///     type Batch = S; // independent numbers: one log-density for each
///     type Shape = S;
///     const NAME: &'static str = "HyperbolicSecant";
///
///     fn shape(&self) -> S {
///         self.shape
///     }
///     fn batch_shape(&self) -> S {
///         self.shape
///     }
///     fn support(&self) -> Constraint<f64> {
///         Constraint::Real
///     }
///     fn sample(&self, key: Key) -> Result<Var<S, f64>> {
///         let angle = Uniform::new(0.0, PI / 2.0)?.expand(self.shape)?.sample(key)?;
///         ((angle.sin().ln() - angle.cos().ln()) * (2.0 / PI)).check()
///     }
///     fn log_prob(&self, value: &Var<S, f64>) -> Result<Var<S, f64>> {
///         self.check_shape(value)?;
///         let distance = (value * (PI / 2.0)).abs();
///         (-&distance - (distance * -2.0).softplus()).check()
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let model = || sample_as("x", HyperbolicSecant { shape: (2_000usize,) });
/// let x = seed(0, model)?;
/// // Its variance is 1 and its kurtosis 5, so that the mean square of 2000 draws has a standard error of 0.045.
/// assert!((x.square().mean().item()? - 1.0).abs() < 4.0 * 0.045);
/// let joint = make_log_joint(model).at(values!["x" => Var::<_, f64>::zeros((2_000usize,))])?;
/// approx::assert_relative_eq!(joint.item()?, -2_000.0 * 2f64.ln(), max_relative = 1e-12);
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a distribution",
    label = "a distribution is needed here",
    note = "constructors check their parameters and return a `Result`: write `Normal::new(…)?`, with the question mark",
    note = "a number or a tensor is not drawn: record it with `deterministic(…)`, or use it as it is"
)]
pub trait Distribution: Clone + Debug + Send + Sync + 'static {
    /// Precision of parameters and draws.
    type Elem: Float;
    /// Shape of the independent draws.
    type Batch: Shape;
    /// Shape of one draw: batch axes, then event axes.
    type Shape: Shape;

    /// The distribution's name.
    const NAME: &'static str;

    /// Whether draws are whole numbers.
    const DISCRETE: bool = false;

    /// Whether the gradient of a draw by the parameters is known (`∂x/∂θ` for `x = g(θ, ε)`).
    const PATHWISE: bool = false;

    /// Whether the density integrates to one (up to a constant), so that it can be drawn from; an improper prior's does
    /// not.
    const PROPER: bool = true;

    /// Shape of a draw: `[batch…, event…]`.
    fn shape(&self) -> Self::Shape;

    /// Shape of the independent draws: `[batch…]`.
    fn batch_shape(&self) -> Self::Batch;

    /// Where the density is not zero.
    fn support(&self) -> Constraint<Self::Elem>;

    /// A draw, a function of the key alone. Where [`Distribution::PATHWISE`], gradients flow to the parameters.
    ///
    /// # Errors
    /// The error of an operation that failed on the way to a parameter, or [`Error::Undefined`] where a distribution
    /// cannot be drawn from.
    fn sample(&self, key: Key) -> Result<Var<Self::Shape, Self::Elem>>;

    /// Log-density (or log-mass) in nats, one number for each independent draw: `[batch…, event…] → [batch…]`.
    /// Minus infinity outside the support.
    ///
    /// # Errors
    /// [`Error::Shape`] if a run-time axis of `value` differs, or the error of an operation that failed before.
    fn log_prob(&self, value: &Var<Self::Shape, Self::Elem>) -> Result<Var<Self::Batch, Self::Elem>>;

    /// The sum of [`Distribution::log_prob`], as one operation where there is one.
    ///
    /// # Errors
    /// As [`Distribution::log_prob`].
    fn log_prob_sum(&self, value: &Var<Self::Shape, Self::Elem>) -> Result<Var<(), Self::Elem>> {
        self.log_prob(value)?.sum().check()
    }

    /// Expectation, in the shape of a draw.
    ///
    /// # Errors
    /// [`Error::Undefined`] where there is none in closed form.
    fn mean(&self) -> Result<Var<Self::Shape, Self::Elem>> {
        Err(undefined::<Self>("mean in closed form", "average draws instead"))
    }

    /// Variance of each element, in the shape of a draw.
    ///
    /// # Errors
    /// [`Error::Undefined`] where there is none in closed form.
    fn variance(&self) -> Result<Var<Self::Shape, Self::Elem>> {
        Err(undefined::<Self>("variance in closed form", "estimate it from draws instead"))
    }

    /// Entropy in nats: `[batch…]`.
    ///
    /// # Errors
    /// [`Error::Undefined`] where there is none in closed form.
    fn entropy(&self) -> Result<Var<Self::Batch, Self::Elem>> {
        Err(undefined::<Self>("entropy in closed form", "average -log_prob over draws instead"))
    }

    /// `KL(self ‖ other)` in nats, summed over the batch, where it has a closed form; see [`KlTo`](super::KlTo).
    fn kl_to(&self, other: &dyn AnyDistribution) -> Option<Result<Value<Self::Elem>>> {
        let _ = other;
        None
    }

    /// The same distribution over draws of other sizes; `None` if its parameters have sizes of their own that do not fit.
    fn resized(&self, shape: Self::Shape) -> Option<Self> {
        let _ = shape;
        None
    }

    /// Checks that a value has the shape of a draw.
    ///
    /// # Errors
    /// [`Error::Shape`] if not.
    fn check_shape(&self, value: &Var<Self::Shape, Self::Elem>) -> Result<()> {
        let (expected, got) = (Dims::of(&self.shape()), value.dims());
        value.value().check()?;
        if expected != got {
            return Err(Error::Shape { op: Self::NAME, expected: expected.to_string(), got });
        }
        Ok(())
    }
}

pub(crate) fn undefined<D: Distribution>(what: &'static str, instead: &'static str) -> Error {
    Error::Undefined { of: D::NAME, what, instead }
}
