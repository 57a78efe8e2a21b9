//! `+ - * /` and unary minus on tensors, random variables and numbers, by value or by reference.

use std::ops::{Add, Div, Mul, Neg, Sub};

use dfdx::shapes::Shape;

use super::dims::Dims;
use super::float::Float;
use super::shapes::BroadcastWith;
use super::value::Value;
use super::var::Var;
use crate::ops::elementwise as ew;

/// Whatever stands for a tensor in a formula: a [`Var`], a random variable, or a reference to one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a number, a tensor or a random variable",
    label = "this cannot stand in a formula",
    note = "a distribution has no value before it is drawn: `let x = sample(…);`, and then `&x`",
    note = "a `Result` is opened with `?`; write plain numbers as `2.0`"
)]
pub trait Operand {
    /// Its precision.
    type Elem: Float;
    /// Its shape.
    type Shape: Shape;
    /// The tensor.
    fn operand(&self) -> &Var<Self::Shape, Self::Elem>;
}

impl<S: Shape, E: Float> Operand for Var<S, E> {
    type Elem = E;
    type Shape = S;
    fn operand(&self) -> &Var<S, E> {
        self
    }
}

impl<T: Operand> Operand for &T {
    type Elem = T::Elem;
    type Shape = T::Shape;
    fn operand(&self) -> &Var<T::Shape, T::Elem> {
        (**self).operand()
    }
}

pub(crate) fn binary<S, R, E>(
    op: fn(&Value<E>, &Value<E>) -> Value<E>,
    lhs: &Var<S, E>,
    rhs: &Var<R, E>,
) -> Var<S::Out, E>
where
    S: BroadcastWith<R>,
    R: Shape,
    E: Float,
{
    Var::of(op(lhs.value(), rhs.value()))
}

/// The dims of a broadcast result: those of the operand with more axes, or the left one's.
pub(crate) fn larger(lhs: &Dims, rhs: &Dims) -> Dims {
    if rhs.rank() > lhs.rank() { *rhs } else { *lhs }
}

macro_rules! operators {
    ($($trait:ident $method:ident $op:path, $with_number:expr, $number_with:expr;)+) => {$(
        impl<S, R, E> $trait<R> for Var<S, E>
        where
            S: BroadcastWith<R::Shape>,
            R: Operand<Elem = E>,
            E: Float,
        {
            type Output = Var<S::Out, E>;
            fn $method(self, rhs: R) -> Self::Output {
                binary($op, &self, rhs.operand())
            }
        }

        impl<S, R, E> $trait<R> for &Var<S, E>
        where
            S: BroadcastWith<R::Shape>,
            R: Operand<Elem = E>,
            E: Float,
        {
            type Output = Var<S::Out, E>;
            fn $method(self, rhs: R) -> Self::Output {
                binary($op, self, rhs.operand())
            }
        }

        operators!(@number f64 $trait $method $with_number, $number_with);
    )+};
    (@number $number:ident $trait:ident $method:ident $with_number:expr, $number_with:expr) => {
        impl<S: Shape, E: Float> $trait<$number> for Var<S, E> {
            type Output = Var<S, E>;
            fn $method(self, rhs: $number) -> Var<S, E> {
                self.map(|x| $with_number(x, rhs))
            }
        }

        impl<S: Shape, E: Float> $trait<$number> for &Var<S, E> {
            type Output = Var<S, E>;
            fn $method(self, rhs: $number) -> Var<S, E> {
                self.map(|x| $with_number(x, rhs))
            }
        }

        impl<S: Shape, E: Float> $trait<Var<S, E>> for $number {
            type Output = Var<S, E>;
            fn $method(self, rhs: Var<S, E>) -> Var<S, E> {
                rhs.map(|x| $number_with(self, x))
            }
        }

        impl<S: Shape, E: Float> $trait<&Var<S, E>> for $number {
            type Output = Var<S, E>;
            fn $method(self, rhs: &Var<S, E>) -> Var<S, E> {
                rhs.map(|x| $number_with(self, x))
            }
        }
    };
}

operators! {
    Add add ew::add, |x, c| ew::affine(x, 1.0, c), |c, x| ew::affine(x, 1.0, c);
    Sub sub ew::sub, |x, c: f64| ew::affine(x, 1.0, -c), |c, x| ew::affine(x, -1.0, c);
    Mul mul ew::mul, ew::scale, |c, x| ew::scale(x, c);
    Div div ew::div, |x, c: f64| ew::scale(x, 1.0 / c), |c, x| ew::scale(&ew::recip(x), c);
}

impl<S: Shape, E: Float> Neg for Var<S, E> {
    type Output = Var<S, E>;
    fn neg(self) -> Var<S, E> {
        self.map(|x| ew::scale(x, -1.0))
    }
}

impl<S: Shape, E: Float> Neg for &Var<S, E> {
    type Output = Var<S, E>;
    fn neg(self) -> Var<S, E> {
        self.map(|x| ew::scale(x, -1.0))
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    #[test]
    fn numbers_vectors_and_matrices_combine() -> Result<()> {
        let row = Var::from([1.0f64, 2.0]);
        let table = Var::from_vec(vec![1.0, 2.0, 3.0, 4.0], (2usize, 2usize))?;
        assert_eq!((&table + &row).to_vec()?, [2.0, 4.0, 4.0, 6.0]);
        assert_eq!((&row - &table).to_vec()?, [0.0, 0.0, -2.0, -2.0]);
        assert_eq!((1.0 - &row * 2.0).to_vec()?, [-1.0, -3.0]);
        assert_eq!((6.0 / &row).to_vec()?, [6.0, 3.0]);
        assert_eq!((&row / 2.0).to_vec()?, [0.5, 1.0]);
        assert_eq!((row.sum() * &table).to_vec()?, [3.0, 6.0, 9.0, 12.0]);
        Ok(())
    }

    #[test]
    fn a_mismatch_travels_to_the_next_fallible_call() {
        let sum = Var::from([1.0f32, 2.0]) + Var::from([1.0, 2.0, 3.0]);
        let error = (sum * 2.0).exp().sum().item().unwrap_err();
        assert!(error.to_string().starts_with("add: the shapes [2] and [3] do not fit"), "{error}");
        // An axis of size 1 is not repeated silently.
        let column = Var::<(usize, usize)>::zeros((3, 1));
        let table = Var::<(usize, usize)>::zeros((3, 3));
        assert!((table + column).sum().item().is_err());
    }

    #[test]
    fn a_value_may_meet_itself() -> Result<()> {
        let tape = Tape::new();
        let z = tape.watch(&Var::from([2.0f32, 3.0]));
        let loss = (z.clone() * z.clone() + &z / &z).sum();
        assert_eq!(loss.backward()?.get(&z)?.to_vec()?, [4.0, 6.0]);
        Ok(())
    }

    #[test]
    fn two_live_tapes_are_an_error_with_the_words_to_fix_it() {
        let (one, two) = (Tape::new(), Tape::new());
        let x = one.watch(&Var::from([1.0f32]));
        let y = two.watch(&Var::from([1.0f32]));
        let error = (x + y).sum().backward().err().map(|error| error.to_string());
        assert!(error.is_some_and(
            |message| message.contains("two different gradient tapes") && message.contains("detach")
        ));
    }

    #[test]
    fn a_value_of_a_finished_tape_is_an_error() -> Result<()> {
        let tape = Tape::new();
        let x = tape.watch(&Var::from([1.0f32]));
        x.sum().backward()?;
        assert!(matches!((&x * 2.0).sum().backward(), Err(Error::TapeGone { .. })));
        Ok(())
    }
}
