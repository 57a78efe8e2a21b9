//! Priors without a normalised law.

use std::sync::Arc;

use dfdx::shapes::Shape;
use ed_core::bijectors::Constraint;
use ed_core::distributions::erased::AnyDistribution;
use ed_core::distributions::{Distribution, Flat};
use ed_core::kernels::Key;
use ed_core::tensor::{AnyVar, Float, Var};
use ed_core::{Error, Result};

use super::prior::{Law, Prior, WeightSite, positive};
use super::sizes::{Family, divergence, in_sizes_of};

/// The log-uniform prior `p(w) ∝ 1 / |w|` of variational dropout: it is indifferent to the size of a weight and cares only
/// for its ratio `α = σ² / μ²` of noise to signal.
///
/// The divergence is the approximation `Σ k₁ - k₁ sigmoid(k₂ + k₃ ln α) + ½ ln(1 + 1/α)`, 0 for a weight that is all
/// noise (`α → ∞`), with `ln α` kept in `[-8, 8]`.
///
/// # Source
/// Molchanov, Ashukha and Vetrov 2017, "Variational dropout sparsifies deep neural networks", equation 14.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LogUniformPrior;

impl LogUniformPrior {
    /// What is added to `μ²`.
    pub(crate) const EPSILON: f64 = 1e-7;
}

/// `ln(σ² / μ²)`, kept in `[-8, 8]`.
pub(crate) fn log_alpha<S: Shape, E: Float>(loc: &Var<S, E>, scale: &Var<S, E>) -> Var<S, E> {
    let log_alpha = scale.ln() * 2.0 - (loc.square() + LogUniformPrior::EPSILON).ln();
    let below = (log_alpha + 8.0).relu() - 8.0;
    8.0 - (8.0 - below).relu()
}

impl Prior for LogUniformPrior {
    fn law(&self, weight: &WeightSite) -> Result<Law> {
        Ok(Law::Other(in_sizes_of(self, weight)?))
    }

    fn kl(&self, _: &WeightSite, loc: &AnyVar, scale: &dyn Fn() -> AnyVar) -> Option<Result<AnyVar>> {
        let (k1, k2, k3) = (0.63576, 1.8732, 1.48695);
        divergence!(loc, scale(), |mu, sigma| {
            let log_alpha = log_alpha(&mu, &sigma);
            let kept = (&log_alpha * k3 + k2).sigmoid() * k1;
            ((-log_alpha).softplus() * 0.5 - kept + k1).sum()
        })
    }
}

impl Family for LogUniformPrior {
    fn sized<S: Shape, E: Float>(&self, shape: S) -> Result<Arc<dyn AnyDistribution>> {
        Ok(Arc::new(LogUniform { shape, precision: std::marker::PhantomData::<E> }))
    }
}

/// `log p(w) = -½ Σ ln(w² + 1e-7)`, not normalised.
#[derive(Clone, Debug)]
struct LogUniform<S: Shape, E: Float> {
    shape: S,
    precision: std::marker::PhantomData<E>,
}

impl<S: Shape, E: Float> Distribution for LogUniform<S, E> {
    type Elem = E;
    type Batch = ();
    type Shape = S;
    const NAME: &'static str = "LogUniform";
    const PROPER: bool = false;

    fn shape(&self) -> S {
        self.shape
    }

    fn batch_shape(&self) {}

    fn support(&self) -> Constraint<E> {
        Constraint::Real
    }

    fn sample(&self, _: Key) -> Result<Var<S, E>> {
        let (what, instead) = ("draws", "use a proper prior, or draw from the belief");
        Err(Error::Undefined { of: Self::NAME, what, instead })
    }

    fn log_prob(&self, value: &Var<S, E>) -> Result<Var<(), E>> {
        self.check_shape(value)?;
        ((value.square() + LogUniformPrior::EPSILON).ln().sum() * -0.5).check()
    }
}

/// Normals whose locations are those of the posterior, whatever they are: only the standard deviations cost,
/// `Σ ln(s/σ) + σ² / 2s² - ½`. With [`fixed_scale`](super::NormalBelief::fixed_scale) this is Gaussian dropout.
///
/// Where a kernel's value comes from elsewhere (a sampler), the prior is flat.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TiedMeanPrior {
    /// Standard deviation.
    pub scale: f64,
}

impl Default for TiedMeanPrior {
    /// Standard deviation 1.
    fn default() -> TiedMeanPrior {
        TiedMeanPrior { scale: 1.0 }
    }
}

/// A prior that is flat everywhere: the divergence is minus the entropy of the posterior, up to an infinite constant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UniformPrior;

impl Family for UniformPrior {
    fn sized<S: Shape, E: Float>(&self, shape: S) -> Result<Arc<dyn AnyDistribution>> {
        Ok(Arc::new(Flat::<S, E>::real(shape)?))
    }
}

impl Prior for UniformPrior {
    fn law(&self, weight: &WeightSite) -> Result<Law> {
        Ok(Law::Other(in_sizes_of(self, weight)?))
    }

    fn kl(&self, _: &WeightSite, loc: &AnyVar, scale: &dyn Fn() -> AnyVar) -> Option<Result<AnyVar>> {
        let half_ln_2pi_e = 0.5 * (std::f64::consts::TAU.ln() + 1.0);
        divergence!(loc, scale(), |_mu, sigma| -(sigma.ln() + half_ln_2pi_e).sum())
    }
}

impl Prior for TiedMeanPrior {
    fn law(&self, weight: &WeightSite) -> Result<Law> {
        positive("TiedMeanPrior", self.scale)?;
        UniformPrior.law(weight)
    }

    fn kl(&self, _: &WeightSite, loc: &AnyVar, scale: &dyn Fn() -> AnyVar) -> Option<Result<AnyVar>> {
        divergence!(loc, scale(), |_mu, sigma| {
            let ratio = sigma * (1.0 / self.scale);
            (ratio.square() * 0.5 - ratio.ln() - 0.5).sum()
        })
    }
}
