//! A distribution pushed through a bijector.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::univariate::*;
use crate::bijectors::Bijector;
use crate::ops::reduce;
use crate::random_variable::RandomVariable;
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Dims, Keep, Op, WithoutLast};

/// The distribution of `y = f(x)`, where `x` follows a base distribution and `f` is a bijector.
///
/// # Density
/// `log p(y) = log p_x(x) + ln |det ∂x/∂y|` with `x = f⁻¹(y)`. Axes that `f` maps jointly are event axes: the base's
/// log-density is summed over those that were batch axes. Minus infinity outside of the image of the support.
///
/// # Shapes
/// event: at least the axes that the base or the bijector treats jointly, more if the type says so. A draw has the shape
/// `S`: that of a draw of the base unless the bijector changes sizes. `log_prob`: `S → [B]`.
///
/// # The pair
/// The last pair that [`Transformed::push`] (and with it a draw) computed is remembered. The density of that very
/// `y` takes `x` from the pair, so that a map whose inverse is dear, such as an inverse autoregressive flow, is not
/// inverted in a guide.
///
/// # Source
/// Dillon et al. 2017, TensorFlow Distributions, section 3.3.
///
/// # Examples
/// ```
/// use ed::bijectors::Exp;
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let log_normal = Transformed::new(Normal::new(0.5, 2.0)?, Exp)?;
/// let log_prob = log_normal.log_prob(&Var::<(), f64>::scalar(1.3))?;
/// approx::assert_relative_eq!(log_prob.item()?, -1.881509, epsilon = 1e-6);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Transformed<
    D: Distribution,
    S: Shape = <D as Distribution>::Shape,
    B: Shape = <D as Distribution>::Batch,
> {
    base: D,
    bijector: Arc<dyn Bijector<D::Elem>>,
    shape: S,
    batch: B,
    last: Arc<Mutex<Option<Pair<D::Elem>>>>,
}

/// A point and its image, with `ln |det ∂y/∂x|`.
#[derive(Clone)]
struct Pair<E: Float> {
    x: Value<E>,
    y: Value<E>,
    log_det: Value<E>,
}

/// Whether two values are one: the same numbers in memory at the same place of the same tape.
fn is_same<E: Float>(a: &Value<E>, b: &Value<E>) -> bool {
    // A value off the tape is not its watched twin: its density has another gradient.
    Arc::ptr_eq(a.data(), b.data()) && a.node() == b.node() && a.dims() == b.dims()
}

impl<D: Distribution> Transformed<D> {
    /// The base through a bijector that maps the base's events, and no more, jointly.
    ///
    /// # Errors
    /// [`Error::Shape`] if the bijector maps more axes jointly (see [`Transformed::last`]) or changes sizes (see
    /// [`Transformed::typed`]); [`Error::Undefined`] for a base of whole numbers.
    pub fn new(base: D, bijector: impl Bijector<D::Elem> + 'static) -> Result<Self> {
        Self::typed(base, Arc::new(bijector))
    }
}

impl<D: Distribution> Transformed<D, D::Shape, WithoutLast<D::Shape>> {
    /// The base through a bijector that maps the last axis jointly, such as a flow: `[…, K]` has the batch shape `[…]`.
    ///
    /// # Errors
    /// As [`Transformed::new`], if the base or the bijector treats more than the last axis jointly.
    pub fn last(base: D, bijector: impl Bijector<D::Elem> + 'static) -> Result<Self> {
        Self::typed(base, Arc::new(bijector))
    }
}

