//! Normal noise.

use ed_core::bijectors::Constraint;
use ed_core::distributions::Normal;
use ed_core::tensor::{Float, Var};
use ed_core::{Result, SiteName};

use super::{Functions, Likelihood, check_outputs};
use crate::gp::positive::Positive;
use crate::layer::Layer;
use crate::scope::{self, Identity};

const NAME: &str = "GaussianLikelihood";

/// `y = f + ε`, `ε ~ N(0, s²)`, with the variance `s²` trained from 0.1 (`raw_noise`) unless said otherwise.
///
/// `E log p(y | f) = log N(y | μ, s²) - σ² / 2s²` for `f ~ N(μ, σ²)`; an observation is `N(μ, σ² + s²)`.
///
/// # Source
/// Titsias 2009, "Variational learning of inducing variables in sparse Gaussian processes", equation 9.
///
/// # Examples
/// ```
/// use ed::layers::gp::likelihoods::{GaussianLikelihood, Likelihood};
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let f = Normal::new(Var::zeros((1usize, 1usize)), 0.5)?;
/// let noise = GaussianLikelihood::new().noise(0.75);
/// let y: Normal<_, f64> = noise.predictive(&f)?;
/// assert!((y.scale()?.to_vec()?[0] - 1.0).abs() < 1e-12);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct GaussianLikelihood {
    identity: Identity,
    noise: Positive,
}

impl Default for GaussianLikelihood {
    fn default() -> Self {
        GaussianLikelihood { identity: Identity::of("likelihood"), noise: Positive::Trained(0.1) }
    }
}

impl GaussianLikelihood {
    /// With noise of a trained variance.
    pub fn new() -> Self {
        GaussianLikelihood::default()
    }

    /// With a name.
    pub fn named(self, name: impl Into<SiteName>) -> Self {
        GaussianLikelihood { identity: self.identity.named(name), ..self }
    }

    /// With another variance of the noise: a number to train it from, or [`Positive::Fixed`].
    pub fn noise(self, variance: impl Into<Positive>) -> Self {
        GaussianLikelihood { noise: variance.into(), ..self }
    }

    /// The variance of the noise.
    ///
    /// # Errors
    /// The error of reading the parameter.
    pub fn variance<E: Float>(&self) -> Result<Var<(), E>> {
        scope::enter(self, || self.noise.read(NAME, "noise", ()))
    }
}

impl Layer for GaussianLikelihood {
    fn kind(&self) -> &'static str {
        NAME
    }

    fn identity(&self) -> Option<&Identity> {
        Some(&self.identity)
    }
}

impl Likelihood for GaussianLikelihood {
    type Predictive<E: Float> = Normal<(usize, usize), E>;

    fn expected_log_prob<E: Float>(
        &self,
        f: &Functions<E>,
        y: &Var<(usize, usize), E>,
    ) -> Result<Var<(usize,), E>> {
        check_outputs(NAME, f, y, Constraint::Real)?;
        let noise = self.variance::<E>()?;
        let square = (y - f.loc()?).square() + f.scale()?.square();
        let constant = noise.ln() + std::f64::consts::TAU.ln();
        ((square / &noise + constant) * -0.5).sum_last().check()
    }

    fn predictive<E: Float>(&self, f: &Functions<E>) -> Result<Normal<(usize, usize), E>> {
        Normal::new(f.loc()?, (f.scale()?.square() + self.variance()?).sqrt())
    }
}
