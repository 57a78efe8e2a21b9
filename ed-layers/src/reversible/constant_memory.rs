//! [`ConstantMemory`]: layers that keep none of what they compute for the backward pass.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use ed_core::bijectors::{Bijector, Chain as BijectorChain, Constraint};
use ed_core::ops::{Direction, take_columns};
use ed_core::params::{Captured, capture, repeated};
use ed_core::tensor::{Backward, Dims, Float, GradSlot, Keep, Op, Tape, Value, Var, apply};
use ed_core::{Error, Result};

use super::bind::{Binding, Reversible, Side, reversible_inputs};
use super::flat::{Flat, Rows};
use super::stack::ReversibleChain;
use crate::layer::Layer;
use crate::scope::{self, Identity};
use crate::sequential::{Chain, Sequential};

/// Reversible layers one after another that keep only their last output: going back, each layer's input is computed
/// again from its output, and its gradients from a pass through this one layer.
///
/// The memory of a training step does not grow with the number of layers, but for their parameters; the price is one
/// more pass, and one inverse, of every layer. The gradients are those of the plain stack up to the rounding of the
/// inverses. An autoregressive layer would be inverted position after position, and is refused.
///
/// # Source
/// Gomez et al. 2017, The Reversible Residual Network, section 3.
///
/// # Examples
/// ```
/// use ed::params::value_and_gradients;
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let net = || Dense::new(16).relu();
/// let flow = sequential![
///     RealNvp::new(Coupling::new(net())),
///     RealNvp::new(Coupling::new(net()).kept(Kept::SecondHalf)),
/// ]
/// .constant_memory();
/// let x = Var::<_, f64>::ones((5usize, 4usize));
/// let loss = || Ok(-flow.distribution(Normal::standard((5usize, 4usize))?)?.log_prob(&x)?.mean());
/// let (_, gradients) = seed(0, || value_and_gradients(&mut Params::new(), loss))?;
/// assert!(gradients.get("0/network/readout/kernel").is_some());
/// # Ok(()) }
/// ```
pub struct ConstantMemory<L> {
    layers: Arc<Sequential<L>>,
}

impl<L> Sequential<L> {
    /// The same reversible layers, computed again in the backward pass instead of remembered.
    pub fn constant_memory(self) -> ConstantMemory<L> {
        ConstantMemory { layers: Arc::new(self) }
    }
}

impl<L> Clone for ConstantMemory<L> {
    fn clone(&self) -> Self {
        ConstantMemory { layers: self.layers.clone() }
    }
}

impl<L: fmt::Debug> fmt::Debug for ConstantMemory<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConstantMemory").field(&self.layers).finish()
    }
}

impl<L: Chain> Layer for ConstantMemory<L> {
    fn kind(&self) -> &'static str {
        "ConstantMemory"
    }
    fn identity(&self) -> Option<&Identity> {
        self.layers.identity()
    }
    fn children(&self, visit: &mut dyn FnMut(&str, &dyn Layer)) {
        self.layers.children(visit);
    }
}

