//! What is believed about a weight: its posterior and its prior.

mod normal;
mod prior;

pub use normal::{NormalBelief, Moments, Seen, Start};
pub(crate) use normal::bayesian;
pub use prior::{Law, NormalPrior, Prior, TrainablePrior, WeightSite};
