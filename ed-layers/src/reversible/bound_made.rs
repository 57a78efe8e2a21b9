//! A masked autoregressive network with its parameters bound: run at once, or one position after another.

use std::ops::Range;
use std::sync::Arc;

use ed_core::kernels::matmul::{Transpose, matmul};
use ed_core::ops::{Direction, Staircase, masked_linear};
use ed_core::tensor::{Dims, Float, Value, Var};
use ed_core::{Error, Result};

use super::degrees::Plan;
use super::flat::{Rows, context_for};
use super::transform::Transform;
use crate::activation::Activation;

/// The network of [`Made`](super::Made) on the tape, for positions in order.
#[derive(Clone, Debug)]
pub(crate) struct BoundMade<E: Float> {
    pub plan: Arc<Plan>,
    /// Kernel and bias of each layer, first to last.
    pub layers: Vec<(Value<E>, Value<E>)>,
    /// What the context adds to the first layer and, if that is another one, to the last: `[rows, units]` or
    /// `[1, units]` each.
    pub context: Vec<Rows<E>>,
    pub activation: Activation,
}

impl<E: Float> BoundMade<E> {
    /// The outputs for inputs in order: `[rows, positions · channels] → [rows, segments · positions · per_position]`.
    pub fn outputs(&self, x: &Rows<E>) -> Result<Rows<E>> {
        let mut h = x.clone();
        for (index, ((kernel, bias), mask)) in self.layers.iter().zip(&self.plan.masks).enumerate() {
            let mut y: Rows<E> = Var::from_value(masked_linear(h.value(), kernel, bias, mask)?)?;
            if let Some(context) = self.context_of(index) {
                y = (y + context_for("Made", context, x.shape().0)?).check()?;
            }
            h = if index + 1 < self.layers.len() { self.activation.of(&y)? } else { y };
        }
        Ok(h)
    }

    /// What the context adds to a layer.
    fn context_of(&self, index: usize) -> Option<&Rows<E>> {
        match index {
            0 => self.context.first(),
            _ => self.context.get(1).filter(|_| index + 1 == self.layers.len()),
        }
    }

    /// Whether a gradient is asked for by a parameter or by the context.
    pub fn on_tape(&self) -> bool {
        let layers = self.layers.iter().flat_map(|(kernel, bias)| [kernel, bias]);
        layers.chain(self.context.iter().map(Var::value)).any(|value| value.node().is_some())
    }

    /// The same, off the tape.
    pub fn detached(&self) -> BoundMade<E> {
        let layers = self.layers.iter().map(|(kernel, bias)| (kernel.detach(), bias.detach())).collect();
        BoundMade { layers, context: self.context.iter().map(Var::detach).collect(), ..self.clone() }
    }

    /// Solves `x = transform(y; outputs(y))` for `y`, one position after another, off the tape.
    ///
    /// Every unit is computed once, when all that it sees is known: the work of one pass in all, not one pass for each
    /// position.
    pub fn solve(&self, x: &Rows<E>, transform: Transform) -> Result<Rows<E>> {
        let (rows, width) = *x.shape();
        // Features by rows, so that the features before a position are consecutive.
        let given = x.detach().transpose().to_vec()?;
        let mut known = vec![E::ZERO; width * rows];
        let mut hidden = self.hidden(rows)?;
        let outputs = self.layer(self.layers.len() - 1, rows)?;
        let sizes = &self.plan.sizes;
        let channels = sizes.channels;
        let reach = outputs.mask.reach();
        // Units that see nothing are known from the start.
        self.advance(&mut hidden, &known, rows, 0)?;
        let mut first = 0;
        while first < sizes.positions {
            // Positions that see the same are done together.
            let same = |place: &usize| reach[place * channels] == reach[first * channels];
            let last = (first..sizes.positions).take_while(same).last().map_or(first, |place| place + 1);
            let features = first * channels..last * channels;
            let before = hidden.last().map_or(&known, |layer| &layer.values);
            let mut params = Vec::with_capacity(sizes.segments * features.len() * rows);
            for segment in 0..sizes.segments {
                let start = segment * reach.len();
                params.extend(outputs.of(start + features.start..start + features.end, before, rows)?);
            }
            let place = features.start * rows..features.end * rows;
            let row = |numbers: Vec<E>| {
                let dims = Dims::vector(numbers.len());
                Value::from_vec(numbers, dims)
            };
            let (y, _) =
                transform.apply(&row(given[place.clone()].to_vec())?, &row(params)?, Direction::Inverse)?;
            known[place].copy_from_slice(y.as_slice()?);
            self.advance(&mut hidden, &known, rows, last)?;
            first = last;
        }
        let solved: Rows<E> = Var::from_vec(known, (width, rows))?;
        Ok(solved.transpose())
    }

