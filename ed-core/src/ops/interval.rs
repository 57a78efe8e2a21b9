//! The log-probability of an interval as one operation, with full precision in both tails and for narrow intervals.
//!
//! A family states the mass between two ends of its standard coordinate once ([`Mass`]), with the slopes by the ends and
//! their sum, none of which is a difference of what it is small against. The loops, the broadcasting and the tape are
//! those of the log-densities, which are functions of the same kind: the upper end stands for the value, and the lower
//! end is the first parameter. Everything is computed in double precision, in which a standard coordinate of single
//! precision cannot overflow.

use std::fmt::Debug;
use std::marker::PhantomData;

use super::density::{Family, Terms};
use crate::kernels::Real;
use crate::kernels::dispatch::Arch;

/// Two ends in a standard coordinate, and their distance, which is known to more digits than their difference.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) width: f64,
}

impl Ends {
    /// The ends of the mirror image.
    pub(crate) fn flipped(self) -> Ends {
        Ends { low: -self.high, high: -self.low, width: self.width }
    }
}

/// The logarithm of the mass between two ends, its derivatives by them, and the sum of these, which is by how much it
/// grows when both move together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mass {
    pub(crate) log: f64,
    pub(crate) by_low: f64,
    pub(crate) by_high: f64,
    pub(crate) by_both: f64,
}

impl Mass {
    /// All of it.
    pub(crate) const WHOLE: Mass = Mass { log: 0.0, by_low: 0.0, by_high: 0.0, by_both: 0.0 };

    /// The mass of the mirror image.
    pub(crate) fn flipped(self) -> Mass {
        Mass { log: self.log, by_low: -self.by_high, by_high: -self.by_low, by_both: -self.by_both }
    }

    /// By how much the logarithm grows when both ends move away from zero in proportion.
    pub(crate) fn by_stretch(self, ends: Ends) -> f64 {
        let weighted = |slope: f64, end: f64| if slope == 0.0 { 0.0 } else { slope * end };
        if ends.width < 0.5 * ends.high.abs() {
            weighted(self.by_both, ends.high) - weighted(self.by_low, ends.width)
        } else {
            weighted(self.by_high, ends.high) + weighted(self.by_low, ends.low)
        }
    }
}

/// The logarithm of a mass, and its derivatives by the ends and by each parameter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interval<const P: usize> {
    pub(crate) log: f64,
    pub(crate) by_low: f64,
    pub(crate) by_high: f64,
    pub(crate) by_params: [f64; P],
}

/// A univariate distribution function with `P` parameters.
pub(crate) trait Cdf<const P: usize>: Copy + Send + Sync + Debug + 'static {
    /// `ln P(low < X ≤ high)` for `low < high`, either of which may be infinite.
    fn interval(low: f64, high: f64, params: [f64; P]) -> Interval<P>;
}

/// The interval of a family with a location and a scale, from the mass in the coordinate `(x - loc) / scale`.
pub(crate) fn loc_scale(
    low: f64,
    high: f64,
    [loc, scale]: [f64; 2],
    mass: impl Fn(Ends) -> Mass,
) -> Interval<2> {
    let ends = Ends { low: (low - loc) / scale, high: (high - loc) / scale, width: (high - low) / scale };
    let mass = mass(ends);
    Interval {
        log: mass.log,
        by_low: mass.by_low / scale,
        by_high: mass.by_high / scale,
        by_params: [-mass.by_both / scale, -mass.by_stretch(ends) / scale],
    }
}

/// `ln P(low < X ≤ high)` and its partial derivatives.
fn interval<F: Cdf<P>, const P: usize>(low: f64, high: f64, params: [f64; P]) -> Interval<P> {
    let all = |log: f64, slope: f64| Interval { log, by_low: slope, by_high: slope, by_params: [slope; P] };
    if low.is_nan() || high.is_nan() || params.iter().any(|param| param.is_nan()) {
        return all(f64::NAN, f64::NAN);
    }
    if low >= high {
        return all(f64::NEG_INFINITY, 0.0);
    }
    let interval = F::interval(low, high, params);
    if interval.log == f64::NEG_INFINITY { all(interval.log, 0.0) } else { interval }
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
        let interval = interval::<F, 1>(low.to_f64(), high.to_f64(), [a.to_f64()]);
        let [by_a] = interval.by_params;
        Terms {
            log_prob: T::from_f64(interval.log),
            d_value: T::from_f64(interval.by_high),
            d_params: [interval.by_low, by_a].map(T::from_f64),
        }
    }
}

impl<F: Cdf<2>> Family<3> for OfTwo<F> {
    const NAME: &'static str = "log_interval";
    type Prepared<T: Real> = ();

    #[inline(always)]
    fn prepare<A: Arch, T: Real>(_: [T; 3]) {}

    #[inline(always)]
    fn terms<A: Arch, T: Real>(high: T, [low, a, b]: [T; 3], (): ()) -> Terms<T, 3> {
        let interval = interval::<F, 2>(low.to_f64(), high.to_f64(), [a.to_f64(), b.to_f64()]);
        let [by_a, by_b] = interval.by_params;
        Terms {
            log_prob: T::from_f64(interval.log),
            d_value: T::from_f64(interval.by_high),
            d_params: [interval.by_low, by_a, by_b].map(T::from_f64),
        }
    }
}
