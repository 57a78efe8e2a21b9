//! The masked product of autoregressive networks: `y = x (W ∘ mask) + b` for masks that are stairs.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::kernels::Real;
use crate::kernels::dispatch::{Arch, Kernel, dispatch};
use crate::kernels::parallel::for_each;
pub use crate::kernels::staircase::Staircase;
use crate::tensor::dims::product;
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Dims, Float, Keep, Op, Value};

#[derive(Debug)]
struct MaskedLinear {
    stairs: Arc<Staircase>,
    rows: usize,
}

/// Adds the sums of consecutive columns.
struct SumColumns<'a, T> {
    g: &'a [T],
    width: usize,
    first: usize,
    grad: &'a mut [T],
}

impl<T: Real> Kernel for SumColumns<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<A: Arch>(self) {
        let mut blocks = self.g.chunks_exact(4 * self.width);
        for rows in &mut blocks {
            let [a, b, c, d] = [0, 1, 2, 3].map(|index| &rows[index * self.width + self.first..]);
            for ((((grad, &a), &b), &c), &d) in self.grad.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                *grad += (a + b) + (c + d);
            }
        }
        for row in blocks.remainder().chunks_exact(self.width) {
            self.grad.iter_mut().zip(&row[self.first..]).for_each(|(grad, &g)| *grad += g);
        }
    }
}

impl<E: Float> Op<E> for MaskedLinear {
    fn name(&self) -> &'static str {
        "masked_linear"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        let outcome = self.stairs.product(self.rows, inputs[0], inputs[1], inputs[2], out);
        debug_assert!(outcome.is_ok(), "{outcome:?}");
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (x, w, g) = (pass.inputs[0], pass.inputs[1], pass.grad_out);
        if let Some(slot) = pass.grad(0) {
            let fresh = slot.is_fresh();
            let outcome = self.stairs.grad_left(self.rows, g, w, slot.raw(), fresh);
            debug_assert!(outcome.is_ok(), "{outcome:?}");
        }
        if let Some(slot) = pass.grad(1) {
            let fresh = slot.is_fresh();
            let outcome = self.stairs.grad_right(self.rows, x, g, slot.raw(), fresh);
            debug_assert!(outcome.is_ok(), "{outcome:?}");
        }
        if let Some(slot) = pass.grad(2) {
            let grad = slot.add();
            let width = grad.len();
            if width == 0 {
                return;
            }
            // Each core sums columns of its own, so that no sum depends on who is first.
            for_each(grad, 512, |first, grad| dispatch(SumColumns { g, width, first, grad }));
        }
    }
}

/// `y = x (W ∘ mask) + b`: `[…, rows]·[rows, columns] + [columns] → […, columns]`.
///
/// The kernel holds the numbers of `W` as [`Staircase::pack`] orders them, `[num_stored]`: about as many as the mask
/// lets through. The few that are stored although it forbids them count as zero, and have a gradient of exactly zero.
///
/// # Errors
/// [`Error::Shape`] if an input does not fit the mask, or the error that an input carries.
///
/// # Examples
/// ```
/// use ed::ops::{Staircase, masked_linear};
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let stairs = std::sync::Arc::new(Staircase::new(2, vec![1, 2], 1).expect("stairs that go up"));
/// let x = Var::from([1.0, 10.0]);
/// let w = Var::from(stairs.pack(&[1.0, 2.0, 100.0, 3.0]).expect("two rows of two"));
/// let y = masked_linear(x.value(), w.value(), Var::from([0.5, 0.0]).value(), &stairs)?;
/// assert_eq!(y.as_slice()?, [1.5, 32.0]);
/// # Ok(()) }
/// ```
pub fn masked_linear<E: Float>(
    x: &Value<E>,
    kernel: &Value<E>,
    bias: &Value<E>,
    stairs: &Arc<Staircase>,
) -> Result<Value<E>> {
    let (rows, columns) = (stairs.rows(), stairs.columns());
    let fits = |value: &Value<E>, what: &str, expected: &[usize]| {
        let got = *value.check()?.dims();
        if *got == *expected {
            return Ok(());
        }
        Err(Error::Shape { op: "masked_linear", expected: format!("{expected:?} for the {what}"), got })
    };
    fits(kernel, "kernel", &[stairs.num_stored()])?;
    fits(bias, "bias", &[columns])?;
    let dims = *x.check()?.dims();
    let Some((_, front)) = dims.split_last().filter(|(last, _)| **last == rows) else {
        return Err(Error::Shape {
            op: "masked_linear",
            expected: format!("[…, {rows}] for the input"),
            got: dims,
        });
    };
    let out: Dims = front.iter().copied().chain([columns]).collect();
    let op = MaskedLinear { stairs: stairs.clone(), rows: product(front) };
    Ok(apply(op, &[x, kernel, bias], out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::test_gradients::{assert_slopes, wave, weighted_sum};

    #[test]
    fn gradients_are_the_slopes_and_zero_where_the_mask_forbids() -> Result<()> {
        for (reach, segments) in [(vec![0, 1, 1, 3], 2), ((0..70).map(|c| c.min(40)).collect(), 1)] {
            let rows = *reach.iter().max().unwrap_or(&0) + 1;
            let stairs = Arc::new(Staircase::new(rows, reach, segments).expect("the stairs go up"));
            let inputs = [
                wave(&[3, 2, rows], 0.1, -1.0, 1.0),
                wave(&[stairs.num_stored()], 0.2, -1.0, 1.0),
                wave(&[stairs.columns()], 0.3, -1.0, 1.0),
            ];
            let program = |x: &[Value<f64>]| Ok(weighted_sum(&masked_linear(&x[0], &x[1], &x[2], &stairs)?));
            assert_slopes(program, &inputs, 1e-6);
        }
        Ok(())
    }

    #[test]
    fn refuses_inputs_that_do_not_fit_the_mask() {
        let stairs = Arc::new(Staircase::new(2, vec![1, 2, 2], 1).expect("the stairs go up"));
        let of = |dims: &[usize]| wave::<f64>(dims, 0.0, 0.0, 1.0);
        assert!(masked_linear(&of(&[4, 3]), &of(&[6]), &of(&[3]), &stairs).is_err());
        assert!(masked_linear(&of(&[4, 2]), &of(&[2, 3]), &of(&[3]), &stairs).is_err());
        assert!(masked_linear(&of(&[4, 2]), &of(&[6]), &of(&[2]), &stairs).is_err());
        assert!(masked_linear(&of(&[0, 2]), &of(&[6]), &of(&[3]), &stairs).is_ok());
    }
}
