//! What may stand as a parameter, and the checks at the door.

use std::sync::Arc;

use dfdx::shapes::Shape;

use crate::error::{Error, Result};
use crate::tensor::{BroadcastWith, Buffer, Dims, Float, Value, Var, larger};

/// A parameter of a distribution: a tensor, a random variable, a reference to one, or a plain number.
pub trait Param<E: Float> {
    /// Its shape; `()` for a number.
    type Shape: Shape;
    /// The parameter as a tensor.
    fn into_param(self) -> Var<Self::Shape, E>;
}

impl<S: Shape, E: Float> Param<E> for Var<S, E> {
    type Shape = S;
    fn into_param(self) -> Var<S, E> {
        self
    }
}

impl<S: Shape, E: Float> Param<E> for &Var<S, E> {
    type Shape = S;
    fn into_param(self) -> Var<S, E> {
        self.clone()
    }
}

impl<E: Float> Param<E> for f64 {
    type Shape = ();
    fn into_param(self) -> Var<(), E> {
        Var::scalar(self)
    }
}

impl<E: Float> Param<E> for f32 {
    type Shape = ();
    fn into_param(self) -> Var<(), E> {
        Var::scalar(f64::from(self))
    }
}

impl<E: Float> Param<E> for i32 {
    type Shape = ();
    fn into_param(self) -> Var<(), E> {
        Var::scalar(f64::from(self))
    }
}

/// The shape that parameters of two shapes have together.
pub type Joined<E, A, B> = <<A as Param<E>>::Shape as BroadcastWith<<B as Param<E>>::Shape>>::Out;

/// The shape of two parameters together: a number takes the shape of the other, and so does the end of a shape.
///
/// # Errors
/// [`Error::Broadcast`] if they do not fit.
pub(crate) fn joint_shape<S, R, E>(of: &'static str, a: &Var<S, E>, b: &Var<R, E>) -> Result<S::Out>
where
    S: BroadcastWith<R>,
    R: Shape,
    E: Float,
{
    let (lhs, rhs) = (a.dims(), b.dims());
    let dims = larger(&lhs, &rhs);
    let misfit = || Error::Broadcast { op: of, lhs, rhs };
    if !(dims.ends_with(&lhs) && dims.ends_with(&rhs)) {
        return Err(misfit());
    }
    dims.typed().ok_or_else(misfit)
}

/// Checks every number of a parameter.
///
/// # Errors
/// [`Error::Parameter`] with the first number that fails, or the error that the parameter carries.
pub(crate) fn require<S: Shape, E: Float>(
    of: &'static str,
    name: &'static str,
    must_be: &'static str,
    param: &Var<S, E>,
    holds: impl Fn(E) -> bool,
) -> Result<()> {
    match param.value().peek()?.iter().find(|&&x| !holds(x)) {
        None => Ok(()),
        Some(x) => Err(Error::Parameter { of, name, must_be, got: x.to_string() }),
    }
}

/// Checks that a parameter is finite.
///
/// # Errors
/// As [`require`].
pub(crate) fn require_finite<S: Shape, E: Float>(
    of: &'static str,
    name: &'static str,
    param: &Var<S, E>,
) -> Result<()> {
    require(of, name, "finite", param, |x| x.is_finite())
}

/// Checks that a parameter is finite and positive.
///
/// # Errors
/// As [`require`].
pub(crate) fn require_positive<S: Shape, E: Float>(
    of: &'static str,
    name: &'static str,
    param: &Var<S, E>,
) -> Result<()> {
    require(of, name, "finite and positive", param, |x| x > E::ZERO && x.is_finite())
}

/// A parameter repeated to the shape of a draw.
pub(crate) fn filled<S: Shape, E: Float>(param: &Value<E>, shape: &S) -> Result<Var<S, E>> {
    let value = crate::ops::layout::broadcast_to(param.check()?, Dims::of(shape))?;
    Var::from_value(value)
}

/// Numbers that a sampler wrote, as a draw.
pub(crate) fn draw<S: Shape, E: Float>(shape: S, fill: impl FnOnce(&mut [E])) -> Var<S, E> {
    let dims = Dims::of(&shape);
    let mut data = Buffer::scratch(dims.num_elements());
    fill(&mut data);
    Var::from_parts(Value::new(Arc::new(data), dims), shape)
}
