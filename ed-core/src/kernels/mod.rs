//! CPU loops over plain slices: no tensors, no tape, no shapes beyond `usize` dims.
//!
//! Every loop is written once, generic over the number type ([`Real`]: `f32`, `f64`) and over the
//! instruction set ([`dispatch::Arch`]), and is compiled for a portable baseline, for x86-64-v3, and,
//! where that pays, for AVX-512; the best one is picked at run time. Large inputs are split over rayon threads in fixed chunks,
//! so a result never depends on the number of threads.
//!
//! - [`dispatch`](mod@dispatch): instruction sets; [`parallel`]: threads; [`float`] and [`math`]: numbers and
//!   branch-free elementary functions.
//! - [`rng`]: counter-based keys, uniforms and normals.
//! - [`reduce`]: sums, maxima, log-sum-exp; [`broadcast`]: repeating parameters.
//! - [`matmul`]: products of matrices and vectors; [`cholesky`]: factors and triangular systems.
//! - [`attention`]: attention over sequences.
//! - [`conv`]: convolutions; [`pool`]: maxima and means under a window.
//! - [`staircase`]: products with masked matrices that skip what the mask forbids.
//! - [`covariance`]: matrices of stationary covariance functions; [`whiten`](mod@whiten): rows times an inverse factor;
//!   [`marginals`]: the variances from them.
//! - [`fused`]: divergences with their gradients in one pass.
//! - [`recurrent`]: recurrent networks over sequences.
//! - [`optim`]: optimiser steps.
//! - [`sampling`]: draws of other distributions.
//! - [`special`]: special functions of one `f64`.

pub mod attention;
pub mod broadcast;
pub mod cholesky;
pub mod conv;
pub mod covariance;
pub mod dispatch;
pub mod float;
pub mod fused;
pub mod linalg;
pub mod marginals;
pub mod math;
pub mod matmul;
pub mod optim;
pub mod parallel;
pub mod pool;
pub mod recurrent;
pub mod reduce;
pub mod rng;
pub mod saddle_point;
pub mod sampling;
pub mod special;
mod square;
pub mod staircase;
pub mod whiten;

pub use broadcast::Broadcast;
pub use dispatch::{Arch, Kernel, dispatch};
pub use float::Real;
pub use rng::Key;
