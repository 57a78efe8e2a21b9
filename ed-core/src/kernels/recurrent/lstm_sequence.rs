//! A sequence through a network of long short-term memory, forward and back through time.

use super::lstm::{Activate, Differentiate, GATES};
use super::products::{Applied, columns_mut, product, weight_gradient};
use super::{Sizes, Target, cut, cut_mut, run_chunks};
use crate::kernels::dispatch::dispatch;
use crate::kernels::float::Real;
use crate::kernels::linalg::{view, view_mut};

/// The weights of a network; the columns hold the gates in the order i, f, g, o.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a, T> {
    /// Weights of the inputs, `[inputs, 4 units]`.
    pub kernel: &'a [T],
    /// Weights of the hidden state, `[units, 4 units]`.
    pub recurrent: &'a [T],
    /// The bias, `[4 units]`.
    pub bias: &'a [T],
}

/// How many numbers a forward pass keeps of so many steps: the activations, then the cells.
pub fn kept_len(sizes: Sizes, steps: usize) -> usize {
    steps * sizes.batch * (GATES + 1) * sizes.units
}

/// Takes `x`, `[batch, steps, inputs]`, through the network from the state `initial`, `[2, batch, units]`, or zero.
///
/// The hidden states go to `hidden`, `[batch, steps, units]`, and the last state to `last`, `[2, batch, units]`, if it
/// is asked for. `kept` has [`kept_len`] numbers for `kept_steps` steps: all of them if there will be a backward pass,
/// else one.
///
/// # Panics
/// If a slice does not have the size that it is said to have.
pub fn forward<T: Real>(
    sizes: Sizes,
    weights: Weights<'_, T>,
    (x, initial): (&[T], Option<&[T]>),
    (hidden, last): (&mut [T], Option<&mut [T]>),
    (kept, kept_steps): (&mut [T], usize),
) {
    let Sizes { batch, steps, inputs, units } = sizes;
    let (mut gates, mut cells) = kept.split_at_mut(kept_steps * batch * GATES * units);
    let (mut x, mut hidden) = (x, hidden);
    let mut initial = initial.map(|state| state.split_at(batch * units));
    let mut last = last.map(|state| state.split_at_mut(batch * units));
    let chunks = sizes.chunks().map(|(_, rows)| Forward {
        sizes: Sizes { batch: rows, ..sizes },
        x: cut(&mut x, rows * steps * inputs),
        initial: initial.as_mut().map(|(h, c)| (cut(h, rows * units), cut(c, rows * units))),
        hidden: cut_mut(&mut hidden, rows * steps * units),
        last: last.as_mut().map(|(h, c)| (cut_mut(h, rows * units), cut_mut(c, rows * units))),
        gates: cut_mut(&mut gates, rows * kept_steps * GATES * units),
        cells: cut_mut(&mut cells, rows * kept_steps * units),
        kept_steps,
    });
    run_chunks(chunks.collect(), |chunk| chunk.run(weights));
}

/// Some examples on their way through all steps.
struct Forward<'a, T> {
    sizes: Sizes,
    x: &'a [T],
    initial: Option<(&'a [T], &'a [T])>,
    hidden: &'a mut [T],
    last: Option<(&'a mut [T], &'a mut [T])>,
    gates: &'a mut [T],
    cells: &'a mut [T],
    kept_steps: usize,
}

impl<T: Real> Forward<'_, T> {
    fn run(self, weights: Weights<'_, T>) {
        let Sizes { batch, steps, inputs, units } = self.sizes;
        let (width, cell_len, all) = (GATES * units, batch * units, (0, batch));
        let kernel = view(weights.kernel, inputs, width);
        let recurrent = view(weights.recurrent, units, width);
        for step in 0..steps {
            let slot = step.min(self.kept_steps - 1);
            let gates = &mut self.gates[slot * batch * width..][..batch * width];
            if let Some(x) = Applied::Inputs(self.x).at(step, (steps, inputs), all) {
                product(view_mut(gates, batch, width), true, x, kernel);
            }
            let before = Applied::Before(self.hidden, self.initial.map(|(hidden, _)| hidden));
            if let Some(before) = before.at(step, (steps, units), all) {
                product(view_mut(gates, batch, width), false, before, recurrent);
            }
            let (earlier, cell) = self.cells.split_at_mut(slot * cell_len);
            let cell = &mut cell[..cell_len];
            let before = match (step, slot) {
                (0, _) => self.initial.map(|(_, cell)| cell),
                // With one slot, the cell is there already.
                (_, 0) => None,
                _ => Some(&earlier[(slot - 1) * cell_len..]),
            };
            if step == 0 && before.is_none() {
                cell.fill(T::ZERO);
            }
            let (hidden, stride) = (&mut self.hidden[step * units..], steps * units);
            dispatch(Activate { units, gates, bias: weights.bias, before, cell, hidden, stride });
        }
        if let Some((last_hidden, last_cell)) = self.last {
            let rows = last_hidden.chunks_exact_mut(units).zip(self.hidden.chunks_exact(steps * units));
            rows.for_each(|(last, hidden)| last.copy_from_slice(&hidden[(steps - 1) * units..]));
            last_cell.copy_from_slice(&self.cells[self.cells.len() - cell_len..]);
        }
    }
}

/// What a forward pass read and wrote.
#[derive(Clone, Copy, Debug)]
pub struct Passed<'a, T> {
    /// The inputs, `[batch, steps, inputs]`.
    pub x: &'a [T],
    /// The state before the first step, `[2, batch, units]`, unless it was zero.
    pub initial: Option<&'a [T]>,
    /// The hidden states, `[batch, steps, units]`.
    pub hidden: &'a [T],
    /// What was kept of all steps, [`kept_len`] numbers.
    pub kept: &'a [T],
}

