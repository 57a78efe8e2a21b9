//! The affine step of a flow: every number is shifted and scaled by numbers that a network gave for it.
//!
//! A network's raw log-scale is squashed to `s = raw / (1 + |raw| / LOG_SCALE_BOUND)`: the identity near 0, and never
//! beyond the bound, so that one step of an optimiser cannot make a scale explode.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::kernels::dispatch::{Arch, Kernel, dispatch};
use crate::kernels::parallel::{CHUNK, Rows, for_each};
use crate::kernels::{Real, math};
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Dims, Float, Keep, Op, Value};

/// What a log-scale stays below, in nats: scales lie between `e⁻⁷` and `e⁷`, about a thousandth and a thousand.
pub const LOG_SCALE_BOUND: f64 = 7.0;

/// Which way a bijection goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// From `x` to `y`.
    Forward,
    /// From `y` to `x`.
    Inverse,
}

impl Direction {
    /// The other way.
    pub fn opposite(self) -> Direction {
        match self {
            Direction::Forward => Direction::Inverse,
            Direction::Inverse => Direction::Forward,
        }
    }
}

/// The squashed log-scale and its slope.
#[inline(always)]
fn squash<T: Real>(raw: T, bound: T) -> (T, T) {
    let shrink = T::ONE / (T::ONE + raw.abs() / bound);
    (raw * shrink, shrink * shrink)
}

#[derive(Debug)]
struct ShiftScale {
    width: usize,
    direction: Direction,
}

struct ForwardRows<'a, T> {
    of: &'a ShiftScale,
    x: &'a [T],
    params: &'a [T],
    out: &'a mut [T],
}

impl<T: Real> Kernel for ForwardRows<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<A: Arch>(self) {
        let bound = T::from_f64(LOG_SCALE_BOUND);
        let width = self.of.width;
        let rows = self.out.chunks_mut(width).zip(self.x.chunks(width)).zip(self.params.chunks(2 * width));
        for ((out, x), params) in rows {
            let (shift, raw) = params.split_at(width);
            let terms = out.iter_mut().zip(x).zip(shift.iter().zip(raw));
            match self.of.direction {
                Direction::Forward => terms.for_each(|((out, &x), (&shift, &raw))| {
                    *out = shift + math::exp::<A, T>(squash(raw, bound).0) * x;
                }),
                Direction::Inverse => terms.for_each(|((out, &x), (&shift, &raw))| {
                    *out = (x - shift) * math::exp::<A, T>(-squash(raw, bound).0);
                }),
            }
        }
    }
}

/// Numbers of a row that are handled together: what is computed once for them stays in the level-1 cache.
const TILE: usize = 256;

struct BackwardRows<'a, T> {
    of: &'a ShiftScale,
    params: &'a [T],
    x: &'a [T],
    out: &'a [T],
    grad_out: &'a [T],
    grad_x: Option<&'a mut [T]>,
    grad_params: Option<&'a mut [T]>,
    /// Whether the gradients by `x` and by the parameters are written, not added to.
    fresh: [bool; 2],
}

/// Writes terms to a gradient, or adds them.
#[inline(always)]
fn put<T: Real>(grad: &mut [T], fresh: bool, terms: impl Iterator<Item = T>) {
    let pairs = grad.iter_mut().zip(terms);
    if fresh {
        pairs.for_each(|(grad, term)| *grad = term);
    } else {
        pairs.for_each(|(grad, term)| *grad += term);
    }
}

impl<T: Real> Kernel for BackwardRows<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<A: Arch>(mut self) {
        let bound = T::from_f64(LOG_SCALE_BOUND);
        let width = self.of.width;
        let forward = self.of.direction == Direction::Forward;
        let mut factors = [T::ZERO; TILE];
        for row in 0..self.grad_out.len() / width {
            for first in (0..width).step_by(TILE) {
                let len = (width - first).min(TILE);
                let (place, of_params) = (row * width + first, row * 2 * width + first);
                let g = &self.grad_out[place..][..len];
                let raw = &self.params[of_params + width..][..len];
                let factors = &mut factors[..len];
                for (factor, &raw) in factors.iter_mut().zip(raw) {
                    let s = squash(raw, bound).0;
                    *factor = math::exp::<A, T>(if forward { s } else { -s });
                }
                let scaled = g.iter().zip(&*factors).map(|(&g, &factor)| g * factor);
                if let Some(grad) = &mut self.grad_x {
                    put(&mut grad[place..][..len], self.fresh[0], scaled.clone());
                }
                let Some(grad) = &mut self.grad_params else { continue };
                let (by_shift, by_raw) = grad[of_params..][..width + len].split_at_mut(width);
                let by_shift = &mut by_shift[..len];
                let slopes = raw.iter().map(|&raw| squash(raw, bound).1);
                if forward {
                    put(by_shift, self.fresh[1], g.iter().copied());
                    let x = &self.x[place..][..len];
                    let terms = scaled.zip(x).zip(slopes).map(|((g, &x), slope)| g * x * slope);
                    put(by_raw, self.fresh[1], terms);
                } else {
                    put(by_shift, self.fresh[1], scaled.map(|g| -g));
                    let out = &self.out[place..][..len];
                    let terms = g.iter().zip(out).zip(slopes).map(|((&g, &out), slope)| -g * out * slope);
                    put(by_raw, self.fresh[1], terms);
                }
            }
        }
    }
}

