//! Noise with outliers.

use ed_core::bijectors::Constraint;
use ed_core::distributions::{Distribution, Normal, StudentT};
use ed_core::tensor::{Float, Var};
use ed_core::{Error, Result, SiteName};

use super::{Functions, Likelihood, Quadrature, check_outputs};
use crate::gp::positive::Positive;
use crate::layer::Layer;
use crate::scope::{self, Identity};

const NAME: &str = "StudentTLikelihood";

/// `y = f + s t`, with `t` from Student's t distribution of `df` degrees of freedom and a trained scale `s`
/// (`raw_scale`), so that outliers pull little.
///
/// The expectation is by quadrature. An observation has variance `σ² + s² df / (df - 2)`, and the predictive distribution
/// is the normal that has it; the degrees of freedom must be above 2.
#[derive(Clone, Debug)]
pub struct StudentTLikelihood {
    identity: Identity,
    df: f64,
    scale: Positive,
    quadrature: Quadrature,
}

impl StudentTLikelihood {
    /// With degrees of freedom, and a scale trained from 0.3.
    pub fn new(df: f64) -> Self {
        let identity = Identity::of("likelihood");
        StudentTLikelihood { identity, df, scale: Positive::Trained(0.3), quadrature: Quadrature::default() }
    }

    /// With a name.
    pub fn named(self, name: impl Into<SiteName>) -> Self {
        StudentTLikelihood { identity: self.identity.named(name), ..self }
    }

    /// With another scale of the noise: a number to train it from, or [`Positive::Fixed`].
    pub fn scale(self, scale: impl Into<Positive>) -> Self {
        StudentTLikelihood { scale: scale.into(), ..self }
    }

    /// With another quadrature.
    pub fn quadrature(self, quadrature: Quadrature) -> Self {
        StudentTLikelihood { quadrature, ..self }
    }

    fn read<E: Float>(&self) -> Result<Var<(), E>> {
        if !(self.df > 2.0 && self.df.is_finite()) {
            let (must_be, got) = ("finite and above 2", self.df.to_string());
            return Err(Error::Parameter { of: NAME, name: "df", must_be, got });
        }
        scope::enter(self, || self.scale.read(NAME, "scale", ()))
    }
}

impl Layer for StudentTLikelihood {
    fn kind(&self) -> &'static str {
        NAME
    }

    fn identity(&self) -> Option<&Identity> {
        Some(&self.identity)
    }
}

impl Likelihood for StudentTLikelihood {
    type Predictive<E: Float> = Normal<(usize, usize), E>;

    fn expected_log_prob<E: Float>(
        &self,
        f: &Functions<E>,
        y: &Var<(usize, usize), E>,
    ) -> Result<Var<(usize,), E>> {
        check_outputs(NAME, f, y, Constraint::Real)?;
        let scale = self.read::<E>()?;
        let log_prob = |f: &Var<(usize, usize), E>| StudentT::new(self.df, f, &scale)?.log_prob(y);
        self.quadrature.expect(f, log_prob)?.sum_last().check()
    }

    fn predictive<E: Float>(&self, f: &Functions<E>) -> Result<Normal<(usize, usize), E>> {
        let noise = self.read::<E>()?.square() * (self.df / (self.df - 2.0));
        Normal::new(f.loc()?, (f.scale()?.square() + noise).sqrt())
    }
}
