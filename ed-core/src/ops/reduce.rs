//! Sums and log-sum-exps over all or some axes.

use crate::error::{Error, Result};
use crate::kernels::dispatch::{Arch, Kernel, dispatch};
use crate::kernels::{Real, math, reduce as kernel};
use crate::tensor::dims::product;
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Dims, Float, Keep, Op, Value};

#[derive(Debug)]
struct Sum;

impl<E: Float> Op<E> for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        out[0] = kernel::sum(inputs[0]);
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let grad_out = pass.grad_out[0];
        if let Some(slot) = pass.grad(0) {
            if slot.is_fresh() {
                slot.raw().fill(grad_out);
            } else {
                slot.raw().iter_mut().for_each(|grad| *grad += grad_out);
            }
        }
    }
}

/// The sum of all elements.
pub(crate) fn sum<E: Float>(x: &Value<E>) -> Value<E> {
    if x.fault().is_none() && x.dims().num_elements() == 1 {
        return x.with_dims(Dims::SCALAR);
    }
    apply(Sum, &[x], Dims::SCALAR)
}

/// Sum where the mask is not zero; the mask lies against `x` from its last axis.
#[derive(Debug)]
struct MaskedSum;

impl<E: Float> Op<E> for MaskedSum {
    fn name(&self) -> &'static str {
        "mask"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        // Not a product: what is masked out may be infinite or NaN.
        let kept = inputs[0].iter().zip(inputs[1].iter().cycle()).filter(|(_, mask)| **mask != E::ZERO);
        out[0] = kept.map(|(&x, _)| x).sum();
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (grad_out, mask) = (pass.grad_out[0], pass.inputs[1]);
        let Some(slot) = pass.grad(0) else { return };
        for (grad, &mask) in slot.add().iter_mut().zip(mask.iter().cycle()) {
            if mask != E::ZERO {
                *grad += grad_out;
            }
        }
    }
}

/// The sum of the elements of `x` where `mask` is not zero.
///
/// # Errors
/// [`Error::Broadcast`] unless the mask's shape is `x`'s or its end.
pub(crate) fn masked_sum<E: Float>(x: &Value<E>, mask: &Value<E>) -> Result<Value<E>> {
    let (lhs, rhs) = (*x.dims(), *mask.dims());
    if !lhs.ends_with(&rhs) {
        return Err(Error::Broadcast { op: "mask", lhs, rhs });
    }
    Ok(apply(MaskedSum, &[x, mask], Dims::SCALAR))
}

/// A sum of scalars as one operation.
#[derive(Debug)]
struct AddAll;

impl<E: Float> Op<E> for AddAll {
    fn name(&self) -> &'static str {
        "add"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        out[0] = inputs.iter().map(|x| x[0]).sum();
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let grad_out = pass.grad_out[0];
        for index in 0..pass.inputs.len() {
            if let Some(slot) = pass.grad(index) {
                slot.add()[0] += grad_out;
            }
        }
    }
}

/// The sum of several scalars; zero if there are none.
pub(crate) fn add_all<E: Float>(terms: &[&Value<E>]) -> Value<E> {
    apply(AddAll, terms, Dims::SCALAR)
}

/// Sum over some axes: the output element of every input element follows from its strides.
#[derive(Debug)]
struct SumAxes {
    dims: Dims,
    /// Stride in the output of each input axis; 0 for a summed one.
    strides: Dims,
}

impl SumAxes {
    /// Calls `visit(input start, output start, whether the last axis is summed)` for every row.
    fn rows(&self, mut visit: impl FnMut(usize, usize)) {
        let Some((&row, outer)) = self.dims.split_last() else { return };
        // Rows of nothing are not worth a visit, and there may be any number of them.
        let count = if row == 0 { 0 } else { product(outer) };
        for index in 0..count {
            let (mut rest, mut place) = (index, 0);
            for (axis, &size) in outer.iter().enumerate().rev() {
                place += rest % size * self.strides[axis];
                rest /= size;
            }
            visit(index * row, place);
        }
    }
}

