//! The binomial distribution.

use super::chance::{ByItself, ByLogit, Chance};
use super::param::{Joint, Param, Params, count, draw, drawn, filled, logits_of, probability, require, rule};
use super::univariate::*;
use crate::kernels::saddle_point::{self, Odds};

distribution! {
    /// Binomial distribution: the number of successes in `n` trials with probability `p = 1 / (1 + e^-ℓ)`.
    ///
    /// # Density
    /// `log p(k) = ln C(n, k) + k ln p + (n - k) ln(1 - p)`, where `ℓ` are the logits; support: 0, 1, … `n`.
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
    Binomial::from_logits(A total_count: count, B logits: number), beside probs
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
        Ok(Binomial { total_count, logits: logits_of(&probs), probs: Some(probs), shape })
    }
}

impl<S: Shape, E: Float> Binomial<S, E> {
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

impl<C: Chance> Family<2> for Density<C> {
    const NAME: &'static str = "Binomial";
    type Prepared<T: Real> = Odds<f64>;

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([_, chance]: [T; 2]) -> Odds<f64> {
        C::odds::<A, f64>(chance.to_f64())
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(x: T, [total, chance]: [T; 2], odds: Odds<f64>) -> Terms<T, 2> {
        let possible = is_count(x) && x <= total;
        if !possible {
            let nothing = Terms { log_prob: T::NEG_INFINITY, d_value: T::ZERO, d_params: [T::ZERO; 2] };
            // A total that is not a number is no reason to call a count impossible.
            return if total.is_nan() { Terms { log_prob: total, ..nothing } } else { nothing };
        }
        let (successes, failures) = (x.to_f64(), total.to_f64() - x.to_f64());
        let gap = C::gap(successes, failures, chance.to_f64());
        let log_prob = saddle_point::binomial::<A>(successes, failures, gap, odds);
        let slope = C::slope(successes, failures, gap, odds);
        Terms { log_prob: T::from_f64(log_prob), d_value: T::ZERO, d_params: [T::ZERO, T::from_f64(slope)] }
            .inside(log_prob != f64::NEG_INFINITY)
    }
}

impl<S: Shape, E: Float> Distribution for Binomial<S, E> {
    univariate!(Binomial, Density<ByLogit>, total_count, logits; Density<ByItself>, total_count => probs);
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
