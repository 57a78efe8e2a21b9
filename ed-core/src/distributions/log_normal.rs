//! The log-normal distribution.

use super::normal::{self, Normal};
use super::normal_mass;
use super::univariate::*;
use crate::kernels::dispatch::Portable;

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
    fn terms<A: Arch, T: Real>(x: T, [loc, scale]: [T; 2], prepared: (T, T)) -> Terms<T, 2> {
        let (y, gap) = math::ln_and_distance::<A, T>(x, loc);
        let terms = normal::Density::terms::<A, T>(gap, [T::ZERO, scale], prepared);
        Terms { log_prob: terms.log_prob - y, d_value: (terms.d_value - T::ONE) / x, ..terms }
            .inside(x > T::ZERO && x < T::INFINITY)
    }
}

impl Cdf<2> for Density {
    fn interval(low: f64, high: f64, [loc, scale]: [f64; 2]) -> Interval<2> {
        let inside = low > 0.0;
        let end = |x: f64| math::ln_and_distance::<Portable, f64>(x, loc).1 / scale;
        let ends = Ends {
            low: if inside { end(low) } else { f64::NEG_INFINITY },
            high: if high > 0.0 { end(high) } else { f64::NEG_INFINITY },
            width: if inside { ((high - low) / low).ln_1p() / scale } else { f64::INFINITY },
        };
        if high <= 0.0 {
            return Interval { log: f64::NEG_INFINITY, by_low: 0.0, by_high: 0.0, by_params: [0.0; 2] };
        }
        let mass = normal_mass::mass(ends);
        let chain = |slope: f64, x: f64| if slope == 0.0 { 0.0 } else { slope / scale / x };
        Interval {
            log: mass.log,
            by_low: chain(mass.by_low, low),
            by_high: chain(mass.by_high, high),
            by_params: [-mass.by_both / scale, -mass.by_stretch(ends) / scale],
        }
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

    /// `e^(2μ + 2σ²) (1 - e^-σ²)`.
    fn variance(&self) -> Result<Var<S, E>> {
        let square = self.scale()?.square();
        (-(-&square).expm1() * (2.0 * (self.loc()? + square)).exp()).check()
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
