//! `ed`: a probabilistic programming language in which a model is a plain function.
pub use ed_core::*;
pub use ed_layers as layers;
