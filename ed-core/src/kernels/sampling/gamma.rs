//! Gamma draws by Marsaglia and Tsang, and what is made of them.

use rand::Rng;
use rand_distr::StandardNormal;

use super::{Sampler, TILE, fill};
use crate::kernels::broadcast::Broadcast;
use crate::kernels::dispatch::{Arch, Portable};
use crate::kernels::float::Real;
use crate::kernels::math;
use crate::kernels::rng::{Key, Stream, fill_normal_from, fill_uniform_from};

/// `ln` of Gamma(concentration, 1) draws.
#[derive(Clone, Copy)]
pub(super) struct LogGamma;

/// Above this a proposal is rejected less often than once in 10¹⁰ times.
const ALWAYS_ACCEPTED: f64 = 1e10;

/// The constants `(d, c)` of Marsaglia and Tsang for a concentration of at least 1.
#[inline(always)]
fn constants(concentration: f64) -> (f64, f64) {
    let d = concentration - 1.0 / 3.0;
    (d, 1.0 / (9.0 * d).sqrt())
}

/// `ln v` of a proposal, and whether it is accepted (Marsaglia and Tsang 2000, "A simple method for
/// generating gamma variables", section 6).
#[inline(always)]
fn propose<A: Arch>(d: f64, c: f64, normal: f64, uniform: f64) -> (f64, bool) {
    let t = 1.0 + c * normal;
    let v = t * t * t;
    let ln_v = 3.0 * math::ln::<A, f64>(t);
    let bound = 0.5 * normal * normal + d * (1.0 - v + ln_v);
    // Below 0, `ln_v` is NaN and the comparison false. The bound of a large concentration is `-n⁴ / 108 d`, next to
    // nothing, and lost in the rounding of its terms.
    (ln_v, (math::ln::<A, f64>(uniform) < bound) | (d > ALWAYS_ACCEPTED))
}

impl Sampler<1> for LogGamma {
    #[inline(always)]
    fn draw<A: Arch>(self, key: Key, start: u64, [concentration]: &[[f64; TILE]; 1], out: &mut [f64]) {
        let [first, boost, retry] = key.split_array();
        let [normal_key, uniform_key] = first.split_array();
        let (mut normals, mut uniforms) = ([0.0; TILE], [0.5; TILE]);
        let mut boosts = [0.5; TILE];
        let len = out.len();
        fill_normal_from(normal_key, start, &mut normals[..len]);
        fill_uniform_from(uniform_key, start, &mut uniforms[..len]);
        fill_uniform_from(boost, start, &mut boosts[..len]);
        let mut accepted = [true; TILE];
        for i in 0..len {
            let alpha = concentration[i];
            // A draw of α + 1 times u^(1/α) is a draw of α; in logarithms nothing underflows.
            let small = alpha < 1.0;
            let lift = if small { math::ln::<A, f64>(boosts[i]) / alpha } else { 0.0 };
            let (d, c) = constants(if small { alpha + 1.0 } else { alpha });
            let (ln_v, accept) = propose::<A>(d, c, normals[i], uniforms[i]);
            out[i] = math::ln::<A, f64>(d) + ln_v + lift;
            accepted[i] = accept;
        }
        for i in 0..len {
            let alpha = concentration[i];
            if !(alpha > 0.0 && alpha < f64::INFINITY) {
                out[i] = f64::NAN;
            } else if !accepted[i] {
                let small = alpha < 1.0;
                let lift = if small { boosts[i].ln() / alpha } else { 0.0 };
                let stream = retry.fold_in(start + i as u64).stream();
                out[i] = lift + repeat(if small { alpha + 1.0 } else { alpha }, stream);
            }
        }
    }
}

/// Further attempts for one element: `ln` of a draw.
fn repeat(concentration: f64, mut stream: Stream) -> f64 {
    let (d, c) = constants(concentration);
    loop {
        let normal = stream.sample(StandardNormal);
        let (ln_v, accept) = propose::<Portable>(d, c, normal, stream.open_unit());
        if accept {
            return d.ln() + ln_v;
        }
    }
}

/// Logarithms of Gamma(concentration, 1) draws: no draw of a tiny concentration underflows.
pub fn fill_log_gamma<T: Real>(key: Key, concentration: Broadcast<T>, out: &mut [T]) {
    fill(key, LogGamma, [concentration], out);
}

#[derive(Clone, Copy)]
struct Gamma;

impl Sampler<1> for Gamma {
    #[inline(always)]
    fn draw<A: Arch>(self, key: Key, start: u64, params: &[[f64; TILE]; 1], out: &mut [f64]) {
        LogGamma.draw::<A>(key, start, params, out);
        for out in out {
            *out = math::exp::<A, f64>(*out);
        }
    }
}

/// Gamma(concentration, 1) draws; `concentration > 0`. Divide by a rate for other rates.
///
/// ```
/// use ed_core::kernels::{Key, sampling::fill_gamma};
/// let mut x = vec![0f32; 10_000];
/// fill_gamma(Key::new(0), 2.0.into(), &mut x);
/// let mean = x.iter().sum::<f32>() / 1e4;
/// assert!((mean - 2.0).abs() < 4.0 * (2.0f32 / 1e4).sqrt());
/// ```
pub fn fill_gamma<T: Real>(key: Key, concentration: Broadcast<T>, out: &mut [T]) {
    fill(key, Gamma, [concentration], out);
}

#[derive(Clone, Copy)]
struct Beta;

impl Sampler<2> for Beta {
    #[inline(always)]
    fn draw<A: Arch>(self, key: Key, start: u64, params: &[[f64; TILE]; 2], out: &mut [f64]) {
        let [key1, key0] = key.split_array();
        let mut other = [0.0; TILE];
        let other = &mut other[..out.len()];
        LogGamma.draw::<A>(key1, start, &[params[0]], out);
        LogGamma.draw::<A>(key0, start, &[params[1]], other);
        for (out, other) in out.iter_mut().zip(other) {
            *out = math::sigmoid::<A, f64>(*out - *other);
        }
    }
}

/// Beta(concentration1, concentration0) draws `g₁ / (g₁ + g₀)` of two gammas; both positive. Draws of
/// tiny concentrations round to 0 or 1.
pub fn fill_beta<T: Real>(
    key: Key,
    concentration1: Broadcast<T>,
    concentration0: Broadcast<T>,
    out: &mut [T],
) {
    fill(key, Beta, [concentration1, concentration0], out);
}

#[derive(Clone, Copy)]
struct StudentT;

impl Sampler<1> for StudentT {
    #[inline(always)]
    fn draw<A: Arch>(self, key: Key, start: u64, [df]: &[[f64; TILE]; 1], out: &mut [f64]) {
        let [normal_key, gamma_key] = key.split_array();
        let mut log_gamma = [0.0; TILE];
        let log_gamma = &mut log_gamma[..out.len()];
        LogGamma.draw::<A>(gamma_key, start, &[df.map(|df| 0.5 * df)], log_gamma);
        fill_normal_from(normal_key, start, out);
        for i in 0..out.len() {
            // z / √(χ² / df), where χ² is twice a gamma.
            let log_ratio = math::ln::<A, f64>(0.5 * df[i]) - log_gamma[i];
            out[i] *= math::exp::<A, f64>(0.5 * log_ratio);
        }
    }
}

/// Standard Student-t draws with `df > 0` degrees of freedom.
pub fn fill_student_t<T: Real>(key: Key, df: Broadcast<T>, out: &mut [T]) {
    fill(key, StudentT, [df], out);
}
