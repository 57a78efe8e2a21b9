//! Numbers that judge an inference: plain slices in, numbers out, no tensors.
//!
//! Draws of one scalar come as *chains*: a slice of chains, each a slice of draws after warm-up
//! (`&[Vec<f64>]`, `&[&[f64]]`, …). All chains must have the same length.
//!
//! | question | file |
//! |---|---|
//! | do the chains agree? | [`rhat`] |
//! | how many independent draws are they worth? | [`ess`], from [`autocorrelation`] |
//! | how exact is a reported number? | [`mcse_mean`], [`mcse_sd`], [`mcse_quantile`] |
//! | did momentum resampling explore the energies? | [`bfmi`] |
//! | where is the mass? | [`quantile`], [`hdi`] |
//! | all of it for a whole model | [`Summary`] |
//! | are predicted probabilities right? | [`calibration`] |
//!
//! A diagnostic that is not defined for its input is NaN, never a guess: fewer than four draws a chain,
//! chains of unequal length, a draw that is not finite, or draws that are all equal (a sampler that never
//! moved has no measurable autocorrelation).

mod autocorrelation;
mod bfmi;
mod chains;
mod ess;
mod hdi;
mod mcse;
mod quantile;
mod rank_normal;
mod rhat;

pub use autocorrelation::{autocorrelation, autocovariance};
pub use bfmi::bfmi;
pub use ess::{ess_bulk, ess_mean, ess_quantile, ess_tail};
pub use hdi::hdi;
pub use mcse::{mcse_mean, mcse_quantile, mcse_sd};
pub use quantile::quantile;
pub use rhat::rhat;

#[cfg(test)]
mod tests;
