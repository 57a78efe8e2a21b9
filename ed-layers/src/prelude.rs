//! The names that a first network needs.

#[doc(no_inline)]
pub use crate::{
    Apply, Bias, Dense, Layer, Linear, Sequential, WithUnits,
    activation::*,
    estimator::{Deterministic, Reparameterization},
    names::*,
    sequential,
};
