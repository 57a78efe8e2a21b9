//! Maps over slices and their derivatives, on all cores above a chunk.
//!
//! An operation is a value of a type that implements [`Unary`] or [`Binary`]; the loops are written
//! once. Operations on slices of different lengths use the length of the shortest.

use super::broadcast::Broadcast;
use super::dispatch::{Arch, Kernel, dispatch};
use super::float::Real;
use super::math;
use super::parallel::{COSTLY_CHUNK, for_each};
use super::special;

/// A function of one number and its derivative.
pub trait Unary<T: Real>: Copy + Send + Sync {
    /// `y = f(x)`.
    fn value<A: Arch>(self, x: T) -> T;
    /// `f′(x)`, given `y = f(x)` too.
    fn derivative<A: Arch>(self, x: T, y: T) -> T;
}

/// A function of two numbers and its partial derivatives.
pub trait Binary<T: Real>: Copy + Send + Sync {
    /// `y = f(a, b)`.
    fn value<A: Arch>(self, a: T, b: T) -> T;
    /// `(∂f/∂a, ∂f/∂b)`, given `y = f(a, b)` too.
    fn derivatives<A: Arch>(self, a: T, b: T, y: T) -> (T, T);
}

struct Map<'a, T, F> {
    f: F,
    x: &'a [T],
    out: &'a mut [T],
}

impl<T: Real, F: Unary<T>> Kernel for Map<'_, T, F> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        for (out, &x) in self.out.iter_mut().zip(self.x) {
            *out = self.f.value::<A>(x);
        }
    }
}

/// `out = f(x)`.
///
/// ```
/// use ed_core::kernels::elementwise::{Square, map};
/// let mut out = [0.0; 3];
/// map(Square, &[1.0, -2.0, 3.0], &mut out);
/// assert_eq!(out, [1.0, 4.0, 9.0]);
/// ```
pub fn map<T: Real>(f: impl Unary<T>, x: &[T], out: &mut [T]) {
    let len = x.len().min(out.len());
    for_each((&mut out[..len], &x[..len]), COSTLY_CHUNK, |_, (out, x)| dispatch(Map { f, x, out }));
}

struct MapInPlace<'a, T, F> {
    f: F,
    x: &'a mut [T],
}

impl<T: Real, F: Unary<T>> Kernel for MapInPlace<'_, T, F> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        for x in self.x {
            *x = self.f.value::<A>(*x);
        }
    }
}

/// `x = f(x)`.
pub fn map_in_place<T: Real>(f: impl Unary<T>, x: &mut [T]) {
    for_each(x, COSTLY_CHUNK, |_, x| dispatch(MapInPlace { f, x }));
}

struct MapBackward<'a, T, F> {
    f: F,
    x: &'a [T],
    y: &'a [T],
    grad_out: &'a [T],
    grad_in: &'a mut [T],
}

impl<T: Real, F: Unary<T>> Kernel for MapBackward<'_, T, F> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let inputs = self.x.iter().zip(self.y).zip(self.grad_out);
        for (grad_in, ((&x, &y), &grad_out)) in self.grad_in.iter_mut().zip(inputs) {
            *grad_in += grad_out * self.f.derivative::<A>(x, y);
        }
    }
}

/// `grad_in += grad_out f′(x)`, where `y = f(x)`.
pub fn map_backward<T: Real>(f: impl Unary<T>, x: &[T], y: &[T], grad_out: &[T], grad_in: &mut [T]) {
    let len = x.len().min(y.len()).min(grad_out.len()).min(grad_in.len());
    let parts = (&mut grad_in[..len], &x[..len], &y[..len], &grad_out[..len]);
    for_each(parts, COSTLY_CHUNK, |_, (grad_in, x, y, grad_out)| {
        dispatch(MapBackward { f, x, y, grad_out, grad_in });
    });
}

/// Elements whose parameters are gathered at once.
const TILE: usize = 64;

struct Zip<'a, T, F> {
    f: F,
    a: Broadcast<'a, T>,
    b: Broadcast<'a, T>,
    out: &'a mut [T],
}

impl<T: Real, F: Binary<T>> Kernel for Zip<'_, T, F> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let (mut a, mut b) = ([T::ZERO; TILE], [T::ZERO; TILE]);
        for (tile, out) in self.out.chunks_mut(TILE).enumerate() {
            self.a.load(tile * TILE, &mut a[..out.len()]);
            self.b.load(tile * TILE, &mut b[..out.len()]);
            for ((out, &a), &b) in out.iter_mut().zip(&a).zip(&b) {
                *out = self.f.value::<A>(a, b);
            }
        }
    }
}

/// `out = f(a, b)`, either side broadcast.
///
/// ```
/// use ed_core::kernels::elementwise::{Mul, zip_map};
/// let mut out = [0.0; 4];
/// zip_map(Mul, [1.0, 2.0, 3.0, 4.0][..].into(), [1.0, 10.0][..].into(), &mut out);
/// assert_eq!(out, [1.0, 20.0, 3.0, 40.0]);
/// ```
pub fn zip_map<T: Real>(f: impl Binary<T>, a: Broadcast<T>, b: Broadcast<T>, out: &mut [T]) {
    for_each((out, a, b), COSTLY_CHUNK, |_, (out, a, b)| dispatch(Zip { f, a, b, out }));
}

struct ZipBackward<'a, T, F> {
    f: F,
    a: &'a [T],
    b: &'a [T],
    grad_out: &'a [T],
    grad_a: &'a mut [T],
    grad_b: &'a mut [T],
}

