//! Gated recurrent units.

use std::sync::Arc;

use ed_core::ops::add_channels;
use ed_core::ops::recurrent::{self as ops, GruWeights};
use ed_core::tensor::{Dims, Float, Value, Var};
use ed_core::{Error, Result, SiteName};

use super::cell::CellPass;
use crate::estimator::{Deterministic, Estimator};
use crate::layer::{Apply, Input, Layer};
use crate::linear::Bias;
use crate::scope::{self, Identity};

type Matrix = (usize, usize);

/// A cell of gated recurrent units: with `x W + b` and `h U + c`, each split into `z, r, n`,
/// `z = σ(xz + hz)`, `r = σ(xr + hr)`, `n = tanh(xn + r hn)` and `h' = z h + (1 - z) n`: the form that resets after the
/// product.
///
/// Its weights are `kernel`, `[inputs, 3 units]`, and `recurrent_kernel`, `[units, 3 units]`; its parameters `bias` and
/// `recurrent_bias` start at 0. An uncertain cell draws its weights once for each [`zero_state`](GruCell::zero_state).
///
/// # Source
/// Cho et al. 2014.
#[derive(Clone, Debug)]
pub struct GruCell<W: Estimator = Deterministic> {
    identity: Identity,
    units: usize,
    estimator: W,
    bias: Bias,
}

/// The state of a [`GruCell`] between two steps of a sequence, and the weights that it drew for it.
#[derive(Clone, Debug)]
pub struct GruState<W: Estimator, E: Float> {
    batch: usize,
    hidden: Option<Var<Matrix, E>>,
    drawn: Option<Arc<Drawn<W, E>>>,
}

#[derive(Clone, Debug)]
struct Drawn<W: Estimator, E: Float> {
    kernels: CellPass<W, E>,
    bias: Value<E>,
    recurrent_bias: Value<E>,
}

impl<W: Estimator, E: Float> GruState<W, E> {
    /// The start of another sequence with the same weights.
    pub fn at_zero(self) -> Self {
        GruState { hidden: None, ..self }
    }

    /// The hidden state `[batch, units]`; `None` before the first step, when it is zero.
    pub fn hidden(&self) -> Option<&Var<Matrix, E>> {
        self.hidden.as_ref()
    }
}

impl GruCell {
    /// A deterministic cell.
    pub fn new(units: usize) -> Self {
        GruCell::of(units, Deterministic)
    }
}

impl<W: Estimator> crate::WithUnits for GruCell<W> {
    fn new(units: usize) -> Self {
        GruCell::of(units, W::default())
    }
}

impl<W: Estimator> GruCell<W> {
    fn of(units: usize, estimator: W) -> Self {
        GruCell { identity: Identity::of("gru_cell"), units, estimator, bias: Bias::default() }
    }

    /// With a name.
    pub fn named(self, name: impl Into<SiteName>) -> Self {
        GruCell { identity: self.identity.named(name), ..self }
    }

    /// With an estimator that has settings.
    pub fn estimator<V: Estimator>(self, estimator: V) -> GruCell<V> {
        let GruCell { identity, units, bias, .. } = self;
        GruCell { identity, units, estimator, bias }
    }

    /// With another bias: none, or one that it believes in, which is drawn with the kernels.
    pub fn bias(self, bias: Bias) -> Self {
        GruCell { bias, ..self }
    }

    /// The start of a sequence for a batch of so many examples. The first step draws the weights for all of it.
    pub fn zero_state<E: Float>(&self, batch: usize) -> GruState<W, E> {
        GruState { batch, hidden: None, drawn: None }
    }

    /// One step: `[batch, inputs]` and a state give the hidden state `[batch, units]` and the next state.
    ///
    /// # Errors
    /// [`Error::Shape`] if the input does not fit the state or the weights; those of drawing the weights.
    pub fn step<E: Float>(
        &self,
        x: impl Input<Owned = Var<Matrix, E>>,
        state: GruState<W, E>,
    ) -> Result<(Var<Matrix, E>, GruState<W, E>)> {
        scope::enter(self, || self.stepped(&x.into_owned(), state))
    }

