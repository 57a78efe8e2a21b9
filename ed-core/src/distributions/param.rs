//! What may stand as a parameter, and the checks at the door.

use std::sync::Arc;

use dfdx::shapes::Shape;

use crate::error::{Error, Result};
use crate::kernels::rng::{self, Key};
use crate::tensor::{BroadcastWith, Buffer, Dims, Float, Value, Var, larger};

/// A parameter of a distribution: a tensor, a random variable, a reference to one, or a plain number.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a parameter of precision `{E}`",
    label = "a number, a tensor or a random variable of this precision is needed here",
    note = "a distribution has no value before it is drawn: `let x = sample(…);`, and then `&x`",
    note = "a `Result` is opened with `?`; a tensor changes its precision with `to_f64()` or `to_f32()`"
)]
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

/// Parameters that stand together in a constructor.
#[diagnostic::on_unimplemented(
    message = "these parameters do not go together",
    note = "each must be a number, a tensor or a random variable of one precision; the shape of each must be that of \
            the largest or its end"
)]
pub trait Params<E: Float> {
    /// The shape that they have together: a number takes the shape of the others, and so does the end of a shape.
    type Shape: Shape;
    /// A tuple of tensors.
    type Values;
    /// The parameters as tensors, and their joint shape.
    ///
    /// # Errors
    /// [`Error::Broadcast`] if their shapes do not fit.
    fn join(self, of: &'static str) -> Result<(Self::Values, Self::Shape)>;
}

/// The shape that parameters have together.
pub type Joint<E, P> = <P as Params<E>>::Shape;

impl<E: Float, A: Param<E>> Params<E> for (A,) {
    type Shape = A::Shape;
    type Values = (Value<E>,);
    fn join(self, _: &'static str) -> Result<(Self::Values, Self::Shape)> {
        let param = self.0.into_param();
        let shape = *param.shape();
        Ok(((param.into_value(),), shape))
    }
}

impl<E: Float, A: Param<E>, B: Param<E>> Params<E> for (A, B)
where
    A::Shape: BroadcastWith<B::Shape>,
{
    type Shape = <A::Shape as BroadcastWith<B::Shape>>::Out;
    type Values = (Value<E>, Value<E>);
    fn join(self, of: &'static str) -> Result<(Self::Values, Self::Shape)> {
        let (a, b) = (self.0.into_param(), self.1.into_param());
        let shape = joint_shape(of, *a.shape(), *b.shape())?;
        Ok(((a.into_value(), b.into_value()), shape))
    }
}

impl<E: Float, A: Param<E>, B: Param<E>, C: Param<E>> Params<E> for (A, B, C)
where
    A::Shape: BroadcastWith<B::Shape>,
    <A::Shape as BroadcastWith<B::Shape>>::Out: BroadcastWith<C::Shape>,
{
    type Shape = <<A::Shape as BroadcastWith<B::Shape>>::Out as BroadcastWith<C::Shape>>::Out;
    type Values = (Value<E>, Value<E>, Value<E>);
    fn join(self, of: &'static str) -> Result<(Self::Values, Self::Shape)> {
        let ((a, b), front) = (self.0, self.1).join(of)?;
        let c = self.2.into_param();
        let shape = joint_shape(of, front, *c.shape())?;
        Ok(((a, b, c.into_value()), shape))
    }
}

fn joint_shape<S: BroadcastWith<R>, R: Shape>(of: &'static str, a: S, b: R) -> Result<S::Out> {
    let (lhs, rhs) = (Dims::of(&a), Dims::of(&b));
    let dims = larger(&lhs, &rhs);
    let misfit = || Error::Broadcast { op: of, lhs, rhs };
    if !(dims.ends_with(&lhs) && dims.ends_with(&rhs)) {
        return Err(misfit());
    }
    dims.typed().ok_or_else(misfit)
}

/// The same type once for each generic parameter of a list.
macro_rules! each {
    ($generic:ident => $type:ty) => {
        $type
    };
}
pub(crate) use each;

/// Checks that a shape ends as another one is.
///
/// # Errors
/// [`Error::Broadcast`] if not.
pub(crate) fn extends<S: Shape, T: Shape>(of: &'static str, end: &S, whole: &T) -> Result<()> {
    let (lhs, rhs) = (Dims::of(end), Dims::of(whole));
    if rhs.ends_with(&lhs) { Ok(()) } else { Err(Error::Broadcast { op: of, lhs, rhs }) }
}

/// Checks every number of a parameter.
///
/// # Errors
/// [`Error::Parameter`] with the first number that fails, or the error that the parameter carries.
pub(crate) fn require<E: Float>(
    of: &'static str,
    name: &'static str,
    must_be: &'static str,
    param: &Value<E>,
    holds: impl Fn(E) -> bool,
) -> Result<()> {
    match param.peek()?.iter().find(|&&x| !holds(x)) {
        None => Ok(()),
        Some(x) => Err(Error::Parameter { of, name, must_be, got: x.to_string() }),
    }
}

/// What the rules of the same names demand, in words.
macro_rules! rule {
    (finite) => {
        "finite"
    };
    (number) => {
        "a number, not NaN"
    };
    (positive) => {
        "finite and positive"
    };
    (nonnegative) => {
        "finite and not negative"
    };
    (probability) => {
        "between 0 and 1"
    };
    (open_probability) => {
        "between 0 and 1, and neither"
    };
    (count) => {
        "a whole number, 0 or larger"
    };
}
pub(crate) use rule;

/// A parameter that passed its rule, in a form that keeps to it when a tape is replayed. Rules that NaN and infinity
/// alone can break need nothing: those stay what they are through every density.
macro_rules! guard {
    (positive, $param:expr) => {
        $crate::ops::elementwise::in_domain(&$param, true)
    };
    (nonnegative, $param:expr) => {
        $crate::ops::elementwise::in_domain(&$param, false)
    };
    (count, $param:expr) => {
        $crate::ops::elementwise::in_domain(&$param, false)
    };
    ($other:ident, $param:expr) => {
        $param
    };
}
pub(crate) use guard;

/// Neither infinite nor NaN.
pub(crate) fn finite<E: Float>(x: E) -> bool {
    x.is_finite()
}

/// Not NaN.
pub(crate) fn number<E: Float>(x: E) -> bool {
    !x.is_nan()
}

/// Finite and above 0.
pub(crate) fn positive<E: Float>(x: E) -> bool {
    x > E::ZERO && x.is_finite()
}

/// Finite and not below 0.
pub(crate) fn nonnegative<E: Float>(x: E) -> bool {
    x >= E::ZERO && x.is_finite()
}

/// From 0 to 1.
pub(crate) fn probability<E: Float>(x: E) -> bool {
    x >= E::ZERO && x <= E::ONE
}

/// 0, 1, 2, ….
pub(crate) fn count<E: Float>(x: E) -> bool {
    nonnegative(x) && x.floor() == x
}

/// A parameter repeated to the shape of a draw.
pub(crate) fn filled<S: Shape, E: Float>(param: &Value<E>, shape: &S) -> Result<Var<S, E>> {
    let value = crate::ops::layout::broadcast_to(param.check()?, Dims::of(shape))?;
    Var::from_value(value)
}

/// The logits of probabilities: `ln p - ln(1 - p)`.
pub(crate) fn logits_of<E: Float>(probs: &Value<E>) -> Value<E> {
    use crate::ops::elementwise as ew;
    ew::sub(&ew::ln(probs), &ew::ln_1p(&ew::scale(probs, -1.0)))
}

/// Numbers that a sampler wrote, as a draw.
pub(crate) fn draw<S: Shape, E: Float>(shape: S, fill: impl FnOnce(&mut [E])) -> Var<S, E> {
    let dims = Dims::of(&shape);
    if let Err(error) = Buffer::<E>::check_room("a draw", &dims) {
        return Var::from_parts(Value::faulty(Arc::new(error), dims), shape);
    }
    let mut data = Buffer::scratch(dims.num_elements());
    fill(&mut data);
    Var::from_parts(Value::new(Arc::new(data), dims), shape)
}

/// Standard normal noise.
pub(crate) fn normal_noise<S: Shape, E: Float>(shape: S, key: Key) -> Var<S, E> {
    draw(shape, |out| rng::fill_normal(key, out))
}

/// A draw, checked: parameters at the ends of a precision can ask for numbers that it does not have.
///
/// # Errors
/// [`Error::Value`] for a draw that is not finite, or the error that the draw carries.
pub(crate) fn drawn<S: Shape, E: Float>(of: &'static str, draw: Var<S, E>) -> Result<Var<S, E>> {
    let numbers = draw.value().peek()?;
    // Without a way out of the loop it runs in vector code.
    if numbers.iter().fold(true, |finite, x| finite & x.is_finite()) {
        return Ok(draw);
    }
    let worst = numbers.iter().find(|x| !x.is_finite()).copied().unwrap_or(E::NAN);
    let advice = if E::NAME == "f32" { "; `f64` reaches further" } else { "" };
    let got = format!("{worst}: the parameters ask for numbers beyond the largest {}{advice}", E::NAME);
    Err(Error::Value { of, must_be: "finite in a draw", got })
}

/// As [`drawn`], for what an operation gave.
pub(crate) fn drawn_value<S: Shape, E: Float>(of: &'static str, draw: Value<E>) -> Result<Var<S, E>> {
    drawn(of, Var::from_value(draw)?)
}
