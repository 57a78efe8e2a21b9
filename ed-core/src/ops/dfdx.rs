//! The bridge to dfdx: its tensors as values, and any of its programs as one operation.
//!
//! dfdx runs on its own device ([`AutoDevice`]: the processor, or a CUDA device with the feature `cuda`); numbers are
//! copied there and back.

use std::cell::RefCell;
use std::fmt;

use ::dfdx::shapes::{Dtype, HasShape, Shape};
use ::dfdx::tensor::{AutoDevice, OwnedTape, Storage, Tensor, TensorFromVec, Trace};
use ::dfdx::tensor_ops::{Backward as _, Device, SumTo, TryMul};

use crate::error::{Error, Result};
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Dims, Float, Keep, Op, Value, Var};

/// A dfdx tensor whose operations are recorded: what a program for [`via_dfdx`] takes and gives.
pub type Traced<S, E = f32> = Tensor<S, E, AutoDevice, OwnedTape<E, AutoDevice>>;

/// A dfdx tensor off every tape.
type Plain<S, E> = Tensor<S, E, AutoDevice>;

/// The device of this thread. Making one is costly on CUDA.
fn device() -> AutoDevice {
    thread_local! {
        static DEVICE: AutoDevice = AutoDevice::default();
    }
    DEVICE.with(AutoDevice::clone)
}

fn refused(why: impl fmt::Debug) -> Error {
    Error::Device { why: format!("{why:?}") }
}

/// Numbers as a dfdx tensor. dfdx panics on tensors without elements, so they stop here.
fn to_device<S: Shape, E: Float + Dtype>(data: &[E], shape: S) -> Result<Plain<S, E>>
where
    AutoDevice: Device<E>,
{
    if data.is_empty() || data.len() != shape.num_elements() {
        return Err(Error::Shape {
            op: "a dfdx tensor",
            expected: "with at least one element".into(),
            got: Dims::of(&shape),
        });
    }
    device().try_tensor_from_vec(data.to_vec(), shape).map_err(refused)
}

impl<S: Shape, E: Float + Dtype> From<Tensor<S, E, AutoDevice>> for Var<S, E>
where
    AutoDevice: Storage<E>,
{
    /// A copy of the numbers in row-major order, whatever the strides of the dfdx tensor.
    fn from(tensor: Tensor<S, E, AutoDevice>) -> Var<S, E> {
        let shape = *tensor.shape();
        let data = if shape.num_elements() == 0 { Vec::new() } else { tensor.as_vec() };
        let value = Value::new(std::sync::Arc::new(data.into()), Dims::of(&shape));
        Var::from_parts(value, shape)
    }
}

impl<S: Shape, E: Float + Dtype> Var<S, E>
where
    AutoDevice: Device<E>,
{
    /// A copy of the numbers as a dfdx tensor, off every tape.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no element, which dfdx cannot hold, [`Error::Device`] if there is no memory, or the
    /// error of an operation that failed on the way here.
    pub fn to_tensor(&self) -> Result<Tensor<S, E, AutoDevice>> {
        to_device(self.as_slice()?, *self.shape())
    }
}

/// What a program gives: its numbers, their sizes, and the gradients by its inputs if they were asked for.
struct Outcome<E> {
    data: Vec<E>,
    dims: Dims,
    grads: Vec<Vec<E>>,
}

/// A program over slices: the inputs, and the gradient by the output to carry back.
type Run<E> = dyn Fn(&[&[E]], Option<&[E]>) -> Result<Outcome<E>>;

/// A dfdx program as one operation.
struct Program<E> {
    run: Box<Run<E>>,
    /// The numbers of the run that told the output's shape, for the first forward pass.
    first: RefCell<Option<Vec<E>>>,
}

impl<E> fmt::Debug for Program<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a dfdx program")
    }
}

impl<E: Float> Op<E> for Program<E> {
    fn name(&self) -> &'static str {
        "via_dfdx"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        let first = self.first.borrow_mut().take();
        let data = first.or_else(|| (self.run)(inputs, None).ok().map(|outcome| outcome.data));
        match data {
            Some(data) if data.len() == out.len() => out.copy_from_slice(&data),
            // The device failed in a repeated run, or the program changed its mind: no number is right.
            _ => out.fill(E::NAN),
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let outcome = (self.run)(pass.inputs, Some(pass.grad_out));
        for index in 0..pass.inputs.len() {
            let Some(slot) = pass.grad(index) else { continue };
            let grad = slot.add();
            match &outcome {
                Ok(outcome) => {
                    grad.iter_mut().zip(&outcome.grads[index]).for_each(|(grad, &more)| *grad += more);
                }
                Err(_) => grad.fill(E::NAN),
            }
        }
    }
}

