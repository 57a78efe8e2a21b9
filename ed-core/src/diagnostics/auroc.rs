//! How well a score separates two groups.

use super::error::{DiagnosticsError, all_values};

/// Area under the receiver operating characteristic: the probability that a positive scores above a negative,
/// ties counting half (Mann & Whitney's U over the number of pairs).
///
/// 0.5 is chance, 1 separates completely; for example scores of unfamiliar inputs (positives) against familiar ones.
///
/// # Errors
/// [`DiagnosticsError`] if a group is empty or a score is NaN.
///
/// ```
/// # use ed_core::diagnostics::auroc;
/// assert_eq!(auroc(&[2.0, 1.0], &[0.0, 1.0])?, 0.875);
/// # Ok::<(), ed_core::diagnostics::DiagnosticsError>(())
/// ```
pub fn auroc(positives: &[f64], negatives: &[f64]) -> Result<f64, DiagnosticsError> {
    for (what, scores) in [("scores of positives", positives), ("scores of negatives", negatives)] {
        if scores.is_empty() {
            return Err(DiagnosticsError::Empty { what });
        }
        all_values("score", "a number", scores, |x| !x.is_nan())?;
    }
    let tagged = |scores: &[f64], positive| scores.iter().map(move |&x| (x, positive)).collect::<Vec<_>>();
    let mut all = [tagged(positives, true), tagged(negatives, false)].concat();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut below = 0.0;
    let mut wins = 0.0;
    for tied in all.chunk_by(|a, b| a.0 == b.0) {
        let positives = tied.iter().filter(|x| x.1).count() as f64;
        let negatives = tied.len() as f64 - positives;
        wins += positives * (below + negatives / 2.0);
        below += negatives;
    }
    Ok(wins / (positives.len() as f64 * negatives.len() as f64))
}
