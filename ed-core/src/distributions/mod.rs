//! Distributions, one file each.

mod bernoulli;
mod beta;
mod cauchy;
mod distribution;
pub mod erased;
mod exponential;
mod gamma;
mod half_cauchy;
mod half_normal;
mod kl;
mod log_normal;
mod normal;
pub(crate) mod param;
mod poisson;
mod student_t;
mod uniform;
mod univariate;

pub use bernoulli::Bernoulli;
pub use beta::Beta;
pub use cauchy::Cauchy;
pub use distribution::Distribution;
pub use exponential::Exponential;
pub use gamma::Gamma;
pub use half_cauchy::HalfCauchy;
pub use half_normal::HalfNormal;
pub use kl::{KlTo, kl_divergence};
pub use log_normal::LogNormal;
pub use normal::Normal;
pub use param::{Joint, Param, Params};
pub use poisson::Poisson;
pub use student_t::StudentT;
pub use uniform::Uniform;
