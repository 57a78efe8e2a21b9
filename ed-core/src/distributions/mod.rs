//! Distributions, one file each.

mod distribution;
pub mod erased;
mod kl;
mod normal;
pub(crate) mod param;

pub use distribution::Distribution;
pub use kl::{KlTo, kl_divergence};
pub use normal::Normal;
pub use param::Param;