impl<D: Distribution, S: Shape, B: Shape> Transformed<D, S, B> {
    /// The base through a bijector, with draws of type `S`, of which the first axes, of type `B`, are independent.
    ///
    /// # Errors
    /// [`Error::Shape`] unless the sizes are those that the bijector makes of a draw of the base, and `B` are their
    /// first axes and no more than the base and the bijector treat independently; [`Error::Undefined`] for a base of
    /// whole numbers.
    pub fn typed(base: D, bijector: Arc<dyn Bijector<D::Elem>>) -> Result<Self> {
        if D::DISCRETE {
            let (of, what) = (D::NAME, "density to transform");
            return Err(Error::Undefined { of, what, instead: "a bijector acts on continuous numbers" });
        }
        let (from, base_batch) = (Dims::of(&base.shape()), Dims::of(&base.batch_shape()));
        let misfit = |expected: String, got: Dims| Error::Shape { op: Self::NAME, expected, got };
        let Some(front) = from.rank().checked_sub(bijector.event_rank()) else {
            return Err(misfit(format!("with at least {} axes", bijector.event_rank()), from));
        };
        let independent = front.min(base_batch.rank());
        if B::NUM_DIMS > independent {
            let expected = format!("with at most {independent} batch axes, as base and bijector have them");
            return Err(misfit(expected, from[..B::NUM_DIMS.min(from.rank())].iter().copied().collect()));
        }
        let to = bijector.forward_dims(from);
        let shape = to.typed().ok_or_else(|| misfit(type_of::<S>(), to))?;
        let batch: Dims = from[..B::NUM_DIMS].iter().copied().collect();
        let batch = batch.typed().ok_or_else(|| misfit(type_of::<B>(), batch))?;
        Ok(Transformed { base, bijector, shape, batch, last: Arc::default() })
    }

    /// A random variable through a bijector: its value goes along, and what was drawn is not drawn again.
    ///
    /// The result is no site, so that a joint density counts the base once and nothing twice. To make the transformed
    /// distribution itself a part of a model, sample from it: `sample(outputs.distribution().clone())`.
    ///
    /// # Errors
    /// As [`Transformed::typed`], or those of the bijector.
    ///
    /// # Examples
    /// ```
    /// use ed::bijectors::Exp;
    /// use ed::prelude::*;
    /// use std::sync::Arc;
    /// # fn main() -> Result<()> {
    /// let base = seed(0, || sample(Normal::new(0.5, 2.0)?))?;
    /// # let _: &Var<(), f64> = &base;
    /// let outputs = Transformed::<_>::of_variable(&base, Arc::new(Exp))?;
    /// assert_eq!(outputs.item()?, base.exp().item()?);
    /// # Ok(()) }
    /// ```
    pub fn of_variable(
        variable: &RandomVariable<D>,
        bijector: Arc<dyn Bijector<D::Elem>>,
    ) -> Result<RandomVariable<Self>> {
        let made = Self::typed(variable.distribution().clone(), bijector)?;
        let value = made.push(variable.var())?;
        RandomVariable::of(made, value)
    }

    /// The base distribution.
    pub fn base(&self) -> &D {
        &self.base
    }

    /// The bijector.
    pub fn bijector(&self) -> &Arc<dyn Bijector<D::Elem>> {
        &self.bijector
    }

