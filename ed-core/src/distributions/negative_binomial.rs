//! The negative binomial distribution.

use super::bernoulli::{softplus_and_sigmoid, weighted};
use super::param::{Joint, Params, draw, drawn, logits_of, positive, probability, require, rule};
use super::poisson::count_and_ln_factorial;
use super::univariate::*;

distribution! {
    /// Negative binomial distribution: the number of successes before `r` failures, of trials with the probability
    /// `p = 1 / (1 + e^-ℓ)` of success. `r` need not be a whole number.
    ///
    /// It is a Poisson distribution whose rate is drawn from Gamma(`r`, `e^-ℓ`): a count that varies more than a Poisson
    /// one.
    ///
    /// # Density
    /// `log p(k) = ln Γ(k + r) - ln Γ(r) - ln k! + kℓ - (k + r) ln(1 + e^ℓ)`; support: 0, 1, 2, ….
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
    NegativeBinomial::from_logits(A total_count: positive, B logits: finite)
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
        Ok(NegativeBinomial { total_count, logits: logits_of(&probs), shape })
    }
}

/// The mass, once for both precisions.
#[derive(Clone, Copy, Debug)]
struct Density;

impl Family<2> for Density {
    const NAME: &'static str = "NegativeBinomial";
    /// Softplus and sigmoid of the logits, `ln Γ(r)` and `ψ(r)`.
    type Prepared<T: Real> = (T, T, T, T);

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([total, logit]: [T; 2]) -> (T, T, T, T) {
        let (softplus, sigmoid) = softplus_and_sigmoid::<A, T>(logit);
        (softplus, sigmoid, through_f64(total, special::ln_gamma), through_f64(total, special::digamma))
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(
        x: T,
        [total, logit]: [T; 2],
        (softplus, sigmoid, ln_gamma, digamma): (T, T, T, T),
    ) -> Terms<T, 2> {
        let (inside, ln_factorial) = count_and_ln_factorial(x);
        let trials = if inside { x + total } else { total };
        Terms {
            log_prob: through_f64(trials, special::ln_gamma) - ln_gamma - ln_factorial + weighted(x, logit)
                - trials * softplus,
            d_value: T::ZERO,
            d_params: [through_f64(trials, special::digamma) - digamma - softplus, x - trials * sigmoid],
        }
        .inside(inside)
    }
}

impl<S: Shape, E: Float> Distribution for NegativeBinomial<S, E> {
    univariate!(NegativeBinomial, Density, total_count, logits);
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
