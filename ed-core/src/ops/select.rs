//! One of two tensors by a mask.

use crate::error::{Error, Result};
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Dims, Float, GradSlot, Keep, Op, Value};

/// Elements of the first input where the mask is not zero, of the second elsewhere; a number of the mask stands for
/// `event` elements.
#[derive(Debug)]
struct Select {
    event: usize,
}

impl<E: Float> Op<E> for Select {
    fn name(&self) -> &'static str {
        "mask"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        let [x, otherwise, mask] = inputs else { return };
        for (index, out) in out.iter_mut().enumerate() {
            let kept = mask[index / self.event % mask.len()] != E::ZERO;
            *out = if kept { x[index] } else { otherwise[index] };
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (grad_out, mask) = (pass.grad_out, pass.inputs[2]);
        let kept = |index: usize| mask[index / self.event % mask.len()] != E::ZERO;
        let mut slots = pass.grads().map(|slot| slot.map(GradSlot::add));
        for (input, from_first) in [(slots.next(), true), (slots.next(), false)] {
            let Some(Some(grads)) = input else { continue };
            for (index, grad) in grads.iter_mut().enumerate().filter(|(index, _)| kept(*index) == from_first)
            {
                *grad += grad_out[index];
            }
        }
    }
}

/// `x` where `mask` is not zero, and `otherwise` elsewhere. The mask has the shape of the front axes `batch` of `x`, or of
/// their end; what it leaves out passes neither numbers nor gradients, be they NaN.
///
/// # Errors
/// [`Error::Broadcast`] unless the mask's shape is `batch` or its end.
pub(crate) fn select<E: Float>(
    x: &Value<E>,
    otherwise: &Value<E>,
    mask: &Value<E>,
    batch: &Dims,
) -> Result<Value<E>> {
    if !batch.ends_with(mask.dims()) {
        return Err(Error::Broadcast { op: "mask", lhs: *batch, rhs: *mask.dims() });
    }
    let (all, rows) = (x.dims().num_elements(), batch.num_elements());
    if all == 0 {
        return Ok(x.clone());
    }
    let select = Select { event: all / rows };
    Ok(apply(select, &[x, otherwise, mask], *x.dims()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::test_gradients::assert_slopes;

    fn value(numbers: &[f64], dims: &[usize]) -> Value<f64> {
        Value::from_vec(numbers.to_vec(), dims.iter().copied().collect()).unwrap()
    }

    #[test]
    fn a_number_of_the_mask_stands_for_an_event_and_repeats_over_the_front() {
        let (x, zeros) = (
            value(&[1.0, 2.0, 3.0, 4.0, f64::NAN, f64::NAN, 7.0, 8.0], &[2, 2, 2]),
            value(&[0.0; 8], &[2, 2, 2]),
        );
        let kept = select(&x, &zeros, &value(&[0.0, 1.0], &[2]), &[2, 2].into_iter().collect()).unwrap();
        assert_eq!(kept.peek().unwrap(), [0.0, 0.0, 3.0, 4.0, 0.0, 0.0, 7.0, 8.0]);
        let misfit = select(&x, &zeros, &value(&[0.0; 3], &[3]), &[2, 2].into_iter().collect());
        assert!(matches!(misfit, Err(Error::Broadcast { op: "mask", .. })));
    }

    #[test]
    fn gradients_go_where_the_numbers_came_from() {
        let mask = value(&[1.0, 0.0], &[2]);
        let inputs = [value(&[0.3, -0.2, 0.9, 1.4], &[2, 2]), value(&[2.0, 0.1, -1.0, 0.5], &[2, 2])];
        let program = |x: &[Value<f64>]| {
            let both = select(&x[0], &x[1], &mask, &Dims::vector(2))?;
            Ok(crate::ops::reduce::sum(&crate::ops::elementwise::exp(&both)))
        };
        assert_slopes(program, &inputs, 1e-7);
    }
}
