//! The Bernoulli distribution.

use super::chance::{ByItself, ByLogit, Chance, Stated};
use super::param::{Joint, Param, Params, draw, extends, filled, logits_of, probability, require, rule};
use super::univariate::*;
use crate::kernels::saddle_point::Odds;

distribution! {
    /// Bernoulli distribution: 1 with probability `p = 1 / (1 + e^-ℓ)`, else 0.
    ///
    /// # Density
    /// `log p(1) = ln p` and `log p(0) = ln(1 - p)`, where `ℓ` are the logits; support: 0 and 1. Infinite logits are
    /// certainty.
    ///
    /// # Shapes
    /// `logits`: batch `B`; event: scalar. `log_prob`: `[B] → [B]`.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let coin = Bernoulli::from_logits(0.5)?;
    /// approx::assert_relative_eq!(coin.log_prob(&Var::<(), f64>::scalar(1.0))?.item()?, -0.474077, epsilon = 1e-6);
    /// # Ok(()) }
    /// ```
    Bernoulli::from_logits(A logits: number), beside probs
}

impl<E: Float> Bernoulli<(), E> {
    /// A `Bernoulli` from the probabilities of 1.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) unless `probs` is between 0 and 1.
    pub fn from_probs<A: Param<E>>(probs: A) -> Result<Bernoulli<Joint<E, (A,)>, E>> {
        let ((probs,), shape) = (probs,).join("Bernoulli")?;
        require("Bernoulli", "probs", rule!(probability), &probs, probability)?;
        Ok(Bernoulli { logits: logits_of(&probs), probs: Some(probs), shape })
    }
}

impl<S: Shape, E: Float> Bernoulli<S, E> {
    /// Probabilities of 1, in the shape of a draw.
    ///
    /// # Errors
    /// The error of an operation that failed on the way to the logits.
    pub fn probs(&self) -> Result<Var<S, E>> {
        match &self.probs {
            Some(probs) => filled(probs, &self.shape),
            None => self.logits()?.sigmoid().check(),
        }
    }

    /// Probabilities of 0.
    fn failure(&self) -> Result<Var<S, E>> {
        match &self.probs {
            Some(_) => (1.0 - self.probs()?).check(),
            None => (-self.logits()?).sigmoid().check(),
        }
    }

    fn stated(&self) -> Stated<'_, E> {
        Stated { logits: &self.logits, probs: &self.probs }
    }

    /// Its parameters in the shape of a draw.
    fn full(self) -> Result<Self> {
        let logits = filled(&self.logits, &self.shape)?.into_value();
        let probs = match self.probs {
            Some(probs) => Some(filled(&probs, &self.shape)?.into_value()),
            None => None,
        };
        Ok(Bernoulli { logits, probs, shape: self.shape })
    }
}

/// The mass, once for both precisions.
#[derive(Clone, Copy, Debug)]
struct Density<C>(C);

impl<C: Chance> Family<1> for Density<C> {
    const NAME: &'static str = "Bernoulli";
    type Prepared<T: Real> = Odds<T>;

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([chance]: [T; 1]) -> Odds<T> {
        C::odds::<A, T>(chance)
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(x: T, _: [T; 1], odds: Odds<T>) -> Terms<T, 1> {
        let success = x == T::ONE;
        let (by_success, by_failure) = C::slopes(odds);
        let log_prob = if success { odds.ln_p } else { odds.ln_q };
        let slope = if success { by_success } else { by_failure };
        let possible = (success || x == T::ZERO) && log_prob != T::NEG_INFINITY;
        Terms { log_prob, d_value: T::ZERO, d_params: [slope] }.inside(possible)
    }
}

impl<S: Shape, E: Float> Distribution for Bernoulli<S, E> {
    univariate!(Bernoulli, Density<ByLogit>, logits; Density<ByItself>, => probs);
    const DISCRETE: bool = true;

    fn support(&self) -> Constraint<E> {
        Constraint::Boolean
    }

    fn sample(&self, key: Key) -> Result<Var<S, E>> {
        let probs = self.probs.clone().unwrap_or_else(|| ew::sigmoid(&self.logits));
        let probs = probs.consult()?;
        Ok(draw(self.shape, |out| sampling::fill_bernoulli(key, probs.into(), out)))
    }

    fn mean(&self) -> Result<Var<S, E>> {
        self.probs()
    }

    fn variance(&self) -> Result<Var<S, E>> {
        let (success, failure) = (self.probs()?, self.failure()?);
        (success * failure).check()
    }

    /// `-p ln p - (1 - p) ln(1 - p)`.
    fn entropy(&self) -> Result<Var<S, E>> {
        filled(&self.stated().entropy(), &self.shape)
    }

    fn kl_to(&self, other: &dyn erased::AnyDistribution) -> Option<Result<Value<E>>> {
        closed_form::<Self, Bernoulli<S, E>>(self, other)
    }
}

impl<S: Shape, E: Float> KlTo<Bernoulli<S, E>> for Bernoulli<S, E> {
    /// `Σ p ln(p/q) + (1 - p) ln((1 - p)/(1 - q))`, where `q` are the prior's probabilities.
    fn kl_divergence(&self, prior: &Bernoulli<S, E>) -> Result<Var<(), E>> {
        let ours = self.clone().full()?;
        let theirs = prior.clone().full()?;
        extends("Bernoulli", &theirs.shape, &ours.shape)?;
        Var::from_value(ours.stated().divergence(&theirs.stated()))
    }
}
