//! Markov chain Monte Carlo.

mod chain;
mod nuts;

pub use chain::McmcDraws;
pub use nuts::Nuts;
