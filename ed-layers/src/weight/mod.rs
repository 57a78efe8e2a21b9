//! What is believed about a weight: its posterior and its prior.

mod normal;
mod prior;

pub(crate) use normal::bayesian;
pub use normal::{Moments, NormalBelief, Seen, Start};
pub use prior::{Law, NormalPrior, Prior, TrainablePrior, WeightSite};
