//! What is believed about a weight: its posterior and its prior.

mod empirical_bayes;
mod families;
mod improper;
mod normal;
mod prior;
mod sizes;

pub use empirical_bayes::EmpiricalBayesPrior;
pub use families::{CauchyPrior, LaplacePrior};
pub(crate) use improper::log_alpha;
pub use improper::{LogUniformPrior, TiedMeanPrior, UniformPrior};
pub(crate) use normal::bayesian;
pub use normal::{Moments, NormalBelief, Seen, Start};
pub use prior::{Law, NormalPrior, Prior, TrainablePrior, WeightSite};
