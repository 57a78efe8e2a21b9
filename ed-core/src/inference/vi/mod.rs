//! Variational inference: a guide, which is a model too, is trained towards the posterior.
//!
//! | item | what it is |
//! |---|---|
//! | [`Svi`] | training, and [`Fit`], what comes of it |
//! | [`MeanField`] | guide of independent normals |
//! | [`LowRank`], [`FullRank`] | guides of one joint normal |
//! | [`Delta`] | guide of points: the maximum a posteriori estimate |
//! | [`Estimator`] | how the gradient of the ELBO is estimated |
//!
//! Any `#[model]` whose random variables have the names of the model's latent ones is a guide.

mod elbo;
mod fit;
pub mod guides;
mod svi;

pub use elbo::Estimator;
pub use fit::{Fit, Posterior};
pub use guides::{Delta, FullRank, LowRank, MeanField};
pub use svi::Svi;