    /// What gives the density of a value: this, or this for as many rows as the value has, if the base is the same for
    /// all rows.
    fn for_rows_of(&self, value: &Var<S, D::Elem>) -> Result<Cow<'_, Self>> {
        let (own, got) = (Dims::of(&self.shape), value.dims());
        if own == got || own[B::NUM_DIMS..] != got[B::NUM_DIMS..] {
            self.check_shape(value)?;
            return Ok(Cow::Borrowed(self));
        }
        value.value().check()?;
        self.resized(*value.shape()).map(Cow::Owned).ok_or_else(|| {
            let expected = format!("{own}, as the base has parameters of its own for each row");
            Error::Shape { op: Self::NAME, expected, got }
        })
    }

    /// `y = f(x)`, and remembers the pair.
    ///
    /// # Errors
    /// Those of the bijector, or the error of an operation that failed on the way to `x`.
    pub fn push(&self, x: &Var<D::Shape, D::Elem>) -> Result<Var<S, D::Elem>> {
        let x = x.value();
        let (y, log_det) = self.bijector.forward_and_log_det(x)?;
        let value = Var::from_value(y.clone())?;
        let pair = Pair { x: x.clone(), y, log_det };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(pair);
        Ok(value)
    }

    /// A draw and its log-density, without inverting the bijector.
    ///
    /// # Errors
    /// As those of [`Distribution::sample`] and [`Distribution::log_prob`].
    pub fn sample_with_log_prob(&self, key: Key) -> Result<(Var<S, D::Elem>, Var<B, D::Elem>)> {
        let y = self.sample(key)?;
        let log_prob = self.log_prob(&y)?;
        Ok((y, log_prob))
    }

    /// `x = f⁻¹(y)` and `ln |det ∂x/∂y|`, from memory if `y` is what `f` gave last.
    fn pull(&self, y: &Value<D::Elem>) -> Result<(Var<D::Shape, D::Elem>, Value<D::Elem>)> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (x, log_det) = match last.filter(|pair| is_same(&pair.y, y)) {
            Some(pair) => (pair.x, ew::scale(&pair.log_det, -1.0)),
            None => self.bijector.inverse_and_log_det(y)?,
        };
        Ok((Var::from_value(x)?, log_det))
    }

    /// The sum over all axes but those of the batch.
    fn summed(value: &Value<D::Elem>) -> Value<D::Elem> {
        let axes: Vec<usize> = (B::NUM_DIMS..value.dims().rank()).collect();
        if axes.is_empty() { value.clone() } else { reduce::sum_axes(value, &axes) }
    }

    /// An error if a density of rows is NaN, as what is not a number in a row spoils all of the row.
    fn refuse_nan(&self, log_prob: &Value<D::Elem>, y: &Value<D::Elem>) -> Result<()> {
        if self.bijector.event_rank() == 0 || !log_prob.peek()?.iter().any(|x| x.is_nan()) {
            return Ok(());
        }
        let (must_be, numbers) = ("finite", y.peek()?);
        let got = match numbers.iter().position(|x| !x.is_finite()) {
            Some(first) => {
                let after = |axis: usize| y.dims()[axis + 1..].iter().product::<usize>();
                let place: Dims =
                    (0..y.dims().rank()).map(|axis| first / after(axis) % y.dims()[axis]).collect();
                format!("{} at {place}", numbers[first])
            }
            None => "a row so far out that its density is no number in this precision".into(),
        };
        Err(Error::Value { of: Self::NAME, must_be, got })
    }

    /// Minus infinity where the value lies outside of the support.
    fn in_support(&self, log_prob: Value<D::Elem>, y: &Value<D::Elem>) -> Value<D::Elem> {
        match self.support() {
            // Every finite number has a density, or the inverse alone knows what has.
            Constraint::Real | Constraint::Image(..) => log_prob,
            support => {
                let dims = *log_prob.dims();
                let event = y.dims()[dims.rank()..].iter().copied().collect();
                apply(InSupport { support, event, of: Self::NAME }, &[&log_prob, y], dims)
            }
        }
    }
}

fn type_of<T>() -> String {
    format!("of type {}", std::any::type_name::<T>().replace("dfdx::shapes::shape::", ""))
}

/// The log-density, or minus infinity where it is NaN because the value lies outside of the support.
#[derive(Debug)]
struct InSupport<E: Float> {
    support: Constraint<E>,
    event: Dims,
    of: &'static str,
}

impl<E: Float> Op<E> for InSupport<E> {
    fn name(&self) -> &'static str {
        self.of
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        let (log_prob, y) = (inputs[0], inputs[1]);
        let event = self.event.num_elements();
        for (row, (out, &log_prob)) in out.iter_mut().zip(log_prob).enumerate() {
            let outside = || {
                let y = Value::from_vec(y[row * event..][..event].to_vec(), self.event);
                y.and_then(|y| self.support.check(self.of, &y)).is_err()
            };
            *out = if log_prob.is_nan() && outside() { E::NEG_INFINITY } else { log_prob };
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (out, grad_out) = (pass.out, pass.grad_out);
        let Some(slot) = pass.grad(0) else { return };
        for (grad, (out, &g)) in slot.add().iter_mut().zip(out.iter().zip(grad_out)) {
            if *out != E::NEG_INFINITY {
                *grad += g;
            }
        }
    }
}

impl<D: Distribution, S: Shape, B: Shape> fmt::Debug for Transformed<D, S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut form = f.debug_struct(Self::NAME);
        form.field("base", &self.base).field("bijector", &self.bijector).finish_non_exhaustive()
    }
}

