//! Operations that treat every element alike, with the calculus of each written once.

use std::marker::PhantomData;
use std::sync::Arc;

use super::loops::{self, BinaryFn, UnaryFn};
use crate::error::Error;
use crate::kernels::dispatch::Arch;
use crate::kernels::{Real, math, special};
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Float, Keep, Op, Value, larger};

#[derive(Debug)]
struct Unary<F>(F);

impl<F: UnaryFn, E: Float> Op<E> for Unary<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        loops::map(self.0, inputs[0], out);
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (x, y, grad_out) = (pass.inputs[0], pass.out, pass.grad_out);
        if let Some(slot) = pass.grad(0) {
            let fresh = slot.is_fresh();
            loops::map_grad(self.0, x, y, grad_out, slot.raw(), fresh);
        }
    }
}

#[derive(Debug)]
struct Binary<F>(PhantomData<F>);

impl<F: BinaryFn, E: Float> Op<E> for Binary<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        loops::zip::<F, E>(inputs[0], inputs[1], out);
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (a, b, y, grad_out) = (pass.inputs[0], pass.inputs[1], pass.out, pass.grad_out);
        for (index, right) in [(0, false), (1, true)] {
            if let Some(slot) = pass.grad(index) {
                loops::zip_grad::<F, E>((a, b), y, grad_out, right, slot.gradient());
            }
        }
    }
}

/// Whether a tensor of dims `short` is repeated to dims `long`: a scalar, or the end of `long`.
pub(crate) fn repeats(short: &[usize], long: &[usize]) -> bool {
    long.ends_with(short)
}

fn binary<F: BinaryFn, E: Float>(a: &Value<E>, b: &Value<E>) -> Value<E> {
    let (lhs, rhs) = (*a.dims(), *b.dims());
    let dims = larger(&lhs, &rhs);
    if !(repeats(&lhs, &dims) && repeats(&rhs, &dims)) && a.fault().is_none() && b.fault().is_none() {
        return Value::faulty(Arc::new(Error::Broadcast { op: F::NAME, lhs, rhs }), dims);
    }
    apply(Binary::<F>(PhantomData), &[a, b], dims)
}

macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident $type:ident ($x:ident, $y:ident) $f:expr, $df:expr;)+) => {$(
        #[derive(Clone, Copy, Debug)]
        struct $type;

        impl UnaryFn for $type {
            const NAME: &'static str = stringify!($name);
            #[inline(always)]
            fn f<A: Arch, T: Real>(self, $x: T) -> T {
                $f
            }
            #[inline(always)]
            #[allow(unused_variables)]
            fn df<A: Arch, T: Real>(self, $x: T, $y: T) -> T {
                $df
            }
        }

        pub(crate) fn $name<E: Float>(x: &Value<E>) -> Value<E> {
            apply(Unary($type), &[x], *x.dims())
        }
    )+};
}

unary! {
    exp Exp (x, y) math::exp::<A, T>(x), y;
    expm1 Expm1 (x, y) math::expm1::<A, T>(x), y + T::ONE;
    ln Ln (x, y) math::ln::<A, T>(x), T::ONE / x;
    ln_1p Ln1p (x, y) math::ln_1p::<A, T>(x), T::ONE / (T::ONE + x);
    tanh Tanh (x, y) math::tanh::<A, T>(x), T::ONE - y * y;
    sigmoid Sigmoid (x, y) math::sigmoid::<A, T>(x), y * (T::ONE - y);
    softplus Softplus (x, y) math::softplus::<A, T>(x), math::sigmoid::<A, T>(x);
    log_sigmoid LogSigmoid (x, y) math::log_sigmoid::<A, T>(x), math::sigmoid::<A, T>(-x);
    // NaN is not 0: it stays, as in every other function.
    relu Relu (x, y) if x <= T::ZERO { T::ZERO } else { x }, if x <= T::ZERO { T::ZERO } else { T::ONE };
    sqrt Sqrt (x, y) x.sqrt(), T::HALF / y;
    square Square (x, y) x * x, x + x;
    recip Recip (x, y) T::ONE / x, -y * y;
    abs Abs (x, y) x.abs(), if x == T::ZERO { T::ZERO } else { T::ONE.copysign(x) };
    erf Erf (x, y) math::erf::<A, T>(x), T::FRAC_2_SQRT_PI * math::exp::<A, T>(-x * x);
    sin Sin (x, y) T::from_f64(x.to_f64().sin()), T::from_f64(x.to_f64().cos());
    cos Cos (x, y) T::from_f64(x.to_f64().cos()), T::from_f64(-x.to_f64().sin());
    ln_gamma LnGamma (x, y) T::from_f64(special::ln_gamma(x.to_f64())), T::from_f64(special::digamma(x.to_f64()));
    digamma Digamma (x, y) T::from_f64(special::digamma(x.to_f64())),
        T::from_f64(special::trigamma(x.to_f64()));
}

