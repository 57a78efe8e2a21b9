//! The logistic distribution.

use super::param::{draw, drawn_value};
use super::univariate::*;
use crate::kernels::dispatch::Portable;

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
        (inverse(scale), math::ln::<A, T>(scale))
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(x: T, [loc, _]: [T; 2], (precision, ln_scale): (T, T)) -> Terms<T, 2> {
        let z = (x - loc) * precision;
        // Even in z, from the exponential that cannot overflow.
        let e = math::exp::<A, T>(-z.abs());
        let pull = ((T::ONE - e) / (T::ONE + e)).copysign(z);
        Terms {
            log_prob: -z.abs() - T::TWO * math::ln_1p::<A, T>(e) - ln_scale,
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

/// The mass between two ends: `σ(b) σ(-a) (1 - e^(a-b))`, in which nothing cancels.
fn mass(Ends { low, high, width }: Ends) -> Mass {
    let softplus = math::softplus::<Portable, f64>;
    let sigmoid = math::sigmoid::<Portable, f64>;
    let narrowness = 1.0 / width.exp_m1();
    Mass {
        log: special::log1m_exp(-width) - (softplus(low) + softplus(-high)),
        by_low: -(sigmoid(low) + narrowness),
        by_high: sigmoid(-high) + narrowness,
        by_both: sigmoid(-high) - sigmoid(low),
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
