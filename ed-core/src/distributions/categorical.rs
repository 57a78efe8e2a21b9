//! The categorical distribution.

use super::param::{Param, draw, number, probability, require, rule};
use super::univariate::*;
use crate::kernels::sampling::fill_categorical;
use crate::ops::{categorical, reduce};
use crate::tensor::{Buffer, Dims, WithoutLast};

/// Categorical distribution over the classes `0, 1, …, K - 1`, with `ln p` proportional to the logits.
///
/// # Density
/// `log p(k) = ℓ_k - ln Σ_j e^{ℓ_j}`; support: whole numbers below `K`.
///
/// # Shapes
/// `logits`: `[B…, K]`; batch: `[B…]`; event: scalar (a class number). `log_prob`: `[B…] → [B…]`.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let class = Categorical::from_logits(Var::from([0.1f64, 0.5, -1.0]))?;
/// approx::assert_relative_eq!(class.log_prob(&Var::scalar(1.0))?.item()?, -0.638401, epsilon = 1e-6);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Categorical<S: Shape = (usize,), E: Float = f32> {
    logits: Value<E>,
    shape: S,
}

impl<S: Shape, E: Float> Categorical<S, E> {
    /// A categorical distribution from log-probabilities up to a constant, along the last axis.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless every logit is a number (minus infinity is a class that does not happen);
    /// [`Error::Shape`] if there is no class.
    pub fn from_logits<A: Param<E, Shape = S>>(logits: A) -> Result<Self> {
        let logits = logits.into_param();
        require("Categorical", "logits", rule!(number), logits.value(), number)?;
        Self::checked(logits.value().clone(), *logits.shape())
    }

    /// A categorical distribution from probabilities, or weights that are proportional to them.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless every probability is between 0 and 1; [`Error::Shape`] if there is no class.
    pub fn from_probs<A: Param<E, Shape = S>>(probs: A) -> Result<Self> {
        let probs = probs.into_param();
        require("Categorical", "probs", rule!(probability), probs.value(), probability)?;
        Self::checked(ew::ln(probs.value()), *probs.shape())
    }

    fn checked(logits: Value<E>, shape: S) -> Result<Self> {
        match logits.dims().last() {
            Some(&classes) if classes > 0 => Ok(Categorical { logits, shape }),
            _ => Err(Error::Shape {
                op: "Categorical",
                expected: "with at least one class along the last axis".into(),
                got: *logits.dims(),
            }),
        }
    }

    /// Number of classes.
    pub fn num_classes(&self) -> usize {
        self.logits.dims().last().copied().unwrap_or(1)
    }

    /// The logits: `[B…, K]`.
    ///
    /// # Errors
    /// The error of an operation that failed on the way to them.
    pub fn logits(&self) -> Result<Var<S, E>> {
        Var::from_value(self.logits.clone())
    }

    /// The probabilities of the classes: `[B…, K]`.
    ///
    /// # Errors
    /// The error of an operation that failed on the way to the logits.
    pub fn probs(&self) -> Result<Var<S, E>> {
        self.logits()?.softmax().check()
    }
}

impl<S: Shape, E: Float> Distribution for Categorical<S, E> {
    type Elem = E;
    type Batch = WithoutLast<S>;
    type Shape = WithoutLast<S>;
    const NAME: &'static str = "Categorical";
    const DISCRETE: bool = true;

    fn shape(&self) -> Self::Shape {
        self.batch_shape()
    }

    fn batch_shape(&self) -> Self::Batch {
        let dims = Dims::of(&self.shape);
        let batch: Dims = dims[..dims.rank() - 1].iter().copied().collect();
        match batch.typed() {
            Some(shape) => shape,
            None => unreachable!("a shape without its last axis has the type that says so"),
        }
    }

    fn support(&self) -> Constraint<E> {
        Constraint::IntegerUpTo(self.num_classes() - 1)
    }

    fn sample(&self, key: Key) -> Result<Var<Self::Shape, E>> {
        // The draw does not follow the logits when a tape is replayed, so the tape must know.
        let logits = self.logits.consult()?;
        let shape = self.shape();
        let dims = Dims::of(&shape);
        Buffer::<E>::check_room("a draw", &dims)?;
        let mut classes = vec![0usize; dims.num_elements()];
        if !fill_categorical(key, logits, self.num_classes(), &mut classes) {
            let (of, must_be) = ("Categorical", "such that some class of every row is possible");
            return Err(Error::Parameter { of, name: "logits", must_be, got: "a row without one".into() });
        }
        Ok(draw(shape, |out| {
            out.iter_mut().zip(classes).for_each(|(out, class)| *out = E::from_f64(class as f64));
        }))
    }

    fn log_prob(&self, value: &Var<Self::Shape, E>) -> Result<Var<Self::Batch, E>> {
        self.check_shape(value)?;
        Var::from_value(categorical::log_prob(&self.logits, value.value()))
    }

    fn log_prob_sum(&self, value: &Var<Self::Shape, E>) -> Result<Var<(), E>> {
        self.check_shape(value)?;
        Var::from_value(categorical::log_prob_sum(&self.logits, value.value()))
    }

    /// `-Σ p ln p`.
    fn entropy(&self) -> Result<Var<Self::Batch, E>> {
        let log_probs = reduce::log_softmax_last(self.logits.check()?);
        let terms = ew::mul(&ew::exp(&log_probs), &finite_log(&log_probs));
        Var::from_value(ew::scale(&reduce::sum_last(&terms), -1.0))
    }

    fn kl_to(&self, other: &dyn erased::AnyDistribution) -> Option<Result<Value<E>>> {
        closed_form::<Self, Categorical<S, E>>(self, other)
    }
}

impl<S: Shape, E: Float> KlTo<Categorical<S, E>> for Categorical<S, E> {
    /// `Σ_k p_k (ln p_k - ln q_k)`.
    fn kl_divergence(&self, prior: &Categorical<S, E>) -> Result<Var<(), E>> {
        let ours = reduce::log_softmax_last(self.logits.check()?);
        let theirs = reduce::log_softmax_last(prior.logits.check()?);
        Var::from_value(reduce::sum(&ew::kl_term(&ours, &theirs)))
    }
}

/// Log-probabilities with the lowest finite number for minus infinity, so that `0 ln 0 = 0`.
fn finite_log<E: Float>(log_probs: &Value<E>) -> Value<E> {
    ew::at_least(log_probs, -1e30)
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    #[test]
    fn classes_that_both_rule_out_are_no_divergence_and_one_that_only_the_prior_does_is_infinite()
    -> Result<()> {
        let ours = Categorical::from_probs(Var::from([0.0f64, 0.25, 0.75]))?;
        let theirs = Categorical::from_probs(Var::from([0.0f64, 0.5, 0.5]))?;
        let impossible = Categorical::from_probs(Var::from([0.5f64, 0.0, 0.5]))?;
        let expected = 0.25 * 0.5f64.ln() + 0.75 * 1.5f64.ln();
        assert!((kl_divergence(&ours, &theirs)?.item()? - expected).abs() < 1e-15);
        assert_eq!(kl_divergence(&ours, &ours)?.item()?, 0.0);
        assert_eq!(kl_divergence(&ours, &impossible)?.item()?, f64::INFINITY);
        Ok(())
    }
}