fn record<T: Shape, E: Float>(inputs: &[&Value<E>], run: Box<Run<E>>) -> Result<Var<T, E>> {
    let mut slices = Vec::new();
    for input in inputs {
        slices.push(input.peek()?);
    }
    let outcome = run(&slices, None)?;
    let program = Program { run, first: RefCell::new(Some(outcome.data)) };
    Var::from_value(apply(program, inputs, outcome.dims))
}

/// The output's numbers, and its tape run back if a gradient is given.
fn finish<T: Shape, E: Float + Dtype>(
    out: Traced<T, E>,
    grad_out: Option<&[E]>,
    gradients: impl FnOnce(&mut ::dfdx::tensor::Gradients<E, AutoDevice>) -> Result<Vec<Vec<E>>>,
) -> Result<Outcome<E>>
where
    AutoDevice: Device<E>,
{
    let shape = *out.shape();
    let (data, dims) = (out.as_vec(), Dims::of(&shape));
    let Some(grad_out) = grad_out else { return Ok(Outcome { data, dims, grads: Vec::new() }) };
    let weighted = out.try_mul(to_device(grad_out, shape)?).map_err(refused)?;
    let loss = weighted.try_sum::<(), T::AllAxes>().map_err(refused)?;
    let mut found = loss.try_backward().map_err(refused)?;
    Ok(Outcome { data, dims, grads: gradients(&mut found)? })
}

/// The gradient by an input: zeros if the program did not use it.
fn gradient_of<S: Shape, E: Float + Dtype>(
    gradients: &mut ::dfdx::tensor::Gradients<E, AutoDevice>,
    x: &Plain<S, E>,
) -> Result<Vec<E>>
where
    AutoDevice: Device<E>,
{
    gradients.try_alloc_for(x).map_err(refused)?;
    Ok(gradients.get(x).as_vec())
}

/// Runs a dfdx program on a value, as one differentiable operation.
///
/// The backward pass runs the program once more under dfdx's own tape, so `program` must do the same each time.
///
/// # Errors
/// [`Error::Shape`] if `x` has no element, [`Error::Device`] if the device fails, or the error of an operation that
/// failed on the way here.
///
/// # Panics
/// Where `program` does: dfdx's own operations panic on shapes that do not fit.
///
/// # Examples
/// ```
/// use ed::ops::via_dfdx;
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let tape = Tape::new();
/// let x = tape.watch(&Var::from([0.5f32, -1.0]));
/// let y: Var<(usize,)> = via_dfdx(&x, |t| t.tanh())?;
/// let gradient = y.sum().backward()?.get(&x)?.to_vec()?;
/// assert!((gradient[0] - (1.0 - 0.5f32.tanh().powi(2))).abs() < 1e-6);
/// # Ok(()) }
/// ```
pub fn via_dfdx<S, T, E>(
    x: &Var<S, E>,
    program: impl Fn(Traced<S, E>) -> Traced<T, E> + 'static,
) -> Result<Var<T, E>>
where
    S: Shape,
    T: Shape,
    E: Float + Dtype,
    AutoDevice: Device<E>,
{
    let shape = *x.shape();
    let run = move |inputs: &[&[E]], grad_out: Option<&[E]>| {
        let x = to_device(inputs[0], shape)?;
        finish(program(x.leaky_trace()), grad_out, |gradients| Ok(vec![gradient_of(gradients, &x)?]))
    };
    record(&[x.value()], Box::new(run))
}

/// Runs a dfdx program on two values, as one differentiable operation. See [`via_dfdx`].
///
/// # Errors
/// As [`via_dfdx`].
pub fn via_dfdx2<R, S, T, E>(
    a: &Var<R, E>,
    b: &Var<S, E>,
    program: impl Fn(Traced<R, E>, Traced<S, E>) -> Traced<T, E> + 'static,
) -> Result<Var<T, E>>
where
    R: Shape,
    S: Shape,
    T: Shape,
    E: Float + Dtype,
    AutoDevice: Device<E>,
{
    let (left, right) = (*a.shape(), *b.shape());
    let run = move |inputs: &[&[E]], grad_out: Option<&[E]>| {
        let (a, b) = (to_device(inputs[0], left)?, to_device(inputs[1], right)?);
        finish(program(a.leaky_trace(), b.leaky_trace()), grad_out, |gradients| {
            Ok(vec![gradient_of(gradients, &a)?, gradient_of(gradients, &b)?])
        })
    };
    record(&[a.value(), b.value()], Box::new(run))
}

