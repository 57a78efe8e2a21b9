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
    /// `ln k` and `ln λ`.
    type Prepared<T: Real> = (T, T);

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([concentration, scale]: [T; 2]) -> (T, T) {
        (math::ln::<A, T>(concentration), math::ln::<A, T>(scale))
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(
        x: T,
        [concentration, scale]: [T; 2],
        (ln_concentration, ln_scale): (T, T),
    ) -> Terms<T, 2> {
        let ln = math::ln::<A, T>(x);
        let log = ln - ln_scale;
        let power = math::exp::<A, T>(concentration * log);
        let pull = concentration * (power - T::ONE);
        Terms {
            log_prob: ln_concentration + concentration * log - power - ln,
            d_value: -(pull + T::ONE) / x,
            d_params: [T::ONE / concentration + log * (T::ONE - power), pull / scale],
        }
        .inside(x > T::ZERO && x < T::INFINITY)
    }
}

impl<S: Shape, E: Float> Weibull<S, E> {
    /// `Γ(1 + order / k)`: a moment of the distribution with scale 1.
    fn unit_moment(&self, order: f64) -> Result<Var<S, E>> {
        (order / self.concentration()? + 1.0).ln_gamma().exp().check()
    }
}

impl Cdf<2> for Density {
    /// `z = k ln (x/λ)` is the negative of a standard Gumbel number.
    #[inline(always)]
    fn standard<A: Arch, T: Real>(x: T, [concentration, scale]: [T; 2]) -> (T, T, [T; 2]) {
        if x <= T::ZERO {
            return (-T::INFINITY, T::ZERO, [T::ZERO; 2]);
        }
        let log = math::ln::<A, T>(x / scale);
        (concentration * log, concentration / x, [log, -concentration / scale])
    }

    #[inline(always)]
    fn log_cdf<A: Arch, T: Real>(z: T) -> T {
        gumbel::Density::log_survival::<A, T>(-z)
    }

    #[inline(always)]
    fn log_survival<A: Arch, T: Real>(z: T) -> T {
        gumbel::Density::log_cdf::<A, T>(-z)
    }

    #[inline(always)]
    fn log_density<A: Arch, T: Real>(z: T) -> T {
        gumbel::Density::log_density::<A, T>(-z)
    }

    #[inline(always)]
    fn log_mass<A: Arch, T: Real>(low: T, high: T) -> T {
        gumbel::Density::log_mass::<A, T>(-high, -low)
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
        (self.scale()? * self.unit_moment(1.0)?).check()
    }

    fn variance(&self) -> Result<Var<S, E>> {
        let central = self.unit_moment(2.0)? - self.unit_moment(1.0)?.square();
        (self.scale()?.square() * central).check()
    }

    /// `γ (1 - 1/k) + ln(λ/k) + 1`, where `γ` is Euler's constant.
    fn entropy(&self) -> Result<Var<S, E>> {
        let inverse = self.concentration()?.recip();
        (EULER * (1.0 - &inverse) + self.scale()?.ln() + inverse.ln() + 1.0).check()
    }
}
