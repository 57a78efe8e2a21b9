//! Operations that move numbers and compute nothing.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::kernels::parallel::{CHUNK, Rows, for_each};
use crate::tensor::dims::product;
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Dims, Float, Keep, MAX_RANK, Op, Value};

/// Output element `i` is input element `place(i)`: one struct for every rearrangement that strides can say.
#[derive(Debug)]
struct Strided {
    name: &'static str,
    out: Dims,
    /// Stride in the input of each output axis; 0 repeats.
    strides: Dims,
    offset: usize,
}

impl Strided {
    /// Calls `visit(output start, input start)` for every row of the output.
    fn rows(&self, mut visit: impl FnMut(usize, usize)) {
        let outer = &self.out[..self.out.rank().saturating_sub(1)];
        let row = self.out.last().copied().unwrap_or(1);
        if row == 0 {
            return;
        }
        for index in 0..product(outer) {
            let (mut rest, mut place) = (index, self.offset);
            for (axis, &size) in outer.iter().enumerate().rev() {
                place += rest % size * self.strides[axis];
                rest /= size;
            }
            visit(index * row, place);
        }
    }

    fn row(&self) -> (usize, usize) {
        (self.out.last().copied().unwrap_or(1), self.strides.last().copied().unwrap_or(1))
    }
}

impl<E: Float> Op<E> for Strided {
    fn name(&self) -> &'static str {
        self.name
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        let x = inputs[0];
        let (row, stride) = self.row();
        self.rows(|to, from| {
            let out = &mut out[to..to + row];
            match stride {
                0 => out.fill(x[from]),
                1 => out.copy_from_slice(&x[from..from + row]),
                _ => out.iter_mut().zip(x[from..].iter().step_by(stride)).for_each(|(out, &x)| *out = x),
            }
        });
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let grad_out = pass.grad_out;
        let Some(slot) = pass.grad(0) else { return };
        let grad = slot.add();
        let (row, stride) = self.row();
        self.rows(|from, to| {
            let g = &grad_out[from..from + row];
            match stride {
                0 => grad[to] += crate::kernels::reduce::sum(g),
                _ => {
                    grad[to..].iter_mut().step_by(stride).zip(g).for_each(|(grad, &g)| *grad += g);
                }
            }
        });
    }

    fn part_of_input(&self) -> Option<usize> {
        let strides = contiguous_strides(&self.out);
        let mut axes = self.out.iter().zip(&strides).zip(self.strides.iter());
        axes.all(|((&size, expected), stride)| size == 1 || expected == stride).then_some(self.offset)
    }
}

fn strided<E: Float>(
    name: &'static str,
    x: &Value<E>,
    out: Dims,
    strides: impl IntoIterator<Item = usize>,
    offset: usize,
) -> Value<E> {
    apply(Strided { name, out, strides: strides.into_iter().collect(), offset }, &[x], out)
}

fn contiguous_strides(dims: &[usize]) -> [usize; MAX_RANK] {
    let mut strides = [0; MAX_RANK];
    let mut stride: usize = 1;
    for (axis, &size) in dims.iter().enumerate().rev() {
        strides[axis] = stride;
        // Beyond what can be counted there are no elements: another axis is 0.
        stride = stride.wrapping_mul(size);
    }
    strides
}

/// Repeats `x` to larger dims by the rules of NumPy.
pub(crate) fn broadcast_to<E: Float>(x: &Value<E>, to: Dims) -> Result<Value<E>> {
    let from = *x.dims();
    if from == to {
        return Ok(x.clone());
    }
    let misfit = || Error::Broadcast { op: "broadcast_to", lhs: from, rhs: to };
    let front = to.rank().checked_sub(from.rank()).ok_or_else(misfit)?;
    let own = contiguous_strides(&from);
    let mut strides = [0; MAX_RANK];
    for axis in 0..from.rank() {
        strides[front + axis] = match (from[axis], to[front + axis]) {
            (size, target) if size == target => own[axis],
            (1, _) => 0,
            _ => return Err(misfit()),
        };
    }
    Ok(strided("broadcast_to", x, to, strides.into_iter().take(to.rank()), 0))
}

/// Repeats every element `n` times along one more axis.
pub(crate) fn expand_last<E: Float>(x: &Value<E>, n: usize) -> Value<E> {
    let dims = *x.dims();
    let strides = contiguous_strides(&dims);
    strided("expand_last", x, dims.with_last(n), strides.into_iter().take(dims.rank()).chain([0]), 0)
}

/// `count` places of the last axis, every `step`th from `from` on; they must exist.
pub(crate) fn columns<E: Float>(x: &Value<E>, from: usize, count: usize, step: usize) -> Value<E> {
    let dims = *x.dims();
    let front = dims.rank() - 1;
    let out = dims[..front].iter().copied().chain([count]).collect();
    let strides = contiguous_strides(&dims);
    strided("columns", x, out, strides.into_iter().take(front).chain([step]), from)
}

