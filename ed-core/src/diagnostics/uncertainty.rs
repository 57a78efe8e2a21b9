//! What kind of uncertainty: of the outcome, or of the model.

use super::chains::mean;
use super::error::DiagnosticsError;
use super::probabilities::checked;

/// Uncertainty of one example's class, in nats: `predictive = aleatoric + epistemic`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EntropySplit {
    /// Entropy of the mean distribution: all uncertainty.
    pub predictive: f64,
    /// Mean entropy of the draws' distributions: what no further data would remove.
    pub aleatoric: f64,
    /// Their difference, the mutual information of class and parameters: what the draws disagree about.
    pub epistemic: f64,
}

/// Splits predictive entropy into aleatoric and epistemic part, one entry an example.
///
/// Depeweg, Hernández-Lobato, Doshi-Velez & Udluft, "Decomposition of uncertainty in Bayesian deep learning"
/// (2018), section 3.
///
/// # Shapes
/// `probs`: `S × N × K`, draws outermost, each row of `K` a distribution. Result: `N`.
///
/// # Errors
/// [`DiagnosticsError`] if empty, not of that shape, or a row is not a distribution.
///
/// ```
/// # use ed_core::diagnostics::entropy_split;
/// // Two draws, each certain, of different classes: all uncertainty is the model's.
/// let split = entropy_split(&[1.0, 0.0, 0.0, 1.0], 2, 2)?[0];
/// assert_eq!(split.aleatoric, 0.0);
/// assert!((split.epistemic - 2_f64.ln()).abs() < 1e-15);
/// # Ok::<(), ed_core::diagnostics::DiagnosticsError>(())
/// ```
pub fn entropy_split<T: Copy + Into<f64>>(
    probs: &[T],
    num_samples: usize,
    num_classes: usize,
) -> Result<Vec<EntropySplit>, DiagnosticsError> {
    let probs = checked(probs, num_classes)?;
    let num_rows = probs.len() / num_classes;
    if num_samples == 0 || !num_rows.is_multiple_of(num_samples) {
        let expected = format!("samples × examples × classes = {num_samples} × … × {num_classes}");
        return Err(DiagnosticsError::Length { what: "probabilities", expected, got: probs.len() });
    }
    let num_examples = num_rows / num_samples;
    let row = |sample: usize, example: usize| {
        let start = (sample * num_examples + example) * num_classes;
        &probs[start..start + num_classes]
    };
    let split = |example| {
        let average: Vec<f64> =
            (0..num_classes).map(|k| mean((0..num_samples).map(|s| row(s, example)[k]))).collect();
        let predictive = entropy(&average);
        let aleatoric = mean((0..num_samples).map(|s| entropy(row(s, example))));
        // Jensen's inequality makes it non-negative up to rounding.
        EntropySplit { predictive, aleatoric, epistemic: (predictive - aleatoric).max(0.0) }
    };
    Ok((0..num_examples).map(split).collect())
}

/// Entropy of one distribution in nats, `0 ln 0 = 0`.
fn entropy(probs: &[f64]) -> f64 {
    probs.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum()
}
