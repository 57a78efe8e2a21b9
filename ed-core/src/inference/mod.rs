//! Inference: everything here needs a model and a seed, and knows of no layer.

mod draws;
mod log_density;
pub mod mcmc;
mod over;
mod pictures;
mod predictive;
mod saved;
mod settle;
mod train;
mod trained;
pub mod vi;

pub use draws::{Draws, SiteDraws};
pub use log_density::LogDensity;
pub use mcmc::{McmcDraws, Nuts};
pub use predictive::{posterior_predictive, prior_predictive};
pub use train::Train;
pub use trained::{Trained, predict};
pub use vi::{Delta, Estimator, Fit, FullRank, LowRank, MeanField, Posterior, Svi};

#[cfg(test)]
mod draws_tests;