reversible_inputs! { [L: Chain + Send + Sync + 'static,] ConstantMemory<L>; }

impl<E: Float, L: ReversibleChain<E> + Send + Sync + 'static> Reversible<E> for ConstantMemory<L> {
    fn bijector(&self, at: &Binding<E>) -> Result<Arc<dyn Bijector<E>>> {
        let (parts, captured): (Vec<_>, Vec<_>) = self.bind_each(at)?.into_iter().unzip();
        if let Some(place) = parts.iter().position(|part| part.is_sequential()) {
            let why = format!(
                "layer {place} goes through its features in turn in one of the directions, and would do so in every \
                 backward pass: leave out `.constant_memory()`, or use couplings"
            );
            return Err(Error::Algorithm { of: "constant_memory", why });
        }
        if parts.iter().any(|part| part.event_rank() != 1) {
            let why = "it takes layers of rows of features, each of one size".to_string();
            return Err(Error::Algorithm { of: "constant_memory", why });
        }
        let context = at.context.clone();
        let boxed = parts.into_iter().map(|part| Box::new(part) as Box<dyn Bijector<E>>).collect();
        let codomain = BijectorChain::new(boxed).codomain();
        Ok(Arc::new(Map { layers: self.clone(), captured, context, codomain }))
    }
}

impl<L: Chain> ConstantMemory<L> {
    /// The layers in the order in which they act, each with the parameters that it alone read.
    fn bind_each<E: Float>(&self, at: &Binding<E>) -> Result<Vec<(Arc<dyn Bijector<E>>, Captured)>>
    where
        L: ReversibleChain<E>,
    {
        let mut num_layers = 0;
        self.layers.layers().visit(0, &mut |_, _| num_layers += 1);
        // Data on the side of the output reach the last layer first.
        let side = at.data.as_ref().map_or(Side::Input, |(side, _)| *side);
        let (mut all, mut at) = (Vec::new(), at.clone());
        for place in 0..num_layers {
            let index = if side == Side::Input { place } else { num_layers - 1 - place };
            let (layer, captured) = capture(|| self.bind_one(index, &at))?;
            at = at.beyond(&*layer, side)?;
            all.push((layer, captured));
        }
        if side == Side::Output {
            all.reverse();
        }
        Ok(all)
    }

    fn bind_one<E: Float>(&self, index: usize, at: &Binding<E>) -> Result<Arc<dyn Bijector<E>>>
    where
        L: ReversibleChain<E>,
    {
        let bound = scope::enter(&Unnamed(self), || self.layers.layers().bind_one(index, at))?;
        bound.ok_or_else(|| Error::Algorithm {
            of: "constant_memory",
            why: format!("there is no layer {index}"),
        })
    }
}

/// The stack without its own name, which is in force already.
struct Unnamed<'a, L>(&'a ConstantMemory<L>);

impl<L> fmt::Debug for Unnamed<'_, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConstantMemory")
    }
}

impl<L: Chain> Layer for Unnamed<'_, L> {
    fn kind(&self) -> &'static str {
        "ConstantMemory"
    }
    fn children(&self, visit: &mut dyn FnMut(&str, &dyn Layer)) {
        self.0.layers.children(visit);
    }
}

/// The layers with the parameters that each of them read.
struct Map<L, E: Float> {
    layers: ConstantMemory<L>,
    captured: Vec<Captured>,
    context: Option<Value<E>>,
    codomain: Option<Constraint<E>>,
}

impl<L: fmt::Debug, E: Float> fmt::Debug for Map<L, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.layers.fmt(f)
    }
}

impl<E: Float, L: ReversibleChain<E> + Send + Sync + 'static> Map<L, E> {
    fn run(&self, x: &Value<E>, direction: Direction) -> Result<(Value<E>, Value<E>)> {
        let flat = Flat::of(x)?;
        let width = flat.width();
        let mut params: Vec<Value<E>> = Vec::new();
        let (mut captured, mut places) = (Vec::new(), Vec::new());
        for layer in &self.captured {
            let first = params.len();
            for value in layer.values() {
                params.push(value.as_value::<E>()?.clone());
            }
            captured.push(layer.with_values(params[first..].iter().map(|value| E::into_any(value.detach()))));
            places.push(1 + first..1 + params.len());
        }
        let failure = Arc::new(Mutex::new(None));
        let op = Stack {
            layers: self.layers.clone(),
            captured,
            places,
            context: self.context.as_ref().map(|_| 1 + params.len()),
            dims: params.iter().chain(self.context.as_ref()).map(|value| *value.dims()).collect(),
            direction,
            rows: *flat.rows.shape(),
            failure: failure.clone(),
        };
        let inputs: Vec<&Value<E>> =
            std::iter::once(flat.rows.value()).chain(&params).chain(self.context.as_ref()).collect();
        let both = apply(op, &inputs, Dims::vector(flat.rows.shape().0).with_last(width + 1));
        if let Some(error) = failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error);
        }
        let columns = (0..width).collect::<Vec<_>>();
        let y: Rows<E> = Var::from_value(take_columns(&both, &columns.into())?)?;
        let log_det = take_columns(&both, &[width].into())?;
        Ok((flat.back(&y)?, log_det.reshape(flat.front)?))
    }
}