impl<T: Real, F: Binary<T>> Kernel for ZipBackward<'_, T, F> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let inputs = self.a.iter().zip(self.b).zip(self.grad_out);
        let outputs = self.grad_a.iter_mut().zip(self.grad_b.iter_mut());
        for ((grad_a, grad_b), ((&a, &b), &grad_out)) in outputs.zip(inputs) {
            let (da, db) = self.f.derivatives::<A>(a, b, self.f.value::<A>(a, b));
            *grad_a += grad_out * da;
            *grad_b += grad_out * db;
        }
    }
}

/// `grad_a += grad_out ∂f/∂a` and `grad_b += grad_out ∂f/∂b` for sides of the same length.
pub fn zip_map_backward<T: Real>(
    f: impl Binary<T>,
    a: &[T],
    b: &[T],
    grad_out: &[T],
    grad_a: &mut [T],
    grad_b: &mut [T],
) {
    let len = a.len().min(b.len()).min(grad_out.len()).min(grad_a.len()).min(grad_b.len());
    let parts = (&mut grad_a[..len], &mut grad_b[..len], &a[..len], &b[..len], &grad_out[..len]);
    for_each(parts, COSTLY_CHUNK, |_, (grad_a, grad_b, a, b, grad_out)| {
        dispatch(ZipBackward { f, a, b, grad_out, grad_a, grad_b });
    });
}

/// Defines operations of one number: a type, its value, its derivative.
macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident, $arch:ident: |$x:ident| $value:expr, |$dx:pat_param, $dy:pat_param| $derivative:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl<T: Real> Unary<T> for $name {
            #[inline(always)]
            fn value<$arch: Arch>(self, $x: T) -> T {
                $value
            }
            #[inline(always)]
            fn derivative<$arch: Arch>(self, $dx: T, $dy: T) -> T {
                $derivative
            }
        }
    )*};
}

unary! {
    /// `exp x`.
    Exp, A: |x| math::exp::<A, T>(x), |_, y| y;
    /// `exp(x) - 1`.
    Expm1, A: |x| math::expm1::<A, T>(x), |_, y| y + T::ONE;
    /// `ln x`.
    Ln, A: |x| math::ln::<A, T>(x), |x, _| T::ONE / x;
    /// `ln(1 + x)`.
    Ln1p, A: |x| math::ln_1p::<A, T>(x), |x, _| T::ONE / (T::ONE + x);
    /// `tanh x`.
    Tanh, A: |x| math::tanh::<A, T>(x), |_, y| T::ONE - y * y;
    /// `1 / (1 + exp(-x))`.
    Sigmoid, A: |x| math::sigmoid::<A, T>(x), |_, y| y * (T::ONE - y);
    /// `ln(1 + exp x)`.
    Softplus, A: |x| math::softplus::<A, T>(x), |x, _| math::sigmoid::<A, T>(x);
    /// `-ln(1 + exp(-x))`.
    LogSigmoid, A: |x| math::log_sigmoid::<A, T>(x), |x, _| math::sigmoid::<A, T>(-x);
    /// The error function.
    Erf, A: |x| math::erf::<A, T>(x), |x, _| T::FRAC_2_SQRT_PI * math::exp::<A, T>(-x * x);
    /// The complementary error function.
    Erfc, A: |x| math::erfc::<A, T>(x), |x, _| -T::FRAC_2_SQRT_PI * math::exp::<A, T>(-x * x);
    /// `√x`.
    Sqrt, A: |x| x.sqrt(), |_, y| T::HALF / y;
    /// `x²`.
    Square, A: |x| x * x, |x, _| T::TWO * x;
    /// `1 / x`.
    Reciprocal, A: |x| T::ONE / x, |_, y| -y * y;
    /// `-x`.
    Neg, A: |x| -x, |_, _| -T::ONE;
    /// `|x|`; derivative 0 at 0.
    Abs, A: |x| x.abs(), |x, _| if x == T::ZERO { T::ZERO } else { T::ONE.copysign(x) };
    /// `max(x, 0)`; NaN stays NaN; derivative 0 at 0.
    Relu, A: |x| if x < T::ZERO { T::ZERO } else { x }, |x, _| if x > T::ZERO { T::ONE } else { T::ZERO };
    /// `sin x`, through the C library.
    Sin, A: |x| T::from_f64(x.to_f64().sin()), |x, _| T::from_f64(x.to_f64().cos());
    /// `cos x`, through the C library.
    Cos, A: |x| T::from_f64(x.to_f64().cos()), |x, _| T::from_f64(-x.to_f64().sin());
    /// `ln |Γ(x)|`.
    LnGamma, A: |x| T::from_f64(special::ln_gamma(x.to_f64())), |x, _| T::from_f64(special::digamma(x.to_f64()));
    /// `ψ(x)`.
    Digamma, A: |x| T::from_f64(special::digamma(x.to_f64())), |x, _| T::from_f64(special::trigamma(x.to_f64()));
}

/// Defines operations of two numbers: a type, its value, its partial derivatives.
macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident: |$a:ident, $b:ident| $value:expr, |$da:pat_param, $db:pat_param, $y:pat_param| $derivatives:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl<T: Real> Binary<T> for $name {
            #[inline(always)]
            fn value<A: Arch>(self, $a: T, $b: T) -> T {
                $value
            }
            #[inline(always)]
            fn derivatives<A: Arch>(self, $da: T, $db: T, $y: T) -> (T, T) {
                $derivatives
            }
        }
    )*};
}

binary! {
    /// `a + b`.
    Add: |a, b| a + b, |_, _, _| (T::ONE, T::ONE);
    /// `a - b`.
    Sub: |a, b| a - b, |_, _, _| (T::ONE, -T::ONE);
    /// `a b`.
    Mul: |a, b| a * b, |a, b, _| (b, a);
    /// `a / b`.
    Div: |a, b| a / b, |_, b, y| (T::ONE / b, -y / b);
}

#[cfg(test)]
#[path = "elementwise_tests.rs"]
mod tests;
