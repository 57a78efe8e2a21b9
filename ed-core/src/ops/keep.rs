//! Rows that are kept, and zeros for the others.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Float, Keep, Op, Value};

#[derive(Debug)]
struct KeepRows {
    keep: Arc<[bool]>,
}

impl KeepRows {
    /// Puts the rows of `from` that are kept, by `put`, and lets `leave` have the others.
    fn rows<E: Float>(
        &self,
        to: &mut [E],
        from: &[E],
        put: impl Fn(&mut [E], &[E]),
        leave: impl Fn(&mut [E]),
    ) {
        let row = (from.len() / self.keep.len().max(1)).max(1);
        for ((to, from), &keep) in to.chunks_mut(row).zip(from.chunks(row)).zip(&*self.keep) {
            if keep { put(to, from) } else { leave(to) }
        }
    }
}

impl<E: Float> Op<E> for KeepRows {
    fn name(&self) -> &'static str {
        "keep_rows"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        self.rows(out, inputs[0], |out, x| out.copy_from_slice(x), |out| out.fill(E::ZERO));
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let g = pass.grad_out;
        let Some(slot) = pass.grad(0) else { return };
        let add = |grad: &mut [E], g: &[E]| grad.iter_mut().zip(g).for_each(|(grad, &g)| *grad += g);
        self.rows(slot.add(), g, add, |_| ());
    }
}

/// The rows that are marked, and zeros in place of the others, whatever those hold: a NaN there reaches neither the result
/// nor a gradient. The rows are those of the first axes, as many as there are marks: `[N, T, F]` with `N · T` marks.
///
/// # Errors
/// [`Error::Shape`] unless the first axes are as many rows as there are marks; or the error that `x` carries.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let x = Var::from([[1.0f32, 2.0], [f32::NAN, f32::NAN]]);
/// let y = ed::ops::keep_rows(x.value(), &[true, false].into())?;
/// assert_eq!(y.as_slice()?, [1.0, 2.0, 0.0, 0.0]);
/// # Ok(()) }
/// ```
pub fn keep_rows<E: Float>(x: &Value<E>, keep: &Arc<[bool]>) -> Result<Value<E>> {
    let dims = *x.check()?.dims();
    let rows = |axes: usize| dims[..axes].iter().product::<usize>();
    if !(0..=dims.rank()).any(|axes| rows(axes) == keep.len()) {
        let expected = format!("whose first axes are {} rows", keep.len());
        return Err(Error::Shape { op: "keep_rows", expected, got: dims });
    }
    Ok(apply(KeepRows { keep: keep.clone() }, &[x], dims))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{Tape, Var};

    #[test]
    fn rows_that_are_not_kept_reach_neither_result_nor_gradient() -> Result<()> {
        let tape = Tape::<f64>::of();
        let x = tape.watch(&Var::from([[1.0, 2.0], [f64::NAN, f64::INFINITY], [3.0, 4.0]]));
        let kept: Var<(usize, usize), f64> =
            Var::from_value(keep_rows(x.value(), &[true, false, true].into())?)?;
        assert_eq!(kept.to_vec()?, [1.0, 2.0, 0.0, 0.0, 3.0, 4.0]);
        let gradient = kept.square().sum().backward()?.get(&x)?.to_vec()?;
        assert_eq!(gradient, [2.0, 4.0, 0.0, 0.0, 6.0, 8.0]);
        Ok(())
    }

    #[test]
    fn marks_that_are_no_rows_are_refused() {
        let x: Var<_, f32> = Var::ones((2usize, 3usize));
        assert!(keep_rows(x.value(), &[true; 4].into()).is_err());
        assert!(keep_rows(Var::<_, f32>::ones((0usize, 3usize)).value(), &[].into()).is_ok());
    }
}
