//! Optimiser steps over slices of parameters, each in one pass.

use super::dispatch::{Arch, Kernel, dispatch};
use super::float::Real;
use super::parallel::{CHUNK, for_each, map_reduce};

/// What an Adam step multiplies and adds (Kingma and Ba 2015, algorithm 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam<T> {
    /// Step size.
    pub learning_rate: T,
    /// Decay rate of the mean of the gradients, below 1.
    pub beta1: T,
    /// Decay rate of the mean of their squares, below 1.
    pub beta2: T,
    /// What is added to the root of the second mean.
    pub epsilon: T,
    /// Decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2): parameters shrink by
    /// `learning_rate · weight_decay` of themselves.
    pub weight_decay: T,
    /// What the gradients are multiplied by first: below 1 to clip their norm.
    pub grad_scale: T,
}

impl<T: Real> Default for Adam<T> {
    /// The defaults of the paper: 0.001, 0.9, 0.999, 1e-8; no weight decay, gradients as they are.
    fn default() -> Self {
        Self {
            learning_rate: T::from_f64(1e-3),
            beta1: T::from_f64(0.9),
            beta2: T::from_f64(0.999),
            epsilon: T::from_f64(1e-8),
            weight_decay: T::ZERO,
            grad_scale: T::ONE,
        }
    }
}

impl<T: Real> Adam<T> {
    /// Step number `step` (from 1): updates `params`, and `mean` and `square` (both zero before the
    /// first step), from `grads`. As many elements are updated as the shortest slice has.
    ///
    /// ```
    /// use ed_core::kernels::optim::Adam;
    /// let (mut x, mut mean, mut square) = ([1.0f64], [0.0], [0.0]);
    /// Adam::default().step(1, &[4.0], &mut x, &mut mean, &mut square);
    /// assert!((x[0] - 0.999).abs() < 1e-9); // the first step has the length of the learning rate
    /// ```
    pub fn step(&self, step: u64, grads: &[T], params: &mut [T], mean: &mut [T], square: &mut [T]) {
        let len = grads.len().min(params.len()).min(mean.len()).min(square.len());
        // Both bias corrections, in double precision: 1 - 0.999 has no digits to lose.
        let correction = |beta: T| 1.0 - beta.to_f64().powf(step as f64);
        let root = correction(self.beta2).sqrt();
        let rate = T::from_f64(self.learning_rate.to_f64() * root / correction(self.beta1));
        let epsilon = T::from_f64(self.epsilon.to_f64() * root);
        let parts = (&mut params[..len], &mut mean[..len], &mut square[..len], &grads[..len]);
        for_each(parts, CHUNK, |_, (params, mean, square, grads)| {
            dispatch(AdamStep { adam: *self, rate, epsilon, grads, params, mean, square });
        });
    }
}

struct AdamStep<'a, T> {
    adam: Adam<T>,
    rate: T,
    epsilon: T,
    grads: &'a [T],
    params: &'a mut [T],
    mean: &'a mut [T],
    square: &'a mut [T],
}

impl<T: Real> Kernel for AdamStep<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let Self { adam, rate, epsilon, .. } = self;
        let (new1, new2) = (T::ONE - adam.beta1, T::ONE - adam.beta2);
        let keep = T::ONE - adam.learning_rate * adam.weight_decay;
        let state = self.params.iter_mut().zip(self.mean).zip(self.square);
        for (((param, mean), square), &grad) in state.zip(self.grads) {
            let grad = grad * adam.grad_scale;
            *mean = adam.beta1.mul_add::<A>(*mean, new1 * grad);
            *square = adam.beta2.mul_add::<A>(*square, new2 * grad * grad);
            let root = square.sqrt() + epsilon;
            // Zero over zero: there was no gradient, and no epsilon is added to its root.
            let step = if root > T::ZERO { rate * *mean / root } else { T::ZERO };
            *param = *param * keep - step;
        }
    }
}

/// What a step of gradient descent with momentum multiplies and adds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd<T> {
    /// Step size.
    pub learning_rate: T,
    /// Share of the velocity that survives a step, below 1; 0 for plain descent.
    pub momentum: T,
    /// Decoupled weight decay: parameters shrink by `learning_rate · weight_decay` of themselves.
    pub weight_decay: T,
    /// What the gradients are multiplied by first: below 1 to clip their norm.
    pub grad_scale: T,
}

impl<T: Real> Default for Sgd<T> {
    /// Learning rate 0.01, no momentum, no weight decay, gradients as they are.
    fn default() -> Self {
        let learning_rate = T::from_f64(1e-2);
        Self { learning_rate, momentum: T::ZERO, weight_decay: T::ZERO, grad_scale: T::ONE }
    }
}

impl<T: Real> Sgd<T> {
    /// One step: `velocity = momentum velocity + grads`, then `params -= learning_rate velocity`.
    /// `velocity` is zero before the first step. As many elements are updated as the shortest slice has.
    ///
    /// ```
    /// use ed_core::kernels::optim::Sgd;
    /// let (mut x, mut velocity) = ([1.0f64], [0.0]);
    /// Sgd { learning_rate: 0.5, ..Sgd::default() }.step(&[1.0], &mut x, &mut velocity);
    /// assert_eq!(x, [0.5]);
    /// ```
    pub fn step(&self, grads: &[T], params: &mut [T], velocity: &mut [T]) {
        let len = grads.len().min(params.len()).min(velocity.len());
        let parts = (&mut params[..len], &mut velocity[..len], &grads[..len]);
        for_each(parts, CHUNK, |_, (params, velocity, grads)| {
            dispatch(SgdStep { sgd: *self, grads, params, velocity });
        });
    }
}

