//! Operations that move numbers and compute nothing.

use std::sync::Arc;

use crate::error::{Error, Result};
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
        for index in 0..outer.iter().product() {
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
    let mut stride = 1;
    for (axis, &size) in dims.iter().enumerate().rev() {
        strides[axis] = stride;
        stride *= size;
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
    Ok(slice(x, index * out.num_elements(), out))
}

fn out_of(index: usize, len: usize) -> String {
    format!("{index} for an axis of size {len}")
}

/// The elements from `offset` on, as many as `out` has, in its shape.
pub(crate) fn slice<E: Float>(x: &Value<E>, offset: usize, out: Dims) -> Value<E> {
    let strides = contiguous_strides(&out);
    strided("slice", x, out, strides.into_iter().take(out.rank()), offset)
}

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
        for (out, &place) in out.chunks_mut(self.row.max(1)).zip(&*self.places) {
            out.copy_from_slice(&inputs[0][place * self.row..(place + 1) * self.row]);
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let grad_out = pass.grad_out;
        let Some(slot) = pass.grad(0) else { return };
        let grad = slot.add();
        for (g, &place) in grad_out.chunks(self.row.max(1)).zip(&*self.places) {
            let row = &mut grad[place * self.row..(place + 1) * self.row];
            row.iter_mut().zip(g).for_each(|(grad, &g)| *grad += g);
        }
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