/// The axes in another order.
pub(crate) fn permute<E: Float>(x: &Value<E>, order: &[usize]) -> Result<Value<E>> {
    let dims = *x.dims();
    let mut sorted = order.to_vec();
    sorted.sort_unstable();
    if sorted.iter().copied().ne(0..dims.rank()) {
        return Err(Error::Shape { op: "permute", expected: format!("with the axes {order:?}"), got: dims });
    }
    let strides = contiguous_strides(&dims);
    let out = order.iter().map(|&axis| dims[axis]).collect();
    Ok(strided("permute", x, out, order.iter().map(|&axis| strides[axis]), 0))
}

/// The transposed matrix.
pub(crate) fn transpose<E: Float>(x: &Value<E>) -> Value<E> {
    let dims = *x.dims();
    strided("transpose", x, [dims[1], dims[0]].into_iter().collect(), [1, dims[1]], 0)
}

/// The diagonals of the square matrices over the last two axes.
pub(crate) fn diagonal<E: Float>(x: &Value<E>) -> Value<E> {
    let dims = *x.dims();
    let strides = contiguous_strides(&dims);
    let rank = dims.rank();
    let out = dims[..rank - 1].iter().copied().collect();
    let front = strides.into_iter().take(rank - 2);
    strided("diagonal", x, out, front.chain([strides[rank - 2] + 1]), 0)
}

/// The part at one place of the first axis.
pub(crate) fn at<E: Float>(x: &Value<E>, index: usize) -> Result<Value<E>> {
    let dims = *x.dims();
    if index >= dims[0] {
        return Err(Error::Value {
            of: "at",
            must_be: "an index into the first axis",
            got: out_of(index, dims[0]),
        });
    }
    let out: Dims = dims[1..].iter().copied().collect();
    Ok(slice(x, index.saturating_mul(out.num_elements()), out))
}

fn out_of(index: usize, len: usize) -> String {
    format!("{index} for an axis of size {len}")
}

/// The elements from `offset` on, as many as `out` has, in its shape.
pub(crate) fn slice<E: Float>(x: &Value<E>, offset: usize, out: Dims) -> Value<E> {
    let strides = contiguous_strides(&out);
    strided("slice", x, out, strides.into_iter().take(out.rank()), offset)
}

/// Into how many parts the gradient of a gathered table is cut.
const PARTS: usize = 8;

/// Rows of the first axis at given places.
#[derive(Debug)]
struct Gather {
    places: Arc<[usize]>,
    row: usize,
}

impl<E: Float> Op<E> for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        if self.row == 0 {
            return;
        }
        let parts = (Rows::new(out, self.row), &*self.places);
        for_each(parts, (CHUNK / self.row).max(1), |_, (out, places)| {
            for (out, &place) in out.into_inner().chunks_mut(self.row).zip(places) {
                out.copy_from_slice(&inputs[0][place * self.row..][..self.row]);
            }
        });
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let grad_out = pass.grad_out;
        let Some(slot) = pass.grad(0) else { return };
        let grad = slot.add();
        if self.row == 0 || grad_out.is_empty() {
            return;
        }
        // Each core adds to rows of its own, in the order of the places, so that no sum depends on who is first.
        let parts = if grad_out.len() < CHUNK { 1 } else { PARTS };
        let rows = (grad.len() / self.row).div_ceil(parts);
        for_each(Rows::new(grad, self.row), rows, |first, own| {
            let own = own.into_inner();
            let range = first..first + own.len() / self.row;
            for (g, place) in grad_out.chunks(self.row).zip(&*self.places) {
                if range.contains(place) {
                    let row = &mut own[(place - first) * self.row..][..self.row];
                    row.iter_mut().zip(g).for_each(|(grad, &g)| *grad += g);
                }
            }
        });
    }
}

/// The rows at several places of the first axis.
pub(crate) fn gather<E: Float>(x: &Value<E>, places: &[usize]) -> Result<Value<E>> {
    let dims = *x.dims();
    if let Some(&place) = places.iter().find(|&&place| place >= dims[0]) {
        return Err(Error::Value {
            of: "gather",
            must_be: "an index into the first axis",
            got: out_of(place, dims[0]),
        });
    }
    let rest: Dims = dims[1..].iter().copied().collect();
    let op = Gather { places: places.into(), row: rest.num_elements() };
    Ok(apply(op, &[x], rest.with_first(places.len())))
}

