//! [`Var`]: the tensor that models are written with.

use std::sync::Arc;

use dfdx::shapes::{Axes, Dim, HasAxes, ReduceShape, Shape};

use super::buffer::Buffer;
use super::dims::Dims;
use super::float::Float;
use super::shapes::{Append, LeadingAxis, Stack, WithoutLast};
use super::tape::{self, Gradients, Node};
use super::value::Value;
use crate::error::{Error, Result};
use crate::ops::{elementwise as ew, layout, linalg, reduce};

/// A tensor of shape `S` and precision `E`, possibly watched by a gradient [`Tape`](super::Tape).
///
/// The shape is one of dfdx's: each axis a `usize`, checked at run time, or a `Const<N>`, checked by the compiler.
/// A `Var` is cheap to clone (the data is shared), is `Send + Sync`, and may be used any number of times.
///
/// Operators take values or references. An operation that fails gives a value that carries the error; it comes out as
/// the `Err` of the next fallible call on anything computed from it, so formulas need no `?` inside:
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let x = Var::from([1.0f64, 2.0, 3.0]);
/// let y = (&x * 2.0 + 1.0).ln().sum();
/// assert!((y.item()? - 105f64.ln()).abs() < 1e-12);
///
/// let error = (x + Var::from([1.0, 2.0])).exp().sum().item().unwrap_err();
/// assert!(error.to_string().contains("[3] and [2]"));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Var<S: Shape = (), E: Float = f32> {
    value: Value<E>,
    shape: S,
}

impl<S: Shape, E: Float> Var<S, E> {
    /// A tensor from its numbers in row-major order.
    ///
    /// # Errors
    /// [`Error::Algorithm`] unless there are as many numbers as the shape says.
    pub fn from_vec(data: Vec<E>, shape: S) -> Result<Self> {
        Ok(Var::from_parts(Value::from_vec(data, Dims::of(&shape))?, shape))
    }

    /// The same number everywhere; a value that carries [`Error::Shape`] if the numbers do not fit into memory.
    pub fn full(x: f64, shape: S) -> Self {
        Var::from_parts(Value::full(E::from_f64(x), Dims::of(&shape)), shape)
    }

    /// Zeros.
    pub fn zeros(shape: S) -> Self {
        Var::full(0.0, shape)
    }

    /// Ones.
    pub fn ones(shape: S) -> Self {
        Var::full(1.0, shape)
    }

    pub(crate) fn from_parts(value: Value<E>, shape: S) -> Self {
        debug_assert!(value.fault().is_some() || *value.dims() == Dims::of(&shape));
        Var { value, shape }
    }

    /// A tensor whose shape was known at run time only.
    ///
    /// # Errors
    /// [`Error::Shape`] if the value has another shape, or the error of an operation that failed on the way here.
    pub fn from_value(value: Value<E>) -> Result<Self> {
        value.check()?;
        match value.dims().typed::<S>() {
            Some(shape) => Ok(Var { value, shape }),
            None => Err(Error::Shape {
                op: "a typed tensor",
                expected: format!(
                    "of type {}",
                    std::any::type_name::<S>().replace("dfdx::shapes::shape::", "")
                ),
                got: *value.dims(),
            }),
        }
    }

    /// What an operation gave whose output shape follows from its input shapes.
    ///
    /// # Panics
    /// If the operation computed other dims than its type says: a fault of this crate. A value that carries an error
    /// has the dims that its type says, too.
    pub(crate) fn of(value: Value<E>) -> Self {
        match value.dims().typed::<S>() {
            Some(shape) => Var { value, shape },
            None => panic!("an operation gave {} for {}", value.dims(), std::any::type_name::<S>()),
        }
    }

    /// The shape.
    pub fn shape(&self) -> &S {
        &self.shape
    }

    /// The shape as run-time sizes.
    pub fn dims(&self) -> Dims {
        Dims::of(&self.shape)
    }

    /// The tensor without its typed shape.
    pub fn value(&self) -> &Value<E> {
        &self.value
    }

