//! Numbers that judge an inference: plain slices in, numbers out, no tensors.
//!
//! Draws of one scalar come as *chains*: a slice of chains, each a slice of draws after warm-up
//! (`&[Vec<f64>]`, `&[&[f64]]`, …). All chains must have the same length.
//!
//! | question | file |
//! |---|---|
//! | do the chains agree? | [`rhat`](rhat()) |
//! | how many independent draws are they worth? | [`ess_bulk`], [`ess_tail`], from the [autocorrelation](autocorrelation()) |
//! | how exact is a reported number? | [`mcse_mean`], [`mcse_sd`], [`mcse_quantile`] |
//! | did momentum resampling explore the energies? | [`bfmi`](bfmi()) |
//! | where is the mass? | [`quantile`](quantile()), [`hdi`](hdi()) |
//! | all of it for a whole model, and which chains stay apart | [`Summary`] |
//! | are predicted probabilities right? | [`calibration`], [`auroc`](auroc()) |
//! | is it the data or the model that is unsure? | [`entropy_split`] |
//! | are predicted numbers right? | [`rmse`], [`mixture_log_likelihood`], [`interval_coverage`] |
//! | the same draws in ArviZ | [`write_cmdstan_csv`] |
//!
//! A diagnostic that is not defined for its input is NaN, never a guess: fewer than four draws a chain,
//! chains of unequal length, a draw that is not finite, or draws that are all equal (a sampler that never
//! moved has no measurable autocorrelation).

mod auroc;
mod autocorrelation;
mod bfmi;
pub mod calibration;
pub(crate) mod chains;
mod error;
mod ess;
pub(crate) mod fourier;
mod hdi;
mod interchange;
mod mcse;
mod places;
mod probabilities;
mod quantile;
mod rank_normal;
mod regression;
mod rhat;
mod summary;
mod uncertainty;

pub use auroc::auroc;
pub use autocorrelation::{autocorrelation, autocovariance};
pub use bfmi::bfmi;
pub use error::DiagnosticsError;
pub use ess::{ess_bulk, ess_mean, ess_quantile, ess_tail};
pub use hdi::hdi;
pub use interchange::write_cmdstan_csv;
pub use mcse::{mcse_mean, mcse_quantile, mcse_sd};
pub use places::ChainGroup;
pub use quantile::quantile;
pub use regression::{
    gaussian_log_likelihood, interval_coverage, log_mean_exp, mixture_log_likelihood, rmse,
};
pub use rhat::rhat;
pub use summary::{Summary, SummaryRow};
pub use uncertainty::{EntropySplit, entropy_split};

#[cfg(test)]
mod calibration_tests;
#[cfg(test)]
mod summary_tests;
#[cfg(test)]
mod tests;
