//! The divergence between independent normals as one operation.

use crate::kernels::Broadcast;
use crate::kernels::fused::{NormalKlPartials, normal_kl as kernel};
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Buffer, Dims, Float, GradSlot, Keep, Op, Value};

/// `Σ KL(N(loc_q, scale_q) ‖ N(loc_p, scale_p))`, with the parameters of `p` repeated to those of `q`.
#[derive(Debug)]
struct NormalKl;

impl<E: Float> Op<E> for NormalKl {
    fn name(&self) -> &'static str {
        "the divergence between normals"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        let [loc_q, scale_q, loc_p, scale_p] = inputs else { return };
        let none = NormalKlPartials::default();
        out[0] = kernel(loc_q, scale_q, (*loc_p).into(), (*scale_p).into(), none).kl;
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (inputs, g) = (pass.inputs, pass.grad_out[0]);
        let [loc_q, scale_q, loc_p, scale_p] = inputs else { return };
        // Nothing is kept from the forward pass: reading the parameters again is cheaper than writing the derivatives.
        let (mut d_loc, mut d_scale) = (Buffer::scratch(loc_q.len()), Buffer::scratch(loc_q.len()));
        let partials = NormalKlPartials { d_loc_q: Some(&mut d_loc), d_scale_q: Some(&mut d_scale) };
        let sums = kernel(loc_q, scale_q, (*loc_p).into(), (*scale_p).into(), partials);
        for (index, partial) in [(0, &d_loc), (1, &d_scale)] {
            if let Some(slot) = pass.grad(index) {
                accumulate(slot, partial, g);
            }
        }
        if let Some(slot) = pass.grad(2) {
            match slot.add() {
                [grad] => *grad += g * sums.d_loc_p,
                grad => (0..d_loc.len()).for_each(|i| grad[i % loc_p.len()] += -(g * d_loc[i])),
            }
        }
        if let Some(slot) = pass.grad(3) {
            let (loc, scale) = (Broadcast::from(*loc_p), Broadcast::from(*scale_p));
            let by_scale = |i: usize| {
                let inverse = E::ONE / scale.at(i);
                let (z, ratio) = ((loc_q[i] - loc.at(i)) * inverse, scale_q[i] * inverse);
                (E::ONE - ratio * ratio - z * z) * inverse
            };
            match slot.add() {
                [grad] => *grad += g * sums.d_scale_p,
                grad => (0..loc_q.len()).for_each(|i| grad[i % scale_p.len()] += g * by_scale(i)),
            }
        }
    }
}

/// Adds `g · partial` to a gradient.
fn accumulate<E: Float>(slot: GradSlot<'_, E>, partial: &[E], g: E) {
    let fresh = slot.is_fresh();
    let pairs = slot.raw().iter_mut().zip(partial);
    match fresh {
        true => pairs.for_each(|(grad, &d)| *grad = g * d),
        false => pairs.for_each(|(grad, &d)| *grad += g * d),
    }
}

/// The divergence in nats, summed; `q` has the full shape, and each parameter of `p` is one number or the end of it.
pub(crate) fn normal_kl<E: Float>(
    [loc_q, scale_q]: [&Value<E>; 2],
    [loc_p, scale_p]: [&Value<E>; 2],
) -> Value<E> {
    apply(NormalKl, &[loc_q, scale_q, loc_p, scale_p], Dims::SCALAR)
}
