//! The log-density of a mixture from those of its components.

use super::reduce::add_softmax;
use crate::kernels::reduce;
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Dims, Float, Keep, Op, Value};

/// `ln Σ_k softmax(logits)_k e^(log_probs_k)` for every row of `components` numbers; rows of logits repeat.
#[derive(Debug)]
struct Mix {
    components: usize,
}

impl<E: Float> Op<E> for Mix {
    fn name(&self) -> &'static str {
        "Mixture"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], mut keep: Keep<'_, E>) {
        let (logits, log_probs, k) = (inputs[0], inputs[1], self.components);
        // The joint log-densities of value and component, up to the largest logit of the row, which is taken away before
        // anything is added to it; then these, and what their logits' normalisers add to them.
        let joint = keep.saved();
        joint.clear();
        let (rows, weights) = (log_probs.len(), logits.len() / k);
        joint.resize(rows + 2 * weights, E::ZERO);
        let (joint, normalisers) = joint.split_at_mut(rows);
        let (largest, added) = normalisers.split_at_mut(weights);
        reduce::log_sum_exp_parts(logits, k, largest, added);
        for (index, (joint, &log_prob)) in joint.iter_mut().zip(log_probs).enumerate() {
            let at = index % logits.len();
            *joint = (logits[at] - largest[at / k]) + log_prob;
        }
        reduce::log_sum_exp(joint, k, out);
        out.iter_mut().zip(added.iter().cycle()).for_each(|(out, &added)| *out -= added);
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (k, logits, grad_out, out) = (self.components, pass.inputs[0], pass.grad_out, pass.out);
        let (joint, normalisers) = pass.saved.split_at(pass.inputs[1].len());
        let (largest, added) = normalisers.split_at(normalisers.len() / 2);
        // Rows that no component can have given have no gradient.
        let rows = || (0..out.len()).filter(|&row| out[row] != E::NEG_INFINITY);
        let total = |row: usize| [out[row], added[row % added.len()]];
        if let Some(slot) = pass.grad(0) {
            let grad = slot.add();
            for row in rows() {
                let (at, g) = (row % added.len(), grad_out[row]);
                let grad = &mut grad[at * k..][..k];
                add_softmax(&joint[row * k..][..k], total(row), g, grad);
                add_softmax(&logits[at * k..][..k], [largest[at], added[at]], -g, grad);
            }
        }
        if let Some(slot) = pass.grad(1) {
            let grad = slot.add();
            for row in rows() {
                add_softmax(&joint[row * k..][..k], total(row), grad_out[row], &mut grad[row * k..][..k]);
            }
        }
    }
}

/// The mixture's log-density: logits `[K]` or `[…, K]`, the end of the components' `[B…, K]`, give `[B…]`.
pub(crate) fn mix<E: Float>(logits: &Value<E>, log_probs: &Value<E>) -> Value<E> {
    let Some((&components, front)) = log_probs.dims().split_last() else { return log_probs.clone() };
    let dims: Dims = front.iter().copied().collect();
    apply(Mix { components }, &[logits, log_probs], dims)
}
