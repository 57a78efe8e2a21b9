//! Normal noise of a given variance on activations.

use super::{Gradient, TILE, accumulate};
use crate::kernels::parallel::{COSTLY_CHUNK, for_each};
use crate::kernels::{Arch, Kernel, Key, Real, dispatch, rng};

/// `out = mean + √variance · ε` with standard normal `ε` that the key fixes. A variance below 0, which only rounding
/// makes, counts as 0. All slices have one length.
pub fn local_noise<T: Real>(key: Key, mean: &[T], variance: &[T], out: &mut [T]) {
    for_each((out, mean, variance), COSTLY_CHUNK, |start, (out, mean, variance)| {
        dispatch(Forward { key, start, mean, variance, out });
    });
}

/// The gradient of [`local_noise`] by the variance, `grad_out · ε / (2 √variance)`; 0 where the variance is 0.
pub fn local_noise_backward<T: Real>(key: Key, variance: &[T], grad_out: &[T], gradient: Gradient<T>) {
    let Gradient { values, fresh } = gradient;
    for_each((values, variance, grad_out), COSTLY_CHUNK, |start, (grad, variance, grad_out)| {
        dispatch(Back { key, start, variance, grad_out, grad, fresh });
    });
}

struct Forward<'a, T> {
    key: Key,
    start: usize,
    mean: &'a [T],
    variance: &'a [T],
    out: &'a mut [T],
}

impl<T: Real> Kernel for Forward<'_, T> {
    type Out = ();
    const WIDE: bool = true;

    #[inline(always)]
    fn run<A: Arch>(self) {
        let mut epsilon = [T::ZERO; TILE];
        for from in (0..self.out.len()).step_by(TILE) {
            let len = TILE.min(self.out.len() - from);
            let epsilon = &mut epsilon[..len];
            rng::normals::<A, T>(self.key, (self.start + from) as u64, epsilon);
            let (mean, variance) = (&self.mean[from..][..len], &self.variance[from..][..len]);
            accumulate(&mut self.out[from..][..len], true, |i| {
                let scale = if variance[i] <= T::ZERO { T::ZERO } else { variance[i].sqrt() };
                scale.mul_add::<A>(epsilon[i], mean[i])
            });
        }
    }
}

struct Back<'a, T> {
    key: Key,
    start: usize,
    variance: &'a [T],
    grad_out: &'a [T],
    grad: &'a mut [T],
    fresh: bool,
}

impl<T: Real> Kernel for Back<'_, T> {
    type Out = ();
    const WIDE: bool = true;

    #[inline(always)]
    fn run<A: Arch>(self) {
        let mut epsilon = [T::ZERO; TILE];
        for from in (0..self.grad.len()).step_by(TILE) {
            let len = TILE.min(self.grad.len() - from);
            let epsilon = &mut epsilon[..len];
            rng::normals::<A, T>(self.key, (self.start + from) as u64, epsilon);
            let (g, variance) = (&self.grad_out[from..][..len], &self.variance[from..][..len]);
            accumulate(&mut self.grad[from..][..len], self.fresh, |i| {
                let slope = if variance[i] <= T::ZERO { T::ZERO } else { T::HALF / variance[i].sqrt() };
                g[i] * epsilon[i] * slope
            });
        }
    }
}
