//! Yes or no.

use ed_core::Result;
use ed_core::bijectors::Constraint;
use ed_core::distributions::{Bernoulli, Normal};
use ed_core::tensor::{Float, Var};

use super::logistic::{expected_log_sigmoid, expected_sigmoid};
use super::{Functions, Likelihood, Quadrature, check_outputs};
use crate::layer::Layer;

const NAME: &str = "BernoulliLikelihood";

/// `y ~ Bernoulli(sigmoid(f))`, with `y` 0 or 1.
///
/// Both expectations are by quadrature, and for functions of a standard deviation from 1.5 on, beside which the sigmoid is
/// steep, by integration over the logistic distribution that it is the distribution function of. The predictive distribution is exact: `E sigmoid(f)` is the probability of 1.
#[derive(Clone, Debug, Default)]
pub struct BernoulliLikelihood {
    quadrature: Quadrature,
}

impl BernoulliLikelihood {
    /// With twenty nodes.
    pub fn new() -> Self {
        BernoulliLikelihood::default()
    }

    /// With another quadrature.
    pub fn quadrature(self, quadrature: Quadrature) -> Self {
        BernoulliLikelihood { quadrature }
    }
}

impl Layer for BernoulliLikelihood {
    fn kind(&self) -> &'static str {
        NAME
    }
}

impl Likelihood for BernoulliLikelihood {
    type Predictive<E: Float> = Bernoulli<(usize, usize), E>;

    fn expected_log_prob<E: Float>(
        &self,
        f: &Functions<E>,
        y: &Var<(usize, usize), E>,
    ) -> Result<Var<(usize,), E>> {
        check_outputs(NAME, f, y, Constraint::Boolean)?;
        // ln sigmoid(f) for y = 1 and ln sigmoid(-f) for y = 0: the logit of what was seen.
        let seen = Normal::new(f.loc()? * (y * 2.0 - 1.0), f.scale()?)?;
        expected_log_sigmoid(&self.quadrature, &seen)?.sum_last().check()
    }

    fn predictive<E: Float>(&self, f: &Functions<E>) -> Result<Bernoulli<(usize, usize), E>> {
        let probs = expected_sigmoid(&self.quadrature, f)?;
        // Rounding of the weights must not leave the unit interval.
        Bernoulli::from_probs(probs * (1.0 - 4.0 * E::EPSILON.to_f64()))
    }
}
