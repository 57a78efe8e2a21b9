//! The language: values, distributions, random variables, tracing and inference.

mod atomic_file;
pub mod data;
pub mod diagnostics;
pub mod kernels;
pub mod plot;
pub mod progress;
pub mod table;
