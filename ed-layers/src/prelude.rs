//! The names that a first network needs.

#[doc(no_inline)]
pub use crate::{
    Apply, BatchNorm, Bias, Dense, Dropout, Embedding, Flatten, Layer, LayerNorm, Linear, Residual,
    Sequential, WithTable, WithUnits,
    activation::*,
    estimator::{Deterministic, Reparameterization},
    names::*,
    sequential,
};
