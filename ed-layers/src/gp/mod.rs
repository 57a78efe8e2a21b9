//! Gaussian processes as layers: uncertainty over functions.
//!
//! | layer | what it believes | cost of a step |
//! |---|---|---|
//! | [`GaussianProcess`] | the prior, or exactly what data say | cubic in the number of points |
//! | [`SparseGaussianProcess`] | a normal over the values at `M` inducing points | `N M²` for `N` points |
//! | [`BayesianLinearModel`] | a normal over the weights of a plane | quadratic in the number of features |
//!
//! A [`kernel`](kernels) says how smooth the functions are, a [`Mean`] where they start from, and a
//! [likelihood](likelihoods) how observations scatter around them.

mod bayesian_linear_model;
mod exact;
mod inducing;
mod jitter;
pub mod kernels;
mod kmeans;
pub mod likelihoods;
mod mean;
mod positive;
mod principal;
mod sparse;
mod values;

pub use bayesian_linear_model::BayesianLinearModel;
pub use exact::{GaussianProcess, Posterior};
pub use inducing::InducingOutputs;
pub use jitter::Jitter;
pub use mean::{ConstantMean, LinearMean, Mean, ProjectionMean, ZeroMean};
pub use positive::Positive;
pub use sparse::{InducingCovariance, SparseGaussianProcess};
pub use values::FunctionValues;
