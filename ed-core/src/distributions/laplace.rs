//! The Laplace distribution.

use std::f64::consts::LN_2;

use super::param::{draw, drawn_value};
use super::univariate::*;

distribution! {
    /// Laplace (double exponential) distribution with location `μ` and scale `b`.
    ///
    /// # Density
    /// `log p(x) = -|z| - ln 2b`, where `z = (x - μ) / b`; support: all reals.
    ///
    /// # Shapes
    /// `loc`, `scale`: batch `B`; event: scalar. `log_prob`: `[B] → [B]`.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let log_prob = Laplace::new(0.5, 2.0)?.log_prob(&Var::<(), f64>::scalar(1.3))?;
    /// approx::assert_relative_eq!(log_prob.item()?, -1.786294, epsilon = 1e-6);
    /// # Ok(()) }
    /// ```
    Laplace::new(A loc: finite, B scale: positive)
}

/// The density, once for both precisions.
#[derive(Clone, Copy, Debug)]
struct Density;

impl Family<2> for Density {
    const NAME: &'static str = "Laplace";
    /// `1 / b` and `-ln 2b`.
    type Prepared<T: Real> = (T, T);

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([_, scale]: [T; 2]) -> (T, T) {
        (inverse(scale), -math::ln::<A, T>(scale) - T::LN_2)
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(x: T, [loc, _]: [T; 2], (precision, constant): (T, T)) -> Terms<T, 2> {
        let z = (x - loc) * precision;
        let sign = if z == T::ZERO { T::ZERO } else { T::ONE.copysign(z) };
        Terms {
            log_prob: constant - z.abs(),
            d_value: -sign * precision,
            d_params: [sign * precision, (z.abs() - T::ONE) * precision],
        }
    }
}

impl Cdf<2> for Density {
    fn interval(low: f64, high: f64, params: [f64; 2]) -> Interval<2> {
        loc_scale(low, high, params, mass)
    }
}

/// The mass between two ends.
fn mass(ends: Ends) -> Mass {
    let Ends { low, high, width } = ends;
    if low >= 0.0 {
        return mass(ends.flipped()).flipped();
    }
    if high <= 0.0 {
        let log = high - LN_2 + special::log1m_exp(-width);
        return Mass { log, by_low: -1.0 / width.exp_m1(), by_high: -1.0 / (-width).exp_m1(), by_both: 1.0 };
    }
    let (above, below) = (0.5 * (-high).exp_m1(), 0.5 * low.exp_m1());
    let (share, tails) = (-(above + below), 0.5 * ((-high).exp() + low.exp()));
    Mass {
        log: if tails < 0.5 { (-tails).ln_1p() } else { share.ln() },
        by_low: -0.5 * low.exp() / share,
        by_high: 0.5 * (-high).exp() / share,
        by_both: (above - below) / share,
    }
}

has_cdf!(Laplace, OfTwo, Density, loc, scale);

impl<S: Shape, E: Float> Distribution for Laplace<S, E> {
    univariate!(Laplace, Density, loc, scale);
    const PATHWISE: bool = true;

    fn support(&self) -> Constraint<E> {
        Constraint::Real
    }

    fn sample(&self, key: Key) -> Result<Var<S, E>> {
        let noise = draw(self.shape, |out| sampling::fill_laplace(key, E::ZERO.into(), E::ONE.into(), out));
        drawn_value(Self::NAME, draws::loc_scale(noise.value(), &self.loc, &self.scale))
    }

    fn mean(&self) -> Result<Var<S, E>> {
        self.loc()
    }

    fn variance(&self) -> Result<Var<S, E>> {
        (2.0 * self.scale()?.square()).check()
    }

    fn entropy(&self) -> Result<Var<S, E>> {
        (self.scale()?.ln() + (1.0 + std::f64::consts::LN_2)).check()
    }
}
