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
//!
//! # Rounding
//! A covariance matrix of points that lie close together has a Cholesky factor in exact arithmetic and may have none in
//! `f32` or `f64`. Nothing is added to a diagonal that has one. Otherwise it gets as little as makes one (a *jitter*), in
//! this evaluation; the layer says so on standard error, and [`FunctionValues::jitter`] how much it was.

mod bayesian_linear_model;
mod checks;
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
pub use mean::{ConstantMean, LinearMean, Mean, ProjectionMean, ZeroMean};
pub use positive::Positive;
pub use sparse::{InducingCovariance, SparseGaussianProcess};
pub use values::FunctionValues;
