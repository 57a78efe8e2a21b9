//! Categorical draws from logits.

use super::CHUNK;
use crate::kernels::float::Real;
use crate::kernels::parallel::for_each;
use crate::kernels::reduce;
use crate::kernels::rng::{Key, fill_uniform_from};

/// Class numbers with probabilities `softmax(row)`, where draw `i` uses row `i % R` of the row-major
/// `logits` `[R, columns]`: the first class whose cumulative probability exceeds a uniform.
///
/// `false`, and nothing is drawn, if `logits` holds no complete row, or a row has no probability to
/// share out (all -∞, or a NaN or +∞).
///
/// ```
/// use ed_core::kernels::{Key, sampling::fill_categorical};
/// let mut classes = [9; 4];
/// assert!(fill_categorical(Key::new(0), &[0.0f32, f32::NEG_INFINITY], 2, &mut classes));
/// assert_eq!(classes, [0; 4]);
/// assert!(!fill_categorical(Key::new(0), &[f32::NAN, 0.0], 2, &mut classes));
/// ```
#[must_use]
pub fn fill_categorical<T: Real>(key: Key, logits: &[T], columns: usize, out: &mut [usize]) -> bool {
    if columns == 0 || logits.is_empty() || !logits.len().is_multiple_of(columns) {
        return false;
    }
    let rows = logits.len() / columns;
    // Cumulative unnormalised probabilities of every row, in double precision.
    let mut cumulative = vec![0.0; logits.len()];
    for (cumulative, logits) in cumulative.chunks_exact_mut(columns).zip(logits.chunks_exact(columns)) {
        let max = reduce::max(logits).to_f64();
        if !max.is_finite() {
            return false;
        }
        let mut total = 0.0;
        for (cumulative, logit) in cumulative.iter_mut().zip(logits) {
            total += (logit.to_f64() - max).exp();
            *cumulative = total;
        }
    }
    for_each(out, CHUNK, |start, out| {
        let mut uniforms = [0f64; CHUNK];
        fill_uniform_from(key, start as u64, &mut uniforms[..out.len()]);
        for (i, (out, u)) in out.iter_mut().zip(uniforms).enumerate() {
            let row = (start + i) % rows;
            let cumulative = &cumulative[row * columns..(row + 1) * columns];
            let point = u * cumulative[columns - 1];
            // Classes of no probability repeat the sum before them, so they are passed over.
            *out = cumulative.partition_point(|&c| c <= point).min(columns - 1);
        }
    });
    true
}
