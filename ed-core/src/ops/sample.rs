//! Draws whose gradients flow to the parameters.

use super::loops::{UnaryFn, map, map_grad};
use crate::kernels::dispatch::Arch;
use crate::kernels::parallel::{self, CHUNK};
use crate::kernels::rng::Key;
use crate::kernels::{Real, reduce, sampling, special};
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Dims, Float, Keep, Op, Value};

/// `loc + scale · noise`, where `loc` and `scale` are repeated to the noise.
#[derive(Debug)]
struct LocScale;

/// Calls `f(out[i], x[i % x.len()])` in pieces that vectorise.
#[inline(always)]
fn each<E: Float>(out: &mut [E], x: &[E], f: impl Fn(&mut E, E)) {
    match x {
        [] => {}
        [x] => out.iter_mut().for_each(|out| f(out, *x)),
        _ => out.chunks_mut(x.len()).for_each(|out| out.iter_mut().zip(x).for_each(|(out, &x)| f(out, x))),
    }
}

/// `grad[i % grad.len()] += g[i]`.
fn gather<E: Float>(grad: &mut [E], g: &[E]) {
    match grad {
        [] => {}
        [grad] => *grad += reduce::sum(g),
        _ => g.chunks(grad.len()).for_each(|g| grad.iter_mut().zip(g).for_each(|(grad, &g)| *grad += g)),
    }
}

impl<E: Float> Op<E> for LocScale {
    fn name(&self) -> &'static str {
        "loc_scale"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        if let &[noise, &[loc], &[scale]] = inputs {
            return parallel::for_each((out, noise), CHUNK, |_, (out, noise)| {
                out.iter_mut().zip(noise).for_each(|(out, &noise)| *out = loc + scale * noise);
            });
        }
        out.copy_from_slice(inputs[0]);
        each(out, inputs[2], |out, scale| *out *= scale);
        each(out, inputs[1], |out, loc| *out += loc);
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (noise, scale, g) = (pass.inputs[0], pass.inputs[2], pass.grad_out);
        if let Some(slot) = pass.grad(0) {
            let mut by_noise = g.to_vec();
            each(&mut by_noise, scale, |g, scale| *g *= scale);
            gather(slot.add(), &by_noise);
        }
        if let Some(slot) = pass.grad(1) {
            gather(slot.add(), g);
        }
        if let Some(slot) = pass.grad(2) {
            match slot.add() {
                [grad] => *grad += g.iter().zip(noise).map(|(&g, &noise)| g * noise).sum(),
                [] => {}
                grad => {
                    let len = grad.len();
                    for (g, noise) in g.chunks(len).zip(noise.chunks(len)) {
                        for (grad, (&g, &noise)) in grad.iter_mut().zip(g.iter().zip(noise)) {
                            *grad += g * noise;
                        }
                    }
                }
            }
        }
    }
}

/// `loc + scale · noise` in the shape of the noise, as one operation.
pub(crate) fn loc_scale<E: Float>(noise: &Value<E>, loc: &Value<E>, scale: &Value<E>) -> Value<E> {
    let is = |param: &Value<E>, x| !param.node().is_some() && param.peek().is_ok_and(|data| data == [x]);
    if is(loc, E::ZERO) && is(scale, E::ONE) {
        return noise.clone();
    }
    apply(LocScale, &[noise, loc, scale], *noise.dims())
}

/// The logarithm of a Gamma(concentration, 1) draw. Its gradient by the concentration is the implicit one
/// (Figurnov, Mohamed and Mnih 2018, equation 5).
///
/// The logarithm stays finite where the draw of a small concentration underflows.
#[derive(Debug)]
struct LnGammaDraw {
    key: Key,
}

/// `∂ ln x / ∂ concentration` at `x = e^y`.
fn ln_gamma_slope(concentration: f64, y: f64) -> f64 {
    // Far in the left tail P(a, x) = x^a / Γ(a + 1), from which the limit follows.
    if y < -600.0 {
        return (special::digamma(concentration + 1.0) - y) / concentration;
    }
    let x = y.exp();
    special::gamma_sample_derivative(concentration, x) / x
}

impl<E: Float> Op<E> for LnGammaDraw {
    fn name(&self) -> &'static str {
        "a Gamma draw"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        sampling::fill_log_gamma(self.key, inputs[0].into(), out);
        // Logarithms of draws of the tiniest concentrations may be beyond the precision; differences of them are taken.
        out.iter_mut().filter(|y| **y == E::NEG_INFINITY).for_each(|y| *y = -E::MAX);
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (concentration, out, g) = (pass.inputs[0], pass.out, pass.grad_out);
        let Some(slot) = pass.grad(0) else { return };
        let len = concentration.len();
        let grad = slot.add();
        for (place, (&y, &g)) in out.iter().zip(g).enumerate() {
            let slope = ln_gamma_slope(concentration[place % len].to_f64(), y.to_f64());
            // A slope beyond the precision meets factors that are 0.
            let slope = slope.min(E::MAX.to_f64());
            grad[place % len] += g * E::from_f64(slope);
        }
    }
}

/// Logarithms of Gamma(concentration, 1) draws; element `i` depends on the key, `i` and its concentration.
pub(crate) fn ln_gamma_draw<E: Float>(concentration: &Value<E>, key: Key, dims: Dims) -> Value<E> {
    apply(LnGammaDraw { key }, &[concentration], dims)
}

/// The nearest number of a closed interval.
#[derive(Clone, Copy, Debug)]
struct Clamp {
    low: f64,
    high: f64,
}

impl UnaryFn for Clamp {
    const NAME: &'static str = "clamp";
    #[inline(always)]
    fn f<A: Arch, T: Real>(self, x: T) -> T {
        let x = if x < T::from_f64(self.low) { T::from_f64(self.low) } else { x };
        if x > T::from_f64(self.high) { T::from_f64(self.high) } else { x }
    }
    #[inline(always)]
    fn df<A: Arch, T: Real>(self, x: T, y: T) -> T {
        if x == y { T::ONE } else { T::ZERO }
    }
}

#[derive(Debug)]
struct Clamped(Clamp);

impl<E: Float> Op<E> for Clamped {
    fn name(&self) -> &'static str {
        Clamp::NAME
    }
    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        map(self.0, inputs[0], out);
    }
    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (x, y, g) = (pass.inputs[0], pass.out, pass.grad_out);
        if let Some(slot) = pass.grad(0) {
            let fresh = slot.is_fresh();
            map_grad(self.0, x, y, g, slot.raw(), fresh);
        }
    }
}

/// Draws that rounding took to the end of an open support, moved back inside: to the smallest normal number.
pub(crate) fn above_zero<E: Float>(x: &Value<E>) -> Value<E> {
    apply(Clamped(Clamp { low: E::MIN_POSITIVE.to_f64(), high: E::MAX.to_f64() }), &[x], *x.dims())
}

/// As [`above_zero`], and to the largest number below 1.
pub(crate) fn inside_unit<E: Float>(x: &Value<E>) -> Value<E> {
    let high = 1.0 - E::EPSILON.to_f64() / 2.0;
    apply(Clamped(Clamp { low: E::MIN_POSITIVE.to_f64(), high }), &[x], *x.dims())
}
