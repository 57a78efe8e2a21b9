//! The normal distribution.

use super::normal_mass;
use super::param::{drawn_value, normal_noise};
use super::univariate::*;

distribution! {
    /// Normal (Gaussian) distribution with location `μ` and scale (standard deviation) `σ`.
    ///
    /// # Density
    /// `log p(x) = -½z² - ln σ - ½ ln 2π`, where `z = (x - μ) / σ`; support: all reals.
    ///
    /// # Shapes
    /// `loc`, `scale`: batch `B`; event: scalar. `log_prob`: `[B] → [B]`.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let normal = Normal::new(Var::from([0.0f64, 1.0]), 2.0)?;
    /// let log_prob = normal.log_prob(&Var::from([0.0, 0.0]))?;
    /// approx::assert_relative_eq!(log_prob.to_vec()?[1], -1.737085713764618, epsilon = 1e-12);
    /// # Ok(()) }
    /// ```
    Normal::new(A loc: finite, B scale: positive)
}

impl<S: Shape, E: Float> Normal<S, E> {
    /// From parameters that were checked before.
    pub(super) fn from_values(loc: &Value<E>, scale: &Value<E>, shape: S) -> Result<Self> {
        Ok(Normal { loc: loc.check()?.clone(), scale: scale.check()?.clone(), shape })
    }
}

impl<E: Float> Normal<(), E> {
    /// Independent standard normal numbers in a shape.
    ///
    /// # Errors
    /// None today; a `Result` like every constructor.
    pub fn standard<S: Shape>(shape: S) -> Result<Normal<S, E>> {
        Ok(Normal { loc: Value::scalar(E::ZERO), scale: Value::scalar(E::ONE), shape })
    }
}

/// The density, once for both precisions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Density;

impl Family<2> for Density {
    const NAME: &'static str = "Normal";
    /// `1 / σ` and `-ln σ - ½ ln 2π`.
    type Prepared<T: Real> = (T, T);

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([_, scale]: [T; 2]) -> (T, T) {
        (inverse(scale), -math::ln::<A, T>(scale) - T::HALF * T::LN_2PI)
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(x: T, [loc, _]: [T; 2], (precision, constant): (T, T)) -> Terms<T, 2> {
        let z = (x - loc) * precision;
        Terms {
            log_prob: constant - T::HALF * z * z,
            d_value: -z * precision,
            d_params: [z * precision, (z * z - T::ONE) * precision],
        }
    }
}

impl Cdf<2> for Density {
    fn interval(low: f64, high: f64, params: [f64; 2]) -> Interval<2> {
        loc_scale(low, high, params, normal_mass::mass)
    }
}

has_cdf!(Normal, OfTwo, Density, loc, scale);

impl<S: Shape, E: Float> Distribution for Normal<S, E> {
    univariate!(Normal, Density, loc, scale);
    const PATHWISE: bool = true;

    fn support(&self) -> Constraint<E> {
        Constraint::Real
    }

    fn sample(&self, key: Key) -> Result<Var<S, E>> {
        let noise = normal_noise(self.shape, key);
        let draw = draws::loc_scale(noise.value(), &self.loc, &self.scale);
        // No standard normal number is near 60, so that most draws need not be looked at.
        let moderate = |param: &Value<E>| {
            param.peek().is_ok_and(|x| x.len() == 1 && x[0].abs() < E::MAX * E::from_f64(1.0 / 64.0))
        };
        if moderate(&self.loc) && moderate(&self.scale) {
            return Var::from_value(draw);
        }
        drawn_value(Self::NAME, draw)
    }

    fn mean(&self) -> Result<Var<S, E>> {
        self.loc()
    }

    fn variance(&self) -> Result<Var<S, E>> {
        self.scale()?.square().check()
    }

    fn entropy(&self) -> Result<Var<S, E>> {
        (self.scale()?.ln() + 0.5 * (1.0 + std::f64::consts::TAU.ln())).check()
    }

    fn kl_to(&self, other: &dyn erased::AnyDistribution) -> Option<Result<Value<E>>> {
        closed_form::<Self, Normal<S, E>>(self, other)
    }
}

impl<S: Shape, E: Float> KlTo<Normal<S, E>> for Normal<S, E> {
    /// `Σ ln(s/σ) + (σ² + (μ - m)²) / 2s² - ½`.
    fn kl_divergence(&self, prior: &Normal<S, E>) -> Result<Var<(), E>> {
        let (loc, scale) = (self.loc()?, self.scale()?);
        let [loc_p, scale_p] = [&prior.loc, &prior.scale];
        Var::from_value(crate::ops::normal_kl::normal_kl([loc.value(), scale.value()], [loc_p, scale_p]))
    }
}
