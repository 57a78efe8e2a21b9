//! The normal distribution.

use std::any::Any;

use dfdx::shapes::Shape;

use super::distribution::Distribution;
use super::param::{Joined, Param, draw, filled, joint_shape, require_finite, require_positive};
use crate::bijectors::Constraint;
use crate::error::Result;
use crate::kernels::dispatch::Arch;
use crate::kernels::rng::{self, Key};
use crate::kernels::{Real, math};
use crate::ops::density::{self, Family, Terms};
use crate::tensor::{BroadcastWith, Float, Value, Var};

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
#[derive(Clone, Debug)]
pub struct Normal<S: Shape = (), E: Float = f32> {
    loc: Value<E>,
    scale: Value<E>,
    shape: S,
}

impl<E: Float> Normal<(), E> {
    /// A normal distribution with the given location and scale.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) unless `loc` is finite and `scale` finite and positive;
    /// [`Error::Broadcast`](crate::Error::Broadcast) if their shapes do not fit together.
    #[allow(clippy::new_ret_no_self)]
    pub fn new<A, B>(loc: A, scale: B) -> Result<Normal<Joined<E, A, B>, E>>
    where
        A: Param<E>,
        B: Param<E>,
        A::Shape: BroadcastWith<B::Shape>,
    {
        let (loc, scale) = (loc.into_param(), scale.into_param());
        let shape = joint_shape("Normal", &loc, &scale)?;
        require_finite("Normal", "loc", &loc)?;
        require_positive("Normal", "scale", &scale)?;
        Ok(Normal { loc: loc.into_value(), scale: scale.into_value(), shape })
    }

    /// Independent standard normal numbers in a shape.
    ///
    /// # Errors
    /// None today; a `Result` like every constructor.
    pub fn standard<S: Shape>(shape: S) -> Result<Normal<S, E>> {
        Ok(Normal { loc: Value::scalar(E::ZERO), scale: Value::scalar(E::ONE), shape })
    }
}

impl<S: Shape, E: Float> Normal<S, E> {
    /// Location, in the shape of a draw.
    pub fn loc(&self) -> Result<Var<S, E>> {
        filled(&self.loc, &self.shape)
    }

    /// Scale, in the shape of a draw.
    pub fn scale(&self) -> Result<Var<S, E>> {
        filled(&self.scale, &self.shape)
    }
}

/// The density, once for both precisions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NormalFamily;

impl Family<2> for NormalFamily {
    const NAME: &'static str = "Normal";

    #[inline(always)]
    fn terms<A: Arch, T: Real>(x: T, [loc, scale]: [T; 2]) -> Terms<T, 2> {
        let precision = T::ONE / scale;
        let z = (x - loc) * precision;
        Terms {
            log_prob: -T::HALF * z * z - math::ln::<A, T>(scale) - T::HALF * T::LN_2PI,
            d_value: -z * precision,
            d_params: [z * precision, (z * z - T::ONE) * precision],
        }
    }
}

impl<S: Shape, E: Float> Distribution for Normal<S, E> {
    type Elem = E;
    type Batch = S;
    type Shape = S;
    const NAME: &'static str = "Normal";
    const PATHWISE: bool = true;

    fn shape(&self) -> S {
        self.shape
    }

    fn batch_shape(&self) -> S {
        self.shape
    }

    fn support(&self) -> Constraint<E> {
        Constraint::Real
    }

    fn sample(&self, key: Key) -> Result<Var<S, E>> {
        let noise = draw(self.shape, |out| rng::fill_normal(key, out));
        let scaled = crate::ops::elementwise::mul(noise.value(), &self.scale);
        Var::from_value(crate::ops::elementwise::add(&scaled, &self.loc))
    }

    fn log_prob(&self, value: &Var<S, E>) -> Result<Var<S, E>> {
        self.check_shape(value)?;
        Var::from_value(density::log_prob::<NormalFamily, E, 2>(value.value(), [&self.loc, &self.scale]))
    }

    fn log_prob_sum(&self, value: &Var<S, E>) -> Result<Var<(), E>> {
        self.check_shape(value)?;
        Var::from_value(density::log_prob_sum::<NormalFamily, E, 2>(value.value(), [&self.loc, &self.scale]))
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

    fn kl_to(&self, other: &dyn Any) -> Option<Result<Value<E>>> {
        super::kl::dispatch::<Self, Normal<S, E>>(self, other)
    }
}

impl<S: Shape, E: Float> super::KlTo<Normal<S, E>> for Normal<S, E> {
    /// `Σ ln(s/σ) + (σ² + (μ - m)²) / 2s² - ½`.
    fn kl_divergence(&self, prior: &Normal<S, E>) -> Result<Var<(), E>> {
        let ratio = (self.scale()? / prior.scale()?).square();
        let shift = ((self.loc()? - prior.loc()?) / prior.scale()?).square();
        (0.5 * (&ratio + shift - 1.0 - ratio.ln())).sum().check()
    }
}
