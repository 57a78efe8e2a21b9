//! Log-mass of independent Bernoulli variables given by logits.

use super::{Lanes, add, first, shortest, store};
use crate::kernels::broadcast::Broadcast;
use crate::kernels::dispatch::{Arch, Kernel, dispatch};
use crate::kernels::float::Real;
use crate::kernels::math;
use crate::kernels::parallel::{COSTLY_CHUNK, map_reduce};
use crate::kernels::reduce::LANES;

/// `(Σ log p, Σ ∂ log p / ∂ logits)` of `value` in {0, 1} (or between, as a soft label):
/// `log p = value · logits - softplus(logits)`.
///
/// `d_logits`, if given, receives the derivative `value - sigmoid(logits)` of each element; the second
/// sum is the gradient of a scalar `logits`. As many elements are used as the shortest slice has.
///
/// ```
/// use ed_core::kernels::fused::bernoulli_logits_log_prob_sum;
/// let (log_prob, d_logits) = bernoulli_logits_log_prob_sum(&[1.0, 0.0], 0.0.into(), None);
/// assert!((log_prob + 2.0 * 2f64.ln()).abs() < 1e-15);
/// assert_eq!(d_logits, 0.0);
/// ```
pub fn bernoulli_logits_log_prob_sum<T: Real>(
    value: &[T],
    logits: Broadcast<T>,
    d_logits: Option<&mut [T]>,
) -> (T, T) {
    let len = shortest(value.len(), [&d_logits]);
    let parts = (&value[..len], logits, first(d_logits, len));
    let [log_prob, slope] = map_reduce(
        parts,
        COSTLY_CHUNK,
        |_, (value, logits, d_logits)| dispatch(Bernoulli { value, logits, d_logits }),
        add,
    );
    (T::from_f64(log_prob), T::from_f64(slope))
}

struct Bernoulli<'a, T> {
    value: &'a [T],
    logits: Broadcast<'a, T>,
    d_logits: Option<&'a mut [T]>,
}

impl<T: Real> Kernel for Bernoulli<'_, T> {
    type Out = [f64; 2];

    #[inline(always)]
    fn run<A: Arch>(mut self) -> [f64; 2] {
        let mut sums = Lanes::<T, 2>::new();
        let (mut logits, mut slope) = ([T::ZERO; LANES], [T::ZERO; LANES]);
        let mut start = 0;
        for values in self.value.chunks(LANES) {
            let count = values.len();
            self.logits.load(start, &mut logits[..count]);
            let mut step = |lane: usize, value: T| {
                // One exponential serves softplus and sigmoid.
                let logit = logits[lane];
                let e = math::exp::<A, T>(-logit.abs());
                let positive = logit > T::ZERO;
                let softplus = if positive { logit } else { T::ZERO } + math::ln_1p::<A, T>(e);
                let sigmoid = if positive { T::ONE } else { e } / (T::ONE + e);
                slope[lane] = value - sigmoid;
                // 0 · ∞ is no evidence: an impossible outcome that did not happen has log-mass 0.
                let chosen = if value == T::ZERO { T::ZERO } else { value * logit };
                let log_prob = chosen - softplus;
                let certain = value == T::ONE && logit == T::INFINITY;
                sums.0[0][lane] += if certain { T::ZERO } else { log_prob };
                sums.0[1][lane] += slope[lane];
            };
            if let Ok(block) = <&[T; LANES]>::try_from(values) {
                for (lane, &value) in block.iter().enumerate() {
                    step(lane, value);
                }
            } else {
                for (lane, &value) in values.iter().enumerate() {
                    step(lane, value);
                }
            }
            store(&mut self.d_logits, start, &slope[..count]);
            start += count;
        }
        sums.totals()
    }
}
