//! The logistic distribution.

use super::bernoulli::softplus_and_sigmoid;
use super::param::{draw, drawn_value};
use super::univariate::*;

distribution! {
    /// Logistic distribution with location `μ` and scale `s`.
    ///
    /// # Density
    /// `log p(x) = -z - 2 ln(1 + e^-z) - ln s`, where `z = (x - μ) / s`; support: all reals.
    ///
    /// # Shapes
    /// `loc`, `scale`: batch `B`; event: scalar. `log_prob`: `[B] → [B]`.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let log_prob = Logistic::new(0.5, 2.0)?.log_prob(&Var::<(), f64>::scalar(1.3))?;
    /// approx::assert_relative_eq!(log_prob.item()?, -2.119178, epsilon = 1e-6);
    /// # Ok(()) }
    /// ```
    Logistic::new(A loc: finite, B scale: positive)
}

/// The density, once for both precisions.
#[derive(Clone, Copy, Debug)]
struct Density;

impl Family<2> for Density {
    const NAME: &'static str = "Logistic";
    /// `1 / s` and `ln s`.
    type Prepared<T: Real> = (T, T);

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([_, scale]: [T; 2]) -> (T, T) {
        (T::ONE / scale, math::ln::<A, T>(scale))
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(x: T, [loc, _]: [T; 2], (precision, ln_scale): (T, T)) -> Terms<T, 2> {
        let z = (x - loc) * precision;
        let (softplus, sigmoid) = softplus_and_sigmoid::<A, T>(-z);
        let pull = T::ONE - T::TWO * sigmoid;
        Terms {
            log_prob: -z - T::TWO * softplus - ln_scale,
            d_value: -pull * precision,
            d_params: [pull * precision, (z * pull - T::ONE) * precision],
        }
    }
}

impl Cdf<2> for Density {
    loc_scale!();

    #[inline(always)]
    fn log_cdf<A: Arch, T: Real>(z: T) -> T {
        math::log_sigmoid::<A, T>(z)
    }

    #[inline(always)]
    fn log_survival<A: Arch, T: Real>(z: T) -> T {
        math::log_sigmoid::<A, T>(-z)
    }

    #[inline(always)]
    fn log_density<A: Arch, T: Real>(z: T) -> T {
        -z - T::TWO * math::softplus::<A, T>(-z)
    }

    /// `ln σ(b) + ln σ(-a) + ln (1 - e^(a-b))`, in which nothing cancels.
    #[inline(always)]
    fn log_mass<A: Arch, T: Real>(low: T, high: T) -> T {
        let outside = math::softplus::<A, T>(low) + math::softplus::<A, T>(-high);
        log1m_exp::<A, T>(high - low) - outside
    }

    #[inline(always)]
    fn slopes<A: Arch, T: Real>(low: T, high: T, _: T) -> (T, T) {
        let inverse = T::ONE / math::expm1::<A, T>(high - low);
        (-(math::sigmoid::<A, T>(low) + inverse), math::sigmoid::<A, T>(-high) + inverse)
    }
}

has_cdf!(Logistic, OfTwo, Density, loc, scale);

impl<S: Shape, E: Float> Distribution for Logistic<S, E> {
    univariate!(Logistic, Density, loc, scale);
    const PATHWISE: bool = true;

    fn support(&self) -> Constraint<E> {
        Constraint::Real
    }

    fn sample(&self, key: Key) -> Result<Var<S, E>> {
        let noise = draw(self.shape, |out| sampling::fill_logistic(key, E::ZERO.into(), E::ONE.into(), out));
        drawn_value(Self::NAME, draws::loc_scale(noise.value(), &self.loc, &self.scale))
    }

    fn mean(&self) -> Result<Var<S, E>> {
        self.loc()
    }

    fn variance(&self) -> Result<Var<S, E>> {
        (self.scale()?.square() * (std::f64::consts::PI.powi(2) / 3.0)).check()
    }

    fn entropy(&self) -> Result<Var<S, E>> {
        (self.scale()?.ln() + 2.0).check()
    }
}
