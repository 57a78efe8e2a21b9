//! Rows of class probabilities, checked once.

use super::error::DiagnosticsError;

/// How far a row may be from summing to one: softmax rows in `f32` over thousands of classes stay within it.
const SUM_TOLERANCE: f64 = 1e-3;

/// Widens `probs` and refuses rows of `num_classes` that are not distributions.
pub(super) fn checked<T: Copy + Into<f64>>(
    probs: &[T],
    num_classes: usize,
) -> Result<Vec<f64>, DiagnosticsError> {
    if probs.is_empty() || num_classes == 0 {
        return Err(DiagnosticsError::Empty { what: "rows of probabilities" });
    }
    if !probs.len().is_multiple_of(num_classes) {
        let expected = format!("a multiple of {num_classes}");
        return Err(DiagnosticsError::Length { what: "probabilities", expected, got: probs.len() });
    }
    let probs: Vec<f64> = probs.iter().map(|&p| p.into()).collect();
    super::error::all_values("probability", "in [0, 1]", &probs, |p| {
        (-SUM_TOLERANCE..=1.0 + SUM_TOLERANCE).contains(&p)
    })?;
    for (at, row) in probs.chunks_exact(num_classes).enumerate() {
        let sum: f64 = row.iter().sum();
        if (sum - 1.0).abs() > SUM_TOLERANCE {
            let must_be = "a distribution over the classes (sum one)";
            return Err(DiagnosticsError::Value { what: "row", at, must_be, got: format!("sum {sum}") });
        }
    }
    Ok(probs)
}
