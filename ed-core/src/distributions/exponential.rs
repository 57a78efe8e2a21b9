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
        Terms { log_prob: ln_rate - rate * x, d_value: -rate, d_params: [mean - x] }.inside(x >= T::ZERO)
    }
}

impl Cdf<1> for Density {
    #[inline(always)]
    fn standard<A: Arch, T: Real>(x: T, [rate]: [T; 1]) -> (T, T, [T; 1]) {
        (rate * x, rate, [x])
    }

    #[inline(always)]
    fn log_cdf<A: Arch, T: Real>(z: T) -> T {
        let log_cdf = log1m_exp::<A, T>(z);
        if z > T::ZERO { log_cdf } else { T::NEG_INFINITY }
    }

    #[inline(always)]
    fn log_survival<A: Arch, T: Real>(z: T) -> T {
        if z > T::ZERO { -z } else { T::ZERO }
    }

    #[inline(always)]
    fn log_density<A: Arch, T: Real>(z: T) -> T {
        if z >= T::ZERO { -z } else { T::NEG_INFINITY }
    }

    #[inline(always)]
    fn log_mass<A: Arch, T: Real>(low: T, high: T) -> T {
        let from = if low < T::ZERO { T::ZERO } else { low };
        let mass = log1m_exp::<A, T>(high - from) - from;
        if high <= T::ZERO { T::NEG_INFINITY } else { mass }
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
