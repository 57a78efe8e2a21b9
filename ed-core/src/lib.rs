//! The language: values, distributions, random variables, tracing and inference.

// Generated code says `::ed`; inside this crate and its doc examples that is this crate.
extern crate self as ed;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
mod atomic_file;
pub mod bijectors;
pub mod data;
pub mod diagnostics;
pub mod distributions;
mod error;
pub mod handlers;
pub mod inference;
pub mod kernels;
pub mod model;
pub mod ops;
pub mod params;
pub mod plot;
pub mod prelude;
pub mod progress;
mod random_variable;
pub mod table;
pub mod tensor;
pub mod trace;

pub use ed_macros::model;
pub use error::{Error, Result};
pub use random_variable::RandomVariable;
pub use trace::{IndexedScope, IndexedSite, PlateName, Scope, SiteName};
