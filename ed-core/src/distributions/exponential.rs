//! The exponential distribution.

use super::param::{draw, drawn_value};
use super::univariate::*;

distribution! {
    /// Exponential distribution with rate `λ`, of mean `1/λ`.
    ///
    /// # Density
    /// `log p(x) = ln λ - λx`; support: `x ≥ 0`.
    ///
    /// # Shapes
    /// `rate`: batch `B`; event: scalar. `log_prob`: `[B] → [B]`.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let log_prob = Exponential::new(0.7)?.log_prob(&Var::<(), f64>::scalar(1.3))?;
    /// approx::assert_relative_eq!(log_prob.item()?, -1.266675, epsilon = 1e-6);
    /// # Ok(()) }
    /// ```
    Exponential::new(A rate: positive)
}

/// The density, once for both precisions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Density;

impl Family<1> for Density {
    const NAME: &'static str = "Exponential";
    /// `ln λ` and `1 / λ`.
    type Prepared<T: Real> = (T, T);

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([rate]: [T; 1]) -> (T, T) {
        (math::ln::<A, T>(rate), T::ONE / rate)
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(x: T, [rate]: [T; 1], (ln_rate, mean): (T, T)) -> Terms<T, 1> {
        Terms {
            log_prob: ln_rate - rate * x,
            d_value: -rate,
            d_params: [-math::product_minus::<A, T>(rate, x, T::ONE) * mean],
        }
        .inside(x >= T::ZERO)
    }
}

impl Cdf<1> for Density {
    /// `e^-low (1 - e^-width)`, where nothing lies below zero.
    fn interval(low: f64, high: f64, [rate]: [f64; 1]) -> Interval<1> {
        let inside = low >= 0.0;
        let from = if inside { low } else { 0.0 };
        let width = rate * (high - from);
        if high <= 0.0 {
            return Interval { log: f64::NEG_INFINITY, by_low: 0.0, by_high: 0.0, by_params: [0.0] };
        }
        let narrowness = 1.0 / width.exp_m1();
        let spread = if narrowness == 0.0 { 0.0 } else { (high - from) * narrowness };
        Interval {
            log: special::log1m_exp(-width) - rate * from,
            by_low: if inside { -rate * (1.0 + narrowness) } else { 0.0 },
            by_high: rate * narrowness,
            by_params: [spread - from],
        }
    }
}

has_cdf!(Exponential, OfOne, Density, rate);

impl<S: Shape, E: Float> Distribution for Exponential<S, E> {
    univariate!(Exponential, Density, rate);
    const PATHWISE: bool = true;

    fn support(&self) -> Constraint<E> {
        Constraint::NonNegative
    }

    fn sample(&self, key: Key) -> Result<Var<S, E>> {
        let noise = draw(self.shape, |out| sampling::fill_exponential(key, E::ONE.into(), out));
        drawn_value(Self::NAME, ew::div(noise.value(), &self.rate))
    }

    fn mean(&self) -> Result<Var<S, E>> {
        self.rate()?.recip().check()
    }

    fn variance(&self) -> Result<Var<S, E>> {
        self.rate()?.recip().square().check()
    }

    fn entropy(&self) -> Result<Var<S, E>> {
        (1.0 - self.rate()?.ln()).check()
    }

    fn kl_to(&self, other: &dyn erased::AnyDistribution) -> Option<Result<Value<E>>> {
        closed_form::<Self, Exponential<S, E>>(self, other)
    }
}

impl<S: Shape, E: Float> KlTo<Exponential<S, E>> for Exponential<S, E> {
    /// `Σ r - 1 - ln r`, where `r` is the prior's rate over this one's.
    fn kl_divergence(&self, prior: &Exponential<S, E>) -> Result<Var<(), E>> {
        let ratio = prior.rate()? / self.rate()?;
        (&ratio - 1.0 - ratio.ln()).sum().check()
    }
}
