//! Long short-term memory.

use std::sync::Arc;

use ed_core::ops::add_channels;
use ed_core::ops::recurrent::{self as ops, LstmWeights};
use ed_core::tensor::{Dims, Float, Value, Var};
use ed_core::{Error, Result, SiteName};

use super::cell::CellPass;
use crate::estimator::{Deterministic, Estimator};
use crate::layer::{Apply, Input, Layer};
use crate::linear::Bias;
use crate::scope::{self, Identity};

type Matrix = (usize, usize);

/// A cell of long short-term memory: with `z = x W + h U + b`, split into `i, f, g, o`,
/// `c' = σ(f) c + σ(i) tanh(g)` and `h' = σ(o) tanh(c')`.
///
/// Its weights are `kernel`, `[inputs, 4 units]`, and `recurrent_kernel`, `[units, 4 units]`; its `bias` is a parameter
/// that starts at 1 for the forget gate and at 0 elsewhere. An uncertain cell draws its weights once for each
/// [`zero_state`](LstmCell::zero_state).
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let lstm = LstmCellReparameterization::new(8);
/// let x: Var<_, f32> = Var::ones((5usize, 3usize));
/// let (first, again, other) = seed(0, || {
///     let state = lstm.zero_state(5);
///     let (first, state) = lstm.step(&x, state)?;
///     let (again, _) = lstm.step(&x, state.at_zero())?;
///     let (other, _) = lstm.step(&x, lstm.zero_state(5))?;
///     Ok((first, again, other))
/// })?;
/// assert_eq!(first.shape(), &(5, 8));
/// assert_eq!(first.to_vec()?, again.to_vec()?, "one sequence has one draw of the weights");
/// # let _ = other;
/// # Ok(()) }
/// ```
///
/// # Source
/// Hochreiter and Schmidhuber 1997; Gers, Schmidhuber and Cummins 2000 for the forget gate. Bayesian: Fortunato,
/// Blundell and Vinyals 2017.
#[derive(Clone, Debug)]
pub struct LstmCell<W: Estimator = Deterministic> {
    identity: Identity,
    units: usize,
    estimator: W,
    bias: Bias,
}

/// The state of an [`LstmCell`] between two steps of a sequence, and the weights that it drew for it.
#[derive(Clone, Debug)]
pub struct LstmState<W: Estimator, E: Float> {
    batch: usize,
    state: Option<ops::LstmState<E>>,
    drawn: Option<Arc<Drawn<W, E>>>,
}

#[derive(Clone, Debug)]
struct Drawn<W: Estimator, E: Float> {
    kernels: CellPass<W, E>,
    bias: Value<E>,
}

impl<W: Estimator, E: Float> LstmState<W, E> {
    /// The start of another sequence with the same weights.
    pub fn at_zero(self) -> Self {
        LstmState { state: None, ..self }
    }

    /// The hidden state `[batch, units]`; `None` before the first step, when it is zero.
    pub fn hidden(&self) -> Option<Result<Var<Matrix, E>>> {
        self.state.as_ref().map(|state| Var::from_value(state.hidden()))
    }

    /// The cell state `[batch, units]`; `None` before the first step, when it is zero.
    pub fn cell(&self) -> Option<Result<Var<Matrix, E>>> {
        self.state.as_ref().map(|state| Var::from_value(state.cell()))
    }
}

impl LstmCell {
    /// A deterministic cell.
    pub fn new(units: usize) -> Self {
        LstmCell::of(units, Deterministic)
    }
}

impl<W: Estimator> crate::WithUnits for LstmCell<W> {
    fn new(units: usize) -> Self {
        LstmCell::of(units, W::default())
    }
}

impl<W: Estimator> LstmCell<W> {
    fn of(units: usize, estimator: W) -> Self {
        LstmCell { identity: Identity::of("lstm_cell"), units, estimator, bias: Bias::default() }
    }

    /// With a name.
    pub fn named(self, name: impl Into<SiteName>) -> Self {
        LstmCell { identity: self.identity.named(name), ..self }
    }

    /// With an estimator that has settings.
    pub fn estimator<V: Estimator>(self, estimator: V) -> LstmCell<V> {
        let LstmCell { identity, units, bias, .. } = self;
        LstmCell { identity, units, estimator, bias }
    }

    /// With another bias: none, or one that it believes in, which is drawn with the kernels.
    pub fn bias(self, bias: Bias) -> Self {
        LstmCell { bias, ..self }
    }

    /// Number of hidden units.
    pub fn units(&self) -> usize {
        self.units
    }

    /// The start of a sequence for a batch of so many examples. The first step draws the weights for all of it.
    pub fn zero_state<E: Float>(&self, batch: usize) -> LstmState<W, E> {
        LstmState { batch, state: None, drawn: None }
    }

