//! Columns of the last axis, taken apart and put together in another order.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::kernels::parallel::{CHUNK, Rows, for_each};
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Dims, Float, Keep, Op, Value};

#[derive(Debug)]
struct TakeColumns {
    places: Arc<[usize]>,
    width: usize,
    order: Order,
}

/// What is known of the places.
#[derive(Debug)]
enum Order {
    /// All columns, the last one first.
    Reversed,
    /// All columns; where each of them went.
    Permuted(Vec<usize>),
    /// Some columns, maybe several times.
    Any,
}

impl Order {
    fn of(places: &[usize], width: usize) -> Order {
        if places.len() != width {
            return Order::Any;
        }
        if places.iter().rev().copied().eq(0..width) {
            return Order::Reversed;
        }
        let mut back = vec![width; width];
        places.iter().enumerate().for_each(|(to, &from)| back[from] = to);
        if back.contains(&width) { Order::Any } else { Order::Permuted(back) }
    }
}

impl<E: Float> Op<E> for TakeColumns {
    fn name(&self) -> &'static str {
        "take_columns"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        let taken = self.places.len();
        if out.is_empty() {
            return;
        }
        let parts = (Rows::new(out, taken), Rows::new(inputs[0], self.width));
        for_each(parts, (CHUNK / taken).max(1), |_, (out, x)| {
            let rows = out.into_inner().chunks_mut(taken).zip(x.into_inner().chunks(self.width));
            for (out, x) in rows {
                match self.order {
                    Order::Reversed => out.iter_mut().zip(x.iter().rev()).for_each(|(out, &x)| *out = x),
                    _ => out.iter_mut().zip(&*self.places).for_each(|(out, &place)| *out = x[place]),
                }
            }
        });
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (g, taken) = (pass.grad_out, self.places.len());
        let Some(slot) = pass.grad(0) else { return };
        let fresh = slot.is_fresh() && !matches!(self.order, Order::Any);
        let grad = if fresh { slot.raw() } else { slot.add() };
        if g.is_empty() {
            return;
        }
        let put = |grad: &mut E, g: E| *grad = if fresh { g } else { *grad + g };
        for_each(
            (Rows::new(grad, self.width), Rows::new(g, taken)),
            (CHUNK / taken).max(1),
            |_, (grad, g)| {
                let rows = grad.into_inner().chunks_mut(self.width).zip(g.into_inner().chunks(taken));
                for (grad, g) in rows {
                    match &self.order {
                        Order::Reversed => {
                            grad.iter_mut().zip(g.iter().rev()).for_each(|(grad, &g)| put(grad, g));
                        }
                        Order::Permuted(back) => {
                            grad.iter_mut().zip(back).for_each(|(grad, &from)| put(grad, g[from]));
                        }
                        Order::Any => {
                            g.iter().zip(&*self.places).for_each(|(&g, &place)| grad[place] += g);
                        }
                    }
                }
            },
        );
    }
}

fn last_of<E: Float>(op: &'static str, x: &Value<E>) -> Result<(Dims, usize)> {
    let dims = *x.check()?.dims();
    match dims.split_last() {
        Some((&last, front)) => Ok((front.iter().copied().collect(), last)),
        None => Err(Error::Shape { op, expected: "with at least one axis".into(), got: dims }),
    }
}

/// The elements at `places` of the last axis, in their order: `[…, N] → […, places]`.
///
/// # Errors
/// [`Error::Value`] for a place that is not one of `0..N`; [`Error::Shape`] for a scalar; or the error that `x` carries.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let x = Var::from([[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]]);
/// let y = ed::ops::take_columns(x.value(), &[2, 0].into())?;
/// assert_eq!(y.as_slice()?, [3.0, 1.0, 6.0, 4.0]);
/// # Ok(()) }
/// ```
pub fn take_columns<E: Float>(x: &Value<E>, places: &Arc<[usize]>) -> Result<Value<E>> {
    let (front, width) = last_of("take_columns", x)?;
    if let Some(place) = places.iter().find(|&&place| place >= width) {
        let got = format!("{place} for an axis of size {width}");
        return Err(Error::Value { of: "take_columns", must_be: "a place on the last axis", got });
    }
    let dims = front.with_last(places.len());
    let order = Order::of(places, width);
    Ok(apply(TakeColumns { places: places.clone(), width, order }, &[x], dims))
}