impl<D: Distribution, S: Shape, B: Shape> Distribution for Transformed<D, S, B> {
    type Elem = D::Elem;
    type Batch = B;
    type Shape = S;
    const NAME: &'static str = "Transformed";
    const PATHWISE: bool = D::PATHWISE;
    const PROPER: bool = D::PROPER;

    fn shape(&self) -> S {
        self.shape
    }

    fn batch_shape(&self) -> B {
        self.batch
    }

    /// The image of the base's support.
    fn support(&self) -> Constraint<D::Elem> {
        let domain = self.base.support();
        match self.bijector.codomain() {
            Some(codomain) if matches!(domain, Constraint::Real) => codomain,
            _ => Constraint::Image(self.bijector.clone(), Box::new(domain)),
        }
    }

    fn resized(&self, shape: S) -> Option<Self> {
        let base = self.base.resized(self.bijector.inverse_dims(Dims::of(&shape)).typed()?)?;
        Self::typed(base, self.bijector.clone()).ok()
    }

    fn sample(&self, key: Key) -> Result<Var<S, D::Elem>> {
        self.push(&self.base.sample(key)?)
    }

    /// For any number of rows, if the base is the same for all of them.
    fn log_prob(&self, value: &Var<S, D::Elem>) -> Result<Var<B, D::Elem>> {
        let own = self.for_rows_of(value)?;
        let (x, log_det) = own.pull(value.value())?;
        let base = Self::summed(own.base.log_prob(&x)?.value());
        let log_prob = own.in_support(ew::add(&base, &Self::summed(&log_det)), value.value());
        own.refuse_nan(&log_prob, value.value())?;
        Var::from_value(log_prob)
    }

    fn log_prob_sum(&self, value: &Var<S, D::Elem>) -> Result<Var<(), D::Elem>> {
        if !matches!(self.support(), Constraint::Real | Constraint::Image(..)) {
            return self.log_prob(value)?.sum().check();
        }
        let own = self.for_rows_of(value)?;
        let (x, log_det) = own.pull(value.value())?;
        let log_prob = ew::add(own.base.log_prob_sum(&x)?.value(), &reduce::sum(&log_det));
        own.refuse_nan(&log_prob, value.value())?;
        Var::from_value(log_prob)
    }

    /// The image of the base's mean, for a map with the same Jacobian everywhere.
    fn mean(&self) -> Result<Var<S, D::Elem>> {
        if !self.bijector.is_affine() {
            return Err(super::distribution::undefined::<Self>(
                "mean in closed form, unless the Jacobian is the same everywhere",
                "average draws instead",
            ));
        }
        Var::from_value(self.bijector.forward(self.base.mean()?.value())?)
    }

    /// The base's, times the square of the slope, for a map of each element with the same slope everywhere.
    fn variance(&self) -> Result<Var<S, D::Elem>> {
        if !(self.bijector.is_affine() && self.bijector.event_rank() == 0) {
            return Err(super::distribution::undefined::<Self>(
                "variance in closed form, unless each element is shifted and scaled",
                "estimate it from draws instead",
            ));
        }
        let variance = self.base.variance()?;
        let (_, log_slope) = self.bijector.forward_and_log_det(&variance.value().off_tape())?;
        Var::from_value(ew::mul(variance.value(), &ew::exp(&ew::scale(&log_slope, 2.0))))
    }

    /// The base's and `ln |det ∂y/∂x|`, for a map with the same Jacobian everywhere.
    fn entropy(&self) -> Result<Var<B, D::Elem>> {
        if !self.bijector.is_affine() {
            return Err(super::distribution::undefined::<Self>(
                "entropy in closed form, unless the Jacobian is the same everywhere",
                "average -log_prob over draws instead",
            ));
        }
        let anywhere = Value::full(D::Elem::ZERO, Dims::of(&self.base.shape()));
        let (_, log_det) = self.bijector.forward_and_log_det(&anywhere)?;
        let base = self.base.entropy()?;
        Var::from_value(ew::add(&Self::summed(base.value()), &Self::summed(&log_det)))
    }
}
