//! The Gumbel distribution.

use super::param::{draw, drawn_value};
use super::univariate::*;

distribution! {
    /// Gumbel (type-I extreme value) distribution with location `μ` and scale `β`.
    ///
    /// # Density
    /// `log p(x) = -(z + e^-z) - ln β`, where `z = (x - μ) / β`; support: all reals.
    ///
    /// # Shapes
    /// `loc`, `scale`: batch `B`; event: scalar. `log_prob`: `[B] → [B]`.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let log_prob = Gumbel::new(0.5, 2.0)?.log_prob(&Var::<(), f64>::scalar(1.3))?;
    /// approx::assert_relative_eq!(log_prob.item()?, -1.763467, epsilon = 1e-6);
    /// # Ok(()) }
    /// ```
    Gumbel::new(A loc: finite, B scale: positive)
}

/// The Euler–Mascheroni constant, the mean of a standard Gumbel number.
pub(crate) const EULER: f64 = 0.577_215_664_901_532_9;

/// The density, once for both precisions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Density;

impl Family<2> for Density {
    const NAME: &'static str = "Gumbel";
    /// `1 / β` and `ln β`.
    type Prepared<T: Real> = (T, T);

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([_, scale]: [T; 2]) -> (T, T) {
        (inverse(scale), math::ln::<A, T>(scale))
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(x: T, [loc, _]: [T; 2], (precision, ln_scale): (T, T)) -> Terms<T, 2> {
        let z = (x - loc) * precision;
        let e = math::exp::<A, T>(-z);
        let pull = T::ONE - e;
        Terms {
            log_prob: if e < T::INFINITY { -z - e - ln_scale } else { -e },
            d_value: -pull * precision,
            d_params: [pull * precision, (z * pull - T::ONE) * precision],
        }
    }
}

impl Cdf<2> for Density {
    fn interval(low: f64, high: f64, params: [f64; 2]) -> Interval<2> {
        loc_scale(low, high, params, mass)
    }
}

/// The mass between two ends: `e^-v (1 - e^-gap)` with `v = e^-high` and `gap = e^-low - e^-high`.
pub(super) fn mass(Ends { low, high, width }: Ends) -> Mass {
    let upper = (-high).exp();
    let ln_gap = special::log1m_exp(-width) - low;
    let gap = (-low).exp() * -(-width).exp_m1();
    // ln(1 - e^-gap) = ln gap - gap/2 + O(gap²), where the gap may underflow and its logarithm may not.
    let ln_part = if gap < 1e-8 { ln_gap - 0.5 * gap } else { special::log1m_exp(-gap) };
    // gap / (e^gap - 1).
    let pull = if gap > 700.0 {
        0.0
    } else if gap == 0.0 {
        1.0
    } else {
        gap / gap.exp_m1()
    };
    let by_high = if gap > 1.0 { upper / -(-gap).exp_m1() } else { (gap + pull) / width.exp_m1() };
    Mass { log: ln_part - upper, by_low: pull / (-width).exp_m1(), by_high, by_both: upper - pull }
}

has_cdf!(Gumbel, OfTwo, Density, loc, scale);

impl<S: Shape, E: Float> Distribution for Gumbel<S, E> {
    univariate!(Gumbel, Density, loc, scale);
    const PATHWISE: bool = true;

    fn support(&self) -> Constraint<E> {
        Constraint::Real
    }

    fn sample(&self, key: Key) -> Result<Var<S, E>> {
        let noise = draw(self.shape, |out| sampling::fill_gumbel(key, E::ZERO.into(), E::ONE.into(), out));
        drawn_value(Self::NAME, draws::loc_scale(noise.value(), &self.loc, &self.scale))
    }

    fn mean(&self) -> Result<Var<S, E>> {
        (self.loc()? + EULER * self.scale()?).check()
    }

    fn variance(&self) -> Result<Var<S, E>> {
        (self.scale()?.square() * (std::f64::consts::PI.powi(2) / 6.0)).check()
    }

    fn entropy(&self) -> Result<Var<S, E>> {
        (self.scale()?.ln() + (1.0 + EULER)).check()
    }
}
