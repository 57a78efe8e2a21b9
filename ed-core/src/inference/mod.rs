//! Inference: everything here needs a model and a seed, and knows of no layer.

mod draws;
mod log_density;
pub mod mcmc;

pub use draws::{Draws, SiteDraws};
pub use log_density::LogDensity;
pub use mcmc::{McmcDraws, Nuts};
