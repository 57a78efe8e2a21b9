//! Layers of neural networks that carry uncertainty.
//!
//! A layer is a geometry (how a kernel meets an input) times an estimator (how an uncertain kernel does), and one word
//! turns it Bayesian: `Dense::<Flipout>::new(10)`.

// The macros and doc examples say `ed_layers`; inside this crate that is this crate.
extern crate self as ed_layers;

pub mod activation;
pub mod estimator;
pub mod geometry;
pub mod initializers;
mod layer;
mod linear;
mod names;
pub mod prelude;
pub mod scope;
mod sequential;
pub mod weight;

pub use layer::{Apply, Input, Layer};
pub use linear::{Bias, Dense, Kinded, Linear, Pass, WithUnits};
pub use names::*;
pub use sequential::{Chain, Run, Sequential};
