//! The geometric distribution.

use super::chance::{ByItself, ByLogit, Chance};
use super::param::{Joint, Param, Params, draw, drawn, filled, logits_of, probability, require, rule};
use super::univariate::*;
use crate::kernels::saddle_point::Odds;

distribution! {
    /// Geometric distribution: the number of failures before the first success of trials with probability
    /// `p = 1 / (1 + e^-ℓ)`.
    ///
    /// # Density
    /// `log p(k) = k ln(1 - p) + ln p`, where `ℓ` are the logits; support: 0, 1, 2, ….
    ///
    /// # Shapes
    /// `logits`: batch `B`; event: scalar. `log_prob`: `[B] → [B]`.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let log_prob = Geometric::from_probs(0.3)?.log_prob(&Var::<(), f64>::scalar(2.0))?;
    /// approx::assert_relative_eq!(log_prob.item()?, -1.917323, epsilon = 1e-6);
    /// # Ok(()) }
    /// ```
    Geometric::from_logits(A logits: finite), beside probs
}

impl<E: Float> Geometric<(), E> {
    /// A `Geometric` from the probabilities of success.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) unless `probs` is between 0 and 1 and neither of them.
    pub fn from_probs<A: Param<E>>(probs: A) -> Result<Geometric<Joint<E, (A,)>, E>> {
        let ((probs,), shape) = (probs,).join("Geometric")?;
        require("Geometric", "probs", rule!(open_probability), &probs, |x| {
            probability(x) && x != E::ZERO && x != E::ONE
        })?;
        Ok(Geometric { logits: logits_of(&probs), probs: Some(probs), shape })
    }
}

impl<S: Shape, E: Float> Geometric<S, E> {
    /// Probabilities of success, in the shape of a draw.
    ///
    /// # Errors
    /// The error of an operation that failed on the way to the logits.
    pub fn probs(&self) -> Result<Var<S, E>> {
        match &self.probs {
            Some(probs) => filled(probs, &self.shape),
            None => self.logits()?.sigmoid().check(),
        }
    }
}

/// The mass, once for both precisions.
#[derive(Clone, Copy, Debug)]
struct Density<C>(C);

impl<C: Chance> Family<1> for Density<C> {
    const NAME: &'static str = "Geometric";
    type Prepared<T: Real> = Odds<T>;

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([chance]: [T; 1]) -> Odds<T> {
        C::odds::<A, T>(chance)
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(x: T, _: [T; 1], odds: Odds<T>) -> Terms<T, 1> {
        let (by_success, by_failure) = C::slopes(odds);
        let log_prob = odds.ln_p + x * odds.ln_q;
        Terms { log_prob, d_value: T::ZERO, d_params: [by_success + x * by_failure] }.inside(is_count(x))
    }
}

impl<S: Shape, E: Float> Distribution for Geometric<S, E> {
    univariate!(Geometric, Density<ByLogit>, logits; Density<ByItself>, => probs);
    const DISCRETE: bool = true;

    fn support(&self) -> Constraint<E> {
        Constraint::NonNegativeInteger
    }

    /// `⌊w / softplus(ℓ)⌋` for a standard exponential number `w`, since `-ln(1 - p) = softplus(ℓ)`.
    fn sample(&self, key: Key) -> Result<Var<S, E>> {
        // The draw does not follow its parameters when a tape is replayed, so the tape must know.
        let logits = self.logits.consult()?;
        drawn(Self::NAME, draw(self.shape, |out| sampling::fill_geometric(key, logits.into(), out)))
    }

    fn mean(&self) -> Result<Var<S, E>> {
        (-self.logits()?).exp().check()
    }

    fn variance(&self) -> Result<Var<S, E>> {
        let mean = self.mean()?;
        (&mean + mean.square()).check()
    }

    /// That of one trial, divided by `p`.
    fn entropy(&self) -> Result<Var<S, E>> {
        let logits = self.logits()?;
        (logits.softplus() * (-&logits).exp() + (-logits).softplus()).check()
    }
}