    fn stepped<E: Float>(
        &self,
        x: &Var<Matrix, E>,
        GruState { batch, hidden, drawn }: GruState<W, E>,
    ) -> Result<(Var<Matrix, E>, GruState<W, E>)> {
        let (rows, inputs) = *x.shape();
        if rows != batch {
            let expected = format!("[{batch}, inputs], as its state is for {batch} examples");
            return Err(Error::Shape { op: "GruCell", expected, got: x.dims() });
        }
        let drawn = match drawn {
            Some(drawn) => drawn,
            None => Arc::new(self.drawn(batch, inputs)?),
        };
        let before = hidden.unwrap_or_else(|| Var::zeros((batch, self.units)));
        let [by_inputs, by_state] = drawn.kernels.products(x, &before)?;
        let by_inputs = add_channels(by_inputs.value(), &drawn.bias)?;
        let by_state = add_channels(by_state.value(), &drawn.recurrent_bias)?;
        let hidden: Var<Matrix, E> = Var::from_value(ops::gru_step(&by_inputs, &by_state, before.value())?)?;
        Ok((hidden.clone(), GruState { batch, hidden: Some(hidden), drawn: Some(drawn) }))
    }

    fn drawn<E: Float>(&self, batch: usize, inputs: usize) -> Result<Drawn<W, E>> {
        if self.units == 0 {
            let (of, got) = ("GruCell", "0".to_string());
            return Err(Error::Parameter { of, name: "units", must_be: "at least 1", got });
        }
        let outputs = 3 * self.units;
        let kernels = CellPass::draw(&self.estimator, [batch, inputs, self.units, outputs])?;
        let bias = |name: &'static str| -> Result<Value<E>> {
            let bias = self.bias.draw(name, self.estimator.members(), outputs)?;
            Ok(bias.unwrap_or_else(|| Value::full(E::ZERO, Dims::vector(outputs))))
        };
        Ok(Drawn { kernels, bias: bias("bias")?, recurrent_bias: bias("recurrent_bias")? })
    }

    /// All steps of a sequence.
    fn unroll<E: Float>(&self, x: &Var<(usize, usize, usize), E>) -> Result<Var<(usize, usize, usize), E>> {
        let (batch, steps, inputs) = *x.shape();
        let drawn: Drawn<W, E> = self.drawn(batch, inputs)?;
        if let Some([kernel, recurrent]) = drawn.kernels.matrices() {
            let weights = GruWeights {
                kernel: kernel.value(),
                recurrent: recurrent.value(),
                bias: &drawn.bias,
                recurrent_bias: &drawn.recurrent_bias,
            };
            return Var::from_value(ops::gru_sequence(x.value(), weights, None)?);
        }
        let by_time: Var<(usize, usize, usize), E> = x.permute(&[1, 0, 2])?;
        let mut state = GruState { batch, hidden: None, drawn: Some(Arc::new(drawn)) };
        let mut hidden = Vec::with_capacity(steps);
        for step in 0..steps {
            let h;
            (h, state) = self.stepped(&by_time.at(step)?, state)?;
            hidden.push(h);
        }
        Var::stack(&hidden)?.permute(&[1, 0, 2])
    }
}

impl<W: Estimator> Layer for GruCell<W> {
    fn kind(&self) -> &'static str {
        "GruCell"
    }
    fn identity(&self) -> Option<&Identity> {
        Some(&self.identity)
    }
    fn settings(&self) -> String {
        match W::NAME {
            "Deterministic" => self.units.to_string(),
            name => format!("{}, {name}", self.units),
        }
    }
}

/// A [`GruCell`] over whole sequences, `[N, T, inputs] → [N, T, units]`, as one operation where the estimator has one
/// kernel for all examples. Its parameters are the cell's.
#[derive(Clone, Debug)]
pub struct Gru<W: Estimator = Deterministic>(
    /// The cell.
    pub GruCell<W>,
);

impl Gru {
    /// A deterministic layer.
    pub fn new(units: usize) -> Self {
        Gru(GruCell::new(units))
    }
}

impl<W: Estimator> crate::WithUnits for Gru<W> {
    fn new(units: usize) -> Self {
        Gru(GruCell::of(units, W::default()))
    }
}

impl<W: Estimator> Layer for Gru<W> {
    fn kind(&self) -> &'static str {
        "Gru"
    }
    fn identity(&self) -> Option<&Identity> {
        self.0.identity()
    }
    fn settings(&self) -> String {
        self.0.settings()
    }
}

impl<W: Estimator, E: Float> Apply<Var<(usize, usize, usize), E>> for Gru<W> {
    type Output = Var<(usize, usize, usize), E>;
    fn apply(&self, x: Var<(usize, usize, usize), E>) -> Result<Self::Output> {
        self.0.unroll(&x)
    }
}