impl<E: Float> Op<E> for SumAxes {
    fn name(&self) -> &'static str {
        "sum_axis"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        out.fill(E::ZERO);
        let (row, stride) = (self.dims[self.dims.rank() - 1], self.strides[self.dims.rank() - 1]);
        self.rows(|from, to| {
            let x = &inputs[0][from..from + row];
            if stride == 0 {
                out[to] += kernel::sum(x);
            } else {
                out[to..to + row].iter_mut().zip(x).for_each(|(sum, &x)| *sum += x);
            }
        });
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let grad_out = pass.grad_out;
        let Some(slot) = pass.grad(0) else { return };
        // Every element of the input belongs to one row, so that a fresh gradient is written once.
        let fresh = slot.is_fresh();
        let grad = slot.raw();
        let (row, stride) = (self.dims[self.dims.rank() - 1], self.strides[self.dims.rank() - 1]);
        self.rows(|from, to| {
            let grad = &mut grad[from..from + row];
            match (stride, fresh) {
                (0, true) => grad.fill(grad_out[to]),
                (0, false) => grad.iter_mut().for_each(|grad| *grad += grad_out[to]),
                (_, true) => grad.copy_from_slice(&grad_out[to..to + row]),
                (_, false) => grad.iter_mut().zip(&grad_out[to..]).for_each(|(grad, &g)| *grad += g),
            }
        });
    }
}

/// The sum over some axes, which must exist.
pub(crate) fn sum_axes<E: Float>(x: &Value<E>, axes: &[usize]) -> Value<E> {
    let dims = *x.dims();
    let kept: Dims = (0..dims.rank()).filter(|axis| !axes.contains(axis)).map(|axis| dims[axis]).collect();
    if dims.rank() == 0 {
        return x.clone();
    }
    let mut strides = [0; crate::tensor::MAX_RANK];
    let mut stride = 1;
    for axis in (0..dims.rank()).rev().filter(|axis| !axes.contains(axis)) {
        strides[axis] = stride;
        stride *= dims[axis];
    }
    let strides = strides[..dims.rank()].iter().copied().collect();
    apply(SumAxes { dims, strides }, &[x], kept)
}

/// The sum over the last axis; of a scalar, itself.
pub(crate) fn sum_last<E: Float>(x: &Value<E>) -> Value<E> {
    match x.dims().rank() {
        0 => x.clone(),
        rank => sum_axes(x, &[rank - 1]),
    }
}

struct AddSoftmax<'a, T> {
    x: &'a [T],
    normaliser: [T; 2],
    factor: T,
    grad: &'a mut [T],
}

impl<T: Real> Kernel for AddSoftmax<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<A: Arch>(self) {
        let [largest, added] = self.normaliser;
        for (grad, &x) in self.grad.iter_mut().zip(self.x) {
            *grad += self.factor * math::exp::<A, T>((x - largest) - added);
        }
    }
}

/// `grad += factor softmax(x)`, with `logsumexp(x)` in two parts, of which the larger is taken away first.
pub(crate) fn add_softmax<T: Real>(x: &[T], normaliser: [T; 2], factor: T, grad: &mut [T]) {
    dispatch(AddSoftmax { x, normaliser, factor, grad });
}

#[derive(Debug)]
struct LogSumExpLast {
    row: usize,
}

impl<E: Float> Op<E> for LogSumExpLast {
    fn name(&self) -> &'static str {
        "logsumexp"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        kernel::log_sum_exp(inputs[0], self.row, out);
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (x, out, grad_out) = (pass.inputs[0], pass.out, pass.grad_out);
        let Some(slot) = pass.grad(0) else { return };
        let rows = slot.add().chunks_mut(self.row.max(1)).zip(x.chunks(self.row.max(1)));
        for ((grad, x), (&out, &g)) in rows.zip(out.iter().zip(grad_out)) {
            add_softmax(x, [out, E::ZERO], g, grad);
        }
    }
}

/// `ln Σ exp` over the last axis; of a scalar, itself.
pub(crate) fn logsumexp_last<E: Float>(x: &Value<E>) -> Value<E> {
    let Some((&row, front)) = x.dims().split_last() else { return x.clone() };
    apply(LogSumExpLast { row }, &[x], front.iter().copied().collect())
}

#[derive(Debug)]
struct LogSoftmaxLast {
    row: usize,
}

impl<E: Float> Op<E> for LogSoftmaxLast {
    fn name(&self) -> &'static str {
        "log_softmax"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        kernel::log_softmax(inputs[0], self.row, out);
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (out, grad_out) = (pass.out, pass.grad_out);
        let Some(slot) = pass.grad(0) else { return };
        kernel::log_softmax_backward(out, grad_out, self.row, slot.add());
    }
}

/// `x - logsumexp(x)` along the last axis; 0 for a scalar.
pub(crate) fn log_softmax_last<E: Float>(x: &Value<E>) -> Value<E> {
    let row = x.dims().last().copied().unwrap_or(1);
    apply(LogSoftmaxLast { row }, &[x], *x.dims())
}
