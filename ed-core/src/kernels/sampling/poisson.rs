//! Poisson draws, and those with a rate that is drawn itself.

use super::gamma::LogGamma;
use super::{Sampler, TILE, fill};
use crate::kernels::broadcast::Broadcast;
use crate::kernels::dispatch::Arch;
use crate::kernels::float::Real;
use crate::kernels::rng::{Key, Stream, fill_uniform_from};
use crate::kernels::special::{ln_1p_minus, stirling_remainder};

#[derive(Clone, Copy)]
struct Poisson;

/// From this rate on, transformed rejection is faster than a search (and valid).
const SEARCH_BELOW: f64 = 10.0;

impl Sampler<1> for Poisson {
    #[inline(always)]
    fn draw<A: Arch>(self, key: Key, start: u64, [rate]: &[[f64; TILE]; 1], out: &mut [f64]) {
        let [search_key, reject_key] = key.split_array();
        fill_uniform_from(search_key, start, out);
        for (i, out) in out.iter_mut().enumerate() {
            let rate = rate[i];
            *out = if !(0.0..f64::INFINITY).contains(&rate) {
                f64::NAN
            } else if rate < SEARCH_BELOW {
                search(rate, *out)
            } else {
                reject(rate, reject_key.fold_in(start + i as u64).stream())
            };
        }
    }
}

/// The smallest `k` whose distribution function exceeds `u`.
fn search(rate: f64, u: f64) -> f64 {
    let (mut k, mut mass) = (0.0, (-rate).exp());
    let mut below = mass;
    // The masses sum to 1 up to rounding; a `u` within it of 1 would search for ever.
    while u > below && mass > 0.0 {
        k += 1.0;
        mass *= rate / k;
        below += mass;
    }
    k
}

/// Transformed rejection (Hörmann 1993, "The transformed rejection method for generating Poisson random
/// variables", algorithm PTRS).
fn reject(rate: f64, mut stream: Stream) -> f64 {
    let b = 0.931 + 2.53 * rate.sqrt();
    let a = -0.059 + 0.02483 * b;
    let ln_inverse_alpha = (1.1239 + 1.1328 / (b - 3.4)).ln();
    let squeeze = 0.9277 - 3.6224 / (b - 2.0);
    loop {
        let u = stream.open_unit() - 0.5;
        let v = stream.open_unit();
        let edge = 0.5 - u.abs();
        let k = ((2.0 * a / edge + b) * u + rate + 0.43).floor();
        if edge >= 0.07 && v <= squeeze {
            return k;
        }
        if k < 0.0 || (edge < 0.013 && v > edge) {
            continue;
        }
        let proposal = v.ln() + ln_inverse_alpha - (a / (edge * edge) + b).ln();
        if proposal <= log_mass(k, rate) {
            return k;
        }
    }
}

/// `k ln λ - λ - ln k!` without the cancellation of its large terms (Loader 2000, "Fast and accurate computation of
/// binomial probabilities").
fn log_mass(k: f64, rate: f64) -> f64 {
    if k == 0.0 {
        return -rate;
    }
    k * ln_1p_minus((rate - k) / k) - stirling_remainder(k) - 0.5 * (std::f64::consts::TAU * k).ln()
}

#[derive(Clone, Copy)]
struct NegativeBinomial;

impl Sampler<2> for NegativeBinomial {
    #[inline(always)]
    fn draw<A: Arch>(self, key: Key, start: u64, [total, logit]: &[[f64; TILE]; 2], out: &mut [f64]) {
        let [rate_key, count_key] = key.split_array();
        let mut rate = [0.0; TILE];
        LogGamma.draw::<A>(rate_key, start, &[*total], &mut rate[..out.len()]);
        // The rate from its logarithm: neither factor of it need be a number that there is.
        rate[..out.len()].iter_mut().zip(logit).for_each(|(rate, logit)| *rate = (*rate + logit).exp());
        Poisson.draw::<A>(count_key, start, &[rate], out);
    }
}

/// Negative binomial draws: successes with probability `1 / (1 + e^-logit)` before `total_count > 0` failures; Poisson
/// counts whose rate is drawn from Gamma(`total_count`, `e^-logit`).
///
/// ```
/// use ed_core::kernels::{Key, sampling::fill_negative_binomial};
/// let mut k = vec![0f64; 10_000];
/// fill_negative_binomial(Key::new(0), 3.0.into(), 0.0.into(), &mut k);
/// let mean = k.iter().sum::<f64>() / 1e4;
/// assert!((mean - 3.0).abs() < 4.0 * (6.0 / 1e4f64).sqrt());
/// ```
pub fn fill_negative_binomial<T: Real>(
    key: Key,
    total_count: Broadcast<T>,
    logit: Broadcast<T>,
    out: &mut [T],
) {
    fill(key, NegativeBinomial, [total_count, logit], out);
}

/// Poisson draws with mean `rate ≥ 0`.
///
/// ```
/// use ed_core::kernels::{Key, sampling::fill_poisson};
/// let mut k = vec![0f64; 10_000];
/// fill_poisson(Key::new(0), 3.0.into(), &mut k);
/// let mean = k.iter().sum::<f64>() / 1e4;
/// assert!((mean - 3.0).abs() < 4.0 * (3.0 / 1e4f64).sqrt());
/// ```
pub fn fill_poisson<T: Real>(key: Key, rate: Broadcast<T>, out: &mut [T]) {
    fill(key, Poisson, [rate], out);
}
