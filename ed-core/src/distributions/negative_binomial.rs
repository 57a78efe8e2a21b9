//! The negative binomial distribution.

use super::chance::{ByItself, ByLogit, Chance};
use super::param::{Joint, Params, draw, drawn, logits_of, positive, probability, require, rule};
use super::univariate::*;
use crate::kernels::saddle_point::{self, Odds};

distribution! {
    /// Negative binomial distribution: the number of successes before `r` failures, of trials with the probability
    /// `p = 1 / (1 + e^-ℓ)` of success. `r` need not be a whole number.
    ///
    /// It is a Poisson distribution whose rate is drawn from Gamma(`r`, `e^-ℓ`): a count that varies more than a Poisson
    /// one.
    ///
    /// # Density
    /// `log p(k) = ln Γ(k + r) - ln Γ(r) - ln k! + k ln p + r ln(1 - p)`; support: 0, 1, 2, ….
    ///
    /// # Shapes
    /// `total_count` (`r`), `logits` (`ℓ`): batch `B`; event: scalar. `log_prob`: `[B] → [B]`.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let log_prob = NegativeBinomial::from_probs(3.0, 0.3)?.log_prob(&Var::<(), f64>::scalar(2.0))?;
    /// approx::assert_relative_eq!(log_prob.item()?, -1.686211, epsilon = 1e-6);
    /// # Ok(()) }
    /// ```
    NegativeBinomial::from_logits(A total_count: positive, B logits: finite), beside probs
}

impl<E: Float> NegativeBinomial<(), E> {
    /// A `NegativeBinomial` from the probabilities of success.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) unless `total_count` is finite and positive and `probs` is between
    /// 0 and 1 and neither of them; [`Error::Broadcast`](crate::Error::Broadcast) if the shapes do not fit together.
    pub fn from_probs<A, B>(total_count: A, probs: B) -> Result<NegativeBinomial<Joint<E, (A, B)>, E>>
    where
        (A, B): Params<E, Values = (Value<E>, Value<E>)>,
    {
        let ((total_count, probs), shape) = (total_count, probs).join("NegativeBinomial")?;
        require("NegativeBinomial", "total_count", rule!(positive), &total_count, positive)?;
        require("NegativeBinomial", "probs", rule!(open_probability), &probs, |x| {
            probability(x) && x != E::ZERO && x != E::ONE
        })?;
        Ok(NegativeBinomial { total_count, logits: logits_of(&probs), probs: Some(probs), shape })
    }
}

/// The mass, once for both precisions.
#[derive(Clone, Copy, Debug)]
struct Density<C>(C);

impl<C: Chance> Family<2> for Density<C> {
    const NAME: &'static str = "NegativeBinomial";
    /// The chance, and `ψ(r)`.
    type Prepared<T: Real> = (Odds<f64>, f64);

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([total, chance]: [T; 2]) -> (Odds<f64>, f64) {
        (C::odds::<A, f64>(chance.to_f64()), special::digamma(total.to_f64()))
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(
        x: T,
        [total, chance]: [T; 2],
        (odds, digamma): (Odds<f64>, f64),
    ) -> Terms<T, 2> {
        if !is_count(x) {
            return Terms { log_prob: T::NEG_INFINITY, d_value: T::ZERO, d_params: [T::ZERO; 2] };
        }
        let (successes, failures) = (x.to_f64(), total.to_f64());
        let gap = C::gap(successes, failures, chance.to_f64());
        let log_prob = saddle_point::negative_binomial::<A>(successes, failures, gap, odds);
        let steps = if x == T::ZERO { 0.0 } else { special::digamma(successes + failures) - digamma };
        let slopes = [steps + odds.ln_q, C::slope(successes, failures, gap, odds)];
        Terms { log_prob: T::from_f64(log_prob), d_value: T::ZERO, d_params: slopes.map(T::from_f64) }
    }
}

impl<S: Shape, E: Float> Distribution for NegativeBinomial<S, E> {
    univariate!(NegativeBinomial, Density<ByLogit>, total_count, logits; Density<ByItself>, total_count => probs);
    const DISCRETE: bool = true;

    fn support(&self) -> Constraint<E> {
        Constraint::NonNegativeInteger
    }

    fn sample(&self, key: Key) -> Result<Var<S, E>> {
        // The draw does not follow its parameters when a tape is replayed, so the tape must know.
        let (total, logits) = (self.total_count.consult()?, self.logits.consult()?);
        let draw = draw(self.shape, |out| {
            sampling::fill_negative_binomial(key, total.into(), logits.into(), out);
        });
        drawn(Self::NAME, draw)
    }

    fn mean(&self) -> Result<Var<S, E>> {
        (self.total_count()? * self.logits()?.exp()).check()
    }

    fn variance(&self) -> Result<Var<S, E>> {
        let odds = self.logits()?.exp();
        (self.total_count()? * (&odds + odds.square())).check()
    }
}
