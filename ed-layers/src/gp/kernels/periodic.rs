//! Functions that repeat themselves.

use std::f64::consts::TAU;

use ed_core::Result;
use ed_core::tensor::{Float, Var};

use super::{ExponentiatedQuadratic, Kernel, Points};
use crate::gp::positive::Positive;

/// `v exp(-2 Σ_k sin²(π (x_k - z_k) / p) / ℓ²)`: functions of period `p` in every feature.
///
/// It is the exponentiated quadratic of points on circles, `(cos 2πx/p, sin 2πx/p)`. Period, lengthscale and variance
/// start at 1 and are trained.
///
/// # Source
/// MacKay 1998, "Introduction to Gaussian processes"; Rasmussen and Williams 2006, equation 4.31.
#[derive(Clone, Debug)]
pub struct Periodic {
    circles: ExponentiatedQuadratic,
    period: Positive,
}

impl Default for Periodic {
    fn default() -> Periodic {
        Periodic { circles: ExponentiatedQuadratic::new().lengthscale(1.0), period: Positive::Trained(1.0) }
    }
}

impl Periodic {
    /// With a trained period, lengthscale and variance.
    pub fn new() -> Periodic {
        Periodic::default()
    }

    /// With another period: a number to train it from, or [`Positive::Fixed`].
    pub fn period(self, period: impl Into<Positive>) -> Self {
        Periodic { period: period.into(), ..self }
    }

    /// With another lengthscale.
    pub fn lengthscale(self, lengthscale: impl Into<Positive>) -> Self {
        Periodic { circles: self.circles.lengthscale(lengthscale), ..self }
    }

    /// With another variance.
    pub fn variance(self, variance: impl Into<Positive>) -> Self {
        Periodic { circles: self.circles.variance(variance), ..self }
    }

    /// Points on circles: `[N, features] → [N, 2 · features]`.
    fn wrapped<E: Float>(&self, x: &Points<E>) -> Result<Points<E>> {
        let (rows, features) = *x.shape();
        let turns = x * &self.period.read::<_, E>("Periodic", "period", ())?.recip();
        // Whole turns change nothing, whatever the period becomes; without them an angle keeps its digits.
        let whole = turns.detach().to_vec()?.into_iter().map(|turn| E::from_f64(turn.to_f64().round()));
        let whole = Var::from_vec(whole.collect(), (rows, features))?;
        let angles = ((turns - whole) * TAU).transpose();
        let halves = Var::stack(&[angles.cos(), angles.sin()])?;
        Ok(halves.reshape((2 * features, rows))?.transpose())
    }
}

impl Kernel for Periodic {
    fn matrix<E: Float>(&self, x: &Points<E>, z: &Points<E>) -> Result<Var<(usize, usize), E>> {
        self.circles.matrix(&self.wrapped(x)?, &self.wrapped(z)?)
    }

    fn gram<E: Float>(&self, x: &Points<E>) -> Result<Var<(usize, usize), E>> {
        self.circles.gram(&self.wrapped(x)?)
    }

    fn diag<E: Float>(&self, x: &Points<E>) -> Result<Var<(usize,), E>> {
        self.circles.diag(x)
    }
}