/// The gradients to compute.
#[derive(Debug)]
pub struct Targets<'a, T> {
    /// That by the inputs.
    pub x: Option<Target<'a, T>>,
    /// That by [`Weights::kernel`].
    pub kernel: Option<Target<'a, T>>,
    /// That by [`Weights::recurrent`].
    pub recurrent: Option<Target<'a, T>>,
    /// That by [`Weights::bias`].
    pub bias: Option<Target<'a, T>>,
    /// That by the initial state, `[2, batch, units]`.
    pub initial: Option<Target<'a, T>>,
}

/// How many numbers of working memory [`backward`] needs.
pub fn backward_len(sizes: Sizes) -> usize {
    sizes.batch * sizes.units * (sizes.steps * GATES + 2)
}

/// The gradients of [`forward`], from those by the hidden states, `d_hidden`, and by the last state, `d_last`.
///
/// The products with the inputs and hidden states that make the gradients of the weights wait until all steps are done:
/// each column of such a gradient is then summed by one thread, in the order of examples and steps.
///
/// # Panics
/// If a slice does not have the size that it is said to have.
pub fn backward<T: Real>(
    sizes: Sizes,
    weights: Weights<'_, T>,
    passed: Passed<'_, T>,
    (d_hidden, d_last): (&[T], Option<&[T]>),
    working: &mut [T],
    targets: Targets<'_, T>,
) {
    let Sizes { batch, steps, inputs, units } = sizes;
    let width = GATES * units;
    let (d_gates, d_state) = working.split_at_mut(batch * steps * width);
    match d_last {
        Some(d_last) => d_state.copy_from_slice(d_last),
        None => d_state.fill(T::ZERO),
    }
    let (mut gates, mut cells) = passed.kept.split_at(batch * steps * width);
    let mut first_cell = passed.initial.map(|state| &state[batch * units..]);
    let mut outer = d_hidden;
    {
        let (mut d_gates, (mut d_h, mut d_c)) = (&mut *d_gates, d_state.split_at_mut(batch * units));
        let mut d_x = targets.x;
        let chunks = sizes.chunks().map(|(_, rows)| Backward {
            sizes: Sizes { batch: rows, ..sizes },
            gates: cut(&mut gates, rows * steps * width),
            cells: cut(&mut cells, rows * steps * units),
            first_cell: first_cell.as_mut().map(|cell| cut(cell, rows * units)),
            outer: cut(&mut outer, rows * steps * units),
            d_gates: cut_mut(&mut d_gates, rows * steps * width),
            d_hidden: cut_mut(&mut d_h, rows * units),
            d_cell: cut_mut(&mut d_c, rows * units),
            d_x: d_x.as_mut().map(|x| (cut_mut(&mut x.values, rows * steps * inputs), x.fresh)),
            to_the_start: targets.initial.is_some(),
        });
        let d_bias = run_chunks(chunks.collect(), |chunk| chunk.run(weights));
        if let Some(mut bias) = targets.bias {
            d_bias.iter().for_each(|terms| bias.put(terms));
        }
    }
    let d = (&*d_gates, width, 0..width);
    if let Some(kernel) = targets.kernel {
        let c = (view_mut(kernel.values, inputs, width), kernel.fresh);
        weight_gradient(sizes, c, Applied::Inputs(passed.x), d.clone());
    }
    if let Some(recurrent) = targets.recurrent {
        let c = (view_mut(recurrent.values, units, width), recurrent.fresh);
        let initial = passed.initial.map(|state| &state[..batch * units]);
        weight_gradient(sizes, c, Applied::Before(passed.hidden, initial), d);
    }
    if let Some(mut initial) = targets.initial {
        initial.put(d_state);
    }
}

/// Some examples on their way back through all steps.
struct Backward<'a, T> {
    sizes: Sizes,
    gates: &'a [T],
    cells: &'a [T],
    first_cell: Option<&'a [T]>,
    outer: &'a [T],
    d_gates: &'a mut [T],
    d_hidden: &'a mut [T],
    d_cell: &'a mut [T],
    d_x: Option<(&'a mut [T], bool)>,
    /// Whether the gradient by the initial state is wanted.
    to_the_start: bool,
}

impl<T: Real> Backward<'_, T> {
    /// The gradient by the bias.
    fn run(mut self, weights: Weights<'_, T>) -> Vec<T> {
        let Sizes { batch, steps, inputs, units } = self.sizes;
        let (width, cell_len) = (GATES * units, batch * units);
        let kernel = view(weights.kernel, inputs, width);
        let recurrent = view(weights.recurrent, units, width);
        let mut d_bias = vec![T::ZERO; width];
        for step in (0..steps).rev() {
            let gates = step * batch * width..(step + 1) * batch * width;
            let cell = step * cell_len..(step + 1) * cell_len;
            let before = step.checked_sub(1).map(|before| &self.cells[before * cell_len..cell.start]);
            let d_gates = &mut self.d_gates[gates.clone()];
            dispatch(Differentiate {
                units,
                gates: &self.gates[gates],
                before: before.or(self.first_cell),
                cell: &self.cells[cell],
                outer: &self.outer[step * units..],
                stride: steps * units,
                d_hidden: self.d_hidden,
                d_cell: self.d_cell,
                d_gates,
                d_bias: &mut d_bias,
            });
            let d_gates = view(d_gates, batch, width);
            if let Some((d_x, fresh)) = &mut self.d_x {
                let d_x = columns_mut(d_x, steps * inputs, step * inputs..(step + 1) * inputs);
                product(d_x, *fresh, d_gates, kernel.transpose());
            }
            if step > 0 || self.to_the_start {
                product(view_mut(self.d_hidden, batch, units), true, d_gates, recurrent.transpose());
            }
        }
        d_bias
    }
}