impl<E: Float> Op<E> for ShiftScale {
    fn name(&self) -> &'static str {
        "shift_scale"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        if out.is_empty() {
            return;
        }
        let rows = |x, width| Rows::new(x, width);
        let parts =
            (Rows::new(out, self.width), rows(inputs[0], self.width), rows(inputs[1], 2 * self.width));
        for_each(parts, (CHUNK / self.width).max(1), |_, (out, x, params)| {
            let (out, x, params) = (out.into_inner(), x.into_inner(), params.into_inner());
            dispatch(ForwardRows { of: self, x, params, out });
        });
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (x, params, out, g) = (pass.inputs[0], pass.inputs[1], pass.out, pass.grad_out);
        if g.is_empty() {
            return;
        }
        let mut slots = pass.grads();
        let mut next = || match slots.next().flatten() {
            Some(slot) => (slot.is_fresh(), Some(slot.raw())),
            None => (true, None),
        };
        let ((fresh_x, grad_x), (fresh_params, grad_params)) = (next(), next());
        let (width, fresh) = (self.width, [fresh_x, fresh_params]);
        let given = Rows::new(params, 2 * width);
        let grads = (grad_x.map(|x| Rows::new(x, width)), grad_params.map(|x| Rows::new(x, 2 * width)));
        let (points, grad_rows) = ((Rows::new(x, width), Rows::new(out, width)), Rows::new(g, width));
        let parts = (grad_rows, given, points, grads.0, grads.1);
        for_each(parts, (CHUNK / width).max(1), |_, (g, params, (x, out), grad_x, grad_params)| {
            dispatch(BackwardRows {
                of: self,
                params: params.into_inner(),
                x: x.into_inner(),
                out: out.into_inner(),
                grad_out: g.into_inner(),
                grad_x: grad_x.map(Rows::into_inner),
                grad_params: grad_params.map(Rows::into_inner),
                fresh,
            });
        });
    }
}

/// The sum of the squashed log-scales of a row, with a sign.
#[derive(Debug)]
struct LogScales {
    width: usize,
    direction: Direction,
}

struct SumRows<'a, T> {
    raw: Range<usize>,
    sign: T,
    params: &'a [T],
    out: &'a mut [T],
}

impl<T: Real> Kernel for SumRows<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<A: Arch>(self) {
        const LANES: usize = 8;
        let bound = T::from_f64(LOG_SCALE_BOUND);
        for (out, params) in self.out.iter_mut().zip(self.params.chunks(self.raw.end)) {
            let (blocks, rest) = params[self.raw.clone()].as_chunks::<LANES>();
            let mut sums = [T::ZERO; LANES];
            for block in blocks {
                for lane in 0..LANES {
                    sums[lane] += squash(block[lane], bound).0;
                }
            }
            let rest: T = rest.iter().map(|&raw| squash(raw, bound).0).sum();
            *out = self.sign * (sums.into_iter().sum::<T>() + rest);
        }
    }
}

struct SumBackward<'a, T> {
    raw: Range<usize>,
    sign: T,
    params: &'a [T],
    grad_out: &'a [T],
    grad: &'a mut [T],
}

impl<T: Real> Kernel for SumBackward<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<A: Arch>(self) {
        let bound = T::from_f64(LOG_SCALE_BOUND);
        let rows = self.grad.chunks_mut(self.raw.end).zip(self.params.chunks(self.raw.end));
        for ((grad, params), &g) in rows.zip(self.grad_out) {
            let g = g * self.sign;
            for (grad, &raw) in grad[self.raw.clone()].iter_mut().zip(&params[self.raw.clone()]) {
                *grad += g * squash(raw, bound).1;
            }
        }
    }
}

impl LogScales {
    fn sign<T: Real>(&self) -> T {
        if self.direction == Direction::Forward { T::ONE } else { -T::ONE }
    }
}

