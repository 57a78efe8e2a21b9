//! The loops under the elementwise operations: vectorised for the processor at hand, and on all cores when long.
//!
//! A shorter operand is repeated: operand element `i % len`. So a number, a row and a whole tensor are one case each,
//! and nothing is copied to be broadcast.

use rayon::prelude::*;

use crate::kernels::Real;
use crate::kernels::dispatch::{Arch, Kernel, dispatch};
use crate::kernels::fused::Gradient;

/// From this length on, a loop is worth waking another core for.
const PARALLEL_FROM: usize = 1 << 17;
/// Elements that one core takes at a time: 128 kB of `f32`, half of a level-2 cache with its output.
const CHUNK: usize = 1 << 15;

/// A function of one number, with its derivative.
pub(crate) trait UnaryFn: Copy + Send + Sync + std::fmt::Debug + 'static {
    /// Name for error messages.
    const NAME: &'static str;
    /// The function.
    fn f<A: Arch, T: Real>(self, x: T) -> T;
    /// Its derivative at `x`, where `y = f(x)`.
    fn df<A: Arch, T: Real>(self, x: T, y: T) -> T;
}

/// A function of two numbers, with its partial derivatives.
pub(crate) trait BinaryFn: Copy + Send + Sync + std::fmt::Debug + 'static {
    /// Name for error messages.
    const NAME: &'static str;
    /// The function.
    fn f<A: Arch, T: Real>(a: T, b: T) -> T;
    /// Its partial derivatives, where `y = f(a, b)`.
    fn df<A: Arch, T: Real>(a: T, b: T, y: T) -> (T, T);
}

struct Map<'a, F, T> {
    f: F,
    x: &'a [T],
    out: &'a mut [T],
}

impl<F: UnaryFn, T: Real> Kernel for Map<'_, F, T> {
    type Out = ();
    #[inline(always)]
    fn run<A: Arch>(self) {
        for (out, &x) in self.out.iter_mut().zip(self.x) {
            *out = self.f.f::<A, T>(x);
        }
    }
}

/// `out[i] = f(x[i])`.
pub(crate) fn map<F: UnaryFn, T: Real>(f: F, x: &[T], out: &mut [T]) {
    if out.len() < PARALLEL_FROM {
        return dispatch(Map { f, x, out });
    }
    out.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(out, x)| dispatch(Map { f, x, out }));
}

struct MapGrad<'a, F, T> {
    f: F,
    x: &'a [T],
    y: &'a [T],
    grad_out: &'a [T],
    grad: &'a mut [T],
    fresh: bool,
}

impl<F: UnaryFn, T: Real> Kernel for MapGrad<'_, F, T> {
    type Out = ();
    #[inline(always)]
    fn run<A: Arch>(self) {
        let terms = self.x.iter().zip(self.y).zip(self.grad_out);
        if self.fresh {
            for (grad, ((&x, &y), &g)) in self.grad.iter_mut().zip(terms) {
                *grad = g * self.f.df::<A, T>(x, y);
            }
        } else {
            for (grad, ((&x, &y), &g)) in self.grad.iter_mut().zip(terms) {
                *grad += g * self.f.df::<A, T>(x, y);
            }
        }
    }
}

/// `grad[i] += grad_out[i] f'(x[i])`, or `=` if the gradient is fresh.
pub(crate) fn map_grad<F: UnaryFn, T: Real>(
    f: F,
    x: &[T],
    y: &[T],
    grad_out: &[T],
    grad: &mut [T],
    fresh: bool,
) {
    if x.len() < PARALLEL_FROM {
        return dispatch(MapGrad { f, x, y, grad_out, grad, fresh });
    }
    grad.par_chunks_mut(CHUNK)
        .zip(x.par_chunks(CHUNK))
        .zip(y.par_chunks(CHUNK))
        .zip(grad_out.par_chunks(CHUNK))
        .for_each(|(((grad, x), y), grad_out)| dispatch(MapGrad { f, x, y, grad_out, grad, fresh }));
}

/// How an operand lies against a run of outputs.
#[derive(Clone, Copy)]
pub(crate) enum Lane<'a, T> {
    /// One number for all.
    Number(T),
    /// One number each.
    Each(&'a [T]),
}

