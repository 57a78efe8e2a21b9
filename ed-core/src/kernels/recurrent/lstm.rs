//! Long short-term memory: `c' = f ⊙ c + i ⊙ g`, `h' = o ⊙ tanh c'`, with `i`, `f`, `o` logistic and `g` hyperbolic
//! tangents of the pre-activations, which hold the gates in the order i, f, g, o (Gers, Schmidhuber and Cummins 2000,
//! Neural Computation 12, equations 2 to 6, without peepholes).

use super::lanes::{Block, add, blocks, lanes, load, load_gate, store, sum};
use crate::kernels::dispatch::{Arch, Kernel, dispatch};
use crate::kernels::float::Real;
use crate::kernels::math::{sigmoid, tanh};

/// The gates of a unit.
pub(super) const GATES: usize = 4;

/// The gates of some rows, forward.
pub(super) struct Activate<'a, T> {
    pub(super) units: usize,
    /// Pre-activations, then activations: `[rows, 4 units]`.
    pub(super) gates: &'a mut [T],
    /// Added to every row of the pre-activations.
    pub(super) bias: &'a [T],
    /// The cell before the step, if it is not in `cell`: `[rows, units]`.
    pub(super) before: Option<&'a [T]>,
    /// The cell: `[rows, units]`.
    pub(super) cell: &'a mut [T],
    /// The hidden state: `units` numbers at the start of each row of `stride` numbers.
    pub(super) hidden: &'a mut [T],
    pub(super) stride: usize,
}

impl<T: Real> Kernel for Activate<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let units = self.units;
        let rows = self.gates.chunks_exact_mut(GATES * units).zip(self.cell.chunks_exact_mut(units));
        for (row, ((gates, cell), hidden)) in rows.zip(self.hidden.chunks_mut(self.stride)).enumerate() {
            if let Some(before) = self.before {
                cell.copy_from_slice(&before[row * units..(row + 1) * units]);
            }
            blocks!(units, start, count => {
                activate_block::<A, T>(gates, self.bias, cell, hidden, start, count);
            });
        }
    }
}

#[inline(always)]
fn activate_block<A: Arch, T: Real>(
    gates: &mut [T],
    bias: &[T],
    cell: &mut [T],
    hidden: &mut [T],
    start: usize,
    count: usize,
) {
    let units = cell.len();
    let mut pre = [[T::ZERO; _]; GATES];
    for (gate, pre) in pre.iter_mut().enumerate() {
        let bias = load_gate(bias, gate, units, start, count);
        *pre = sum(load_gate(gates, gate, units, start, count), bias);
    }
    let [i, f, g, o]: [Block<T>; GATES] = pre;
    let i = lanes!(lane => sigmoid::<A, T>(i[lane]));
    let f = lanes!(lane => sigmoid::<A, T>(f[lane]));
    let g = lanes!(lane => tanh::<A, T>(g[lane]));
    let o = lanes!(lane => sigmoid::<A, T>(o[lane]));
    let c = load(cell, start, count);
    let c = lanes!(lane => f[lane].mul_add::<A>(c[lane], i[lane] * g[lane]));
    let h = lanes!(lane => o[lane] * tanh::<A, T>(c[lane]));
    for (gate, values) in [i, f, g, o].iter().enumerate() {
        store(values, gates, gate * units + start, count);
    }
    store(&c, cell, start, count);
    store(&h, hidden, start, count);
}

/// The gates of some rows, backward.
pub(super) struct Differentiate<'a, T> {
    pub(super) units: usize,
    /// Activations: `[rows, 4 units]`.
    pub(super) gates: &'a [T],
    /// The cell before the step, if it is not zero, and after it: `[rows, units]`.
    pub(super) before: Option<&'a [T]>,
    pub(super) cell: &'a [T],
    /// Gradient by the hidden state from outside: `units` numbers at the start of each row of `stride` numbers.
    pub(super) outer: &'a [T],
    pub(super) stride: usize,
    /// Gradient by the hidden state from later steps: `[rows, units]`.
    pub(super) d_hidden: &'a [T],
    /// Gradient by the cell after the step, then by that before it: `[rows, units]`.
    pub(super) d_cell: &'a mut [T],
    /// Gradient by the pre-activations: `[rows, 4 units]`.
    pub(super) d_gates: &'a mut [T],
    /// Where the sum of that over the rows is added: `[4 units]`.
    pub(super) d_bias: &'a mut [T],
}

