//! The log-normal distribution.

use super::normal::{self, Normal};
use super::univariate::*;

distribution! {
    /// Log-normal distribution: `e^y` for a normal `y` with location `μ` and scale `σ`.
    ///
    /// # Density
    /// `log p(x) = -½z² - ln σ - ½ ln 2π - ln x`, where `z = (ln x - μ) / σ`; support: `x > 0`.
    ///
    /// # Shapes
    /// `loc`, `scale`: batch `B`; event: scalar. `log_prob`: `[B] → [B]`.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let log_prob = LogNormal::new(0.5, 2.0)?.log_prob(&Var::<(), f64>::scalar(1.3))?;
    /// approx::assert_relative_eq!(log_prob.item()?, -1.881509, epsilon = 1e-6);
    /// # Ok(()) }
    /// ```
    LogNormal::new(A loc: finite, B scale: positive)
}

impl<S: Shape, E: Float> LogNormal<S, E> {
    /// The distribution of the logarithm.
    ///
    /// # Errors
    /// The error of an operation that failed on the way to a parameter.
    pub fn log(&self) -> Result<Normal<S, E>> {
        Normal::from_values(&self.loc, &self.scale, self.shape)
    }
}

/// The density, once for both precisions.
#[derive(Clone, Copy, Debug)]
struct Density;

impl Family<2> for Density {
    const NAME: &'static str = "LogNormal";
    type Prepared<T: Real> = (T, T);

    #[inline(always)]
    fn prepare<A: Arch, T: Real>(params: [T; 2]) -> (T, T) {
        normal::Density::prepare::<A, T>(params)
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(x: T, params: [T; 2], prepared: (T, T)) -> Terms<T, 2> {
        let y = math::ln::<A, T>(x);
        let terms = normal::Density::terms::<A, T>(y, params, prepared);
        Terms { log_prob: terms.log_prob - y, d_value: (terms.d_value - T::ONE) / x, ..terms }
            .inside(x > T::ZERO && x < T::INFINITY)
    }
}

impl Cdf<2> for Density {
    #[inline(always)]
    fn standard<A: Arch, T: Real>(x: T, params: [T; 2]) -> (T, T, [T; 2]) {
        let y = if x <= T::ZERO { T::NEG_INFINITY } else { math::ln::<A, T>(x) };
        let (z, slope, by_params) = normal::Density::standard::<A, T>(y, params);
        (z, slope / x, by_params)
    }

    #[inline(always)]
    fn log_cdf<A: Arch, T: Real>(z: T) -> T {
        normal::Density::log_cdf::<A, T>(z)
    }

    #[inline(always)]
    fn log_survival<A: Arch, T: Real>(z: T) -> T {
        normal::Density::log_survival::<A, T>(z)
    }

    #[inline(always)]
    fn log_density<A: Arch, T: Real>(z: T) -> T {
        normal::Density::log_density::<A, T>(z)
    }
}

has_cdf!(LogNormal, OfTwo, Density, loc, scale);

impl<S: Shape, E: Float> Distribution for LogNormal<S, E> {
    univariate!(LogNormal, Density, loc, scale);
    const PATHWISE: bool = true;

    fn support(&self) -> Constraint<E> {
        Constraint::Positive
    }

    fn sample(&self, key: Key) -> Result<Var<S, E>> {
        Var::from_value(draws::above_zero(&ew::exp(self.log()?.sample(key)?.value())))
    }

    fn mean(&self) -> Result<Var<S, E>> {
        (self.loc()? + 0.5 * self.scale()?.square()).exp().check()
    }

    fn variance(&self) -> Result<Var<S, E>> {
        let square = self.scale()?.square();
        (square.expm1() * (2.0 * self.loc()? + square).exp()).check()
    }

    fn entropy(&self) -> Result<Var<S, E>> {
        (self.log()?.entropy()? + self.loc()?).check()
    }

    fn kl_to(&self, other: &dyn erased::AnyDistribution) -> Option<Result<Value<E>>> {
        closed_form::<Self, LogNormal<S, E>>(self, other)
    }
}

impl<S: Shape, E: Float> KlTo<LogNormal<S, E>> for LogNormal<S, E> {
    /// That of the logarithms: the divergence does not change under an invertible map.
    fn kl_divergence(&self, prior: &LogNormal<S, E>) -> Result<Var<(), E>> {
        self.log()?.kl_divergence(&prior.log()?)
    }
}