impl<'a, T: Real> Lane<'a, T> {
    /// The operand for outputs `start..start + len`, which lie inside one period of it.
    pub(crate) fn part(operand: &'a [T], start: usize, len: usize) -> Lane<'a, T> {
        if operand.len() == 1 {
            return Lane::Number(operand[0]);
        }
        let start = start % operand.len();
        Lane::Each(&operand[start..start + len])
    }
}

/// Cuts `0..total` into runs that no operand's period crosses, each at most a chunk long.
///
/// The cuts depend on the lengths only, so sums over runs are the same on any number of threads.
pub(crate) fn runs(total: usize, periods: &[usize]) -> impl Iterator<Item = (usize, usize)> + use<> {
    let period = periods.iter().copied().filter(|&period| period > 1).min().unwrap_or(total).max(1);
    (0..total.div_ceil(period)).flat_map(move |block| {
        let (from, to) = (block * period, ((block + 1) * period).min(total));
        (0..(to - from).div_ceil(CHUNK))
            .map(move |chunk| (from + chunk * CHUNK, CHUNK.min(to - from - chunk * CHUNK)))
    })
}

struct Zip<'a, F, T> {
    f: std::marker::PhantomData<F>,
    a: Lane<'a, T>,
    b: Lane<'a, T>,
    out: &'a mut [T],
}

impl<F: BinaryFn, T: Real> Kernel for Zip<'_, F, T> {
    type Out = ();
    #[inline(always)]
    fn run<A: Arch>(self) {
        match (self.a, self.b) {
            (Lane::Each(a), Lane::Each(b)) => {
                for ((out, &a), &b) in self.out.iter_mut().zip(a).zip(b) {
                    *out = F::f::<A, T>(a, b);
                }
            }
            (Lane::Each(a), Lane::Number(b)) => {
                for (out, &a) in self.out.iter_mut().zip(a) {
                    *out = F::f::<A, T>(a, b);
                }
            }
            (Lane::Number(a), Lane::Each(b)) => {
                for (out, &b) in self.out.iter_mut().zip(b) {
                    *out = F::f::<A, T>(a, b);
                }
            }
            (Lane::Number(a), Lane::Number(b)) => self.out.fill(F::f::<A, T>(a, b)),
        }
    }
}

/// `out[i] = f(a[i % a.len()], b[i % b.len()])`.
pub(crate) fn zip<F: BinaryFn, T: Real>(a: &[T], b: &[T], out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    let f = std::marker::PhantomData::<F>;
    let run = |start: usize, out: &mut [T]| {
        let len = out.len();
        dispatch(Zip { f, a: Lane::part(a, start, len), b: Lane::part(b, start, len), out });
    };
    let periodic = [a.len(), b.len()].iter().any(|&len| len > 1 && len < out.len());
    match (periodic, out.len()) {
        (true, total) => {
            runs(total, &[a.len(), b.len()]).for_each(|(at, len)| run(at, &mut out[at..at + len]))
        }
        (false, len) if len < PARALLEL_FROM => run(0, out),
        (false, _) => {
            out.par_chunks_mut(CHUNK).enumerate().for_each(|(index, out)| run(index * CHUNK, out));
        }
    }
}

struct ZipGrad<'a, F, T> {
    f: std::marker::PhantomData<F>,
    a: Lane<'a, T>,
    b: Lane<'a, T>,
    y: &'a [T],
    grad_out: &'a [T],
    grad: GradLane<'a, T>,
    right: bool,
    /// Whether a gradient for each output is written instead of added to.
    fresh: bool,
}

