//! The laws of distributions, written once and applied to a table.
//!
//! Statistical bounds are five standard errors with fixed keys; a right implementation misses one with a probability of
//! about 6e-7, so that the thousand checks of this folder raise a false alarm in one of 1700 choices of keys.

mod edges;
mod extremes;
mod golden;
mod laws;
mod mixture_logistic;
mod mixtures;
mod multivariate_normal;
mod subjects;
mod transformed;
mod wrappers;
