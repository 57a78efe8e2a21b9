//! Energy diagnostic of Hamiltonian samplers.

use super::chains::{mean, standardised, variance};

/// Estimated Bayesian fraction of missing information of one chain's energies: mean squared change over the
/// variance, `E[(Eₜ - Eₜ₋₁)²] / Var[E]`.
///
/// Below 0.3 the momentum is resampled too timidly for the spread of energies: the tails are poorly explored;
/// reparameterise. NaN with fewer than two energies or if they are constant or not finite.
///
/// Betancourt, "Diagnosing suboptimal cotangent disintegrations in Hamiltonian Monte Carlo" (2016), equation 4;
/// the divisor of the variance is `n - 1`, as in ArviZ.
///
/// ```
/// # use ed_core::diagnostics::bfmi;
/// assert!((bfmi(&[1.0, 3.0, 2.0]) - 2.5).abs() < 1e-15);
/// ```
pub fn bfmi(energies: &[f64]) -> f64 {
    let energies = &standardised(&[energies]).0[0];
    let changes = energies.windows(2).map(|pair| (pair[1] - pair[0]).powi(2));
    mean(changes) / variance(energies.iter().copied())
}
