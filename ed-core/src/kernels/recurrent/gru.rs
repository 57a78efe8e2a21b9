//! Gated recurrent units that reset after the product: `h' = (1 - z) ⊙ n + z ⊙ h` with the update `z` and the reset
//! `r` logistic functions of the pre-activations, and `n = tanh(x W_n + b_n + r ⊙ (h U_n + c_n))` (Cho et al. 2014,
//! EMNLP, equations 5 to 8, with the reset moved behind the product, so that one product with `h` serves all gates).
//! The gates are in the order z, r, n.

use super::lanes::{Block, add, blocks, lanes, load, load_gate, store, sum};
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
            activate_row::<A, T>(gates, bias, recurrent_bias, before, hidden);
        }
    }
}

/// The logistic function of a block.
#[inline(always)]
fn logistic<A: Arch, T: Real>(z: Block<T>) -> Block<T> {
    lanes!(lane => sigmoid::<A, T>(z[lane]))
}

#[inline(always)]
fn activate_row<A: Arch, T: Real>(
    gates: &mut [T],
    bias: &[T],
    recurrent_bias: &[T],
    before: Option<&[T]>,
    hidden: &mut [T],
) {
    let units = gates.len() / KEPT;
    blocks!(units, start, count => {
        let mut pre = [[T::ZERO; _]; GATES];
        for (gate, pre) in pre.iter_mut().enumerate() {
            let bias = load_gate(bias, gate, units, start, count);
            *pre = sum(load_gate(gates, gate, units, start, count), bias);
        }
        let [z, r, n]: [Block<T>; GATES] = pre;
        let z = logistic::<A, T>(sum(z, load_gate(recurrent_bias, 0, units, start, count)));
        let r = logistic::<A, T>(sum(r, load_gate(recurrent_bias, 1, units, start, count)));
        let bias = load_gate(recurrent_bias, 2, units, start, count);
        let (a, h) = match before {
            Some(before) => {
                (sum(load_gate(gates, 3, units, start, count), bias), load(before, start, count))
            }
            None => (bias, [T::ZERO; _]),
        };
        let n = lanes!(lane => tanh::<A, T>(r[lane].mul_add::<A>(a[lane], n[lane])));
        let h = lanes!(lane => z[lane].mul_add::<A>(h[lane] - n[lane], n[lane]));
        for (gate, values) in [z, r, n, a].iter().enumerate() {
            store(values, gates, gate * units + start, count);
        }
        store(&h, hidden, start, count);
    });
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
            let gradients = Gradients { d_gates, d_hidden, d_bias: &mut *self.d_bias };
            differentiate_row::<A, T>(units, gates, before, outer, gradients);
        }
    }
}

/// One row of the gradients, and the sum over the rows.
struct Gradients<'a, T> {
    d_gates: &'a mut [T],
    d_hidden: &'a mut [T],
    d_bias: &'a mut [T],
}

#[inline(always)]
fn differentiate_row<A: Arch, T: Real>(
    units: usize,
    gates: &[T],
    before: Option<&[T]>,
    outer: &[T],
    gradients: Gradients<'_, T>,
) {
    let Gradients { d_gates, d_hidden, d_bias } = gradients;
    blocks!(units, start, count => {
        let z = load_gate(gates, 0, units, start, count);
        let r = load_gate(gates, 1, units, start, count);
        let n = load_gate(gates, 2, units, start, count);
        let a = load_gate(gates, 3, units, start, count);
        let h = match before {
            Some(before) => load(before, start, count),
            None => [T::ZERO; _],
        };
        let one = T::ONE;
        let dh = sum(load(outer, start, count), load(d_hidden, start, count));
        let slope = lanes!(lane => (-n[lane]).mul_add::<A>(n[lane], one));
        let dn = lanes!(lane => dh[lane] * (one - z[lane]) * slope[lane]);
        let d = [
            lanes!(lane => dh[lane] * (h[lane] - n[lane]) * (z[lane] * (one - z[lane]))),
            lanes!(lane => dn[lane] * a[lane] * (r[lane] * (one - r[lane]))),
            dn,
            lanes!(lane => dn[lane] * r[lane]),
        ];
        for (gate, values) in d.iter().enumerate() {
            store(values, d_gates, gate * units + start, count);
            add(values, d_bias, gate * units + start, count);
        }
        store(&lanes!(lane => dh[lane] * z[lane]), d_hidden, start, count);
    });
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
