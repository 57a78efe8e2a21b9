//! The language: values, distributions, random variables, tracing and inference.

pub mod data;
pub mod diagnostics;
pub mod kernels;
pub mod plot;