#[derive(Clone, Copy, Debug)]
struct Affine {
    factor: f64,
    shift: f64,
}

impl UnaryFn for Affine {
    const NAME: &'static str = "affine";
    #[inline(always)]
    fn f<A: Arch, T: Real>(self, x: T) -> T {
        x * T::from_f64(self.factor) + T::from_f64(self.shift)
    }
    #[inline(always)]
    fn df<A: Arch, T: Real>(self, _: T, _: T) -> T {
        T::from_f64(self.factor)
    }
}

/// `factor x + shift`.
pub(crate) fn affine<E: Float>(x: &Value<E>, factor: f64, shift: f64) -> Value<E> {
    apply(Unary(Affine { factor, shift }), &[x], *x.dims())
}

/// `factor x`.
pub(crate) fn scale<E: Float>(x: &Value<E>, factor: f64) -> Value<E> {
    affine(x, factor, 0.0)
}

#[derive(Clone, Copy, Debug)]
struct Power(f64);

impl UnaryFn for Power {
    const NAME: &'static str = "powf";
    #[inline(always)]
    fn f<A: Arch, T: Real>(self, x: T) -> T {
        T::from_f64(x.to_f64().powf(self.0))
    }
    #[inline(always)]
    fn df<A: Arch, T: Real>(self, x: T, _: T) -> T {
        T::from_f64(self.0 * x.to_f64().powf(self.0 - 1.0))
    }
}

/// `x^power`.
pub(crate) fn powf<E: Float>(x: &Value<E>, power: f64) -> Value<E> {
    apply(Unary(Power(power)), &[x], *x.dims())
}

/// `x`, or NaN below 0 and, where `strictly`, at 0.
#[derive(Clone, Copy, Debug)]
struct InDomain {
    strictly: bool,
}

impl UnaryFn for InDomain {
    const NAME: &'static str = "in_domain";
    #[inline(always)]
    fn f<A: Arch, T: Real>(self, x: T) -> T {
        if x > T::ZERO || (x == T::ZERO && !self.strictly) { x } else { T::NAN }
    }
    #[inline(always)]
    fn df<A: Arch, T: Real>(self, _: T, _: T) -> T {
        T::ONE
    }
}

/// A parameter that was checked to be positive (`strictly`) or not negative, and becomes NaN where it is not when a tape
/// is replayed: a check runs once, the operations after it many times.
pub(crate) fn in_domain<E: Float>(x: &Value<E>, strictly: bool) -> Value<E> {
    if !x.node().is_some() {
        return x.clone();
    }
    apply(Unary(InDomain { strictly }), &[x], *x.dims())
}

#[derive(Clone, Copy, Debug)]
struct AtLeast(f64);

impl UnaryFn for AtLeast {
    const NAME: &'static str = "at_least";
    #[inline(always)]
    fn f<A: Arch, T: Real>(self, x: T) -> T {
        let low = T::from_f64(self.0);
        if x < low { low } else { x }
    }
    #[inline(always)]
    fn df<A: Arch, T: Real>(self, x: T, _: T) -> T {
        if x < T::from_f64(self.0) { T::ZERO } else { T::ONE }
    }
}

/// `max(x, low)`; NaN stays.
pub(crate) fn at_least<E: Float>(x: &Value<E>, low: f64) -> Value<E> {
    apply(Unary(AtLeast(low)), &[x], *x.dims())
}

macro_rules! binary {
    ($($name:ident $type:ident ($a:ident, $b:ident, $y:ident) $f:expr, $df:expr;)+) => {$(
        #[derive(Clone, Copy, Debug)]
        pub(super) struct $type;

        impl BinaryFn for $type {
            const NAME: &'static str = stringify!($name);
            #[inline(always)]
            fn f<A: Arch, T: Real>($a: T, $b: T) -> T {
                $f
            }
            #[inline(always)]
            #[allow(unused_variables)]
            fn df<A: Arch, T: Real>($a: T, $b: T, $y: T) -> (T, T) {
                $df
            }
        }

        pub(crate) fn $name<E: Float>(a: &Value<E>, b: &Value<E>) -> Value<E> {
            binary::<$type, E>(a, b)
        }
    )+};
}

binary! {
    add Add (a, b, y) a + b, (T::ONE, T::ONE);
    sub Sub (a, b, y) a - b, (T::ONE, -T::ONE);
    mul Mul (a, b, y) a * b, (b, a);
    // `e^a (a - b)`, a term of a divergence between log-probabilities: 0 where `a` is minus infinity, whatever `b` is.
    kl_term KlTerm (a, b, y)
        if a == T::NEG_INFINITY { T::ZERO } else { math::exp::<A, T>(a) * (a - b) },
        if a == T::NEG_INFINITY {
            (T::ZERO, T::ZERO)
        } else {
            (math::exp::<A, T>(a) * (a - b + T::ONE), -math::exp::<A, T>(a))
        };
    div Div (a, b, y) a / b, (T::ONE / b, -y / b);
}
