//! [`ConstantMemory`]: layers that keep none of what they compute for the backward pass.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ed_core::bijectors::{Bijector, Chain as BijectorChain, Constraint};
use ed_core::ops::{Direction, take_columns};
use ed_core::params::{Captured, capture};
use ed_core::tensor::{Backward, Dims, Float, Keep, Op, Tape, Value, Var, apply};
use ed_core::{Error, Result};

use super::bind::{Binding, Reversible, reversible_inputs};
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
        let bind = || scope::enter(&Unnamed(self), || self.layers.layers().bind_all(at));
        let ((parts, _), captured) = capture(bind)?;
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
        let num_layers = parts.len();
        let boxed = parts.into_iter().map(|part| Box::new(part) as Box<dyn Bijector<E>>).collect();
        let codomain = BijectorChain::new(boxed).codomain();
        Ok(Arc::new(Map { layers: self.clone(), captured, context, num_layers, codomain }))
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

/// The layers with the parameters that they read.
struct Map<L, E: Float> {
    layers: ConstantMemory<L>,
    captured: Captured,
    context: Option<Value<E>>,
    num_layers: usize,
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
        let params: Vec<Value<E>> =
            self.captured.values().map(|value| value.as_value::<E>().cloned()).collect::<Result<_>>()?;
        let failure = Arc::new(Mutex::new(None));
        let op = Stack {
            layers: self.layers.clone(),
            captured: self.captured.with_values(params.iter().map(|value| E::into_any(value.detach()))),
            dims: params.iter().chain(self.context.as_ref()).map(|value| *value.dims()).collect(),
            num_layers: self.num_layers,
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
    captured: Captured,
    /// Sizes of the inputs behind the features.
    dims: Vec<Dims>,
    num_layers: usize,
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
    /// One layer with these values of the inputs behind the features.
    fn layer<E: Float>(&self, index: usize, values: &[Value<E>]) -> Result<Arc<dyn Bijector<E>>>
    where
        L: ReversibleChain<E>,
    {
        let num_params = self.captured.values().count();
        let captured = self.captured.with_values(values.iter().take(num_params).cloned().map(E::into_any));
        let dims = Dims::vector(self.rows.0).with_last(self.rows.1);
        let at = Binding { context: values.get(num_params).cloned(), ..Binding::of(dims) };
        let layers = self.layers.layers.layers();
        let bound = captured.run(|| scope::enter(&Unnamed(&self.layers), || layers.bind_one(index, &at)))?;
        bound.ok_or_else(|| Error::Algorithm {
            of: "constant_memory",
            why: format!("there is no layer {index}"),
        })
    }

    /// The layers in the order in which they act.
    fn order(&self) -> Vec<usize> {
        match self.direction {
            Direction::Forward => (0..self.num_layers).collect(),
            Direction::Inverse => (0..self.num_layers).rev().collect(),
        }
    }

    fn along<E: Float>(&self, layer: &dyn Bijector<E>, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        match self.direction {
            Direction::Forward => layer.forward_and_log_det(x),
            Direction::Inverse => layer.inverse_and_log_det(x),
        }
    }

    /// The inputs behind the features as values.
    fn values<E: Float>(&self, inputs: &[&[E]]) -> Result<Vec<Value<E>>> {
        let given = inputs[1..].iter().zip(&self.dims);
        given.map(|(numbers, &dims)| Value::from_vec(numbers.to_vec(), dims)).collect()
    }

    fn pass<E: Float>(&self, inputs: &[&[E]], out: &mut [E]) -> Result<()>
    where
        L: ReversibleChain<E>,
    {
        let values = self.values(inputs)?;
        let (rows, width) = self.rows;
        let mut x = Value::from_vec(inputs[0].to_vec(), Dims::vector(rows).with_last(width))?;
        let mut log_dets = vec![E::ZERO; rows];
        for index in self.order() {
            let (y, log_det) = self.along(&*self.layer(index, &values)?, &x)?;
            log_dets.iter_mut().zip(log_det.as_slice()?).for_each(|(sum, &term)| *sum += term);
            x = y;
        }
        for ((out, x), log_det) in out.chunks_mut(width + 1).zip(x.as_slice()?.chunks(width)).zip(log_dets) {
            out[..width].copy_from_slice(x);
            out[width] = log_det;
        }
        Ok(())
    }

    /// The gradients by all inputs.
    fn gradients<E: Float>(&self, inputs: &[&[E]], out: &[E], g: &[E]) -> Result<Vec<Vec<E>>>
    where
        L: ReversibleChain<E>,
    {
        let values = self.values(inputs)?;
        let (rows, width) = self.rows;
        let features = |numbers: &[E]| -> Result<Rows<E>> {
            let numbers = numbers.chunks(width + 1).flat_map(|row| &row[..width]).copied().collect();
            Var::from_vec(numbers, (rows, width))
        };
        let (mut y, mut by_y) = (features(out)?, features(g)?);
        let by_log_det = Var::from(g.iter().skip(width).step_by(width + 1).copied().collect::<Vec<_>>());
        let mut sums: Vec<Vec<E>> =
            values.iter().map(|value| vec![E::ZERO; value.dims().num_elements()]).collect();
        for index in self.order().into_iter().rev() {
            let layer = self.layer(index, &values)?;
            let x = match self.direction {
                Direction::Forward => layer.inverse(y.value())?,
                Direction::Inverse => layer.forward(y.value())?,
            };
            let tape = Tape::<E>::of();
            let x = tape.watch(&Var::from_value(x)?);
            let watched: Vec<Var<(usize,), E>> = values
                .iter()
                .map(|value| {
                    let flat = value.reshape(Dims::vector(value.dims().num_elements()))?;
                    Ok(tape.watch(&Var::from_value(flat)?))
                })
                .collect::<Result<_>>()?;
            let shaped: Vec<Value<E>> = watched
                .iter()
                .zip(&values)
                .map(|(value, like)| value.value().reshape(*like.dims()))
                .collect::<Result<_>>()?;
            let (to, log_det) = self.along(&*self.layer(index, &shaped)?, x.value())?;
            let (to, log_det): (Rows<E>, Var<(usize,), E>) =
                (Var::from_value(to)?, Var::from_value(log_det)?);
            let gradients = ((to * &by_y).sum() + (log_det * &by_log_det).sum()).backward()?;
            for (sum, value) in sums.iter_mut().zip(&watched) {
                let gradient = gradients.get(value)?;
                sum.iter_mut().zip(gradient.as_slice()?).for_each(|(sum, &term)| *sum += term);
            }
            (by_y, y) = (gradients.get(&x)?, x.detach());
        }
        sums.insert(0, by_y.to_vec()?);
        Ok(sums)
    }
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
        let gradients = self.gradients(pass.inputs, pass.out, pass.grad_out).ok();
        for (index, slot) in pass.grads().enumerate() {
            let Some(grad) = slot.map(|slot| slot.add()) else { continue };
            match gradients.as_ref().map(|gradients| &gradients[index]) {
                Some(terms) => grad.iter_mut().zip(terms).for_each(|(grad, &term)| *grad += term),
                None => grad.fill(E::NAN),
            }
        }
    }
}
