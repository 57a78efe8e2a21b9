//! How good real-valued predictions are: error, density, coverage.

use super::chains::mean;
use super::error::{DiagnosticsError, all_values, same_length};
use std::f64::consts::TAU;

fn finite(what: &'static str, values: &[f64]) -> Result<(), DiagnosticsError> {
    all_values(what, "finite", values, f64::is_finite)
}

/// Root mean squared error, in the unit of the targets.
///
/// # Errors
/// [`DiagnosticsError`] if empty, of different lengths, or not finite.
pub fn rmse(predictions: &[f64], targets: &[f64]) -> Result<f64, DiagnosticsError> {
    same_length("predictions", predictions.len(), targets.len())?;
    finite("prediction", predictions)?;
    finite("target", targets)?;
    Ok(mean(predictions.iter().zip(targets).map(|(p, t)| (p - t).powi(2))).sqrt())
}

/// Mean log density of the targets under `Normal(loc, scale)`, nats per example.
///
/// The test log-likelihood of one draw or of a Gaussian predictive distribution; see
/// [`mixture_log_likelihood`] for several draws.
///
/// # Errors
/// [`DiagnosticsError`] if empty, of different lengths, not finite, or a scale is not positive.
pub fn gaussian_log_likelihood(loc: &[f64], scale: &[f64], targets: &[f64]) -> Result<f64, DiagnosticsError> {
    same_length("locs", loc.len(), targets.len())?;
    mixture_log_likelihood(loc, scale, targets)
}

/// Mean log density of the targets under the mixture of `S` draws' normals, nats per example:
/// `1/N Σₙ ln 1/S Σₛ Normal(yₙ | locₛₙ, scaleₛₙ)`.
///
/// # Shapes
/// `loc`, `scale`: `S × N`, draws outermost; `targets`: `N`.
///
/// # Errors
/// [`DiagnosticsError`] if empty, not of that shape, not finite, or a scale is not positive.
pub fn mixture_log_likelihood(loc: &[f64], scale: &[f64], targets: &[f64]) -> Result<f64, DiagnosticsError> {
    if targets.is_empty() {
        return Err(DiagnosticsError::Empty { what: "targets" });
    }
    same_length("scales", scale.len(), loc.len())?;
    finite("loc", loc)?;
    finite("target", targets)?;
    all_values("scale", "finite and positive", scale, |s| s.is_finite() && s > 0.0)?;
    let log_probs: Vec<f64> = loc
        .iter()
        .zip(scale)
        .zip(targets.iter().cycle())
        .map(|((loc, scale), target)| {
            let z = (target - loc) / scale;
            -0.5 * (z * z + TAU.ln()) - scale.ln()
        })
        .collect();
    Ok(mean(log_mean_exp(&log_probs, targets.len())?.into_iter()))
}

/// `ln 1/S Σₛ exp(log_probₛₙ)` for each example: the log predictive density of `S` draws, without overflow.
///
/// # Shapes
/// `log_probs`: `S × N`, draws outermost; result: `N`. A column of `-∞` gives `-∞`.
///
/// # Errors
/// [`DiagnosticsError`] if empty, if the length is not a multiple of `num_examples`, or a value is NaN or `+∞`.
pub fn log_mean_exp(log_probs: &[f64], num_examples: usize) -> Result<Vec<f64>, DiagnosticsError> {
    if num_examples == 0 || log_probs.is_empty() {
        return Err(DiagnosticsError::Empty { what: "examples" });
    }
    if !log_probs.len().is_multiple_of(num_examples) {
        let expected = format!("a multiple of {num_examples}");
        return Err(DiagnosticsError::Length { what: "draws × examples", expected, got: log_probs.len() });
    }
    all_values("log probability", "a number below infinity", log_probs, |x| x < f64::INFINITY)?;
    let num_samples = log_probs.len() / num_examples;
    let column = |example: usize| log_probs[example..].iter().step_by(num_examples).copied();
    Ok((0..num_examples)
        .map(|example| {
            let top = column(example).fold(f64::NEG_INFINITY, f64::max);
            if top == f64::NEG_INFINITY {
                return top;
            }
            let sum: f64 = column(example).map(|x| (x - top).exp()).sum();
            top + (sum / num_samples as f64).ln()
        })
        .collect())
}

/// Fraction of targets inside their interval `[lower, upper]`.
///
/// # Errors
/// [`DiagnosticsError`] if empty, of different lengths, or a value is NaN.
///
/// ```
/// # use ed_core::diagnostics::interval_coverage;
/// assert_eq!(interval_coverage(&[0.0, 0.0], &[1.0, 1.0], &[0.5, 2.0])?, 0.5);
/// # Ok::<(), ed_core::diagnostics::DiagnosticsError>(())
/// ```
pub fn interval_coverage(lower: &[f64], upper: &[f64], targets: &[f64]) -> Result<f64, DiagnosticsError> {
    same_length("lower ends", lower.len(), targets.len())?;
    same_length("upper ends", upper.len(), targets.len())?;
    for (what, values) in [("lower end", lower), ("upper end", upper), ("target", targets)] {
        all_values(what, "a number", values, |x| !x.is_nan())?;
    }
    let ends = lower.iter().zip(upper);
    Ok(mean(targets.iter().zip(ends).map(|(t, (low, high))| f64::from(low <= t && t <= high))))
}
