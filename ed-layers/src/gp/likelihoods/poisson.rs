//! Counts.

use ed_core::Result;
use ed_core::bijectors::Constraint;
use ed_core::distributions::NegativeBinomial;
use ed_core::tensor::{Float, Var};

use super::{Functions, Likelihood, check_outputs};
use crate::layer::Layer;

const NAME: &str = "PoissonLikelihood";

/// The least squared coefficient of variation of a rate.
const LEAST_SPREAD: f64 = 1e-12;

/// `y ~ Poisson(e^f)`.
///
/// `E log p(y) = yμ - e^(μ + σ²/2) - ln Γ(y + 1)` for `f ~ N(μ, σ²)`. An observation has mean `m = e^(μ + σ²/2)` and
/// variance `m + m² (e^σ² - 1)`; the predictive distribution is the negative binomial that has them.
///
/// # Source
/// Aitchison and Ho 1989, "The multivariate Poisson-log normal distribution" (the moments).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PoissonLikelihood;

impl Layer for PoissonLikelihood {
    fn kind(&self) -> &'static str {
        NAME
    }
}

fn rate<E: Float>(f: &Functions<E>) -> Result<Var<(usize, usize), E>> {
    (f.loc()? + f.scale()?.square() * 0.5).exp().check()
}

impl Likelihood for PoissonLikelihood {
    type Predictive<E: Float> = NegativeBinomial<(usize, usize), E>;

    fn expected_log_prob<E: Float>(
        &self,
        f: &Functions<E>,
        y: &Var<(usize, usize), E>,
    ) -> Result<Var<(usize,), E>> {
        check_outputs(NAME, f, y, Constraint::NonNegativeInteger)?;
        (y * f.loc()? - rate(f)? - (y + 1.0).ln_gamma()).sum_last().check()
    }

    fn predictive<E: Float>(&self, f: &Functions<E>) -> Result<NegativeBinomial<(usize, usize), E>> {
        // Of a negative binomial of r failures: variance = m + m²/r. Of a function that is known, r has no bound.
        let failures = (f.scale()?.square().expm1() + LEAST_SPREAD).recip();
        let logits = rate(f)?.ln() - failures.ln();
        NegativeBinomial::from_logits(failures, logits)
    }
}