#[derive(Debug)]
struct JoinColumns {
    widths: [usize; 2],
}

impl<E: Float> Op<E> for JoinColumns {
    fn name(&self) -> &'static str {
        "join_columns"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        let [a, b] = self.widths;
        for (row, out) in out.chunks_mut((a + b).max(1)).enumerate() {
            out[..a].copy_from_slice(&inputs[0][row * a..][..a]);
            out[a..].copy_from_slice(&inputs[1][row * b..][..b]);
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let ([a, b], g) = (self.widths, pass.grad_out);
        for (input, (width, range)) in [(a, 0..a), (b, a..a + b)].into_iter().enumerate() {
            let Some(slot) = pass.grad(input) else { continue };
            let rows = slot.add().chunks_mut(width.max(1)).zip(g.chunks((a + b).max(1)));
            for (grad, g) in rows {
                grad.iter_mut().zip(&g[range.clone()]).for_each(|(grad, &g)| *grad += g);
            }
        }
    }
}

/// Two tensors side by side: `[…, A]` and `[…, B]` give `[…, A + B]`.
///
/// # Errors
/// [`Error::Broadcast`] if the axes in front differ, [`Error::Shape`] for a scalar, or the error that an input carries.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let (a, b) = (Var::from([[1.0f32], [2.0]]), Var::from([[3.0f32, 4.0], [5.0, 6.0]]));
/// let joined = ed::ops::join_columns(a.value(), b.value())?;
/// assert_eq!(joined.as_slice()?, [1.0, 3.0, 4.0, 2.0, 5.0, 6.0]);
/// # Ok(()) }
/// ```
pub fn join_columns<E: Float>(a: &Value<E>, b: &Value<E>) -> Result<Value<E>> {
    let ((front, a_width), (b_front, b_width)) = (last_of("join_columns", a)?, last_of("join_columns", b)?);
    if front != b_front {
        return Err(Error::Broadcast { op: "join_columns", lhs: *a.dims(), rhs: *b.dims() });
    }
    Ok(apply(JoinColumns { widths: [a_width, b_width] }, &[a, b], front.with_last(a_width + b_width)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::elementwise as ew;
    use crate::ops::test_gradients::{assert_slopes, wave, weighted_sum};

    #[test]
    fn gradients_are_the_slopes() {
        let inputs = [wave(&[2, 3, 4], 0.1, -1.0, 1.0), wave(&[2, 3, 2], 0.2, -1.0, 1.0)];
        for places in [&[5, 0, 0, 3][..], &[5, 4, 3, 2, 1, 0], &[2, 0, 5, 1, 3, 4], &[2, 0, 5, 1, 3, 3]] {
            let places: Arc<[usize]> = places.into();
            let program = |x: &[Value<f64>]| {
                let joined = join_columns(&x[0], &x[1])?;
                // Used twice: the second gradient is added to the first.
                let (once, twice) = (take_columns(&joined, &places)?, take_columns(&joined, &places)?);
                Ok(weighted_sum(&ew::mul(&once, &twice)))
            };
            assert_slopes(program, &inputs, 1e-8);
        }
    }

    #[test]
    fn refuses_places_and_shapes_that_do_not_fit() {
        let x = wave::<f64>(&[2, 3], 0.0, 0.0, 1.0);
        assert!(take_columns(&x, &[3].into()).is_err());
        assert!(take_columns(&Value::scalar(1.0), &[0].into()).is_err());
        assert!(join_columns(&x, &wave(&[3, 3], 0.0, 0.0, 1.0)).is_err());
        assert_eq!(take_columns(&x, &[].into()).unwrap().dims().num_elements(), 0);
    }
}