impl<E: Float, L: ReversibleChain<E> + Send + Sync + 'static> Bijector<E> for Map<L, E> {
    fn event_rank(&self) -> usize {
        1
    }

    fn forward_and_log_det(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        self.run(x, Direction::Forward)
    }

    fn inverse_and_log_det(&self, y: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        self.run(y, Direction::Inverse)
    }

    fn codomain(&self) -> Option<Constraint<E>> {
        self.codomain.clone()
    }
}

/// All layers in one direction, with their parameters (and the context) as inputs behind the features. The output is the
/// features and one more column, the log-determinant.
struct Stack<L> {
    layers: ConstantMemory<L>,
    /// The names of each layer's parameters.
    captured: Vec<Captured>,
    /// Which inputs are each layer's parameters.
    places: Vec<Range<usize>>,
    /// Which input is the context.
    context: Option<usize>,
    /// Sizes of the inputs behind the features.
    dims: Vec<Dims>,
    direction: Direction,
    rows: (usize, usize),
    /// Where a pass that fails says why.
    failure: Arc<Mutex<Option<Error>>>,
}

impl<L> fmt::Debug for Stack<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").field("direction", &self.direction).finish_non_exhaustive()
    }
}

impl<L> Stack<L> {
    /// The inputs that a layer reads besides the features: its parameters, and the context.
    fn inputs_of(&self, index: usize) -> impl Iterator<Item = usize> + use<L> {
        self.places[index].clone().chain(self.context)
    }

    /// The same inputs as values.
    fn values<E: Float>(&self, index: usize, inputs: &[&[E]]) -> Result<Vec<Value<E>>> {
        let value = |input: usize| Value::from_vec(inputs[input].to_vec(), self.dims[input - 1]);
        self.inputs_of(index).map(value).collect()
    }

    /// One layer with these values of [`Stack::inputs_of`].
    fn layer<E: Float>(&self, index: usize, values: &[Value<E>]) -> Result<Arc<dyn Bijector<E>>>
    where
        L: ReversibleChain<E>,
    {
        let (params, context) = values.split_at(self.places[index].len());
        let captured = self.captured[index].with_values(params.iter().cloned().map(E::into_any));
        let dims = Dims::vector(self.rows.0).with_last(self.rows.1);
        let at = Binding { context: context.first().cloned(), ..Binding::of(dims) };
        captured.run(|| self.layers.bind_one(index, &at))
    }

    /// The layers in the order in which they act.
    fn order(&self) -> Vec<usize> {
        match self.direction {
            Direction::Forward => (0..self.places.len()).collect(),
            Direction::Inverse => (0..self.places.len()).rev().collect(),
        }
    }

    fn along<E: Float>(&self, layer: &dyn Bijector<E>, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        match self.direction {
            Direction::Forward => layer.forward_and_log_det(x),
            Direction::Inverse => layer.inverse_and_log_det(x),
        }
    }

    fn pass<E: Float>(&self, inputs: &[&[E]], out: &mut [E]) -> Result<()>
    where
        L: ReversibleChain<E>,
    {
        let (rows, width) = self.rows;
        let mut x = Value::from_vec(inputs[0].to_vec(), Dims::vector(rows).with_last(width))?;
        let mut log_dets = vec![E::ZERO; rows];
        for index in self.order() {
            let (y, log_det) = self.along(&*self.layer(index, &self.values(index, inputs)?)?, &x)?;
            log_dets.iter_mut().zip(log_det.as_slice()?).for_each(|(sum, &term)| *sum += term);
            x = y;
        }
        for ((out, x), log_det) in out.chunks_mut(width + 1).zip(x.as_slice()?.chunks(width)).zip(log_dets) {
            out[..width].copy_from_slice(x);
            out[width] = log_det;
        }
        Ok(())
    }

