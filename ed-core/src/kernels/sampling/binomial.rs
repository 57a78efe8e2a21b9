//! Binomial draws.

use super::{Sampler, TILE, fill};
use crate::kernels::broadcast::Broadcast;
use crate::kernels::dispatch::Arch;
use crate::kernels::float::Real;
use crate::kernels::rng::{Key, Stream, fill_uniform_from};
use crate::kernels::special::{ln_1p_minus, stirling_remainder};

/// From this mean on, transformed rejection is faster than a search (and valid).
const SEARCH_BELOW: f64 = 10.0;

#[derive(Clone, Copy)]
struct Binomial;

impl Sampler<2> for Binomial {
    #[inline(always)]
    fn draw<A: Arch>(self, key: Key, start: u64, [total, logit]: &[[f64; TILE]; 2], out: &mut [f64]) {
        let [search_key, reject_key] = key.split_array();
        fill_uniform_from(search_key, start, out);
        for (i, out) in out.iter_mut().enumerate() {
            let (n, logit) = (total[i], logit[i]);
            if !((0.0..f64::INFINITY).contains(&n) && n.floor() == n) || logit.is_nan() {
                *out = f64::NAN;
                continue;
            }
            // The rarer outcome is counted, so that its probability is exact however small.
            let p = 1.0 / (1.0 + logit.abs().exp());
            let rarer = if n * p < SEARCH_BELOW {
                search(n, p, *out)
            } else {
                reject(n, p, reject_key.fold_in(start + i as u64).stream())
            };
            *out = if logit > 0.0 { n - rarer } else { rarer };
        }
    }
}

/// The smallest `k` whose distribution function exceeds `u`, for `p ≤ ½`.
fn search(n: f64, p: f64, u: f64) -> f64 {
    let odds = p / (1.0 - p);
    let (mut k, mut mass) = (0.0, (n * (-p).ln_1p()).exp());
    let mut below = mass;
    // The masses sum to 1 up to rounding; a `u` within it of 1 would search for ever.
    while u > below && k < n && mass > 0.0 {
        mass *= odds * ((n - k) / (k + 1.0));
        k += 1.0;
        below += mass;
    }
    k
}

/// The logarithm of the mass, up to terms that do not depend on `k`, without the cancellation of large factorials
/// (Loader 2000, "Fast and accurate computation of binomial probabilities").
struct LogMass {
    n: f64,
    successes: f64,
    failures: f64,
}

impl LogMass {
    /// Of one outcome: `ln` of `mean^k e^-mean / k!`, up to a constant.
    fn part(k: f64, mean: f64) -> f64 {
        if k == 0.0 {
            // k! is 1, and the constant that the other branch leaves out is ½ ln 2π.
            return 0.918_938_533_204_672_8 - mean;
        }
        k * ln_1p_minus((mean - k) / k) - stirling_remainder(k) - 0.5 * k.ln()
    }

    fn at(&self, k: f64) -> f64 {
        LogMass::part(k, self.successes) + LogMass::part(self.n - k, self.failures)
    }
}

/// Transformed rejection for `p ≤ ½` (Hörmann 1993, "The generation of binomial random variates", algorithm BTRS).
fn reject(n: f64, p: f64, mut stream: Stream) -> f64 {
    let q = 1.0 - p;
    let mass = LogMass { n, successes: n * p, failures: n * q };
    let deviation = (n * p * q).sqrt();
    let b = 1.15 + 2.53 * deviation;
    let a = -0.0873 + 0.0248 * b + 0.01 * p;
    let centre = n * p + 0.5;
    let squeeze = 0.92 - 4.2 / b;
    let alpha = (2.83 + 5.1 / b) * deviation;
    let at_mode = mass.at(((n + 1.0) * p).floor().min(n));
    loop {
        let u = stream.open_unit() - 0.5;
        let v = stream.open_unit();
        let edge = 0.5 - u.abs();
        let k = ((2.0 * a / edge + b) * u + centre).floor();
        if !(0.0..=n).contains(&k) {
            continue;
        }
        if edge >= 0.07 && v <= squeeze {
            return k;
        }
        if (v * (alpha / (a / (edge * edge) + b))).ln() <= mass.at(k) - at_mode {
            return k;
        }
    }
}

/// Binomial draws: successes in `total_count` trials with probability `1 / (1 + e^-logit)`. Exact at any size: a search
/// of the distribution function where the rarer outcome is expected less than 10 times, transformed rejection elsewhere.
///
/// ```
/// use ed_core::kernels::{Key, sampling::fill_binomial};
/// let mut k = vec![0f64; 10_000];
/// fill_binomial(Key::new(0), 1e12.into(), 0.0.into(), &mut k);
/// let mean = k.iter().sum::<f64>() / 1e4;
/// assert!((mean - 5e11).abs() < 4.0 * 5e5 / 100.0);
/// ```
pub fn fill_binomial<T: Real>(key: Key, total_count: Broadcast<T>, logit: Broadcast<T>, out: &mut [T]) {
    fill(key, Binomial, [total_count, logit], out);
}
