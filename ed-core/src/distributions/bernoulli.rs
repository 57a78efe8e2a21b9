//! The Bernoulli distribution.

use super::param::{Joint, Param, Params, draw, logits_of, probability, require, rule};
use super::univariate::*;

distribution! {
    /// Bernoulli distribution: 1 with probability `p = 1 / (1 + e^-ℓ)`, else 0.
    ///
    /// # Density
    /// `log p(x) = xℓ - ln(1 + e^ℓ)`, where `ℓ` are the logits; support: 0 and 1. Infinite logits are certainty.
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
    Bernoulli::from_logits(A logits: number)
}

impl<E: Float> Bernoulli<(), E> {
    /// A `Bernoulli` from the probabilities of 1.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) unless `probs` is between 0 and 1.
    pub fn from_probs<A: Param<E>>(probs: A) -> Result<Bernoulli<Joint<E, (A,)>, E>> {
        let ((probs,), shape) = (probs,).join("Bernoulli")?;
        require("Bernoulli", "probs", rule!(probability), &probs, probability)?;
        Ok(Bernoulli { logits: logits_of(&probs), shape })
    }
}

impl<S: Shape, E: Float> Bernoulli<S, E> {
    /// Probabilities of 1, in the shape of a draw.
    ///
    /// # Errors
    /// The error of an operation that failed on the way to the logits.
    pub fn probs(&self) -> Result<Var<S, E>> {
        self.logits()?.sigmoid().check()
    }
}

/// `x ℓ` with `0 · ∞ = 0`: an impossible outcome that did not happen is no evidence.
#[inline(always)]
pub(crate) fn weighted<T: Real>(x: T, logit: T) -> T {
    if x == T::ZERO { T::ZERO } else { x * logit }
}

/// `ln(1 + e^ℓ)` and `1 / (1 + e^-ℓ)`, from one exponential.
#[inline(always)]
pub(crate) fn softplus_and_sigmoid<A: Arch, T: Real>(logit: T) -> (T, T) {
    let e = math::exp::<A, T>(-logit.abs());
    let positive = logit > T::ZERO;
    let softplus = if positive { logit } else { T::ZERO } + math::ln_1p::<A, T>(e);
    (softplus, if positive { T::ONE } else { e } / (T::ONE + e))
}

/// The mass, once for both precisions.
#[derive(Clone, Copy, Debug)]
struct Density;

impl Family<1> for Density {
    const NAME: &'static str = "Bernoulli";
    type Prepared<T: Real> = (T, T);

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([logit]: [T; 1]) -> (T, T) {
        softplus_and_sigmoid::<A, T>(logit)
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(x: T, [logit]: [T; 1], (softplus, sigmoid): (T, T)) -> Terms<T, 1> {
        let certain = x == T::ONE && logit == T::INFINITY;
        let log_prob = if certain { T::ZERO } else { weighted(x, logit) - softplus };
        Terms { log_prob, d_value: T::ZERO, d_params: [x - sigmoid] }.inside(x == T::ZERO || x == T::ONE)
    }
}

impl<S: Shape, E: Float> Distribution for Bernoulli<S, E> {
    univariate!(Bernoulli, Density, logits);
    const DISCRETE: bool = true;

    fn support(&self) -> Constraint<E> {
        Constraint::Boolean
    }

    fn sample(&self, key: Key) -> Result<Var<S, E>> {
        let probs = ew::sigmoid(&self.logits);
        let probs = probs.consult()?;
        Ok(draw(self.shape, |out| sampling::fill_bernoulli(key, probs.into(), out)))
    }

    fn mean(&self) -> Result<Var<S, E>> {
        self.probs()
    }

    fn variance(&self) -> Result<Var<S, E>> {
        let logits = self.logits()?;
        (logits.sigmoid() * (-logits).sigmoid()).check()
    }

    fn entropy(&self) -> Result<Var<S, E>> {
        let logits = self.logits()?;
        // H = p softplus(-ℓ) + (1 - p) softplus(ℓ).
        let negative = -&logits;
        (logits.sigmoid() * negative.softplus() + negative.sigmoid() * logits.softplus()).check()
    }

    fn kl_to(&self, other: &dyn erased::AnyDistribution) -> Option<Result<Value<E>>> {
        closed_form::<Self, Bernoulli<S, E>>(self, other)
    }
}

impl<S: Shape, E: Float> KlTo<Bernoulli<S, E>> for Bernoulli<S, E> {
    /// `Σ p (ℓ - m) + softplus(m) - softplus(ℓ)`, where `m` are the prior's logits.
    fn kl_divergence(&self, prior: &Bernoulli<S, E>) -> Result<Var<(), E>> {
        let (ours, theirs) = (self.logits()?, prior.logits()?);
        (ours.sigmoid() * (&ours - &theirs) + theirs.softplus() - ours.softplus()).sum().check()
    }
}
