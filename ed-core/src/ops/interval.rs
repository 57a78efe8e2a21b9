//! The log-probability of an interval as one operation, with full precision in both tails and for narrow intervals.
//!
//! A family states its distribution function once, in a coordinate in which it has no parameters ([`Cdf`]). The loops,
//! the broadcasting and the tape are those of the log-densities, which are functions of the same kind: the upper end
//! stands for the value, and the lower end is the first parameter.

use std::fmt::Debug;
use std::marker::PhantomData;

use super::density::{Family, Terms};
use crate::kernels::dispatch::Arch;
use crate::kernels::{Real, math};

/// A univariate distribution function with `P` parameters, in a standard coordinate `z` that grows with `x`.
///
/// All functions must be `#[inline(always)]`, as those of a [`Family`].
pub(crate) trait Cdf<const P: usize>: Copy + Send + Sync + Debug + 'static {
    /// `z`, and its partial derivatives by `x` and by each parameter.
    fn standard<A: Arch, T: Real>(x: T, params: [T; P]) -> (T, T, [T; P]);

    /// `ln F(z)`.
    fn log_cdf<A: Arch, T: Real>(z: T) -> T;

    /// `ln (1 - F(z))`.
    fn log_survival<A: Arch, T: Real>(z: T) -> T;

    /// `ln F'(z)`.
    fn log_density<A: Arch, T: Real>(z: T) -> T;

    /// `ln (F(high) - F(low))` for `low < high`.
    #[inline(always)]
    fn log_mass<A: Arch, T: Real>(low: T, high: T) -> T {
        let (below, above) = (Self::log_cdf::<A, T>(high), Self::log_survival::<A, T>(low));
        // The smaller of the two probabilities loses nothing when the rest is taken away from it.
        let left = below < above;
        let near = if left { below } else { above };
        let far = if left { Self::log_cdf::<A, T>(low) } else { Self::log_survival::<A, T>(high) };
        let gap = near - far;
        let wide = near + log1m_exp::<A, T>(gap);
        // The difference of two close logarithms has lost as many bits as it is small; by then the density is flat.
        let middle = T::HALF * (low + high);
        let narrow = Self::log_density::<A, T>(middle) + math::ln::<A, T>(high - low);
        let mass = if gap < T::from_f64(if T::WORDS == 1 { 5e-3 } else { 6e-6 }) { narrow } else { wide };
        if near == T::NEG_INFINITY { near } else { mass }
    }

    /// The partial derivatives of the logarithm of a mass by `low` and `high`.
    #[inline(always)]
    fn slopes<A: Arch, T: Real>(low: T, high: T, log_mass: T) -> (T, T) {
        let ratio = |z: T| {
            let ratio = math::exp::<A, T>(Self::log_density::<A, T>(z) - log_mass);
            if z.is_finite() { ratio } else { T::ZERO }
        };
        (-ratio(low), ratio(high))
    }
}

/// `ln (1 - e^-gap)` for `gap ≥ 0`.
#[inline(always)]
pub(crate) fn log1m_exp<A: Arch, T: Real>(gap: T) -> T {
    let small = math::ln::<A, T>(-math::expm1::<A, T>(-gap));
    let large = math::ln_1p::<A, T>(-math::exp::<A, T>(-gap));
    if gap < T::LN_2 { small } else { large }
}

/// `ln P(low < X ≤ high)` and its partial derivatives: by `high`, by `low`, by each parameter.
#[inline(always)]
fn terms<F: Cdf<P>, A: Arch, T: Real, const P: usize>(
    [high, low]: [T; 2],
    params: [T; P],
) -> (T, T, T, [T; P]) {
    let (z_high, by_high, params_high) = F::standard::<A, T>(high, params);
    let (z_low, by_low, params_low) = F::standard::<A, T>(low, params);
    // Written so that NaN stays NaN.
    let empty = z_low >= z_high;
    let log_mass = if empty { T::NEG_INFINITY } else { F::log_mass::<A, T>(z_low, z_high) };
    let (slope_low, slope_high) = F::slopes::<A, T>(z_low, z_high, log_mass);
    // An end at infinity does not move; a mass of zero has no slope.
    let moves = |slope: T, end: T| {
        if end.is_finite() && log_mass > T::NEG_INFINITY { slope } else { T::ZERO }
    };
    let (slope_low, slope_high) = (moves(slope_low, z_low), moves(slope_high, z_high));
    let chain = |slope: T, by: T| if slope == T::ZERO { T::ZERO } else { slope * by };
    let mut d_params = [T::ZERO; P];
    for index in 0..P {
        d_params[index] = chain(slope_high, params_high[index]) + chain(slope_low, params_low[index]);
    }
    (log_mass, chain(slope_high, by_high), chain(slope_low, by_low), d_params)
}

/// The interval's log-probability as a family of the upper end: parameters `[low, parameter]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OfOne<F>(PhantomData<F>);

/// The interval's log-probability as a family of the upper end: parameters `[low, two parameters]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OfTwo<F>(PhantomData<F>);

impl<F: Cdf<1>> Family<2> for OfOne<F> {
    const NAME: &'static str = "log_interval";
    type Prepared<T: Real> = ();

    #[inline(always)]
    fn prepare<A: Arch, T: Real>(_: [T; 2]) {}

    #[inline(always)]
    fn terms<A: Arch, T: Real>(high: T, [low, a]: [T; 2], (): ()) -> Terms<T, 2> {
        let (log_prob, d_value, by_low, [by_a]) = terms::<F, A, T, 1>([high, low], [a]);
        Terms { log_prob, d_value, d_params: [by_low, by_a] }
    }
}

impl<F: Cdf<2>> Family<3> for OfTwo<F> {
    const NAME: &'static str = "log_interval";
    type Prepared<T: Real> = ();

    #[inline(always)]
    fn prepare<A: Arch, T: Real>(_: [T; 3]) {}

    #[inline(always)]
    fn terms<A: Arch, T: Real>(high: T, [low, a, b]: [T; 3], (): ()) -> Terms<T, 3> {
        let (log_prob, d_value, by_low, [by_a, by_b]) = terms::<F, A, T, 2>([high, low], [a, b]);
        Terms { log_prob, d_value, d_params: [by_low, by_a, by_b] }
    }
}
