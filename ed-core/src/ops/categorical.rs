//! The log-probability of one class a row, from logits, without a table of probabilities.

use rayon::prelude::*;

use super::reduce::add_softmax;
use crate::kernels::reduce::log_sum_exp;
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Dims, Float, Keep, Op, Value};

/// From this many logits on, the backward pass uses all cores.
const PARALLEL_FROM: usize = 1 << 16;

/// `logits[row, class[row]] - logsumexp(logits[row])` for every row, or the sum over rows.
#[derive(Debug)]
struct ClassLogProb {
    columns: usize,
    summed: bool,
}

/// The column of a class number, if it is one.
fn column<E: Float>(class: E, columns: usize) -> Option<usize> {
    let number = class.to_f64();
    (number >= 0.0 && number < columns as f64 && number.fract() == 0.0).then_some(number as usize)
}

impl<E: Float> Op<E> for ClassLogProb {
    fn name(&self) -> &'static str {
        "Categorical"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], mut keep: Keep<'_, E>) {
        let (logits, classes) = (inputs[0], inputs[1]);
        let normalisers = keep.saved();
        normalisers.clear();
        normalisers.resize(classes.len(), E::ZERO);
        log_sum_exp(logits, self.columns, normalisers);
        let rows = logits.chunks_exact(self.columns).zip(classes).zip(normalisers.iter());
        let terms = rows.map(|((row, &class), &normaliser)| match column(class, self.columns) {
            Some(column) => row[column] - normaliser,
            None => E::NEG_INFINITY,
        });
        if self.summed {
            out[0] = terms.sum();
        } else {
            out.iter_mut().zip(terms).for_each(|(out, term)| *out = term);
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (logits, classes, normalisers) = (pass.inputs[0], pass.inputs[1], pass.saved);
        let (grad_out, columns, summed) = (pass.grad_out, self.columns, self.summed);
        let Some(slot) = pass.grad(0) else { return };
        let one_row = |row: usize, grad: &mut [E]| {
            let weight = grad_out[if summed { 0 } else { row }];
            add_softmax(&logits[row * columns..][..columns], normalisers[row], -weight, grad);
            if let Some(column) = column(classes[row], columns) {
                grad[column] += weight;
            }
        };
        let grad = slot.add();
        if grad.len() < PARALLEL_FROM {
            grad.chunks_exact_mut(columns).enumerate().for_each(|(row, grad)| one_row(row, grad));
        } else {
            grad.par_chunks_exact_mut(columns)
                .with_min_len(1024)
                .enumerate()
                .for_each(|(row, grad)| one_row(row, grad));
        }
    }
}

fn class_log_prob<E: Float>(logits: &Value<E>, classes: &Value<E>, summed: bool) -> Value<E> {
    let columns = logits.dims().last().copied().unwrap_or(1);
    let dims = if summed { Dims::SCALAR } else { *classes.dims() };
    apply(ClassLogProb { columns, summed }, &[logits, classes], dims)
}

/// The log-probability of every row's class: `[…, K]` and `[…]` give `[…]`; minus infinity for what is no class.
pub(crate) fn log_prob<E: Float>(logits: &Value<E>, classes: &Value<E>) -> Value<E> {
    class_log_prob(logits, classes, false)
}

/// The sum of [`log_prob`] over all rows.
pub(crate) fn log_prob_sum<E: Float>(logits: &Value<E>, classes: &Value<E>) -> Value<E> {
    class_log_prob(logits, classes, true)
}
