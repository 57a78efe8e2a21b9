//! Relations between typed shapes: which broadcast, and what is left when an axis goes or comes.
//!
//! The shapes themselves are dfdx's: `()`, `(A,)`, `(A, B)` … with each axis a `usize` or a `Const<N>`.

use dfdx::shapes::{Dim, ReduceShape, Shape};

/// The shape without its last axis: `(B, K)` gives `(B,)`.
pub type WithoutLast<S> = <S as ReduceShape<<S as Shape>::LastAxis>>::Reduced;

/// The shape of what broadcasting two operands gives.
///
/// A scalar goes with everything, and a shape that is the end of another (`(K,)` with `(B, K)`) is repeated over the
/// axes in front. Nothing else is repeated by itself; an axis of size 1 is not, so `(N,)` against `(N, 1)` is an error.
pub trait BroadcastWith<R: Shape>: Shape {
    /// The larger shape.
    type Out: Shape;
}

impl<S: Shape> BroadcastWith<S> for S {
    type Out = S;
}

macro_rules! suffixes {
    ($(($($front:ident)+ | $($back:ident)*))+) => {$(
        impl<$($front: Dim,)+ $($back: Dim,)*> BroadcastWith<($($back,)*)> for ($($front,)+ $($back,)*) {
            type Out = ($($front,)+ $($back,)*);
        }
        impl<$($front: Dim,)+ $($back: Dim,)*> BroadcastWith<($($front,)+ $($back,)*)> for ($($back,)*) {
            type Out = ($($front,)+ $($back,)*);
        }
    )+};
}

suffixes! {
    (A |) (A B |) (A B C |) (A B C D |) (A B C D F |) (A B C D F G |)
    (A | B) (A B | C) (A B C | D) (A B C D | F) (A B C D F | G)
    (A | B C) (A B | C D) (A B C | D F) (A B C D | F G)
    (A | B C D) (A B | C D F) (A B C | D F G)
    (A | B C D F) (A B | C D F G)
    (A | B C D F G)
}

/// Shapes that can lose or gain an axis in front.
pub trait LeadingAxis: Shape {
    /// The shape without its first axis: `(T, B)` gives `(B,)`.
    type Rest: Shape;
}

/// Shapes with room for one more axis in front.
pub trait Stack: Shape {
    /// The shape of several of these: `(B,)` gives `(usize, B)`.
    type Stacked: LeadingAxis<Rest = Self>;
}

macro_rules! leading {
    ($($($axis:ident)*;)+) => {$(
        impl<N: Dim, $($axis: Dim),*> LeadingAxis for (N, $($axis,)*) {
            type Rest = ($($axis,)*);
        }
        impl<$($axis: Dim),*> Stack for ($($axis,)*) {
            type Stacked = (usize, $($axis,)*);
        }
    )+};
}

leading! { ; A; A B; A B C; A B C D; A B C D F; }

/// Shapes with room for one more axis at the end.
pub trait Append<N: Dim>: Shape {
    /// The shape with the axis: `(B,)` and `N` give `(B, N)`.
    type Appended: Shape;
}

macro_rules! append {
    ($($($axis:ident)*;)+) => {$(
        impl<N: Dim, $($axis: Dim),*> Append<N> for ($($axis,)*) {
            type Appended = ($($axis,)* N,);
        }
    )+};
}

append! { ; A; A B; A B C; A B C D; A B C D F; }
