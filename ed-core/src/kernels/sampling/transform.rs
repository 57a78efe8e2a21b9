//! Samplers that transform one uniform.

use super::{Sampler, TILE, fill};
use crate::kernels::broadcast::Broadcast;
use crate::kernels::dispatch::Arch;
use crate::kernels::float::Real;
use crate::kernels::math;
use crate::kernels::rng::{Key, fill_uniform_from};

/// Defines a sampler by its quantile function of a uniform `u` in (0, 1).
macro_rules! quantile_sampler {
    ($(#[$doc:meta])* $fill:ident, $name:ident, $count:literal, ($($param:ident),*), |$u:ident, $arch:ident| $quantile:expr) => {
        #[derive(Clone, Copy)]
        struct $name;

        impl Sampler<$count> for $name {
            #[inline(always)]
            fn draw<$arch: Arch>(self, key: Key, start: u64, params: &[[f64; TILE]; $count], out: &mut [f64]) {
                fill_uniform_from(key, start, out);
                let [$($param),*] = params;
                for (i, out) in out.iter_mut().enumerate() {
                    let ($u, $($param),*) = (*out, $($param[i]),*);
                    *out = $quantile;
                }
            }
        }

        $(#[$doc])*
        pub fn $fill<T: Real>(key: Key, $($param: Broadcast<T>,)* out: &mut [T]) {
            fill(key, $name, [$($param),*], out);
        }
    };
}

/// `value` where `valid`, NaN elsewhere.
#[inline(always)]
fn only_if(valid: bool, value: f64) -> f64 {
    if valid { value } else { f64::NAN }
}

quantile_sampler! {
    /// Exponential draws `-ln(u) / rate`; `rate > 0`.
    fill_exponential, Exponential, 1, (rate), |u, A| only_if(rate > 0.0, -math::ln::<A, f64>(u) / rate)
}

quantile_sampler! {
    /// Geometric draws `⌊-ln(u) / softplus(logit)⌋`, the failures before a success of probability `1 / (1 + e^-logit)`:
    /// `softplus(logit)` is `-ln` of the probability of a failure. Infinite where it is too small for a number.
    fill_geometric, Geometric, 1, (logit), |u, A| {
        only_if(!logit.is_nan(), (-math::ln::<A, f64>(u) / math::softplus::<A, f64>(logit)).floor())
    }
}

quantile_sampler! {
    /// Gumbel draws `loc - scale ln(-ln u)`; `scale ≥ 0`.
    fill_gumbel, Gumbel, 2, (loc, scale), |u, A| {
        only_if(scale >= 0.0, loc - scale * math::ln::<A, f64>(-math::ln::<A, f64>(u)))
    }
}

quantile_sampler! {
    /// Logistic draws `loc + scale (ln u - ln(1 - u))`; `scale ≥ 0`.
    fill_logistic, Logistic, 2, (loc, scale), |u, A| {
        only_if(scale >= 0.0, loc + scale * (math::ln::<A, f64>(u) - math::ln_1p::<A, f64>(-u)))
    }
}

quantile_sampler! {
    /// Laplace draws `loc ∓ scale ln(1 - |2u - 1|)`; `scale ≥ 0`.
    fill_laplace, Laplace, 2, (loc, scale), |u, A| {
        let centred = 2.0 * u - 1.0;
        let size = -math::ln::<A, f64>(1.0 - centred.abs());
        only_if(scale >= 0.0, loc + scale * size.copysign(centred))
    }
}

quantile_sampler! {
    /// Cauchy draws `loc + scale tan(π (u - ½))`; `scale ≥ 0`.
    fill_cauchy, Cauchy, 2, (loc, scale), |u, A| {
        // The angle is (u - ½) half turns; the octant's polynomials reach half of that, and doubling
        // the angle gives the rest.
        let (cos, sin) = math::cos_sin_octant::<A, f64>(0.25 * (u - 0.5));
        let (double_cos, double_sin) = ((cos - sin) * (cos + sin), 2.0 * sin * cos);
        only_if(scale >= 0.0, loc + scale * double_sin / double_cos)
    }
}

quantile_sampler! {
    /// Bernoulli draws, 1 with probability `probs` in `[0, 1]` and 0 otherwise.
    fill_bernoulli, Bernoulli, 1, (probs), |u, A| {
        only_if((0.0..=1.0).contains(&probs), if u < probs { 1.0 } else { 0.0 })
    }
}