#[cfg(test)]
mod tests {
    use ::dfdx::tensor::TensorFrom;
    use ::dfdx::tensor_ops::{PermuteTo, TryMatMul};

    use super::*;
    use crate::prelude::*;

    #[test]
    fn a_program_has_the_value_and_gradient_of_ours() -> Result<()> {
        let data = [0.5f64, -1.0, 2.0];
        let by = |loss: &dyn Fn(&Var<(usize,), f64>) -> Result<Var<(), f64>>| -> Result<(f64, Vec<f64>)> {
            let tape = Tape::<f64>::of();
            let x = tape.watch(&Var::from(data));
            let loss = loss(&x)?;
            Ok((loss.item()?, loss.backward()?.get(&x)?.to_vec()?))
        };
        let (ours, our_slope) = by(&|x| Ok((x * x.tanh()).sum()))?;
        let (theirs, their_slope) = by(&|x| Ok((x * via_dfdx(x, |t| t.tanh())?).sum()))?;
        assert!((ours - theirs).abs() < 1e-12);
        for (ours, theirs) in our_slope.iter().zip(&their_slope) {
            assert!((ours - theirs).abs() < 1e-12, "{our_slope:?} {their_slope:?}");
        }
        Ok(())
    }

    #[test]
    fn programs_of_two_values_have_both_gradients() -> Result<()> {
        let gradients = |product: fn(&M, &M) -> Result<M>| -> Result<(Vec<f32>, Vec<f32>)> {
            let tape = Tape::new();
            let a = tape.watch(&Var::from_vec(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], (2, 3))?);
            let b = tape.watch(&Var::from_vec(vec![0.5, -1.0, 2.0, 0.0, 1.0, 1.5], (3, 2))?);
            let gradients = product(&a, &b)?.square().sum().backward()?;
            Ok((gradients.get(&a)?.to_vec()?, gradients.get(&b)?.to_vec()?))
        };
        type M = Var<(usize, usize)>;
        let theirs = gradients(|a, b| via_dfdx2(a, b, |a, b| a.matmul(b)))?;
        assert_eq!(theirs, gradients(|a, b| a.dot(b))?);
        Ok(())
    }

    #[test]
    fn an_input_that_a_program_does_not_use_has_gradient_zero() -> Result<()> {
        let tape = Tape::new();
        let (a, b) = (tape.watch(&Var::from([1.0f32, 2.0])), tape.watch(&Var::from([3.0f32])));
        let y: Var<(usize,)> = via_dfdx2(&a, &b, |a, _| a.exp())?;
        let gradients = y.sum().backward()?;
        assert_eq!(gradients.get(&b)?.to_vec()?, [0.0]);
        Ok(())
    }

    #[test]
    fn tensors_go_there_and_back_whatever_their_strides() -> Result<()> {
        let tensor =
            device().tensor_from_vec(vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], (Const::<2>, Const::<3>));
        let turned = tensor.permute::<(Const<3>, Const<2>), _>();
        let var = Var::from(turned);
        assert_eq!(var.to_vec()?, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        assert_eq!(Var::from(var.to_tensor()?).to_vec()?, var.to_vec()?);
        let scalar = device().tensor(2.0f64);
        assert_eq!(Var::from(scalar).item()?, 2.0);
        Ok(())
    }

    #[test]
    fn nothing_is_refused_before_dfdx_sees_it_and_nan_passes() -> Result<()> {
        let empty = Var::<(usize,)>::zeros((0,));
        assert!(matches!(empty.to_tensor(), Err(Error::Shape { .. })));
        assert!(matches!(via_dfdx(&empty, |t| t.tanh()), Err(Error::Shape { .. })));
        assert!(via_dfdx(&Var::from([f32::NAN]), |t| t.tanh())?.to_vec()?[0].is_nan());
        let fault = Var::from([1.0f32, 2.0]) + Var::from([1.0, 2.0, 3.0]);
        assert!(matches!(via_dfdx(&fault, |t| t.tanh()), Err(Error::Broadcast { .. })));
        Ok(())
    }
}
