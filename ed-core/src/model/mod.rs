//! Models as values: running them, and what is computed from a whole model.

#[allow(clippy::module_inception)]
mod model;

pub use model::Model;
