//! Log-mass of categorical labels given by rows of logits.

use super::add;
use crate::kernels::dispatch::{Arch, Kernel, dispatch};
use crate::kernels::float::Real;
use crate::kernels::math;
use crate::kernels::parallel::{Rows, map_reduce};
use crate::kernels::reduce::{ROW_BLOCK, rows_log_sum_exp, rows_per_chunk};

/// `Σ log softmax(logits)[label]` over the rows of the row-major `logits` `[R, C]`, for `R` labels
/// below `C`; the negative of the summed cross-entropy, in nats.
///
/// `d_logits`, if given, receives the derivative `onehot(label) - softmax(logits)`, `[R, C]`. `None` if a
/// label is not below `columns`, or if `logits` or `d_logits` is not as long as `labels.len() * columns`.
///
/// ```
/// use ed_core::kernels::fused::softmax_cross_entropy;
/// let log_prob = softmax_cross_entropy(&[0.0, 0.0, 0.0, 0.0], &[1, 0], 2, None).unwrap();
/// assert!((log_prob + 2.0 * 2f64.ln()).abs() < 1e-15);
/// assert!(softmax_cross_entropy(&[0.0, 0.0], &[2], 2, None).is_none());
/// ```
pub fn softmax_cross_entropy<T: Real>(
    logits: &[T],
    labels: &[usize],
    columns: usize,
    d_logits: Option<&mut [T]>,
) -> Option<T> {
    let len = labels.len().checked_mul(columns)?;
    let fits = logits.len() == len && d_logits.as_ref().is_none_or(|out| out.len() == len);
    if !fits || labels.iter().any(|&label| label >= columns) {
        return None;
    }
    let parts = (labels, Rows::new(logits, columns), d_logits.map(|out| Rows::new(out, columns)));
    let [log_prob] = map_reduce(
        parts,
        rows_per_chunk(columns),
        |_, (labels, logits, d_logits)| {
            let d_logits = d_logits.map(Rows::into_inner);
            dispatch(CrossEntropy { labels, logits: logits.into_inner(), columns, d_logits })
        },
        add,
    );
    Some(T::from_f64(log_prob))
}

struct CrossEntropy<'a, T> {
    labels: &'a [usize],
    logits: &'a [T],
    columns: usize,
    d_logits: Option<&'a mut [T]>,
}

impl<T: Real> Kernel for CrossEntropy<'_, T> {
    type Out = [f64; 1];

    #[inline(always)]
    fn run<A: Arch>(mut self) -> [f64; 1] {
        let mut sum = 0.0;
        let mut first_row = 0;
        for logits in self.logits.chunks((ROW_BLOCK * self.columns).max(1)) {
            let totals = rows_log_sum_exp::<A, T>(logits, self.columns);
            for (row, (logits, total)) in (first_row..).zip(logits.chunks_exact(self.columns).zip(totals)) {
                let label = self.labels[row];
                sum += (logits[label] - total).to_f64();
                if let Some(d_logits) = &mut self.d_logits {
                    let d_logits = &mut d_logits[row * self.columns..(row + 1) * self.columns];
                    for (d, &logit) in d_logits.iter_mut().zip(logits) {
                        *d = -math::exp::<A, T>(logit - total);
                    }
                    d_logits[label] += T::ONE;
                }
            }
            first_row += ROW_BLOCK;
        }
        [sum]
    }
}
