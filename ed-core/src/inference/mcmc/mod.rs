//! Markov chain Monte Carlo.

mod chain;
mod nuts;
mod start;

pub use chain::McmcDraws;
pub use nuts::Nuts;
