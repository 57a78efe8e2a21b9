//! Kullback-Leibler divergence between independent normals.

use super::{Lanes, add, first, shortest, store};
use crate::kernels::broadcast::Broadcast;
use crate::kernels::dispatch::{Arch, Kernel, dispatch};
use crate::kernels::float::Real;
use crate::kernels::math;
use crate::kernels::parallel::{COSTLY_CHUNK, map_reduce};
use crate::kernels::reduce::LANES;

/// The divergence and the gradients of the parameters of `p`, summed over elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormalKlSums<T> {
    /// `Σ KL(q ‖ p)`, in nats.
    pub kl: T,
    /// `Σ ∂KL/∂loc_p`: the gradient of a scalar `loc_p`.
    pub d_loc_p: T,
    /// `Σ ∂KL/∂scale_p`: the gradient of a scalar `scale_p`.
    pub d_scale_p: T,
}

/// Where to write the partial derivatives of each element.
#[derive(Debug)]
pub struct NormalKlPartials<'a, T> {
    /// `∂KL/∂loc_q` (its negative is that of `loc_p`).
    pub d_loc_q: Option<&'a mut [T]>,
    /// `∂KL/∂scale_q`.
    pub d_scale_q: Option<&'a mut [T]>,
}

impl<T> Default for NormalKlPartials<'_, T> {
    fn default() -> Self {
        Self { d_loc_q: None, d_scale_q: None }
    }
}

/// `Σ KL(N(loc_q, scale_q) ‖ N(loc_p, scale_p))` with its gradients, in one pass:
/// `ln(scale_p / scale_q) + (scale_q² + (loc_q - loc_p)²) / (2 scale_p²) - ½`.
///
/// `loc_p` and `scale_p` repeat over the elements. Scales that are not positive give NaN or ∞. As many
/// elements are used as the shortest slice has.
///
/// ```
/// use ed_core::kernels::fused::{NormalKlPartials, normal_kl};
/// let sums = normal_kl(&[1.0f64], &[1.0], 0.0.into(), 1.0.into(), NormalKlPartials::default());
/// assert_eq!((sums.kl, sums.d_loc_p, sums.d_scale_p), (0.5, -1.0, -1.0));
/// ```
pub fn normal_kl<T: Real>(
    loc_q: &[T],
    scale_q: &[T],
    loc_p: Broadcast<T>,
    scale_p: Broadcast<T>,
    partials: NormalKlPartials<T>,
) -> NormalKlSums<T> {
    let len = shortest(loc_q.len().min(scale_q.len()), [&partials.d_loc_q, &partials.d_scale_q]);
    let (d_loc_q, d_scale_q) = (first(partials.d_loc_q, len), first(partials.d_scale_q, len));
    let parts = ((&loc_q[..len], &scale_q[..len], loc_p, scale_p), d_loc_q, d_scale_q);
    let [kl, d_loc_p, d_scale_p] = map_reduce(
        parts,
        COSTLY_CHUNK,
        |_, ((loc_q, scale_q, loc_p, scale_p), d_loc_q, d_scale_q)| {
            dispatch(Kl { loc_q, scale_q, loc_p, scale_p, d_loc_q, d_scale_q })
        },
        add,
    )
    .map(T::from_f64);
    NormalKlSums { kl, d_loc_p, d_scale_p }
}

struct Kl<'a, T> {
    loc_q: &'a [T],
    scale_q: &'a [T],
    loc_p: Broadcast<'a, T>,
    scale_p: Broadcast<'a, T>,
    d_loc_q: Option<&'a mut [T]>,
    d_scale_q: Option<&'a mut [T]>,
}

impl<T: Real> Kernel for Kl<'_, T> {
    type Out = [f64; 3];

    #[inline(always)]
    fn run<A: Arch>(mut self) -> [f64; 3] {
        let mut sums = Lanes::<T, 3>::new();
        let (mut loc_p, mut scale_p) = ([T::ZERO; LANES], [T::ONE; LANES]);
        let (mut d_loc_q, mut d_scale_q) = ([T::ZERO; LANES], [T::ZERO; LANES]);
        let mut start = 0;
        for (locs, scales) in self.loc_q.chunks(LANES).zip(self.scale_q.chunks(LANES)) {
            let count = locs.len();
            self.loc_p.load(start, &mut loc_p[..count]);
            self.scale_p.load(start, &mut scale_p[..count]);
            let mut step = |lane: usize, loc: T, scale: T| {
                let inverse = T::ONE / scale_p[lane];
                let z = (loc - loc_p[lane]) * inverse;
                let ratio = scale * inverse;
                let square = ratio.mul_add::<A>(ratio, z * z);
                d_loc_q[lane] = z * inverse;
                d_scale_q[lane] = ratio * inverse - T::ONE / scale;
                sums.0[0][lane] += T::HALF * (square - T::ONE) - math::ln::<A, T>(ratio);
                sums.0[1][lane] -= d_loc_q[lane];
                sums.0[2][lane] += (T::ONE - square) * inverse;
            };
            if let (Ok(locs), Ok(scales)) = (<&[T; LANES]>::try_from(locs), <&[T; LANES]>::try_from(scales)) {
                for lane in 0..LANES {
                    step(lane, locs[lane], scales[lane]);
                }
            } else {
                for (lane, (&loc, &scale)) in locs.iter().zip(scales).enumerate() {
                    step(lane, loc, scale);
                }
            }
            store(&mut self.d_loc_q, start, &d_loc_q[..count]);
            store(&mut self.d_scale_q, start, &d_scale_q[..count]);
            start += count;
        }
        sums.totals()
    }
}
