//! A tensor whose shape and precision are known at run time only: what sites, traces and handlers carry.

use std::sync::Arc;

use dfdx::shapes::Shape;

use super::dims::Dims;
use super::float::Float;
use super::tape::{self, Gradients, Node};
use super::value::Value;
use super::var::Var;
use crate::error::{Error, Result};
use crate::kernels::Real;
use crate::ops;

/// A [`Var`] of any shape and either precision.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let any = AnyVar::from(Var::from([1.0f32, 2.0]));
/// assert_eq!(any.to_vec()?, [1.0, 2.0]);
/// let typed: Var<(usize,)> = any.typed()?;
/// assert_eq!(typed.shape(), &(2,));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub enum AnyVar {
    /// Single precision.
    F32(Value<f32>),
    /// Double precision.
    F64(Value<f64>),
}

/// Runs the same code on the value inside, whatever its precision.
macro_rules! with_value {
    ($any:expr, $value:ident => $body:expr) => {
        match $any {
            $crate::tensor::AnyVar::F32($value) => $body,
            $crate::tensor::AnyVar::F64($value) => $body,
        }
    };
}
pub(crate) use with_value;

impl AnyVar {
    /// Numbers in a precision by name; there must be as many as `dims` say.
    pub(crate) fn from_numbers(precision: &str, numbers: &[f64], dims: Dims) -> AnyVar {
        match precision {
            f32::NAME => {
                let numbers: Vec<f32> = numbers.iter().map(|&x| x as f32).collect();
                AnyVar::F32(Value::new(Arc::new(numbers.into()), dims))
            }
            _ => AnyVar::F64(Value::new(Arc::new(numbers.to_vec().into()), dims)),
        }
    }

    /// The sizes of the axes.
    pub fn dims(&self) -> &Dims {
        with_value!(self, value => value.dims())
    }

