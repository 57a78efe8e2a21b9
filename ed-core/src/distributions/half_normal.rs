//! The half-normal distribution.

use super::normal;
use super::param::{drawn_value, normal_noise};
use super::univariate::*;

distribution! {
    /// Half-normal distribution: the absolute value of a normal number with location 0 and scale `σ`.
    ///
    /// # Density
    /// `log p(x) = ½ ln(2/π) - ln σ - x² / 2σ²`; support: `x ≥ 0`.
    ///
    /// # Shapes
    /// `scale`: batch `B`; event: scalar. `log_prob`: `[B] → [B]`.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let log_prob = HalfNormal::new(2.0)?.log_prob(&Var::<(), f64>::scalar(1.3))?;
    /// approx::assert_relative_eq!(log_prob.item()?, -1.130189, epsilon = 1e-6);
    /// # Ok(()) }
    /// ```
    HalfNormal::new(A scale: positive)
}

/// The density, once for both precisions.
#[derive(Clone, Copy, Debug)]
struct Density;

impl Family<1> for Density {
    const NAME: &'static str = "HalfNormal";
    type Prepared<T: Real> = (T, T);

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([scale]: [T; 1]) -> (T, T) {
        normal::Density::prepare::<A, T>([T::ZERO, scale])
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(x: T, [scale]: [T; 1], prepared: (T, T)) -> Terms<T, 1> {
        let terms = normal::Density::terms::<A, T>(x, [T::ZERO, scale], prepared);
        let [_, d_scale] = terms.d_params;
        Terms { log_prob: terms.log_prob + T::LN_2, d_value: terms.d_value, d_params: [d_scale] }
            .inside(x >= T::ZERO)
    }
}

impl<S: Shape, E: Float> Distribution for HalfNormal<S, E> {
    univariate!(HalfNormal, Density, scale);
    const PATHWISE: bool = true;

    fn support(&self) -> Constraint<E> {
        Constraint::NonNegative
    }

    fn sample(&self, key: Key) -> Result<Var<S, E>> {
        let noise = normal_noise(self.shape, key).abs();
        drawn_value(Self::NAME, ew::mul(noise.value(), &self.scale))
    }

    fn mean(&self) -> Result<Var<S, E>> {
        (self.scale()? * std::f64::consts::FRAC_2_PI.sqrt()).check()
    }

    fn variance(&self) -> Result<Var<S, E>> {
        (self.scale()?.square() * (1.0 - std::f64::consts::FRAC_2_PI)).check()
    }

    fn entropy(&self) -> Result<Var<S, E>> {
        (self.scale()?.ln() + 0.5 * (1.0 + std::f64::consts::FRAC_PI_2.ln())).check()
    }

    fn kl_to(&self, other: &dyn erased::AnyDistribution) -> Option<Result<Value<E>>> {
        closed_form::<Self, HalfNormal<S, E>>(self, other)
    }
}

impl<S: Shape, E: Float> KlTo<HalfNormal<S, E>> for HalfNormal<S, E> {
    /// `Σ ln(s/σ) + σ² / 2s² - ½`.
    fn kl_divergence(&self, prior: &HalfNormal<S, E>) -> Result<Var<(), E>> {
        let ratio = (self.scale()? / prior.scale()?).square();
        (0.5 * (&ratio - 1.0 - ratio.ln())).sum().check()
    }
}
