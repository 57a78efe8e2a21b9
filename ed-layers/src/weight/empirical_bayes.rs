//! Normals with a variance that is chosen for the posterior at hand.

use std::marker::PhantomData;
use std::sync::Arc;

use dfdx::shapes::Shape;
use ed_core::bijectors::Constraint;
use ed_core::distributions::erased::AnyDistribution;
use ed_core::distributions::{Distribution, InverseGamma, Normal};
use ed_core::kernels::Key;
use ed_core::tensor::{AnyVar, Float, Var};
use ed_core::{Error, Result};

use super::prior::{Law, Prior, WeightSite, positive};
use super::sizes::{Family, divergence, in_sizes_of};

/// Normals around `loc` with one variance `s²` for the whole weight, which has an inverse-gamma law of its own with
/// concentration `a` and scale `b`.
///
/// For a posterior `N(μ, σ²)` of `n` weights the best variance is known,
/// `s² = (Σ σ² + (μ - loc)² + 2b) / (n + 2a + 2)`, and the cost is `KL(N(μ, σ²) ‖ N(loc, s²)) - log InverseGamma(s²; a, b)`.
/// Where a kernel's value comes from elsewhere (a sampler), the density has `s²` integrated out.
///
/// # Source
/// Wu et al. 2019, "Deterministic variational inference for robust Bayesian neural networks", section 4.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct EmpiricalBayesPrior {
    /// Location of the weights.
    pub loc: f64,
    /// Concentration `a` of the variance.
    pub concentration: f64,
    /// Scale `b` of the variance.
    pub scale: f64,
}

impl Default for EmpiricalBayesPrior {
    /// Around 0, with a variance of mean 0.1 and standard deviation 1.
    fn default() -> EmpiricalBayesPrior {
        EmpiricalBayesPrior { loc: 0.0, concentration: 2.01, scale: 0.101 }
    }
}

impl EmpiricalBayesPrior {
    /// With a variance of this mean and standard deviation.
    pub fn of_variance(mean: f64, stddev: f64) -> EmpiricalBayesPrior {
        let ratio = (mean / stddev).powi(2);
        EmpiricalBayesPrior { loc: 0.0, concentration: ratio + 2.0, scale: mean * (ratio + 1.0) }
    }

    fn check(&self) -> Result<()> {
        const OF: &str = "EmpiricalBayesPrior";
        if !self.loc.is_finite() {
            return Err(Error::Parameter {
                of: OF,
                name: "loc",
                must_be: "finite",
                got: self.loc.to_string(),
            });
        }
        if !(self.concentration > 0.0 && self.concentration.is_finite()) {
            let (name, got) = ("concentration", self.concentration.to_string());
            return Err(Error::Parameter { of: OF, name, must_be: "finite and positive", got });
        }
        positive(OF, self.scale).map(|_| ())
    }

    /// `a ln b - ln Γ(a)`.
    fn ln_constant(&self) -> Result<f64> {
        Ok(self.concentration * self.scale.ln() - ln_gamma(self.concentration)?)
    }
}

fn ln_gamma(x: f64) -> Result<f64> {
    Var::<(), f64>::scalar(x).ln_gamma().item()
}

impl Prior for EmpiricalBayesPrior {
    fn law(&self, weight: &WeightSite) -> Result<Law> {
        self.check()?;
        Ok(Law::Other(in_sizes_of(self, weight)?))
    }

    fn kl(&self, _: &WeightSite, loc: &AnyVar, scale: &dyn Fn() -> AnyVar) -> Option<Result<AnyVar>> {
        let (a, b) = (self.concentration, self.scale);
        divergence!(loc, scale(), |mu, sigma| {
            let n = mu.len() as f64;
            let spread = (sigma.square() + (mu - self.loc).square()).sum();
            let variance = (&spread + 2.0 * b) * (1.0 / (n + 2.0 * a + 2.0));
            let kl = variance.ln() * (0.5 * n) - sigma.ln().sum() + spread / &variance * 0.5 - 0.5 * n;
            kl + variance.ln() * (a + 1.0) + variance.recip() * b - self.ln_constant()?
        })
    }
}

impl Family for EmpiricalBayesPrior {
    fn sized<S: Shape, E: Float>(&self, shape: S) -> Result<Arc<dyn AnyDistribution>> {
        Ok(Arc::new(SharedVariance { prior: *self, shape, precision: PhantomData::<E> }))
    }
}

/// Normals with one variance, integrated out: a multivariate Student-t law.
#[derive(Clone, Debug)]
struct SharedVariance<S: Shape, E: Float> {
    prior: EmpiricalBayesPrior,
    shape: S,
    precision: PhantomData<E>,
}

impl<S: Shape, E: Float> Distribution for SharedVariance<S, E> {
    type Elem = E;
    type Batch = ();
    type Shape = S;
    const NAME: &'static str = "SharedVariance";

    fn shape(&self) -> S {
        self.shape
    }

    fn batch_shape(&self) {}

    fn support(&self) -> Constraint<E> {
        Constraint::Real
    }

    fn sample(&self, key: Key) -> Result<Var<S, E>> {
        let EmpiricalBayesPrior { loc, concentration, scale } = self.prior;
        let [of_variance, of_weights] = key.split_array();
        let (concentration, scale) = (Var::<(), E>::scalar(concentration), Var::<(), E>::scalar(scale));
        let variance = Distribution::sample(&InverseGamma::new(concentration, scale)?, of_variance)?;
        let normal = Normal::new(Var::<(), E>::scalar(loc), variance.sqrt())?.expand(self.shape)?;
        Distribution::sample(&normal, of_weights)
    }

    fn log_prob(&self, value: &Var<S, E>) -> Result<Var<(), E>> {
        self.check_shape(value)?;
        let EmpiricalBayesPrior { loc, concentration, scale } = self.prior;
        let half = 0.5 * value.dims().num_elements() as f64;
        let after = concentration + half;
        let constant = self.prior.ln_constant()? + ln_gamma(after)? - half * std::f64::consts::TAU.ln();
        let spread = (value - loc).square().sum() * 0.5 + scale;
        (spread.ln() * -after + constant).check()
    }
}