    /// `"f32"` or `"f64"`.
    pub fn precision(&self) -> &'static str {
        match self {
            AnyVar::F32(_) => f32::NAME,
            AnyVar::F64(_) => f64::NAME,
        }
    }

    /// The place on a tape.
    pub fn node(&self) -> Node {
        with_value!(self, value => value.node())
    }

    /// The value in precision `E`.
    ///
    /// # Errors
    /// [`Error::Precision`] if it is of the other, or the error of an operation that failed on the way here.
    pub fn as_value<E: Float>(&self) -> Result<&Value<E>> {
        E::from_any(self)
            .ok_or_else(|| Error::Precision {
                of: "a value".into(),
                expected: E::NAME,
                got: self.precision(),
            })?
            .check()
    }

    /// The value as a [`Var`].
    ///
    /// # Errors
    /// [`Error::Precision`] or [`Error::Shape`] if it is of another type.
    pub fn typed<S: Shape, E: Float>(&self) -> Result<Var<S, E>> {
        Var::from_value(self.as_value::<E>()?.clone())
    }

    /// The numbers, as `f64`.
    ///
    /// # Errors
    /// The error of an operation that failed on the way here.
    #[track_caller]
    pub fn to_vec(&self) -> Result<Vec<f64>> {
        with_value!(self, value => { value.as_slice()?; });
        self.peek()
    }

    /// As [`AnyVar::to_vec`], without telling the tape.
    pub(crate) fn peek(&self) -> Result<Vec<f64>> {
        with_value!(self, value => Ok(value.peek()?.iter().map(|x| (*x).to_f64()).collect()))
    }

    /// The one number of a scalar.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are several, or the error of an operation that failed on the way here.
    #[track_caller]
    pub fn item(&self) -> Result<f64> {
        match *self.to_vec()? {
            [x] => Ok(x),
            _ => Err(Error::Shape { op: "item", expected: "[]".into(), got: *self.dims() }),
        }
    }

    /// The same numbers, off every tape.
    pub fn detach(&self) -> AnyVar {
        with_value!(self, value => Float::into_any(value.detach()))
    }

    /// See [`Value::off_tape`].
    pub(crate) fn off_tape(&self) -> AnyVar {
        with_value!(self, value => Float::into_any(value.off_tape()))
    }

    /// See [`Value::random`].
    pub(crate) fn random(self) -> AnyVar {
        with_value!(self, value => Float::into_any(value.random()))
    }

    /// The value, or the fault that it stands for.
    ///
    /// # Errors
    /// The error of the operation that failed on the way here.
    pub fn check(&self) -> Result<&AnyVar> {
        with_value!(self, value => value.check().map(|_| self))
    }

    /// Zero, in the same precision.
    pub fn zero_like(&self) -> AnyVar {
        match self {
            AnyVar::F32(_) => AnyVar::F32(Value::scalar(0.0)),
            AnyVar::F64(_) => AnyVar::F64(Value::scalar(0.0)),
        }
    }

    /// Zeros, in the same shape and precision.
    pub(crate) fn zeros_like(&self) -> AnyVar {
        match self {
            AnyVar::F32(value) => AnyVar::F32(Value::full(0.0, *value.dims())),
            AnyVar::F64(value) => AnyVar::F64(Value::full(0.0, *value.dims())),
        }
    }

    /// The sum of all elements.
    pub fn sum(&self) -> AnyVar {
        with_value!(self, value => Float::into_any(ops::reduce::sum(value)))
    }

    /// Every element times a number.
    pub fn scaled(&self, factor: f64) -> AnyVar {
        if factor == 1.0 {
            return self.clone();
        }
        with_value!(self, value => Float::into_any(ops::elementwise::scale(value, factor)))
    }

    /// Elementwise sum, broadcasting as [`Var`] does.
    ///
    /// # Errors
    /// [`Error::Precision`] if one is `f32` and the other `f64`; [`Error::Broadcast`] if the shapes do not fit.
    pub fn plus(&self, other: &AnyVar) -> Result<AnyVar> {
        with_value!(self, value => {
            let sum = ops::elementwise::add(value, other.as_value()?);
            sum.check()?;
            Ok(Float::into_any(sum))
        })
    }

    /// Elementwise product, broadcasting as [`Var`] does.
    ///
    /// # Errors
    /// As [`AnyVar::plus`].
    pub fn times(&self, other: &AnyVar) -> Result<AnyVar> {
        with_value!(self, value => {
            let product = ops::elementwise::mul(value, other.as_value()?);
            product.check()?;
            Ok(Float::into_any(product))
        })
    }

    /// The gradients of this scalar by every value that its tape watches. Consumes the tape.
    ///
    /// # Errors
    /// As [`Var::backward`].
    pub fn backward(&self) -> Result<AnyGradients> {
        match self {
            AnyVar::F32(value) => tape::backward(value).map(AnyGradients::F32),
            AnyVar::F64(value) => tape::backward(value).map(AnyGradients::F64),
        }
    }
}

/// The gradients of a scalar of either precision.
pub enum AnyGradients {
    /// Single precision.
    F32(Gradients<f32>),
    /// Double precision.
    F64(Gradients<f64>),
}

impl AnyGradients {
    /// The gradient by a watched value. See [`Gradients::get`].
    ///
    /// # Errors
    /// [`Error::NotWatched`] if `x` is not what a watch on this loss's tape returned.
    pub fn get(&self, x: &AnyVar) -> Result<AnyVar> {
        match self {
            AnyGradients::F32(gradients) => gradients.get_any(x),
            AnyGradients::F64(gradients) => gradients.get_any(x),
        }
    }
}

impl<S: Shape, E: Float> From<Var<S, E>> for AnyVar {
    fn from(x: Var<S, E>) -> AnyVar {
        E::into_any(x.into_value())
    }
}

impl<S: Shape, E: Float> From<&Var<S, E>> for AnyVar {
    fn from(x: &Var<S, E>) -> AnyVar {
        E::into_any(x.value().clone())
    }
}
