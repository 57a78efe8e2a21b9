//! Gated recurrent units that reset after the product: `h' = (1 - z) ⊙ n + z ⊙ h` with the update `z` and the reset
//! `r` logistic functions of the pre-activations, and `n = tanh(x W_n + b_n + r ⊙ (h U_n + c_n))` (Cho et al. 2014,
//! EMNLP, equations 5 to 8, with the reset moved behind the product, so that one product with `h` serves all gates).
//! The gates are in the order z, r, n.

use super::lanes::{add, blocks, load, map, store};
use crate::kernels::dispatch::{Arch, Kernel, dispatch};
use crate::kernels::float::Real;
use crate::kernels::math::{sigmoid, tanh};

/// The gates of a unit.
pub(super) const GATES: usize = 3;

/// Numbers that a step keeps of each unit: `z`, `r`, `n`, and `h U_n + c_n`.
pub const KEPT: usize = 4;

/// The hidden state before a step.
pub(super) enum Before<'a, T> {
    /// Zero.
    Zero,
    /// `[rows, units]`.
    Rows(&'a [T]),
    /// Each row of the hidden state after the step is preceded by the one before it.
    InFront,
}

/// The gates of some rows, forward.
pub(super) struct Activate<'a, T> {
    pub(super) units: usize,
    /// Pre-activations of `z`, `r` (from inputs and state), `n` (from the inputs) and `n` (from the state), which become
    /// what is kept: `[rows, 4 units]`. The last is not read if the state is zero.
    pub(super) gates: &'a mut [T],
    /// Added to the parts from the inputs and from the state: `[3 units]` each.
    pub(super) bias: [&'a [T]; 2],
    pub(super) before: Before<'a, T>,
    /// The hidden state: `units` numbers at the start of each row of `stride` numbers.
    pub(super) hidden: &'a mut [T],
    pub(super) stride: usize,
}

impl<T: Real> Kernel for Activate<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let (units, [bias, recurrent_bias]) = (self.units, self.bias);
        let rows = self.gates.chunks_exact_mut(KEPT * units).zip(self.hidden.chunks_mut(self.stride));
        for (row, (gates, hidden)) in rows.enumerate() {
            let (before, hidden) = match self.before {
                Before::Zero => (None, hidden),
                Before::Rows(before) => (Some(&before[row * units..(row + 1) * units]), hidden),
                Before::InFront => {
                    let (before, hidden) = hidden.split_at_mut(units);
                    (Some(&*before), hidden)
                }
            };
            blocks(units, |start, count| {
                let part = |values: &[T], gate: usize| load(values, gate * units + start, count);
                let sum = |a: [T; _], b: [T; _]| map(|lane| a[lane] + b[lane]);
                let logistic = |gate: usize| {
                    let bias = sum(part(bias, gate), part(recurrent_bias, gate));
                    let z = sum(part(gates, gate), bias);
                    map(|lane| sigmoid::<A, T>(z[lane]))
                };
                let (z, r) = (logistic(0), logistic(1));
                let a = match before {
                    Some(_) => sum(part(gates, 3), part(recurrent_bias, 2)),
                    None => part(recurrent_bias, 2),
                };
                let n = sum(part(gates, 2), part(bias, 2));
                let n = map(|lane| tanh::<A, T>(r[lane].mul_add::<A>(a[lane], n[lane])));
                let h = before.map_or([T::ZERO; _], |before| load(before, start, count));
                let h = map(|lane| z[lane].mul_add::<A>(h[lane] - n[lane], n[lane]));
                for (gate, values) in [z, r, n, a].iter().enumerate() {
                    store(values, gates, gate * units + start, count);
                }
                store(&h, hidden, start, count);
            });
        }
    }
}

/// The gates of some rows, backward.
pub(super) struct Differentiate<'a, T> {
    pub(super) units: usize,
    /// What was kept: `[rows, 4 units]`.
    pub(super) gates: &'a [T],
    /// The hidden state before the step, if it is not zero: `units` numbers at the start of each row of so many.
    pub(super) before: Option<(&'a [T], usize)>,
    /// Gradient by the hidden state from outside: `units` numbers at the start of each row of `stride` numbers.
    pub(super) outer: &'a [T],
    pub(super) stride: usize,
    /// Gradient by the hidden state from later steps; then the part of that by the state before the step that does not
    /// pass through the gates: `[rows, units]`.
    pub(super) d_hidden: &'a mut [T],
    /// Gradient by the pre-activations, in the order of `gates`: `[rows, 4 units]`.
    pub(super) d_gates: &'a mut [T],
    /// Where the sum of that over the rows is added: `[4 units]`.
    pub(super) d_bias: &'a mut [T],
}

