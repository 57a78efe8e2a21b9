//! Inference: everything here needs a model and a seed, and knows of no layer.

mod log_density;

pub use log_density::LogDensity;
