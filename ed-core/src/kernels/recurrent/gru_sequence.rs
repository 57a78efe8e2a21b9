//! A sequence through a network of gated recurrent units, forward and back through time.

use super::gru::{Activate, Before, Differentiate, GATES, KEPT};
use super::products::{Applied, columns, columns_mut, product, weight_gradient};
use super::{Sizes, Target, cut, cut_mut, run_chunks};
use crate::kernels::dispatch::dispatch;
use crate::kernels::float::Real;
use crate::kernels::linalg::{view, view_mut};

/// The weights of a network; the columns hold the gates in the order z, r, n.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a, T> {
    /// Weights of the inputs, `[inputs, 3 units]`.
    pub kernel: &'a [T],
    /// Weights of the hidden state, `[units, 3 units]`.
    pub recurrent: &'a [T],
    /// The bias of the inputs' part, `[3 units]`.
    pub bias: &'a [T],
    /// The bias of the state's part, `[3 units]`.
    pub recurrent_bias: &'a [T],
}

/// How many numbers a forward pass keeps of so many steps.
pub fn kept_len(sizes: Sizes, steps: usize) -> usize {
    steps * sizes.batch * KEPT * sizes.units
}

/// Takes `x`, `[batch, steps, inputs]`, through the network from the state `initial`, `[batch, units]`, or zero.
///
/// The hidden states go to `hidden`, `[batch, steps, units]`. `kept` has [`kept_len`] numbers for `kept_steps` steps: all
/// of them if there will be a backward pass, else one.
///
/// # Panics
/// If a slice does not have the size that it is said to have.
pub fn forward<T: Real>(
    sizes: Sizes,
    weights: Weights<'_, T>,
    (x, initial): (&[T], Option<&[T]>),
    hidden: &mut [T],
    (kept, kept_steps): (&mut [T], usize),
) {
    let Sizes { steps, inputs, units, .. } = sizes;
    let (mut x, mut hidden, mut initial, mut kept) = (x, hidden, initial, kept);
    let chunks = sizes.chunks().map(|(_, rows)| Forward {
        sizes: Sizes { batch: rows, ..sizes },
        x: cut(&mut x, rows * steps * inputs),
        initial: initial.as_mut().map(|h| cut(h, rows * units)),
        hidden: cut_mut(&mut hidden, rows * steps * units),
        gates: cut_mut(&mut kept, rows * kept_steps * KEPT * units),
        kept_steps,
    });
    run_chunks(chunks.collect(), |chunk| chunk.run(weights));
}

/// Some examples on their way through all steps.
struct Forward<'a, T> {
    sizes: Sizes,
    x: &'a [T],
    initial: Option<&'a [T]>,
    hidden: &'a mut [T],
    gates: &'a mut [T],
    kept_steps: usize,
}

impl<T: Real> Forward<'_, T> {
    fn run(self, weights: Weights<'_, T>) {
        let Sizes { batch, steps, inputs, units } = self.sizes;
        let (width, kept, all) = (GATES * units, KEPT * units, (0, batch));
        let kernel = view(weights.kernel, inputs, width);
        let (logistic, candidate) = (0..2 * units, 2 * units..width);
        for step in 0..steps {
            let slot = step.min(self.kept_steps - 1);
            let gates = &mut self.gates[slot * batch * kept..][..batch * kept];
            if let Some(x) = Applied::Inputs(self.x).at(step, (steps, inputs), all) {
                product(columns_mut(gates, kept, 0..width), true, x, kernel);
            }
            if let Some(before) = Applied::Before(self.hidden, self.initial).at(step, (steps, units), all) {
                let recurrent = |part| columns(weights.recurrent, width, part);
                let target = columns_mut(gates, kept, logistic.clone());
                product(target, false, before, recurrent(logistic.clone()));
                let target = columns_mut(gates, kept, width..kept);
                product(target, true, before, recurrent(candidate.clone()));
            }
            let (before, start) = match (step, self.initial) {
                (0, Some(initial)) => (Before::Rows(initial), 0),
                (0, None) => (Before::Zero, 0),
                _ => (Before::InFront, (step - 1) * units),
            };
            let (hidden, stride) = (&mut self.hidden[start..], steps * units);
            let bias = [weights.bias, weights.recurrent_bias];
            dispatch(Activate { units, gates, bias, before, hidden, stride });
        }
    }
}

/// What a forward pass read and wrote.
#[derive(Clone, Copy, Debug)]
pub struct Passed<'a, T> {
    /// The inputs, `[batch, steps, inputs]`.
    pub x: &'a [T],
    /// The state before the first step, `[batch, units]`, unless it was zero.
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
    /// That by [`Weights::recurrent_bias`].
    pub recurrent_bias: Option<Target<'a, T>>,
    /// That by the initial state, `[batch, units]`.
    pub initial: Option<Target<'a, T>>,
}