impl<T: Real> Kernel for Differentiate<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let (units, width) = (self.units, KEPT * self.units);
        let rows = self.d_gates.chunks_exact_mut(width).zip(self.d_hidden.chunks_exact_mut(units));
        for (row, ((d_gates, d_hidden), outer)) in rows.zip(self.outer.chunks(self.stride)).enumerate() {
            let gates = &self.gates[row * width..(row + 1) * width];
            let before = self.before.map(|(before, stride)| &before[row * stride..row * stride + units]);
            let d_bias = &mut *self.d_bias;
            blocks(units, |start, count| {
                let gate = |gate: usize| load(gates, gate * units + start, count);
                let [z, r, n, a] = [gate(0), gate(1), gate(2), gate(3)];
                let (outer, later) = (load(outer, start, count), load(d_hidden, start, count));
                let h = before.map_or([T::ZERO; _], |before| load(before, start, count));
                let one = T::ONE;
                let dh = map(|lane| outer[lane] + later[lane]);
                let dn = map(|lane| dh[lane] * (one - z[lane]) * (-n[lane]).mul_add::<A>(n[lane], one));
                let d = [
                    map(|lane| dh[lane] * (h[lane] - n[lane]) * (z[lane] * (one - z[lane]))),
                    map(|lane| dn[lane] * a[lane] * (r[lane] * (one - r[lane]))),
                    dn,
                    map(|lane| dn[lane] * r[lane]),
                ];
                for (gate, values) in d.iter().enumerate() {
                    store(values, d_gates, gate * units + start, count);
                    add(values, d_bias, gate * units + start, count);
                }
                store(&map(|lane| dh[lane] * z[lane]), d_hidden, start, count);
            });
        }
    }
}

/// One step from the pre-activations `by_inputs` and `by_state`, `[batch, 3 units]` each.
///
/// `before` and `hidden` are the states before and after the step, `[batch, units]`; `kept`, `[batch, 4 units]`, is what
/// [`step_backward`] needs.
pub fn step<T: Real>(
    units: usize,
    [by_inputs, by_state]: [&[T]; 2],
    before: &[T],
    kept: &mut [T],
    hidden: &mut [T],
) {
    let parts = by_inputs.chunks_exact(GATES * units).zip(by_state.chunks_exact(GATES * units));
    for (kept, (by_inputs, by_state)) in kept.chunks_exact_mut(KEPT * units).zip(parts) {
        let (all, candidate) = kept.split_at_mut(GATES * units);
        all.copy_from_slice(by_inputs);
        all[..2 * units].iter_mut().zip(by_state).for_each(|(sum, &term)| *sum += term);
        candidate.copy_from_slice(&by_state[2 * units..]);
    }
    let bias = vec![T::ZERO; GATES * units];
    let (before, bias) = (Before::Rows(before), [&*bias, &*bias]);
    dispatch(Activate { units, gates: kept, bias, before, hidden, stride: units });
}

/// Gradients of [`step`], from what it kept and the state before it.
///
/// `d_hidden` holds the gradient by the new state, and then that part of the gradient by the old one that does not pass
/// through the pre-activations. `d_kept` becomes the gradient by `z`, `r`, `n` of `by_inputs`, then by `n` of `by_state`.
pub fn step_backward<T: Real>(
    units: usize,
    (kept, before): (&[T], &[T]),
    d_hidden: &mut [T],
    d_kept: &mut [T],
) {
    let (outer, mut d_bias) = (vec![T::ZERO; d_hidden.len()], vec![T::ZERO; KEPT * units]);
    dispatch(Differentiate {
        units,
        gates: kept,
        before: Some((before, units)),
        outer: &outer,
        stride: units,
        d_hidden,
        d_gates: d_kept,
        d_bias: &mut d_bias,
    });
}
