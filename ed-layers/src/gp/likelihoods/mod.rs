//! Likelihoods: how observations scatter around the values of Gaussian processes.
//!
//! | likelihood | functions for each output | expected log-density |
//! |---|---|---|
//! | [`GaussianLikelihood`] | 1 | closed form |
//! | [`HeteroscedasticGaussian`] | 2: mean, logarithm of the noise | closed form |
//! | [`PoissonLikelihood`] | 1: logarithm of the rate | closed form |
//! | [`BernoulliLikelihood`] | 1: logit | Gauss–Hermite quadrature |
//! | [`StudentTLikelihood`] | 1 | Gauss–Hermite quadrature |
//! | [`CategoricalLikelihood`] | 1 for each class: logits | draws |

mod bernoulli;
mod categorical;
mod gaussian;
mod heteroscedastic;
mod logistic;
mod poisson;
mod quadrature;
mod student_t;

use ed_core::Result;
use ed_core::bijectors::Constraint;
use ed_core::distributions::{Distribution, Normal};
use ed_core::tensor::{Float, Var};

pub use bernoulli::BernoulliLikelihood;
pub use categorical::CategoricalLikelihood;
pub use gaussian::GaussianLikelihood;
pub use heteroscedastic::HeteroscedasticGaussian;
pub use poisson::PoissonLikelihood;
pub use quadrature::Quadrature;
pub use student_t::StudentTLikelihood;

use crate::layer::Layer;

/// The marginals of the functions: `[N, functions]`.
pub type Functions<E> = Normal<(usize, usize), E>;

/// How observations `y`, `[N, outputs]`, scatter around functions.
pub trait Likelihood: Layer {
    /// The distribution of an observation, with [`Likelihood::predictive`].
    type Predictive<E: Float>: Distribution<Elem = E>;

    /// `E_q(f) log p(y | f)` in nats, summed over the outputs of each row: `[N]`. The mean over a batch, negated, is the
    /// loss of a sparse process.
    ///
    /// # Errors
    /// [`Error::Shape`](ed_core::Error::Shape) if the functions do not fit the observations,
    /// [`Error::Value`](ed_core::Error::Value) for what cannot be observed, with its place, or the error of reading a
    /// parameter.
    fn expected_log_prob<E: Float>(
        &self,
        f: &Functions<E>,
        y: &Var<(usize, usize), E>,
    ) -> Result<Var<(usize,), E>>;

    /// The distribution of an observation, with the functions averaged over: exactly, or a distribution with its mean and
    /// variance.
    ///
    /// # Errors
    /// As [`Likelihood::expected_log_prob`].
    fn predictive<E: Float>(&self, f: &Functions<E>) -> Result<Self::Predictive<E>>;
}

/// Checks that there are as many functions as outputs, and that the outputs lie where observations can.
fn check_outputs<E: Float>(
    of: &'static str,
    f: &Functions<E>,
    y: &Var<(usize, usize), E>,
    support: Constraint<E>,
) -> Result<()> {
    if f.shape() == *y.shape() {
        return support.check(of, y.value());
    }
    let (rows, outputs) = f.shape();
    let expected = format!("[{rows}, {outputs}], the functions', for the observations");
    Err(ed_core::Error::Shape { op: of, expected, got: y.dims() })
}