    /// The tensor without its typed shape.
    pub fn into_value(self) -> Value<E> {
        self.value
    }

    /// The place on a gradient tape.
    pub fn node(&self) -> Node {
        self.value.node()
    }

    /// The tensor, or the error that it carries.
    ///
    /// # Errors
    /// The error of an operation that failed on the way here.
    pub fn check(self) -> Result<Self> {
        self.value.check()?;
        Ok(self)
    }

    /// The same numbers, off every tape.
    pub fn detach(&self) -> Self {
        Var { value: self.value.detach(), shape: self.shape }
    }

    /// See [`Value::consult`].
    pub(crate) fn consult(&self) -> Result<&[E]> {
        self.value.consult()
    }

    /// The numbers in row-major order, without a copy. What is made of them has no gradient: see [`Value::as_slice`].
    ///
    /// # Errors
    /// The error of an operation that failed on the way here.
    #[track_caller]
    pub fn as_slice(&self) -> Result<&[E]> {
        self.value.as_slice()
    }

    /// The numbers in row-major order.
    ///
    /// # Errors
    /// As [`Var::as_slice`].
    #[track_caller]
    pub fn to_vec(&self) -> Result<Vec<E>> {
        Ok(self.as_slice()?.to_vec())
    }

    /// The gradients of this scalar by every value that its tape watches. Consumes the tape.
    ///
    /// # Errors
    /// [`Error::Shape`] unless this is one number, [`Error::NotWatched`] if it depends on nothing that is watched,
    /// [`Error::TapeGone`] if its tape was used before, or the error of an operation that failed on the way here.
    pub fn backward(&self) -> Result<Gradients<E>> {
        tape::backward(&self.value)
    }

    /// Runs a one-input operation that keeps the shape.
    pub(crate) fn map(&self, op: impl FnOnce(&Value<E>) -> Value<E>) -> Self {
        Var { value: op(&self.value), shape: self.shape }
    }

    // --- reductions -------------------------------------------------------------------------------------------------

    /// The sum of all elements.
    pub fn sum(&self) -> Var<(), E> {
        Var::of(reduce::sum(&self.value))
    }

    /// The mean of all elements.
    pub fn mean(&self) -> Var<(), E> {
        self.sum() * (1.0 / self.dims().num_elements() as f64)
    }

    /// The sum over the last axis: `[…, K] → […]`.
    pub fn sum_last(&self) -> Var<WithoutLast<S>, E> {
        Var::of(reduce::sum_last(&self.value))
    }

    /// The sum over the axes `Ax`, for example `x.sum_axis::<Axis<0>>()`.
    pub fn sum_axis<Ax: Axes>(&self) -> Var<<S as ReduceShape<Ax>>::Reduced, E>
    where
        S: ReduceShape<Ax> + HasAxes<Ax>,
    {
        let axes: Vec<usize> = Ax::as_array().into_iter().map(|axis| axis as usize).collect();
        Var::of(reduce::sum_axes(&self.value, &axes))
    }

    /// `ln Σ exp` over the last axis: `[…, K] → […]`.
    pub fn logsumexp(&self) -> Var<WithoutLast<S>, E> {
        Var::of(reduce::logsumexp_last(&self.value))
    }

    /// `x - logsumexp(x)` along the last axis: the logarithms of probabilities.
    pub fn log_softmax(&self) -> Self {
        self.map(reduce::log_softmax_last)
    }

    /// The probabilities along the last axis.
    pub fn softmax(&self) -> Self {
        self.log_softmax().exp()
    }

    // --- layout -----------------------------------------------------------------------------------------------------

    /// The same numbers in another shape of as many elements. Copies nothing.
    ///
    /// # Errors
    /// [`Error::Shape`] if the number of elements differs.
    pub fn reshape<T: Shape>(&self, shape: T) -> Result<Var<T, E>> {
        let (from, to) = (self.dims(), Dims::of(&shape));
        if from.num_elements() != to.num_elements() {
            return Err(Error::Shape {
                op: "reshape",
                expected: format!("with the {} elements of {from}", from.num_elements()),
                got: to,
            });
        }
        Ok(Var { value: self.value.check()?.with_dims(to), shape })
    }

