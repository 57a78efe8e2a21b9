//! The Cauchy distribution.

use std::f64::consts::PI;

use super::param::{draw, drawn_value};
use super::univariate::*;

distribution! {
    /// Cauchy distribution with location `μ` and scale `γ`. It has neither mean nor variance.
    ///
    /// # Density
    /// `log p(x) = -ln πγ - ln(1 + z²)`, where `z = (x - μ) / γ`; support: all reals.
    ///
    /// # Shapes
    /// `loc`, `scale`: batch `B`; event: scalar. `log_prob`: `[B] → [B]`.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let log_prob = Cauchy::new(0.5, 2.0)?.log_prob(&Var::<(), f64>::scalar(1.3))?;
    /// approx::assert_relative_eq!(log_prob.item()?, -1.986297, epsilon = 1e-6);
    /// # Ok(()) }
    /// ```
    Cauchy::new(A loc: finite, B scale: positive)
}

/// The density, once for both precisions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Density;

impl Family<2> for Density {
    const NAME: &'static str = "Cauchy";
    /// `1 / γ` and `-ln πγ`.
    type Prepared<T: Real> = (T, T);

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([_, scale]: [T; 2]) -> (T, T) {
        (T::ONE / scale, -math::ln::<A, T>(T::PI * scale))
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(x: T, [loc, _]: [T; 2], (precision, constant): (T, T)) -> Terms<T, 2> {
        let z = (x - loc) * precision;
        // Where z² would overflow, 1 + z² is z²; 1/z replaces z so that nothing overflows.
        let large = z.abs() > T::ONE;
        let inverse = if large { T::ONE / z } else { T::ZERO };
        let log1p = if large {
            math::ln_1p::<A, T>(inverse * inverse) + T::TWO * math::ln::<A, T>(z.abs())
        } else {
            math::ln_1p::<A, T>(z * z)
        };
        // 2z / (1 + z²), and z times that.
        let slope = if large {
            T::TWO * inverse / (T::ONE + inverse * inverse)
        } else {
            T::TWO * z / (T::ONE + z * z)
        };
        let turned = if large { T::TWO / (T::ONE + inverse * inverse) } else { z * slope };
        Terms {
            log_prob: constant - log1p,
            d_value: -slope * precision,
            d_params: [slope * precision, (turned - T::ONE) * precision],
        }
    }
}

impl Cdf<2> for Density {
    loc_scale!();

    #[inline(always)]
    fn log_cdf<A: Arch, T: Real>(z: T) -> T {
        // The angle has its relative precision in the left tail, where it is small.
        through_f64(z, |z| (1f64.atan2(-z) / PI).ln())
    }

    #[inline(always)]
    fn log_survival<A: Arch, T: Real>(z: T) -> T {
        <Self as Cdf<2>>::log_cdf::<A, T>(-z)
    }

    #[inline(always)]
    fn log_density<A: Arch, T: Real>(z: T) -> T {
        -math::ln::<A, T>(T::PI) - math::ln_1p::<A, T>(z * z)
    }
}

has_cdf!(Cauchy, OfTwo, Density, loc, scale);

impl<S: Shape, E: Float> Distribution for Cauchy<S, E> {
    univariate!(Cauchy, Density, loc, scale);
    const PATHWISE: bool = true;

    fn support(&self) -> Constraint<E> {
        Constraint::Real
    }

    fn sample(&self, key: Key) -> Result<Var<S, E>> {
        let noise = draw(self.shape, |out| sampling::fill_cauchy(key, E::ZERO.into(), E::ONE.into(), out));
        drawn_value(Self::NAME, draws::loc_scale(noise.value(), &self.loc, &self.scale))
    }

    fn entropy(&self) -> Result<Var<S, E>> {
        (self.scale()?.ln() + (4.0 * PI).ln()).check()
    }
}