impl<T: Real> Kernel for Differentiate<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let (units, width) = (self.units, GATES * self.units);
        let rows = self.d_gates.chunks_exact_mut(width).zip(self.d_cell.chunks_exact_mut(units));
        for (row, ((d_gates, d_cell), outer)) in rows.zip(self.outer.chunks(self.stride)).enumerate() {
            let own = row * units..(row + 1) * units;
            let gates = &self.gates[row * width..(row + 1) * width];
            let (cell, d_hidden) = (&self.cell[own.clone()], &self.d_hidden[own.clone()]);
            let before = self.before.map(|before| &before[own]);
            let forward = Forward { gates, before, cell };
            let gradients = Gradients { d_gates, d_cell, d_bias: &mut *self.d_bias };
            differentiate_row::<A, T>(units, forward, outer, d_hidden, gradients);
        }
    }
}

/// One row of what the forward pass has kept.
#[derive(Clone, Copy)]
struct Forward<'a, T> {
    gates: &'a [T],
    before: Option<&'a [T]>,
    cell: &'a [T],
}

/// One row of the gradients, and the sum over the rows.
struct Gradients<'a, T> {
    d_gates: &'a mut [T],
    d_cell: &'a mut [T],
    d_bias: &'a mut [T],
}

#[inline(always)]
fn differentiate_row<A: Arch, T: Real>(
    units: usize,
    forward: Forward<'_, T>,
    outer: &[T],
    d_hidden: &[T],
    gradients: Gradients<'_, T>,
) {
    let Forward { gates, before, cell } = forward;
    let Gradients { d_gates, d_cell, d_bias } = gradients;
    blocks!(units, start, count => {
        let i = load_gate(gates, 0, units, start, count);
        let f = load_gate(gates, 1, units, start, count);
        let g = load_gate(gates, 2, units, start, count);
        let o = load_gate(gates, 3, units, start, count);
        let dh = sum(load(outer, start, count), load(d_hidden, start, count));
        let (c, dc) = (load(cell, start, count), load(d_cell, start, count));
        let c0 = match before {
            Some(before) => load(before, start, count),
            None => [T::ZERO; _],
        };
        let one = T::ONE;
        let tc = lanes!(lane => tanh::<A, T>(c[lane]));
        let slope = lanes!(lane => (-tc[lane]).mul_add::<A>(tc[lane], one));
        let dc = lanes!(lane => (dh[lane] * o[lane]).mul_add::<A>(slope[lane], dc[lane]));
        let d = [
            lanes!(lane => dc[lane] * g[lane] * (i[lane] * (one - i[lane]))),
            lanes!(lane => dc[lane] * c0[lane] * (f[lane] * (one - f[lane]))),
            lanes!(lane => dc[lane] * i[lane] * (-g[lane]).mul_add::<A>(g[lane], one)),
            lanes!(lane => dh[lane] * tc[lane] * (o[lane] * (one - o[lane]))),
        ];
        for (gate, values) in d.iter().enumerate() {
            store(values, d_gates, gate * units + start, count);
            add(values, d_bias, gate * units + start, count);
        }
        store(&lanes!(lane => dc[lane] * f[lane]), d_cell, start, count);
    });
}

/// One step from pre-activations `[batch, 4 units]`; they become the activations.
///
/// `before` and `cell` are the cell before and after the step, `hidden` the hidden state after it, `[batch, units]`.
/// The slices must have these sizes.
pub fn step<T: Real>(units: usize, gates: &mut [T], before: &[T], cell: &mut [T], hidden: &mut [T]) {
    debug_assert!(gates.len() == GATES * cell.len() && hidden.len() == cell.len());
    let (bias, before) = (vec![T::ZERO; GATES * units], Some(before));
    dispatch(Activate { units, gates, bias: &bias, before, cell, hidden, stride: units });
}

/// What [`step`] read and wrote.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a, T> {
    /// Activations `[batch, 4 units]`.
    pub gates: &'a [T],
    /// The cell before the step, `[batch, units]`.
    pub before: &'a [T],
    /// The cell after the step, `[batch, units]`.
    pub cell: &'a [T],
}

/// Gradients of [`step`]: from that by the new hidden state, `d_hidden`, and by the new cell, `d_cell`, to those by the
/// pre-activations, `d_gates`, and by the old cell, which replaces `d_cell`.
pub fn step_backward<T: Real>(
    units: usize,
    Step { gates, before, cell }: Step<'_, T>,
    d_hidden: &[T],
    d_cell: &mut [T],
    d_gates: &mut [T],
) {
    let (zeros, mut d_bias) = (vec![T::ZERO; d_hidden.len()], vec![T::ZERO; GATES * units]);
    dispatch(Differentiate {
        units,
        gates,
        before: Some(before),
        cell,
        outer: d_hidden,
        stride: units,
        d_hidden: &zeros,
        d_cell,
        d_gates,
        d_bias: &mut d_bias,
    });
}
