//! The log-probability of one class a row, from logits, without a table of probabilities.

use rayon::prelude::*;

use super::elementwise::scale;
use super::reduce::add_softmax;
use crate::bijectors::constraint::at;
use crate::error::{Error, Result};
use crate::kernels::reduce::log_sum_exp_parts;
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
        normalisers.resize(2 * classes.len(), E::ZERO);
        let (largest, added) = normalisers.split_at_mut(classes.len());
        log_sum_exp_parts(logits, self.columns, largest, added);
        let rows = logits.chunks_exact(self.columns).zip(classes).zip(largest.iter().zip(added.iter()));
        let terms = rows.map(|((row, &class), (&largest, &added))| match column(class, self.columns) {
            // Logits count by their differences: those are taken first.
            Some(column) => (row[column] - largest) - added,
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
            let normaliser = [normalisers[row], normalisers[row + classes.len()]];
            add_softmax(&logits[row * columns..][..columns], normaliser, -weight, grad);
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

/// Refuses labels that are not one class for each row.
fn check_labels<E: Float>(logits: &Value<E>, labels: &Value<E>) -> Result<()> {
    const OP: &str = "softmax_cross_entropy";
    let (dims, got) = (*logits.check()?.dims(), *labels.check()?.dims());
    let Some((&classes, rows)) = dims.split_last().filter(|(classes, _)| **classes > 0) else {
        return Err(Error::Shape { op: OP, expected: "[…, classes] with at least one".into(), got: dims });
    };
    if *got != *rows {
        return Err(Error::Shape { op: OP, expected: format!("{rows:?} for labels of logits {dims}"), got });
    }
    let numbers = labels.peek()?;
    match numbers.iter().position(|&label| column(label, classes).is_none()) {
        None => Ok(()),
        Some(place) => {
            let must_be = "labels that are whole numbers and count the classes from 0";
            let got = format!("{}{}, for {classes} classes", numbers[place], at(labels, place));
            Err(Error::Value { of: OP, must_be, got })
        }
    }
}

/// Refuses losses that are NaN, as those of logits that have no probabilities are.
fn check_losses<E: Float>(losses: Value<E>, logits: &Value<E>) -> Result<Value<E>> {
    if !losses.peek()?.iter().any(|loss| loss.is_nan()) {
        return Ok(losses);
    }
    let (of, numbers) = ("softmax_cross_entropy", logits.peek()?);
    let bad = numbers.iter().position(|x| x.is_nan() || *x == E::INFINITY).unwrap_or_else(|| {
        let columns = logits.dims().last().copied().unwrap_or(1).max(1);
        let impossible = |row: &[E]| row.iter().all(|&x| x == E::NEG_INFINITY);
        numbers.chunks(columns).position(impossible).map_or(0, |row| row * columns)
    });
    let must_be = "logits that are finite, or minus infinity but not all of a row";
    Err(Error::Value { of, must_be, got: format!("{}{}", numbers[bad], at(logits, bad)) })
}

/// `-ln softmax(logits)[label]` for every row, in nats: logits `[…, classes]` and labels `[…]`, which are class
/// numbers from 0 in the precision of the logits, give `[…]`. Forward and backward are one pass each.
///
/// # Errors
/// [`Error::Shape`] unless there is one label for each row of logits; [`Error::Value`] for a label that is no class
/// or logits that have no probabilities; or the error that an input carries.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let logits = Var::from([[0.0f64, 0.0], [0.0, 3f64.ln()]]);
/// let nll = ed::ops::softmax_cross_entropy(logits.value(), Var::from([0.0, 1.0]).value())?;
/// assert!((nll.as_slice()?[0] - 2f64.ln()).abs() < 1e-12);
/// assert!((nll.as_slice()?[1] - (4.0f64 / 3.0).ln()).abs() < 1e-12);
/// assert!(ed::ops::softmax_cross_entropy(logits.value(), Var::from([0.0, 2.0]).value()).is_err());
/// # Ok(()) }
/// ```
pub fn softmax_cross_entropy<E: Float>(logits: &Value<E>, labels: &Value<E>) -> Result<Value<E>> {
    check_labels(logits, labels)?;
    check_losses(scale(&log_prob(logits, labels), -1.0), logits)
}

/// The mean of [`softmax_cross_entropy`] over all rows, a scalar.
///
/// # Errors
/// As [`softmax_cross_entropy`], and [`Error::Shape`] for no rows, which have no mean.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let logits = Var::<_, f64>::zeros((3, 4));
/// let nll = ed::ops::mean_softmax_cross_entropy(logits.value(), Var::from([0.0, 3.0, 1.0]).value())?;
/// assert!((nll.as_slice()?[0] - 4f64.ln()).abs() < 1e-12);
/// # Ok(()) }
/// ```
pub fn mean_softmax_cross_entropy<E: Float>(logits: &Value<E>, labels: &Value<E>) -> Result<Value<E>> {
    check_labels(logits, labels)?;
    let rows = labels.dims().num_elements();
    if rows == 0 {
        let (op, expected) = ("mean_softmax_cross_entropy", "at least one row".into());
        return Err(Error::Shape { op, expected, got: *logits.dims() });
    }
    check_losses(scale(&log_prob_sum(logits, labels), -1.0 / rows as f64), logits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::test_gradients::{assert_close, assert_slopes, gradients_of, vector, wave, weighted_sum};

    #[test]
    fn the_gradients_of_the_cross_entropy_are_its_slopes() {
        let logits = [wave(&[2, 3, 5], 0.3, -3.0, 3.0)];
        let labels =
            Value::from_vec(vec![0.0, 4.0, 2.0, 2.0, 1.0, 3.0], [2, 3].into_iter().collect()).unwrap();
        assert_slopes(|x| Ok(weighted_sum(&softmax_cross_entropy(&x[0], &labels)?)), &logits, 1e-8);
        assert_slopes(|x| mean_softmax_cross_entropy(&x[0], &labels), &logits, 1e-8);
    }

    #[test]
    fn single_and_double_precision_agree_on_many_rows() {
        fn gradients<E: Float>() -> Vec<Vec<f64>> {
            let labels: Vec<f64> = (0..20_000).map(|row| (row * row % 10) as f64).collect();
            let labels = vector::<E>(&labels);
            gradients_of(
                |x| Ok(scale(&mean_softmax_cross_entropy(&x[0], &labels)?, 2e4)),
                &[wave(&[20_000, 10], 0.3, -9.0, 9.0)],
            )
        }
        assert_close(&gradients::<f32>(), &gradients::<f64>(), 1e-5);
    }

    #[test]
    fn refuses_labels_that_are_no_classes_and_shapes_that_do_not_fit() {
        let logits = wave::<f64>(&[2, 3], 0.0, 0.0, 1.0);
        for label in [-1.0, 3.0, 0.5, f64::NAN] {
            let refused = softmax_cross_entropy(&logits, &vector(&[0.0, label]));
            assert!(matches!(refused, Err(Error::Value { .. })), "{label}");
        }
        assert!(matches!(softmax_cross_entropy(&logits, &vector(&[0.0])), Err(Error::Shape { .. })));
        assert!(matches!(
            softmax_cross_entropy(&Value::scalar(1.0), &vector(&[0.0])),
            Err(Error::Shape { .. })
        ));
        let none = wave::<f64>(&[0, 3], 0.0, 0.0, 1.0);
        assert!(matches!(mean_softmax_cross_entropy(&none, &vector(&[])), Err(Error::Shape { .. })));
    }
}
