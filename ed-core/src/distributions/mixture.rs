//! Mixtures of distributions of one family.

use super::param::{Param, number, require, rule};
use super::univariate::*;
use crate::kernels::sampling::fill_categorical;
use crate::ops::elementwise::repeats;
use crate::ops::{layout, mixture, reduce};
use crate::tensor::{Dims, WithoutLast};

/// A mixture: a draw comes from component `k` with probability `softmax(logits)_k`. The components are the last batch
/// axis of one distribution.
///
/// # Density
/// `log p(x) = ln Σ_k w_k p_k(x)`, as one log-sum-exp; support: that of the components.
///
/// # Shapes
/// `logits`: `[B…, K]` or its end; components: batch `[B…, K]`, event `E`. batch: `[B…]`; event: `E`. `log_prob`:
/// `[B…, E…] → [B…]`.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let components = Logistic::new(Var::from([100.0f64, 120.0, 250.0]), Var::from([5.0, 2.0, 10.0]))?;
/// let mixture = Mixture::new(Var::from([0.2f64, 0.5, 0.3]).ln(), components)?;
/// let log_prob: Var<(), f64> = mixture.log_prob(&Var::scalar(119.0))?;
/// approx::assert_relative_eq!(log_prob.item()?, -2.819980775, epsilon = 1e-8);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Mixture<D: Distribution, S: Shape = WithoutLast<<D as Distribution>::Shape>> {
    logits: Value<D::Elem>,
    components: D,
    shape: S,
}

impl<D: Distribution> Mixture<D> {
    /// A mixture of univariate distributions, from log-weights up to a constant.
    ///
    /// # Errors
    /// As [`Mixture::typed`].
    pub fn new<A: Param<D::Elem>>(logits: A, components: D) -> Result<Self> {
        Self::typed(logits, components)
    }
}

impl<D: Distribution, S: Shape> Mixture<D, S> {
    /// A mixture with draws of type `S`: the components' shape without the axis over the components.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless every logit is a number (minus infinity is a component that does not happen);
    /// [`Error::Broadcast`] unless the logits have the shape of the components' batch or its end, with at least the last
    /// axis; [`Error::Shape`] if there is no component, or the draws are not of type `S`.
    pub fn typed<A: Param<D::Elem>>(logits: A, components: D) -> Result<Self> {
        let logits = logits.into_param().into_value();
        require("Mixture", "logits", rule!(number), &logits, number)?;
        let (batch, whole) = (Dims::of(&components.batch_shape()), Dims::of(&components.shape()));
        let misfit = |expected: &str| Error::Shape { op: "Mixture", expected: expected.into(), got: whole };
        let Some((&count, front)) = batch.split_last().filter(|(count, _)| **count > 0) else {
            return Err(misfit("with components along the last batch axis"));
        };
        if logits.dims().rank() == 0 || !repeats(logits.dims(), &batch) {
            return Err(Error::Broadcast { op: "Mixture", lhs: *logits.dims(), rhs: batch });
        }
        debug_assert_eq!(logits.dims().last(), Some(&count));
        let dims: Dims = front.iter().chain(&whole[batch.rank()..]).copied().collect();
        let shape = dims.typed().ok_or_else(|| misfit("that gives the type of the draws"))?;
        Ok(Mixture { logits, components, shape })
    }

    /// The distributions of the components: batch `[B…, K]`.
    pub fn components(&self) -> &D {
        &self.components
    }

    /// The log-weights up to a constant, in the shape of the components' batch.
    ///
    /// # Errors
    /// The error of an operation that failed on the way to them.
    pub fn logits(&self) -> Result<Var<D::Batch, D::Elem>> {
        super::param::filled(&self.logits, &self.components.batch_shape())
    }

    /// The place of the axis over the components.
    fn axis(&self) -> usize {
        D::Batch::NUM_DIMS - 1
    }

    /// A value beside each component.
    fn repeated(&self, value: &Var<S, D::Elem>) -> Result<Var<D::Shape, D::Elem>> {
        let dims = value.dims();
        let (front, event) = dims.split_at(self.axis());
        let column = front.iter().chain(&[1]).chain(event).copied().collect();
        let whole = Dims::of(&self.components.shape());
        Var::from_value(layout::broadcast_to(&value.value().check()?.with_dims(column), whole)?)
    }

