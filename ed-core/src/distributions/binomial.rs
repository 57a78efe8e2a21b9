//! The binomial distribution.

use super::bernoulli::{softplus_and_sigmoid, weighted};
use super::param::{Joint, Param, Params, count, draw, drawn, logits_of, probability, require, rule};
use super::univariate::*;

distribution! {
    /// Binomial distribution: the number of successes in `n` trials with probability `p = 1 / (1 + e^-ℓ)`.
    ///
    /// # Density
    /// `log p(k) = ln C(n, k) + kℓ - n ln(1 + e^ℓ)`, where `ℓ` are the logits; support: 0, 1, … `n`.
    ///
    /// # Shapes
    /// `total_count`, `logits`: batch `B`; event: scalar. `log_prob`: `[B] → [B]`. There is no gradient by
    /// `total_count`, a whole number.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let log_prob = Binomial::from_probs(5.0, 0.3)?.log_prob(&Var::<(), f64>::scalar(2.0))?;
    /// approx::assert_relative_eq!(log_prob.item()?, -1.175385, epsilon = 1e-6);
    /// # Ok(()) }
    /// ```
    Binomial::from_logits(A total_count: count, B logits: number)
}

impl<E: Float> Binomial<(), E> {
    /// A `Binomial` from the probabilities of success.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) unless `total_count` is a whole number, 0 or larger, and `probs`
    /// is between 0 and 1; [`Error::Broadcast`](crate::Error::Broadcast) if the shapes do not fit together.
    pub fn from_probs<A, B>(total_count: A, probs: B) -> Result<Binomial<Joint<E, (A, B)>, E>>
    where
        (A, B): Params<E, Values = (Value<E>, Value<E>)>,
        B: Param<E>,
    {
        let ((total_count, probs), shape) = (total_count, probs).join("Binomial")?;
        require("Binomial", "total_count", rule!(count), &total_count, count)?;
        require("Binomial", "probs", rule!(probability), &probs, probability)?;
        Ok(Binomial { total_count, logits: logits_of(&probs), shape })
    }
}

impl<S: Shape, E: Float> Binomial<S, E> {
    /// Probabilities of success, in the shape of a draw.
    ///
    /// # Errors
    /// The error of an operation that failed on the way to the logits.
    pub fn probs(&self) -> Result<Var<S, E>> {
        self.logits()?.sigmoid().check()
    }
}

/// The mass, once for both precisions.
#[derive(Clone, Copy, Debug)]
struct Density;

impl Family<2> for Density {
    const NAME: &'static str = "Binomial";
    /// Softplus and sigmoid of the logits, and `ln n!`.
    type Prepared<T: Real> = (T, T, T);

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([total, logit]: [T; 2]) -> (T, T, T) {
        let (softplus, sigmoid) = softplus_and_sigmoid::<A, T>(logit);
        (softplus, sigmoid, through_f64(total, |n| special::ln_gamma(n + 1.0)))
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(
        x: T,
        [total, logit]: [T; 2],
        (softplus, sigmoid, ln_factorial): (T, T, T),
    ) -> Terms<T, 2> {
        let inside = x >= T::ZERO && x <= total && x.floor() == x;
        let orders = if inside {
            let ln_factorial = |k: T| through_f64(k, |k| special::ln_gamma(k + 1.0));
            ln_factorial(x) + ln_factorial(total - x)
        } else {
            T::ZERO
        };
        // Both infinite where success is certain, and nothing is left when there is no failure.
        let certain = logit == T::INFINITY && x == total;
        let chances = if certain { T::ZERO } else { weighted(x, logit) - weighted(total, softplus) };
        Terms {
            log_prob: ln_factorial - orders + chances,
            d_value: T::ZERO,
            d_params: [T::ZERO, x - total * sigmoid],
        }
        .inside(inside)
    }
}

impl<S: Shape, E: Float> Distribution for Binomial<S, E> {
    univariate!(Binomial, Density, total_count, logits);
    const DISCRETE: bool = true;

    fn support(&self) -> Constraint<E> {
        let largest = self.total_count.peek().map(|n| n.iter().fold(0.0f64, |most, n| most.max(n.to_f64())));
        Constraint::IntegerUpTo(largest.unwrap_or(0.0) as usize)
    }

    fn sample(&self, key: Key) -> Result<Var<S, E>> {
        // The draw does not follow its parameters when a tape is replayed, so the tape must know.
        let (total, logits) = (self.total_count.consult()?, self.logits.consult()?);
        drawn(
            Self::NAME,
            draw(self.shape, |out| sampling::fill_binomial(key, total.into(), logits.into(), out)),
        )
    }

    fn mean(&self) -> Result<Var<S, E>> {
        (self.total_count()? * self.probs()?).check()
    }

    fn variance(&self) -> Result<Var<S, E>> {
        let logits = self.logits()?;
        (self.total_count()? * logits.sigmoid() * (-logits).sigmoid()).check()
    }
}