struct SgdStep<'a, T> {
    sgd: Sgd<T>,
    grads: &'a [T],
    params: &'a mut [T],
    velocity: &'a mut [T],
}

impl<T: Real> Kernel for SgdStep<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let sgd = self.sgd;
        let keep = T::ONE - sgd.learning_rate * sgd.weight_decay;
        for ((param, velocity), &grad) in self.params.iter_mut().zip(self.velocity).zip(self.grads) {
            *velocity = sgd.momentum.mul_add::<A>(*velocity, sgd.grad_scale * grad);
            *param = *param * keep - sgd.learning_rate * *velocity;
        }
    }
}

/// The place of the first element that is not in `[-limit, limit]`, NaN included.
///
/// ```
/// use ed_core::kernels::optim::first_beyond;
/// assert_eq!(first_beyond(&[1.0, -2.0, f32::NAN, 3.0], 2.0), Some(2));
/// assert_eq!(first_beyond(&[1.0, -2.0], f64::MAX), None);
/// ```
pub fn first_beyond<T: Real>(x: &[T], limit: T) -> Option<usize> {
    let any = map_reduce(x, CHUNK, |_, x| dispatch(AnyBeyond { x, limit }), |a, b| a || b);
    // Found again rather than carried along: the loop above is made for the case that there is none.
    any.then(|| x.iter().position(|&x| beyond(x, limit))).flatten()
}

#[inline(always)]
fn beyond<T: Real>(x: T, limit: T) -> bool {
    x.abs() > limit || x.is_nan()
}

struct AnyBeyond<'a, T> {
    x: &'a [T],
    limit: T,
}

impl<T: Real> Kernel for AnyBeyond<'_, T> {
    type Out = bool;

    #[inline(always)]
    fn run<A: Arch>(self) -> bool {
        self.x.iter().fold(false, |any, &x| any | beyond(x, self.limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::dispatch::{Level, with_level};

    fn grads(step: usize, len: usize) -> Vec<f64> {
        (0..len).map(|i| ((i * 31 + step * 17) as f64 * 0.1).sin()).collect()
    }

    /// The recurrences as the papers write them, bias corrections and all.
    #[test]
    fn adam_follows_its_algorithm_at_both_levels_and_all_lengths() {
        let adam = Adam { learning_rate: 0.01, weight_decay: 0.1, grad_scale: 0.5, ..Adam::default() };
        for level in [Level::Portable, Level::Avx2] {
            for len in [0, 1, 9, 70_000] {
                let (mut x, mut m, mut v) = (vec![1.0; len], vec![0.0; len], vec![0.0; len]);
                let (mut rx, mut rm, mut rv) = (x.clone(), m.clone(), v.clone());
                for step in 1..=5 {
                    let g = grads(step, len);
                    with_level(level, || adam.step(step as u64, &g, &mut x, &mut m, &mut v));
                    for i in 0..len {
                        let g = 0.5 * g[i];
                        rm[i] = 0.9 * rm[i] + 0.1 * g;
                        rv[i] = 0.999 * rv[i] + 0.001 * g * g;
                        let m_hat = rm[i] / (1.0 - 0.9f64.powi(step as i32));
                        let v_hat = rv[i] / (1.0 - 0.999f64.powi(step as i32));
                        rx[i] -= 0.01 * (m_hat / (v_hat.sqrt() + 1e-8) + 0.1 * rx[i]);
                    }
                }
                assert!(x.iter().zip(&rx).all(|(x, r)| (x - r).abs() < 1e-12));
            }
        }
    }

    #[test]
    fn adam_without_epsilon_leaves_alone_what_has_no_gradient() {
        for eps in [0.0, 1e-320] {
            let adam = Adam { epsilon: eps, learning_rate: 0.1, weight_decay: 0.5, ..Adam::default() };
            let (mut x, mut m, mut v) = ([2.0, 2.0], [0.0; 2], [0.0; 2]);
            adam.step(1, &[0.0, 3.0], &mut x, &mut m, &mut v);
            assert_eq!(x[0], 1.9, "only the decay");
            assert!((x[1] - 1.8).abs() < 1e-12, "the first step has the length of the learning rate");
        }
    }

    #[test]
    fn finds_the_first_element_beyond_a_limit_at_all_lengths() {
        for len in [0, 1, 7, 8, 33, CHUNK - 1, CHUNK + 1, 3 * CHUNK] {
            let mut x = vec![1.0f32; len];
            assert_eq!(first_beyond(&x, 1.0), None);
            for bad in [f32::NAN, f32::INFINITY, -f32::INFINITY, -1.5] {
                for place in [0, len / 2, len.saturating_sub(1)].into_iter().filter(|&place| place < len) {
                    x[place] = bad;
                    assert_eq!(first_beyond(&x, 1.0), Some(place), "{bad} of {len}");
                    x[place] = 1.0;
                }
            }
        }
        assert_eq!(first_beyond(&[f64::MAX, f64::INFINITY], f64::MAX), Some(1));
    }

    #[test]
    fn momentum_accumulates_the_gradients() {
        let sgd = Sgd { learning_rate: 0.1, momentum: 0.9, weight_decay: 0.01, grad_scale: 2.0 };
        let (mut x, mut v) = (vec![1.0; 50], vec![0.0; 50]);
        let (mut rx, mut rv) = (x.clone(), v.clone());
        for step in 0..4 {
            let g = grads(step, 50);
            sgd.step(&g, &mut x, &mut v);
            for i in 0..50 {
                rv[i] = 0.9 * rv[i] + 2.0 * g[i];
                rx[i] = rx[i] - 0.1 * 0.01 * rx[i] - 0.1 * rv[i];
            }
        }
        assert!(x.iter().zip(&rx).all(|(x, r)| (x - r).abs() < 1e-14));
    }
}