    /// The mixture of what each component says of a value.
    fn mixed<B: Shape>(&self, each: Var<D::Batch, D::Elem>) -> Result<Var<B, D::Elem>> {
        Var::from_value(mixture::mix(&self.logits, each.value()))
    }

    /// `Σ_k w_k x_k` over the components.
    fn averaged(&self, each: &Value<D::Elem>) -> Result<Value<D::Elem>> {
        let whole = Dims::of(&self.components.shape());
        let weights = ew::exp(&reduce::log_softmax_last(self.logits()?.value()));
        let events = std::iter::repeat_n(1, whole.rank() - weights.dims().rank());
        let column = weights.dims().iter().copied().chain(events).collect();
        let weights = layout::broadcast_to(&weights.with_dims(column), whole)?;
        Ok(reduce::sum_axes(&ew::mul(&weights, each), &[self.axis()]))
    }
}

impl<D: Distribution, S: Shape> Distribution for Mixture<D, S> {
    type Elem = D::Elem;
    type Batch = WithoutLast<D::Batch>;
    type Shape = S;
    const NAME: &'static str = "Mixture";
    const DISCRETE: bool = D::DISCRETE;
    const PROPER: bool = D::PROPER;

    fn shape(&self) -> S {
        self.shape
    }

    fn batch_shape(&self) -> Self::Batch {
        let batch = Dims::of(&self.components.batch_shape());
        let front: Dims = batch[..self.axis()].iter().copied().collect();
        match front.typed() {
            Some(shape) => shape,
            None => unreachable!("a shape without its last axis has the type that says so"),
        }
    }

    /// That of the components; all reals where theirs depends on the component.
    fn support(&self) -> Constraint<D::Elem> {
        let one = |bound: &Value<D::Elem>| bound.dims().rank() == 0;
        match self.components.support() {
            Constraint::Interval(low, high) if !(one(&low) && one(&high)) => Constraint::Real,
            Constraint::GreaterThan(bound) | Constraint::LessThan(bound) if !one(&bound) => Constraint::Real,
            Constraint::Exactly(only) if !one(&only) => Constraint::Real,
            Constraint::Image(..) => Constraint::Real,
            support => support,
        }
    }

    /// A component, and a draw of it. No gradient: which component it was does not follow the parameters smoothly.
    fn sample(&self, key: Key) -> Result<Var<S, D::Elem>> {
        let [choice, draw] = key.split_array();
        let each = self.components.sample(draw)?;
        // The draw does not follow the parameters when a tape is replayed, so the tape must know.
        let (each, logits) = (each.consult()?, self.logits.consult()?);
        let components = self.logits.dims().last().copied().unwrap_or(1);
        let rows = Dims::of(&self.batch_shape()).num_elements();
        let mut chosen = vec![0; rows];
        if rows > 0 && !fill_categorical(choice, logits, components, &mut chosen) {
            let (of, must_be) = ("Mixture", "such that some component of every row is possible");
            return Err(Error::Parameter { of, name: "logits", must_be, got: "a row without one".into() });
        }
        let event = self.shape.num_elements().checked_div(rows).unwrap_or(0);
        let part = |(row, k): (usize, usize)| &each[(row * components + k) * event..][..event];
        Var::from_vec(chosen.into_iter().enumerate().flat_map(part).copied().collect(), self.shape)
    }

    fn log_prob(&self, value: &Var<S, D::Elem>) -> Result<Var<Self::Batch, D::Elem>> {
        self.check_shape(value)?;
        self.mixed(self.components.log_prob(&self.repeated(value)?)?)
    }

    fn mean(&self) -> Result<Var<S, D::Elem>> {
        Var::from_value(self.averaged(self.components.mean()?.value())?)
    }

    /// `Σ_k w_k (σ_k² + (μ_k - μ)²)`.
    fn variance(&self) -> Result<Var<S, D::Elem>> {
        let away = (self.components.mean()? - self.repeated(&self.mean()?)?).square();
        Var::from_value(self.averaged((self.components.variance()? + away).value())?)
    }
}

impl<D: HasCdf, S: Shape> HasCdf for Mixture<D, S> {
    /// `ln Σ_k w_k P_k(low < X ≤ high)`.
    fn log_interval(
        &self,
        low: &Var<S, D::Elem>,
        high: &Var<S, D::Elem>,
    ) -> Result<Var<Self::Batch, D::Elem>> {
        super::cdf::check_ends(self, low, high)?;
        self.mixed(self.components.log_interval(&self.repeated(low)?, &self.repeated(high)?)?)
    }
}