    /// Computes the hidden units that see no further than the first `limit` positions.
    fn advance(&self, hidden: &mut [Hidden<'_, E>], known: &[E], rows: usize, limit: usize) -> Result<()> {
        for index in 0..hidden.len() {
            let (done, rest) = hidden.split_at_mut(index);
            let before = done.last().map_or(known, |layer| &layer.values);
            rest[0].advance(before, rows, limit, &self.plan.degrees[index], self.activation)?;
        }
        Ok(())
    }

    fn layer(&self, index: usize, rows: usize) -> Result<Layer<'_, E>> {
        let (kernel, bias) = &self.layers[index];
        let mask = &self.plan.masks[index];
        let matrix = mask.unpack(kernel.as_slice()?).ok_or_else(|| Error::Algorithm {
            of: "Made",
            why: format!("the kernel of layer {index} does not fit its mask"),
        })?;
        let kernel: Rows<E> = Var::from_vec(matrix, (mask.rows(), mask.columns()))?;
        let context = match self.context_of(index) {
            Some(context) => Some(context_for("Made", &context.detach(), rows)?.transpose().to_vec()?),
            None => None,
        };
        Ok(Layer { mask, kernel: kernel.transpose(), bias: bias.as_slice()?, context })
    }

    fn hidden(&self, rows: usize) -> Result<Vec<Hidden<'_, E>>> {
        let make = |index: usize| {
            let layer = self.layer(index, rows)?;
            let values = vec![E::ZERO; layer.mask.columns() * rows];
            Ok(Hidden { layer, values, done: 0 })
        };
        (0..self.layers.len() - 1).map(make).collect()
    }
}

/// A layer's kernel as `[units, inputs]`.
struct Layer<'a, E: Float> {
    mask: &'a Staircase,
    kernel: Rows<E>,
    bias: &'a [E],
    /// What the context adds, `[units, rows]`.
    context: Option<Vec<E>>,
}

impl<E: Float> Layer<'_, E> {
    /// The pre-activations of some units, `[units, rows]`, from the values of the layer before.
    fn of(&self, units: Range<usize>, before: &[E], rows: usize) -> Result<Vec<E>> {
        let inputs = self.mask.rows();
        let reach = |unit: usize| self.mask.reach()[unit % self.mask.reach().len()];
        let seen = units.clone().map(reach).max().unwrap_or(0);
        let kernel = self.kernel.as_slice()?;
        let mut weights = vec![E::ZERO; units.len() * seen];
        let mut out = Vec::with_capacity(units.len() * rows);
        for (index, unit) in units.clone().enumerate() {
            let own = reach(unit);
            weights[index * seen..][..own].copy_from_slice(&kernel[unit * inputs..][..own]);
            match &self.context {
                Some(context) => {
                    let terms = &context[unit * rows..][..rows];
                    out.extend(terms.iter().map(|&term| term + self.bias[unit]));
                }
                None => out.extend(std::iter::repeat_n(self.bias[unit], rows)),
            }
        }
        if seen * rows * units.len() > 0 {
            let (a, b) = ((&weights[..], Transpose::No), (&before[..seen * rows], Transpose::No));
            matmul([units.len(), seen, rows], E::ONE, a, b, E::ONE, &mut out)
                .map_err(|error| Error::Algorithm { of: "Made", why: error.to_string() })?;
        }
        Ok(out)
    }
}

/// A layer of hidden units, of which the first are known.
struct Hidden<'a, E: Float> {
    layer: Layer<'a, E>,
    values: Vec<E>,
    done: usize,
}

impl<E: Float> Hidden<'_, E> {
    /// Computes the units that see no further than the first `limit` positions.
    fn advance(
        &mut self,
        before: &[E],
        rows: usize,
        limit: usize,
        degrees: &[usize],
        activation: Activation,
    ) -> Result<()> {
        let ready = degrees.partition_point(|&degree| degree <= limit);
        if ready == self.done {
            return Ok(());
        }
        let raw = self.layer.of(self.done..ready, before, rows)?;
        let values = activation.of(&Var::<_, E>::from_vec(raw, (ready - self.done, rows))?)?;
        self.values[self.done * rows..ready * rows].copy_from_slice(values.as_slice()?);
        self.done = ready;
        Ok(())
    }
}