/// The rows of a table `[V, …]` at the places that `indices` name, in the dims of `indices` and of a row: the lookup
/// of an embedding. The gradient by a row is summed over its uses; there is none by the indices.
///
/// The indices are whole numbers in the precision of the table. They decide what is computed, so a tape that watches
/// them is not replayed.
///
/// # Errors
/// [`Error::Value`] for an index that is not one of `0..V`; [`Error::Shape`] for a scalar table or for more than
/// [`MAX_RANK`] axes; or the error that an input carries.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let table = Var::from([[0.0f32, 1.0], [10.0, 11.0], [20.0, 21.0]]);
/// let words = Var::from([2.0f32, 0.0, 2.0]);
/// let rows = ed::ops::take_rows(table.value(), words.value())?;
/// assert_eq!(rows.as_slice()?, [20.0, 21.0, 0.0, 1.0, 20.0, 21.0]);
/// assert!(ed::ops::take_rows(table.value(), Var::from([3.0f32]).value()).is_err());
/// # Ok(()) }
/// ```
pub fn take_rows<E: Float>(table: &Value<E>, indices: &Value<E>) -> Result<Value<E>> {
    let (dims, shape) = (*table.check()?.dims(), *indices.check()?.dims());
    if dims.rank() == 0 || shape.rank() + dims.rank() - 1 > MAX_RANK {
        let expected = format!("of a table with an axis of rows, for indices {shape}");
        return Err(Error::Shape { op: "take_rows", expected, got: dims });
    }
    let place = |index: &E| {
        let number = index.to_f64();
        if number >= 0.0 && number < dims[0] as f64 && number.fract() == 0.0 {
            return Ok(number as usize);
        }
        let must_be = "a whole number that counts a row of the table from 0";
        Err(Error::Value { of: "take_rows", must_be, got: format!("{index} for {} rows", dims[0]) })
    };
    let places = indices.consult()?.iter().map(place).collect::<Result<Vec<usize>>>()?;
    let rows = gather(table, &places)?;
    Ok(rows.with_dims(shape.iter().chain(&dims[1..]).copied().collect()))
}

/// Several tensors behind one another.
#[derive(Debug)]
struct Concat;

impl<E: Float> Op<E> for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        let mut rest = out;
        for input in inputs {
            let (part, others) = rest.split_at_mut(input.len());
            part.copy_from_slice(input);
            rest = others;
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let mut rest = pass.grad_out;
        for index in 0..pass.inputs.len() {
            let (part, others) = rest.split_at(pass.inputs[index].len());
            rest = others;
            if let Some(slot) = pass.grad(index) {
                slot.add().iter_mut().zip(part).for_each(|(grad, &g)| *grad += g);
            }
        }
    }
}

/// Tensors of one shape along one more axis in front.
pub(crate) fn stack<E: Float>(parts: &[&Value<E>]) -> Result<Value<E>> {
    let Some(first) = parts.first() else {
        return Err(Error::Shape { op: "stack", expected: "of at least one part".into(), got: Dims::SCALAR });
    };
    let dims = *first.dims();
    for part in parts {
        if *part.check()?.dims() != dims {
            return Err(Error::Shape { op: "stack", expected: dims.to_string(), got: *part.dims() });
        }
    }
    Ok(apply(Concat, parts, dims.with_first(parts.len())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::parallel::tests::same_for_all_threads;
    use crate::ops::test_gradients::{assert_slopes, gradients_of, vector, wave, weighted_sum};

    #[test]
    fn the_gradient_of_a_row_is_summed_over_its_uses() {
        let table = [wave(&[4, 3], 0.2, -1.0, 1.0)];
        let indices =
            Value::from_vec(vec![3.0, 0.0, 3.0, 3.0, 1.0, 0.0], [2, 3].into_iter().collect()).unwrap();
        let rows = take_rows(&table[0], &indices).unwrap();
        assert_eq!(**rows.dims(), [2, 3, 3]);
        assert_slopes(|x| Ok(weighted_sum(&take_rows(&x[0], &indices)?)), &table, 1e-8);
    }

    #[test]
    fn large_tables_gather_and_scatter_the_same_on_any_number_of_threads() {
        let (rows, row, uses) = (1000, 24, 5000);
        let table = [wave::<f32>(&[rows, row], 0.2, -1.0, 1.0)];
        let indices: Vec<f64> = (0..uses).map(|i| (i * i % 997) as f64).collect();
        let indices_value = vector::<f32>(&indices);
        let gradient = same_for_all_threads(|| {
            gradients_of(|x| Ok(weighted_sum(&take_rows(&x[0], &indices_value)?)), &table).remove(0)
        });
        let weights: Value<f64> = wave(&[uses, row], 0.4, -1.0, 1.5);
        let mut expected = vec![0.0; rows * row];
        for (use_, &place) in indices.iter().enumerate() {
            for c in 0..row {
                expected[place as usize * row + c] += weights.peek().unwrap()[use_ * row + c];
            }
        }
        assert!(gradient.iter().zip(&expected).all(|(g, e)| (g - e).abs() < 1e-4));
        assert!(gradient[999 * row..].iter().all(|&g| g == 0.0));
    }

    #[test]
    fn refuses_indices_that_are_no_rows() {
        let table = wave::<f64>(&[4, 3], 0.2, -1.0, 1.0);
        for index in [-1.0, 4.0, 0.5, f64::NAN, f64::INFINITY] {
            let refused = take_rows(&table, &vector(&[0.0, index]));
            assert!(matches!(refused, Err(Error::Value { .. })), "{index}");
        }
        assert!(matches!(take_rows(&Value::scalar(1.0), &vector(&[0.0])), Err(Error::Shape { .. })));
        let deep = Value::full(0.0, [1, 1, 1, 1, 1, 1].into_iter().collect());
        assert!(matches!(take_rows(&table, &deep), Err(Error::Shape { .. })));
    }
}