    /// Repeats the tensor to a larger shape. Axes are matched from the last; an axis of size 1 and a missing axis are
    /// repeated, as in NumPy.
    ///
    /// # Errors
    /// [`Error::Broadcast`] if an axis does not fit.
    pub fn broadcast_to<T: Shape>(&self, shape: T) -> Result<Var<T, E>> {
        Ok(Var { value: layout::broadcast_to(self.value.check()?, Dims::of(&shape))?, shape })
    }

    /// Repeats every element `n` times along one more axis at the end: `[…] → […, n]`.
    pub fn expand_last<N: Dim>(&self, n: N) -> Var<S::Appended, E>
    where
        S: Append<N>,
    {
        Var::of(layout::expand_last(&self.value, n.size()))
    }

    /// The axes in another order, with the type that this gives.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `order` names every axis once and `T` is the shape that results.
    pub fn permute<T: Shape>(&self, order: &[usize]) -> Result<Var<T, E>> {
        Var::from_value(layout::permute(self.value.check()?, order)?)
    }

    /// Several tensors of one shape, along one more axis in front.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are none or their shapes differ.
    pub fn stack(parts: &[Var<S, E>]) -> Result<Var<S::Stacked, E>>
    where
        S: Stack,
    {
        let parts: Vec<&Value<E>> = parts.iter().map(Var::value).collect();
        Var::from_value(layout::stack(&parts)?)
    }

    // --- elementwise functions --------------------------------------------------------------------------------------

    /// `e^x`.
    pub fn exp(&self) -> Self {
        self.map(ew::exp)
    }
    /// `e^x - 1`, accurate near 0.
    pub fn expm1(&self) -> Self {
        self.map(ew::expm1)
    }
    /// Natural logarithm.
    pub fn ln(&self) -> Self {
        self.map(ew::ln)
    }
    /// `ln(1 + x)`, accurate near 0.
    pub fn ln_1p(&self) -> Self {
        self.map(ew::ln_1p)
    }
    /// Hyperbolic tangent.
    pub fn tanh(&self) -> Self {
        self.map(ew::tanh)
    }
    /// `1 / (1 + e^-x)`.
    pub fn sigmoid(&self) -> Self {
        self.map(ew::sigmoid)
    }
    /// `ln(1 + e^x)`.
    pub fn softplus(&self) -> Self {
        self.map(ew::softplus)
    }
    /// `ln(1 / (1 + e^-x))`.
    pub fn log_sigmoid(&self) -> Self {
        self.map(ew::log_sigmoid)
    }
    /// `max(x, 0)`.
    pub fn relu(&self) -> Self {
        self.map(ew::relu)
    }
    /// Square root.
    pub fn sqrt(&self) -> Self {
        self.map(ew::sqrt)
    }
    /// `x²`.
    pub fn square(&self) -> Self {
        self.map(ew::square)
    }
    /// `1 / x`.
    pub fn recip(&self) -> Self {
        self.map(ew::recip)
    }
    /// Absolute value.
    pub fn abs(&self) -> Self {
        self.map(ew::abs)
    }
    /// Error function.
    pub fn erf(&self) -> Self {
        self.map(ew::erf)
    }
    /// Sine.
    pub fn sin(&self) -> Self {
        self.map(ew::sin)
    }
    /// Cosine.
    pub fn cos(&self) -> Self {
        self.map(ew::cos)
    }
    /// `ln Γ(x)`.
    pub fn ln_gamma(&self) -> Self {
        self.map(ew::ln_gamma)
    }
    /// `x^power` for a fixed power.
    pub fn powf(&self, power: f64) -> Self {
        self.map(|x| ew::powf(x, power))
    }
}