/// How many numbers of working memory [`backward`] needs.
pub fn backward_len(sizes: Sizes) -> usize {
    sizes.batch * sizes.units * (sizes.steps * KEPT + 1)
}

/// The gradients of [`forward`], from those by the hidden states, `d_hidden`.
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
    d_hidden: &[T],
    working: &mut [T],
    targets: Targets<'_, T>,
) {
    let Sizes { batch, steps, inputs, units } = sizes;
    let (width, kept_width) = (GATES * units, KEPT * units);
    let (d_gates, d_state) = working.split_at_mut(batch * steps * kept_width);
    d_state.fill(T::ZERO);
    {
        let (mut kept, mut hidden, mut initial) = (passed.kept, passed.hidden, passed.initial);
        let (mut outer, mut d_gates, mut d_h, mut d_x) = (d_hidden, &mut *d_gates, &mut *d_state, targets.x);
        let chunks = sizes.chunks().map(|(_, rows)| Backward {
            sizes: Sizes { batch: rows, ..sizes },
            gates: cut(&mut kept, rows * steps * kept_width),
            hidden: cut(&mut hidden, rows * steps * units),
            initial: initial.as_mut().map(|h| cut(h, rows * units)),
            outer: cut(&mut outer, rows * steps * units),
            d_gates: cut_mut(&mut d_gates, rows * steps * kept_width),
            d_hidden: cut_mut(&mut d_h, rows * units),
            d_x: d_x.as_mut().map(|x| (cut_mut(&mut x.values, rows * steps * inputs), x.fresh)),
            to_the_start: targets.initial.is_some(),
        });
        let d_bias = run_chunks(chunks.collect(), |chunk| chunk.run(weights));
        if let Some(mut bias) = targets.bias {
            d_bias.iter().for_each(|terms| bias.put(&terms[..width]));
        }
        if let Some(mut bias) = targets.recurrent_bias {
            for terms in d_bias {
                let terms = [&terms[..2 * units], &terms[width..]].concat();
                bias.put(&terms);
            }
        }
    }
    let d = |part| (&*d_gates, kept_width, part);
    if let Some(kernel) = targets.kernel {
        let c = (view_mut(kernel.values, inputs, width), kernel.fresh);
        weight_gradient(sizes, c, Applied::Inputs(passed.x), d(0..width));
    }
    if let Some(recurrent) = targets.recurrent {
        let a = Applied::Before(passed.hidden, passed.initial);
        let c = view_mut(recurrent.values, units, width);
        let (logistic, candidate) = c.split_at_col_mut(2 * units);
        weight_gradient(sizes, (logistic, recurrent.fresh), a, d(0..2 * units));
        weight_gradient(sizes, (candidate, recurrent.fresh), a, d(width..kept_width));
    }
    if let Some(mut initial) = targets.initial {
        initial.put(d_state);
    }
}

/// Some examples on their way back through all steps.
struct Backward<'a, T> {
    sizes: Sizes,
    gates: &'a [T],
    hidden: &'a [T],
    initial: Option<&'a [T]>,
    outer: &'a [T],
    d_gates: &'a mut [T],
    d_hidden: &'a mut [T],
    d_x: Option<(&'a mut [T], bool)>,
    /// Whether the gradient by the initial state is wanted.
    to_the_start: bool,
}

impl<T: Real> Backward<'_, T> {
    /// The gradient by the biases, in the order of what is kept.
    fn run(mut self, weights: Weights<'_, T>) -> Vec<T> {
        let Sizes { batch, steps, inputs, units } = self.sizes;
        let (width, kept) = (GATES * units, KEPT * units);
        let kernel = view(weights.kernel, inputs, width);
        let mut d_bias = vec![T::ZERO; kept];
        for step in (0..steps).rev() {
            let own = step * batch * kept..(step + 1) * batch * kept;
            let before = match step.checked_sub(1) {
                Some(before) => Some((&self.hidden[before * units..], steps * units)),
                None => self.initial.map(|initial| (initial, units)),
            };
            let d_gates = &mut self.d_gates[own.clone()];
            dispatch(Differentiate {
                units,
                gates: &self.gates[own],
                before,
                outer: &self.outer[step * units..],
                stride: steps * units,
                d_hidden: self.d_hidden,
                d_gates,
                d_bias: &mut d_bias,
            });
            let d = |part| columns(d_gates, kept, part);
            if let Some((d_x, fresh)) = &mut self.d_x {
                let d_x = columns_mut(d_x, steps * inputs, step * inputs..(step + 1) * inputs);
                product(d_x, *fresh, d(0..width), kernel.transpose());
            }
            if step > 0 || self.to_the_start {
                for (own, part) in [(0..2 * units, 0..2 * units), (width..kept, 2 * units..width)] {
                    let recurrent = columns(weights.recurrent, width, part).transpose();
                    product(view_mut(self.d_hidden, batch, units), false, d(own), recurrent);
                }
            }
        }
        d_bias
    }
}