/// Where the gradient of an operand goes.
enum GradLane<'a, T> {
    /// Summed over the outputs.
    Sum(&'a mut T),
    /// One for each output.
    Each(&'a mut [T]),
}

const LANES: usize = 8;

impl<F: BinaryFn, T: Real> ZipGrad<'_, F, T> {
    #[inline(always)]
    fn fill<A: Arch>(self, a: impl Fn(usize) -> T, b: impl Fn(usize) -> T) {
        let len = self.y.len();
        let (y, grad_out) = (&self.y[..len], &self.grad_out[..len]);
        let right = self.right;
        let term = |i: usize| {
            let (da, db) = F::df::<A, T>(a(i), b(i), y[i]);
            grad_out[i] * if right { db } else { da }
        };
        match self.grad {
            GradLane::Each(grad) => {
                let grad = &mut grad[..len];
                if self.fresh {
                    for i in 0..len {
                        grad[i] = term(i);
                    }
                } else {
                    for i in 0..len {
                        grad[i] += term(i);
                    }
                }
            }
            GradLane::Sum(sum) => {
                let mut lanes = [T::ZERO; LANES];
                let whole = len / LANES * LANES;
                for base in (0..whole).step_by(LANES) {
                    for (lane, total) in lanes.iter_mut().enumerate() {
                        *total += term(base + lane);
                    }
                }
                for i in whole..len {
                    lanes[0] += term(i);
                }
                *sum += lanes.into_iter().sum::<T>();
            }
        }
    }
}

impl<F: BinaryFn, T: Real> Kernel for ZipGrad<'_, F, T> {
    type Out = ();
    #[inline(always)]
    fn run<A: Arch>(self) {
        let len = self.y.len();
        match (self.a, self.b) {
            (Lane::Each(a), Lane::Each(b)) => {
                let (a, b) = (&a[..len], &b[..len]);
                self.fill::<A>(|i| a[i], |i| b[i]);
            }
            (Lane::Each(a), Lane::Number(b)) => {
                let a = &a[..len];
                self.fill::<A>(|i| a[i], |_| b);
            }
            (Lane::Number(a), Lane::Each(b)) => {
                let b = &b[..len];
                self.fill::<A>(|_| a, |i| b[i]);
            }
            (Lane::Number(a), Lane::Number(b)) => self.fill::<A>(|_| a, |_| b),
        }
    }
}

/// Adds the gradient of one operand (`right`: of `b`) of `zip`.
pub(crate) fn zip_grad<F: BinaryFn, T: Real>(
    (a, b): (&[T], &[T]),
    y: &[T],
    grad_out: &[T],
    right: bool,
    grad: Gradient<'_, T>,
) {
    fn kernel<F: BinaryFn, T: Real>(
        (a, b): (&[T], &[T]),
        y: &[T],
        grad_out: &[T],
        (right, fresh): (bool, bool),
        (start, len): (usize, usize),
        grad: GradLane<'_, T>,
    ) {
        let range = start..start + len;
        dispatch(ZipGrad {
            f: std::marker::PhantomData::<F>,
            a: Lane::part(a, start, len),
            b: Lane::part(b, start, len),
            y: &y[range.clone()],
            grad_out: &grad_out[range],
            grad,
            right,
            fresh,
        });
    }
    let Gradient { values: grad, fresh } = grad;
    // Numbers that several outputs add to begin at zero; others are written once.
    let once = grad.len() == y.len() && grad.len() > 1;
    if fresh && !once {
        grad.fill(T::ZERO);
    }
    let which = (right, fresh && once);
    if y.is_empty() {
        return;
    }
    let plain = [a.len(), b.len()].iter().all(|&len| len == 1 || len == y.len());
    if plain && y.len() >= PARALLEL_FROM && grad.len() == y.len() {
        grad.par_chunks_mut(CHUNK).enumerate().for_each(|(index, grad)| {
            let run = (index * CHUNK, grad.len());
            kernel::<F, T>((a, b), y, grad_out, which, run, GradLane::Each(grad));
        });
        return;
    }
    let whole = (plain && y.len() <= CHUNK).then_some((0, y.len()));
    let parts = whole.is_none().then(|| runs(y.len(), &[a.len(), b.len()]));
    for (start, len) in whole.into_iter().chain(parts.into_iter().flatten()) {
        let target = if grad.len() == 1 {
            GradLane::Sum(&mut grad[0])
        } else {
            let from = start % grad.len();
            GradLane::Each(&mut grad[from..from + len])
        };
        kernel::<F, T>((a, b), y, grad_out, which, (start, len), target);
    }
}
