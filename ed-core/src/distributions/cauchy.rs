//! The Cauchy distribution.

use std::f64::consts::{FRAC_1_PI, PI};

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

const LN_PI: f64 = 1.144_729_885_849_400_2;

/// The density, once for both precisions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Density;

impl Family<2> for Density {
    const NAME: &'static str = "Cauchy";
    /// `1 / γ` and `ln γ`.
    type Prepared<T: Real> = (T, T);

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([_, scale]: [T; 2]) -> (T, T) {
        (inverse(scale), math::ln::<A, T>(scale))
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(x: T, [loc, _]: [T; 2], (precision, ln_scale): (T, T)) -> Terms<T, 2> {
        let gap = x - loc;
        let z = gap * precision;
        let (log1p, share, _) = ln_1p_square::<A, T>(z, gap, ln_scale);
        // 2z / (1 + z²), of which z times is twice the share.
        let slope = if share == T::ONE { T::TWO / z } else { T::TWO * z / (T::ONE + z * z) };
        Terms {
            log_prob: -log1p - ln_scale - T::from_f64(LN_PI),
            d_value: -slope * precision,
            d_params: [slope * precision, (T::TWO * share - T::ONE) * precision],
        }
    }
}

/// `ln (1 + z²)`, `z² / (1 + z²)` and what that leaves of one, where neither overflows with `z²` nor, for `z = gap / scale`, with `z` itself.
#[inline(always)]
pub(super) fn ln_1p_square<A: Arch, T: Real>(z: T, gap: T, ln_scale: T) -> (T, T, T) {
    let size = z.abs();
    // From here on 1 + z is z in the last place, and so is 1 + z².
    let far = size > T::from_f64(if T::WORDS == 1 { (1u64 << 30) as f64 } else { (1u64 << 60) as f64 });
    let beyond = size.is_nan() || size >= T::INFINITY;
    let square = size * size;
    let ln = math::ln_1p::<A, T>(if beyond {
        gap.abs()
    } else if far {
        size
    } else {
        square
    });
    let ln = if far || beyond { T::TWO * ln } else { ln };
    let ln = if beyond { ln - T::TWO * ln_scale } else { ln };
    let rest = if far || beyond { T::ZERO } else { T::ONE / (T::ONE + square) };
    (ln, if far || beyond { T::ONE } else { square * rest }, rest)
}

impl Cdf<2> for Density {
    fn interval(low: f64, high: f64, params: [f64; 2]) -> Interval<2> {
        loc_scale(low, high, params, mass)
    }
}

/// The mass between two ends, which is the angle under which they are seen: that of the point `(c, s)` over π.
fn mass(Ends { low, high, width }: Ends) -> Mass {
    let (s, c) = match (low == f64::NEG_INFINITY, high == f64::INFINITY) {
        (true, true) => return Mass::WHOLE,
        (true, false) => (1.0, -high),
        (false, true) => (1.0, low),
        (false, false) => (width, 1.0 + low * high),
    };
    // From half of the mass on what is outside is known to more digits.
    let most = c < 0.0;
    let angle = s.atan2(c.abs()) * FRAC_1_PI;
    let share = if most { 1.0 - angle } else { angle };
    let density = |z: f64| FRAC_1_PI / (1.0 + z * z) / share;
    let (by_low, by_high) = (-density(low), density(high));
    let steep = if s == width { -width * (low + high) * FRAC_1_PI / (1.0 + low * low) } else { 0.0 };
    let by_both = if s == width { steep / (1.0 + high * high) / share } else { by_low + by_high };
    Mass { log: if most { (-angle).ln_1p() } else { angle.ln() }, by_low, by_high, by_both }
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
