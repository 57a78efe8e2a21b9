//! Log-density of independent normals.

use super::{Lanes, add, first, shortest, store};
use crate::kernels::broadcast::Broadcast;
use crate::kernels::dispatch::{Arch, Kernel, dispatch};
use crate::kernels::float::Real;
use crate::kernels::math;
use crate::kernels::parallel::{CHUNK, COSTLY_CHUNK, map_reduce};
use crate::kernels::reduce::LANES;

/// Sums over all elements of a normal log-density and of its partial derivatives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormalSums<T> {
    /// `Σ log p`, in nats.
    pub log_prob: T,
    /// `Σ ∂ log p / ∂ loc`: the gradient of a scalar `loc`.
    pub d_loc: T,
    /// `Σ ∂ log p / ∂ scale`: the gradient of a scalar `scale`.
    pub d_scale: T,
}

/// Where to write the partial derivatives of each element; those left out are not computed.
#[derive(Debug)]
pub struct NormalPartials<'a, T> {
    /// `∂ log p / ∂ value` (its negative is that of `loc`).
    pub d_value: Option<&'a mut [T]>,
    /// `∂ log p / ∂ scale`.
    pub d_scale: Option<&'a mut [T]>,
}

impl<T> Default for NormalPartials<'_, T> {
    fn default() -> Self {
        Self { d_value: None, d_scale: None }
    }
}

/// `Σ log N(value; loc, scale)` with the gradients of `loc` and `scale`, in one pass:
/// `log p = -z²/2 - ln scale - ½ ln 2π`, where `z = (value - loc) / scale`.
///
/// `loc` and `scale` repeat over the elements. A scale that is not positive gives NaN or ∞, as the
/// logarithm does; check parameters before. As many elements are used as the shortest slice has.
///
/// ```
/// use ed_core::kernels::fused::{NormalPartials, normal_log_prob_sum};
/// let sums = normal_log_prob_sum(&[1.0, 3.0], 1.0.into(), 2.0.into(), NormalPartials::default());
/// let expected = -0.5 - 2.0 * 2f64.ln() - (2.0 * std::f64::consts::PI).ln();
/// assert!((sums.log_prob - expected).abs() < 1e-15);
/// assert_eq!((sums.d_loc, sums.d_scale), (0.5, -0.5));
/// ```
pub fn normal_log_prob_sum<T: Real>(
    value: &[T],
    loc: Broadcast<T>,
    scale: Broadcast<T>,
    partials: NormalPartials<T>,
) -> NormalSums<T> {
    let len = shortest(value.len(), [&partials.d_value, &partials.d_scale]);
    let (d_value, d_scale) = (first(partials.d_value, len), first(partials.d_scale, len));
    let value = &value[..len];
    let sums = match (loc, scale, &d_value, &d_scale) {
        (Broadcast::Scalar(loc), Broadcast::Scalar(scale), None, None) => {
            let [z, square] =
                map_reduce(value, CHUNK, |_, value| dispatch(Scalar { value, loc, scale }), add);
            let n = len as f64;
            let scale = scale.to_f64();
            [-0.5 * square - n * scale.ln(), z / scale, (square - n) / scale]
        }
        _ => {
            let parts = ((value, loc, scale), d_value, d_scale);
            map_reduce(
                parts,
                COSTLY_CHUNK,
                |_, ((value, loc, scale), d_value, d_scale)| {
                    dispatch(General { value, loc, scale, d_value, d_scale })
                },
                add,
            )
        }
    };
    let constant = 0.5 * f64::LN_2PI * len as f64;
    NormalSums {
        log_prob: T::from_f64(sums[0] - constant),
        d_loc: T::from_f64(sums[1]),
        d_scale: T::from_f64(sums[2]),
    }
}

/// `[Σ z, Σ z²]` for scalar parameters, to which everything else is proportional.
struct Scalar<'a, T> {
    value: &'a [T],
    loc: T,
    scale: T,
}

impl<T: Real> Kernel for Scalar<'_, T> {
    type Out = [f64; 2];

    #[inline(always)]
    fn run<A: Arch>(self) -> [f64; 2] {
        let inverse = T::ONE / self.scale;
        let mut sums = Lanes::<T, 2>::new();
        let [linear, square] = &mut sums.0;
        let (blocks, rest) = self.value.as_chunks::<LANES>();
        let mut step = |lane: usize, value: T| {
            let z = (value - self.loc) * inverse;
            linear[lane] += z;
            square[lane] = z.mul_add::<A>(z, square[lane]);
        };
        for block in blocks {
            for (lane, &value) in block.iter().enumerate() {
                step(lane, value);
            }
        }
        for (lane, &value) in rest.iter().enumerate() {
            step(lane, value);
        }
        sums.totals()
    }
}

/// `[Σ (-z²/2 - ln scale), Σ z/scale, Σ (z² - 1)/scale]`, and the partial derivatives.
struct General<'a, T> {
    value: &'a [T],
    loc: Broadcast<'a, T>,
    scale: Broadcast<'a, T>,
    d_value: Option<&'a mut [T]>,
    d_scale: Option<&'a mut [T]>,
}

impl<T: Real> Kernel for General<'_, T> {
    type Out = [f64; 3];

    #[inline(always)]
    fn run<A: Arch>(mut self) -> [f64; 3] {
        let mut sums = Lanes::<T, 3>::new();
        let (mut loc, mut scale) = ([T::ZERO; LANES], [T::ONE; LANES]);
        let (mut d_value, mut d_scale) = ([T::ZERO; LANES], [T::ZERO; LANES]);
        let mut start = 0;
        for values in self.value.chunks(LANES) {
            let count = values.len();
            self.loc.load(start, &mut loc[..count]);
            self.scale.load(start, &mut scale[..count]);
            let mut step = |lane: usize, value: T| {
                let inverse = T::ONE / scale[lane];
                let z = (value - loc[lane]) * inverse;
                let log_prob = (T::HALF * z).mul_add::<A>(z, math::ln::<A, T>(scale[lane]));
                d_value[lane] = -(z * inverse);
                d_scale[lane] = z.mul_add::<A>(z, -T::ONE) * inverse;
                sums.0[0][lane] -= log_prob;
                sums.0[1][lane] -= d_value[lane];
                sums.0[2][lane] += d_scale[lane];
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
            store(&mut self.d_value, start, &d_value[..count]);
            store(&mut self.d_scale, start, &d_scale[..count]);
            start += count;
        }
        sums.totals()
    }
}