    /// One step: `[batch, inputs]` and a state give the hidden state `[batch, units]` and the next state.
    ///
    /// # Errors
    /// [`Error::Shape`] if the input does not fit the state or the weights; those of drawing the weights.
    pub fn step<E: Float>(
        &self,
        x: impl Input<Owned = Var<Matrix, E>>,
        state: LstmState<W, E>,
    ) -> Result<(Var<Matrix, E>, LstmState<W, E>)> {
        scope::enter(self, || self.stepped(&x.into_owned(), state))
    }

    fn stepped<E: Float>(
        &self,
        x: &Var<Matrix, E>,
        LstmState { batch, state, drawn }: LstmState<W, E>,
    ) -> Result<(Var<Matrix, E>, LstmState<W, E>)> {
        let (rows, inputs) = *x.shape();
        if rows != batch {
            let expected = format!("[{batch}, inputs], as its state is for {batch} examples");
            return Err(Error::Shape { op: "LstmCell", expected, got: x.dims() });
        }
        let drawn = match drawn {
            Some(drawn) => drawn,
            None => Arc::new(self.drawn(batch, inputs)?),
        };
        let before = state.unwrap_or_else(|| ops::LstmState::zeros(batch, self.units));
        let [by_input, by_state] = drawn.kernels.products(x, &Var::from_value(before.hidden())?)?;
        let sum = (by_input + by_state).check()?;
        let z = add_channels(sum.value(), &drawn.bias)?;
        let after = ops::lstm_step(&z, &before)?;
        let hidden = Var::from_value(after.hidden())?;
        Ok((hidden, LstmState { batch, state: Some(after), drawn: Some(drawn) }))
    }

    fn drawn<E: Float>(&self, batch: usize, inputs: usize) -> Result<Drawn<W, E>> {
        if self.units == 0 {
            let (of, got) = ("LstmCell", "0".to_string());
            return Err(Error::Parameter { of, name: "units", must_be: "at least 1", got });
        }
        let kernels = CellPass::draw(&self.estimator, [batch, inputs, self.units, 4 * self.units])?;
        // Only the forget gate's starts at 1.
        let start = |place: usize| if place / self.units == 1 { 1.0 } else { 0.0 };
        let outputs = 4 * self.units;
        let bias = self.bias.draw_from("bias", self.estimator.members(), outputs, start)?;
        Ok(Drawn { kernels, bias: bias.unwrap_or_else(|| Value::full(E::ZERO, Dims::vector(outputs))) })
    }

    /// All steps of a sequence.
    fn unroll<E: Float>(&self, x: &Var<(usize, usize, usize), E>) -> Result<Var<(usize, usize, usize), E>> {
        let (batch, steps, inputs) = *x.shape();
        let drawn: Drawn<W, E> = self.drawn(batch, inputs)?;
        if let Some([kernel, recurrent]) = drawn.kernels.matrices() {
            let weights =
                LstmWeights { kernel: kernel.value(), recurrent: recurrent.value(), bias: &drawn.bias };
            return Var::from_value(ops::lstm_sequence(x.value(), weights, None)?);
        }
        let by_time: Var<(usize, usize, usize), E> = x.permute(&[1, 0, 2])?;
        let mut state = LstmState { batch, state: None, drawn: Some(Arc::new(drawn)) };
        let mut hidden = Vec::with_capacity(steps);
        for step in 0..steps {
            let h;
            (h, state) = self.stepped(&by_time.at(step)?, state)?;
            hidden.push(h);
        }
        Var::stack(&hidden)?.permute(&[1, 0, 2])
    }
}

impl<W: Estimator> Layer for LstmCell<W> {
    fn kind(&self) -> &'static str {
        "LstmCell"
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

/// An [`LstmCell`] over whole sequences, `[N, T, inputs] → [N, T, units]`, as one operation where the estimator has one
/// kernel for all examples. Its parameters are the cell's.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let lstm = Lstm::<Reparameterization>::new(8);
/// let x: Var<_, f32> = Var::ones((5usize, 7usize, 3usize));
/// assert_eq!(seed(0, || lstm.forward(&x))?.shape(), &(5, 7, 8));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Lstm<W: Estimator = Deterministic>(
    /// The cell.
    pub LstmCell<W>,
);

impl Lstm {
    /// A deterministic layer.
    pub fn new(units: usize) -> Self {
        Lstm(LstmCell::new(units))
    }
}

impl<W: Estimator> crate::WithUnits for Lstm<W> {
    fn new(units: usize) -> Self {
        Lstm(LstmCell::of(units, W::default()))
    }
}

impl<W: Estimator> Layer for Lstm<W> {
    fn kind(&self) -> &'static str {
        "Lstm"
    }
    fn identity(&self) -> Option<&Identity> {
        self.0.identity()
    }
    fn settings(&self) -> String {
        self.0.settings()
    }
}

impl<W: Estimator, E: Float> Apply<Var<(usize, usize, usize), E>> for Lstm<W> {
    type Output = Var<(usize, usize, usize), E>;
    fn apply(&self, x: Var<(usize, usize, usize), E>) -> Result<Self::Output> {
        self.0.unroll(&x)
    }
}