impl<S: LeadingAxis, E: Float> Var<S, E> {
    /// Size of the first axis.
    pub fn len(&self) -> usize {
        self.dims()[0]
    }

    /// Whether the first axis has size 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The part at `index` along the first axis: `[T, …] → […]`.
    ///
    /// # Errors
    /// [`Error::Value`] if there is no such part.
    pub fn at(&self, index: usize) -> Result<Var<S::Rest, E>> {
        Var::from_value(layout::at(self.value.check()?, index)?)
    }

    /// The parts at several places along the first axis, in that order and possibly repeated: `[N, …] → [M, …]`.
    ///
    /// # Errors
    /// [`Error::Value`] if a place does not exist.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let (levels, group) = (Var::from([10.0f32, 20.0]), [0, 0, 1]);
    /// assert_eq!(levels.gather(&group)?.to_vec()?, [10.0, 10.0, 20.0]);
    /// # Ok(()) }
    /// ```
    pub fn gather(&self, places: &[usize]) -> Result<Var<<S::Rest as Stack>::Stacked, E>>
    where
        S::Rest: Stack,
    {
        Var::from_value(layout::gather(self.value.check()?, places)?)
    }
}

impl<A: Dim, B: Dim, E: Float> Var<(A, B), E> {
    /// The transposed matrix.
    pub fn transpose(&self) -> Var<(B, A), E> {
        Var { value: layout::transpose(&self.value), shape: (self.shape.1, self.shape.0) }
    }

    /// The lower Cholesky factor `L` of a symmetric positive definite matrix `L Lᵀ`; only its lower triangle is read.
    ///
    /// # Errors
    /// [`Error::NotPositiveDefinite`], or [`Error::Shape`] if the matrix is not square.
    pub fn cholesky(&self) -> Result<Self> {
        Ok(Var { value: linalg::cholesky(self.value.check()?)?, shape: self.shape })
    }
}

impl<E: Float> Var<(), E> {
    /// One number.
    pub fn scalar(x: f64) -> Self {
        Var::full(x, ())
    }

    /// The one number. What is made of it has no gradient: see [`Value::as_slice`].
    ///
    /// # Errors
    /// The error of an operation that failed on the way here.
    #[track_caller]
    pub fn item(&self) -> Result<E> {
        Ok(self.as_slice()?[0])
    }
}

impl<const N: usize> From<[f32; N]> for Var<(usize,), f32> {
    fn from(data: [f32; N]) -> Self {
        vector(data.to_vec())
    }
}

impl<const N: usize> From<[f64; N]> for Var<(usize,), f64> {
    fn from(data: [f64; N]) -> Self {
        vector(data.to_vec())
    }
}

/// A matrix, row by row.
impl<const N: usize, const M: usize> From<[[f32; N]; M]> for Var<(usize, usize), f32> {
    fn from(data: [[f32; N]; M]) -> Self {
        matrix(data.as_flattened().to_vec(), (M, N))
    }
}

/// A matrix, row by row.
impl<const N: usize, const M: usize> From<[[f64; N]; M]> for Var<(usize, usize), f64> {
    fn from(data: [[f64; N]; M]) -> Self {
        matrix(data.as_flattened().to_vec(), (M, N))
    }
}

impl<E: Float> From<Vec<E>> for Var<(usize,), E> {
    fn from(data: Vec<E>) -> Self {
        vector(data)
    }
}

impl<E: Float> From<&[E]> for Var<(usize,), E> {
    fn from(data: &[E]) -> Self {
        vector(data.to_vec())
    }
}

fn matrix<E: Float>(data: Vec<E>, shape: (usize, usize)) -> Var<(usize, usize), E> {
    Var { value: Value::new(Arc::new(Buffer::from(data)), Dims::of(&shape)), shape }
}

fn vector<E: Float>(data: Vec<E>) -> Var<(usize,), E> {
    let len = data.len();
    Var { value: Value::new(Arc::new(Buffer::from(data)), Dims::vector(len)), shape: (len,) }
}