    /// Adds the gradients by all inputs to the slots of those that want one.
    ///
    /// Between two layers there are only the features and the gradient by them.
    fn gradients<E: Float>(&self, pass: &mut Backward<'_, E>) -> Result<()>
    where
        L: ReversibleChain<E>,
    {
        let (inputs, out, g) = (pass.inputs, pass.out, pass.grad_out);
        let (rows, width) = self.rows;
        let features = |numbers: &[E]| -> Result<Rows<E>> {
            let numbers = numbers.chunks(width + 1).flat_map(|row| &row[..width]).copied().collect();
            Var::from_vec(numbers, (rows, width))
        };
        let (mut y, mut by_y) = (features(out)?, features(g)?);
        let by_log_det = Var::from(g.iter().skip(width).step_by(width + 1).copied().collect::<Vec<_>>());
        let mut slots: Vec<Option<&mut [E]>> = pass.grads().map(|slot| slot.map(GradSlot::add)).collect();
        for index in self.order().into_iter().rev() {
            let values = self.values(index, inputs)?;
            (y, by_y) = self.layer_back(index, &values, (&y, &by_y, &by_log_det), &mut slots)?;
        }
        if let Some(slot) = &mut slots[0] {
            add(slot, by_y.as_slice()?);
        }
        Ok(())
    }

    /// One layer's input and the gradient by it, from its output and the gradients by that and by the log-determinant.
    /// The layer's tape and all that it computed end here.
    fn layer_back<E: Float>(
        &self,
        index: usize,
        values: &[Value<E>],
        (y, by_y, by_log_det): (&Rows<E>, &Rows<E>, &Var<(usize,), E>),
        slots: &mut [Option<&mut [E]>],
    ) -> Result<(Rows<E>, Rows<E>)>
    where
        L: ReversibleChain<E>,
    {
        let layer = self.layer(index, values)?;
        let x = match self.direction {
            Direction::Forward => layer.inverse(y.value())?,
            Direction::Inverse => layer.forward(y.value())?,
        };
        drop(layer);
        let tape = Tape::<E>::of();
        let x = tape.watch(&Var::from_value(x)?);
        let mut watched: Vec<(usize, Var<(usize,), E>)> = Vec::new();
        let mut shaped = Vec::new();
        for (input, value) in self.inputs_of(index).zip(values) {
            if slots[input].is_none() {
                shaped.push(value.clone());
                continue;
            }
            let flat = value.reshape(Dims::vector(value.dims().num_elements()))?;
            let flat = tape.watch(&Var::from_value(flat)?);
            shaped.push(flat.value().reshape(*value.dims())?);
            watched.push((input, flat));
        }
        let (to, log_det) = self.along(&*self.layer(index, &shaped)?, x.value())?;
        let (to, log_det): (Rows<E>, Var<(usize,), E>) = (Var::from_value(to)?, Var::from_value(log_det)?);
        let gradients = ((to * by_y).sum() + (log_det * by_log_det).sum()).backward()?;
        for (input, value) in &watched {
            if let Some(slot) = &mut slots[*input] {
                add(slot, gradients.get(value)?.as_slice()?);
            }
        }
        Ok((x.detach(), gradients.get(&x)?))
    }
}

fn add<E: Float>(sum: &mut [E], terms: &[E]) {
    sum.iter_mut().zip(terms).for_each(|(sum, &term)| *sum += term);
}

impl<E: Float, L: ReversibleChain<E> + Send + Sync + 'static> Op<E> for Stack<L> {
    fn name(&self) -> &'static str {
        "constant_memory"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        if let Err(error) = self.pass(inputs, out) {
            out.fill(E::NAN);
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        // What went forward goes back; were it not so, every gradient would say so.
        if repeated(|| self.gradients(pass)).is_err() {
            pass.grads().flatten().for_each(|slot| slot.raw().fill(E::NAN));
        }
    }
}
