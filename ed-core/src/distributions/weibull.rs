//! The Weibull distribution.

use super::gumbel::{self, EULER};
use super::param::draw;
use super::univariate::*;

distribution! {
    /// Weibull distribution with concentration (shape) `k` and scale `λ`.
    ///
    /// # Density
    /// `log p(x) = ln(k/λ) + (k - 1) ln(x/λ) - (x/λ)^k`; support: `x > 0`.
    ///
    /// # Shapes
    /// `concentration`, `scale`: batch `B`; event: scalar. `log_prob`: `[B] → [B]`.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let log_prob = Weibull::new(1.5, 2.0)?.log_prob(&Var::<(), f64>::scalar(1.3))?;
    /// approx::assert_relative_eq!(log_prob.item()?, -1.027120, epsilon = 1e-6);
    /// # Ok(()) }
    /// ```
    Weibull::new(A concentration: positive, B scale: positive)
}

/// The density, once for both precisions.
#[derive(Clone, Copy, Debug)]
struct Density;

impl Family<2> for Density {
    const NAME: &'static str = "Weibull";
    /// `1 / λ`, `ln k` and `ln λ`.
    type Prepared<T: Real> = [T; 3];

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([concentration, scale]: [T; 2]) -> [T; 3] {
        [inverse(scale), math::ln::<A, T>(concentration), math::ln::<A, T>(scale)]
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(
        x: T,
        [concentration, scale]: [T; 2],
        [precision, ln_concentration, ln_scale]: [T; 3],
    ) -> Terms<T, 2> {
        // Of the ratio, unless that is out of range: a difference of logarithms has the rounding of both.
        let ratio = x * precision;
        let in_range = ratio >= T::MIN_POSITIVE && ratio < T::INFINITY;
        let ln = math::ln::<A, T>(if in_range { ratio } else { x });
        let log = if in_range { ln } else { ln - ln_scale };
        let more = math::expm1::<A, T>(concentration * log);
        let pull = concentration * more;
        Terms {
            log_prob: (ln_concentration - ln_scale) + (concentration - T::ONE) * log - (more + T::ONE),
            d_value: -(pull + T::ONE) / x,
            d_params: [T::ONE / concentration - log * more, pull / scale],
        }
        .inside(x > T::ZERO && x < T::INFINITY)
    }
}

impl<S: Shape, E: Float> Weibull<S, E> {
    /// `ln Γ(1 + order / k)`, of a moment of the distribution with scale 1.
    fn ln_moment(&self, order: f64) -> Result<Var<S, E>> {
        (order / self.concentration()? + 1.0).ln_gamma().check()
    }
}

impl Cdf<2> for Density {
    /// `k ln (x/λ)` is the negative of a standard Gumbel number.
    fn interval(low: f64, high: f64, [concentration, scale]: [f64; 2]) -> Interval<2> {
        if high <= 0.0 {
            return Interval { log: f64::NEG_INFINITY, by_low: 0.0, by_high: 0.0, by_params: [0.0; 2] };
        }
        let inside = low > 0.0;
        let end = |x: f64| concentration * (x / scale).ln();
        let ends = Ends {
            low: if inside { end(low) } else { f64::NEG_INFINITY },
            high: end(high),
            width: if inside { concentration * ((high - low) / low).ln_1p() } else { f64::INFINITY },
        };
        let mass = gumbel::mass(ends.flipped()).flipped();
        let chain = |slope: f64, x: f64| if slope == 0.0 { 0.0 } else { slope * concentration / x };
        Interval {
            log: mass.log,
            by_low: if inside { chain(mass.by_low, low) } else { 0.0 },
            by_high: chain(mass.by_high, high),
            by_params: [mass.by_stretch(ends) / concentration, -mass.by_both * concentration / scale],
        }
    }
}

has_cdf!(Weibull, OfTwo, Density, concentration, scale);

impl<S: Shape, E: Float> Distribution for Weibull<S, E> {
    univariate!(Weibull, Density, concentration, scale);
    const PATHWISE: bool = true;

    fn support(&self) -> Constraint<E> {
        Constraint::Positive
    }

    /// `λ e^{ln(w) / k}` for a standard exponential number `w`.
    fn sample(&self, key: Key) -> Result<Var<S, E>> {
        let noise = draw(self.shape, |out| sampling::fill_exponential(key, E::ONE.into(), out));
        let power = ew::exp(&ew::div(noise.ln().value(), &self.concentration));
        Var::from_value(draws::above_zero(&ew::mul(&power, &self.scale)))
    }

    fn mean(&self) -> Result<Var<S, E>> {
        (self.scale()? * self.ln_moment(1.0)?.exp()).check()
    }

    /// `λ² (e^m₂ - e^2m₁)` for the logarithms of the moments, as a product: both may overflow.
    fn variance(&self) -> Result<Var<S, E>> {
        let twice = 2.0 * self.ln_moment(1.0)?;
        let central = (self.ln_moment(2.0)? - &twice).expm1();
        (self.scale()?.square() * twice.exp() * central).check()
    }

    /// `γ (1 - 1/k) + ln(λ/k) + 1`, where `γ` is Euler's constant.
    fn entropy(&self) -> Result<Var<S, E>> {
        let inverse = self.concentration()?.recip();
        (EULER * (1.0 - &inverse) + self.scale()?.ln() + inverse.ln() + 1.0).check()
    }
}