impl<E: Float> Op<E> for LogScales {
    fn name(&self) -> &'static str {
        "shift_scale_log_det"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        let (width, sign) = (self.width, self.sign());
        if width == 0 {
            return out.fill(E::ZERO);
        }
        let parts = (Rows::new(out, 1), Rows::new(inputs[0], 2 * width));
        for_each(parts, (CHUNK / width).max(1), |_, (out, params)| {
            let (out, params) = (out.into_inner(), params.into_inner());
            dispatch(SumRows { raw: width..2 * width, sign, params, out });
        });
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (params, g, width, sign) = (pass.inputs[0], pass.grad_out, self.width, self.sign());
        let Some(slot) = pass.grad(0) else { return };
        if width == 0 {
            return;
        }
        let rows = |x| Rows::new(x, 2 * width);
        let parts = (Rows::new(slot.add(), 2 * width), rows(params), Rows::new(g, 1));
        for_each(parts, (CHUNK / width).max(1), |_, (grad, params, g)| {
            let (grad, params, grad_out) = (grad.into_inner(), params.into_inner(), g.into_inner());
            dispatch(SumBackward { raw: width..2 * width, sign, params, grad_out, grad });
        });
    }
}

/// `y = shift + eˢ x`, or back `x = (y - shift) e⁻ˢ`, and `ln |det|` of that direction: the sum of the log-scales `s`,
/// or its negative.
///
/// # Shapes
/// `x`: `[…, M]`; `params`: `[…, 2 M]`, the shifts, then the raw log-scales, of which none gets beyond
/// [`LOG_SCALE_BOUND`]. Gives `[…, M]` and `[…]`.
///
/// # Errors
/// [`Error::Shape`] if the parameters do not fit, or the error that an input carries.
///
/// # Examples
/// ```
/// use ed::ops::{Direction, shift_scale};
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let (x, params) = (Var::from([2.0f64]), Var::from([1.0f64, 0.7]));
/// let (y, log_det) = shift_scale(x.value(), params.value(), Direction::Forward)?;
/// let log_scale: f64 = 0.7 / (1.0 + 0.1);
/// assert!((y.as_slice()?[0] - (1.0 + 2.0 * log_scale.exp())).abs() < 1e-12);
/// assert!((log_det.as_slice()?[0] - log_scale).abs() < 1e-12);
/// # Ok(()) }
/// ```
///
/// # Source
/// Papamakarios et al. 2017, Masked Autoregressive Flow, eq. 2; Dinh et al. 2017, Real NVP, eq. 7.
pub fn shift_scale<E: Float>(
    x: &Value<E>,
    params: &Value<E>,
    direction: Direction,
) -> Result<(Value<E>, Value<E>)> {
    let (dims, got) = (*x.check()?.dims(), *params.check()?.dims());
    let expected = dims.split_last().map(|(&width, front)| {
        let front: Dims = front.iter().copied().collect();
        (width, front, front.with_last(2 * width))
    });
    let Some((width, front, _)) = expected.filter(|(.., expected)| *expected == got) else {
        let expected = format!("{dims} with the last size doubled");
        return Err(Error::Shape { op: "shift_scale", expected, got });
    };
    // The map is the last on a tape and so the first on the way back: it writes the gradient by all parameters, and the
    // log-determinant adds to half of it.
    let log_det = apply(LogScales { width, direction }, &[params], front);
    Ok((apply(ShiftScale { width, direction }, &[x, params], dims), log_det))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::elementwise as ew;
    use crate::ops::test_gradients::{assert_slopes, wave, weighted_sum};

    #[test]
    fn gradients_are_the_slopes_in_both_directions() {
        for (direction, more) in
            [Direction::Forward, Direction::Inverse].map(|d| [(d, false), (d, true)]).concat()
        {
            for width in [13, TILE + 3] {
                let inputs = [wave(&[2, width], 0.1, -1.0, 1.0), wave(&[2, 2 * width], 0.2, -9.0, 3.0)];
                let program = |x: &[Value<f64>]| {
                    let (y, log_det) = shift_scale(&x[0], &x[1], direction)?;
                    let y = ew::scale(&weighted_sum(&y), 1e-2);
                    let sum = ew::add(&y, &weighted_sum(&log_det));
                    // Gradients that are there already are added to.
                    let others = ew::add(&weighted_sum(&x[0]), &weighted_sum(&x[1]));
                    Ok(if more { ew::add(&sum, &others) } else { sum })
                };
                assert_slopes(program, &inputs, 1e-6);
            }
        }
    }

    #[test]
    fn no_scale_is_beyond_the_bound_and_back_is_back() -> Result<()> {
        let (x, params) = (wave::<f64>(&[2, 5], 0.3, -1.0, 1.0), wave(&[2, 10], 0.4, -1e6, 1e6));
        let (y, forward) = shift_scale(&x, &params, Direction::Forward)?;
        let (back, inverse) = shift_scale(&y, &params, Direction::Inverse)?;
        for (forward, inverse) in forward.peek()?.iter().zip(inverse.peek()?) {
            assert!(forward.abs() <= 5.0 * LOG_SCALE_BOUND && *forward == -inverse);
        }
        // Beside a shift of a million, nine digits of `x` are left.
        assert!(back.peek()?.iter().zip(x.peek()?).all(|(a, b)| (a - b).abs() < 1e-5));
        assert!(shift_scale(&x, &wave(&[2, 9], 0.0, 0.0, 1.0), Direction::Forward).is_err());
        Ok(())
    }
}
