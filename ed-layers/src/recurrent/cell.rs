//! [`Cell`]: one step of a recurrent network; what all of them have in common.

use std::marker::PhantomData;
use std::sync::Arc;

use ed_core::ops::keep_rows;
use ed_core::tensor::{Dims, Float, Value, Var};
use ed_core::{Error, Result, SiteName};

use crate::estimator::{Deterministic, Estimator, Slot};
use crate::geometry::{DenseMap, Geometry};
use crate::initializers::VarianceScaling;
use crate::layer::{Input, Layer};
use crate::lengths::Lengths;
use crate::linear::Bias;
use crate::scope::{self, Identity};

type Matrix = (usize, usize);
/// `[batch, steps, features]`.
pub(super) type Sequences<E> = Var<(usize, usize, usize), E>;

/// What tells one recurrent cell from another: its gates, its biases, its state and its formula. Whoever implements it
/// has a cell, its Bayesian variants and the layer over whole sequences.
pub trait Gates: Clone + std::fmt::Debug + Send + Sync + 'static {
    /// The cell's name, as its type is written.
    const CELL: &'static str;
    /// The name of the layer over whole sequences, as its type is written.
    const LAYER: &'static str;
    /// The name under which the parameters lie, if a cell is given no other.
    const NAME: &'static str;
    /// How many numbers a unit takes from a product.
    const NUM_GATES: usize;
    /// Names of the biases, each of `NUM_GATES · units` numbers.
    const BIASES: &'static [&'static str];

    /// What goes from one step to the next.
    type State<E: Float>: Clone + std::fmt::Debug;

    /// Where the bias of a gate starts.
    fn bias_start(gate: usize) -> f64 {
        let _ = gate;
        0.0
    }

    /// The state before the first step.
    fn zeros<E: Float>(batch: usize, units: usize) -> Self::State<E>;

    /// The hidden state `[batch, units]`.
    ///
    /// # Errors
    /// The error that the state carries.
    fn hidden<E: Float>(state: &Self::State<E>) -> Result<Var<Matrix, E>>;

    /// One step from the products of the input and of the hidden state with their kernels, `[batch, NUM_GATES · units]`
    /// each.
    ///
    /// # Errors
    /// The error that an input carries.
    fn step<E: Float>(
        products: [Var<Matrix, E>; 2],
        biases: &[Value<E>],
        before: &Self::State<E>,
    ) -> Result<Self::State<E>>;

    /// All steps of `[batch, steps, inputs]` as one operation, from a state, or from zeros: `[batch, steps, units]`.
    ///
    /// # Errors
    /// A misfit of shapes, or the error that an input carries.
    fn sequence<E: Float>(
        x: &Value<E>,
        kernels: [&Value<E>; 2],
        biases: &[Value<E>],
        from: Option<&Self::State<E>>,
    ) -> Result<Value<E>>;

    /// As [`Gates::sequence`], with the state after the last step.
    ///
    /// # Errors
    /// As there.
    fn sequence_and_state<E: Float>(
        x: &Value<E>,
        kernels: [&Value<E>; 2],
        biases: &[Value<E>],
        from: Option<&Self::State<E>>,
    ) -> Result<(Value<E>, Self::State<E>)>;

    /// The state after a step for the examples that go on, and the one before it for the others.
    ///
    /// # Errors
    /// The error that a state carries.
    fn choose<E: Float>(
        go_on: &Arc<[bool]>,
        after: &Self::State<E>,
        before: &Self::State<E>,
    ) -> Result<Self::State<E>>;
}

/// A recurrent cell with an estimator of its kernels: [`LstmCell`](super::LstmCell), [`GruCell`](super::GruCell).
///
/// Its weights are `kernel`, `[inputs, gates · units]`, and `recurrent_kernel`, `[units, gates · units]`, and the gates'
/// biases. An uncertain cell draws them once for each [`zero_state`](Cell::zero_state).
#[derive(Clone, Debug)]
pub struct Cell<G: Gates, W: Estimator = Deterministic> {
    identity: Identity,
    units: usize,
    estimator: W,
    bias: Bias,
    gates: PhantomData<G>,
}

/// The state of a [`Cell`] between two steps of a sequence, and the weights that it drew for it.
///
/// It begins at [`Cell::zero_state`], at tensors of one's own ([`LstmState::new`](super::LstmState::new),
/// [`GruState::new`](super::GruState::new)), or at the end of another sequence: an encoder's state starts a decoder as
/// [`CellState::carried`].
#[derive(Clone, Debug)]
pub struct CellState<G: Gates, W: Estimator, E: Float> {
    batch: usize,
    pub(super) state: Option<G::State<E>>,
    drawn: Option<Arc<Drawn<W, E>>>,
}

/// What a cell drew for a sequence.
#[derive(Clone, Debug)]
struct Drawn<W: Estimator, E: Float> {
    kernel: W::Drawn<Matrix, E>,
    recurrent: W::Drawn<Matrix, E>,
    biases: Vec<Value<E>>,
}

impl<W: Estimator, E: Float> Drawn<W, E> {
    /// The two kernels, if each is one matrix for all examples.
    fn matrices(&self) -> Option<[&Value<E>; 2]> {
        Some([W::kernel(&self.kernel)?.value(), W::kernel(&self.recurrent)?.value()])
    }
}

impl<G: Gates, W: Estimator, E: Float> CellState<G, W, E> {
    pub(super) fn of(state: G::State<E>, hidden: &Value<E>) -> Result<Self> {
        let dims = *hidden.check()?.dims();
        let [batch, _] = *dims else {
            return Err(Error::Shape { op: G::CELL, expected: "[batch, units], a state".into(), got: dims });
        };
        Ok(CellState { batch, state: Some(state), drawn: None })
    }

    /// The start of another sequence with the same weights.
    pub fn at_zero(self) -> Self {
        CellState { state: None, ..self }
    }

    /// The same numbers for another cell of this kind, which draws its own weights: a decoder starts where its encoder
    /// ended.
    pub fn carried<V: Estimator>(self) -> CellState<G, V, E> {
        CellState { batch: self.batch, state: self.state, drawn: None }
    }

    /// The hidden state `[batch, units]`; `None` before the first step, when it is zero.
    pub fn hidden(&self) -> Option<Result<Var<Matrix, E>>> {
        self.state.as_ref().map(G::hidden)
    }
}

impl<G: Gates> Cell<G> {
    /// A deterministic cell.
    pub fn new(units: usize) -> Self {
        Cell::of(units, Deterministic)
    }
}

impl<G: Gates, W: Estimator> crate::WithUnits for Cell<G, W> {
    fn new(units: usize) -> Self {
        Cell::of(units, W::default())
    }
}

impl<G: Gates, W: Estimator> Cell<G, W> {
    fn of(units: usize, estimator: W) -> Self {
        Cell { identity: Identity::of(G::NAME), units, estimator, bias: Bias::default(), gates: PhantomData }
    }

    /// With a name.
    pub fn named(self, name: impl Into<SiteName>) -> Self {
        Cell { identity: self.identity.named(name), ..self }
    }

    /// With an estimator that has settings.
    pub fn estimator<V: Estimator>(self, estimator: V) -> Cell<G, V> {
        let Cell { identity, units, bias, gates, .. } = self;
        Cell { identity, units, estimator, bias, gates }
    }

    /// With another bias: none, or one that it believes in, which is drawn with the kernels.
    pub fn bias(self, bias: Bias) -> Self {
        Cell { bias, ..self }
    }

    /// Number of hidden units.
    pub fn units(&self) -> usize {
        self.units
    }

    /// The start of a sequence for a batch of so many examples. The first step draws the weights for all of it.
    pub fn zero_state<E: Float>(&self, batch: usize) -> CellState<G, W, E> {
        CellState { batch, state: None, drawn: None }
    }

    /// One step: `[batch, inputs]` and a state give the hidden state `[batch, units]` and the next state.
    ///
    /// # Errors
    /// [`Error::Shape`] if the input does not fit the state or the weights; those of drawing the weights.
    pub fn step<E: Float>(
        &self,
        x: impl Input<Owned = Var<Matrix, E>>,
        state: CellState<G, W, E>,
    ) -> Result<(Var<Matrix, E>, CellState<G, W, E>)> {
        scope::enter(self, || self.stepped(&x.into_owned(), state))
    }

    fn stepped<E: Float>(
        &self,
        x: &Var<Matrix, E>,
        CellState { batch, state, drawn }: CellState<G, W, E>,
    ) -> Result<(Var<Matrix, E>, CellState<G, W, E>)> {
        let (rows, inputs) = *x.shape();
        if rows != batch {
            let expected = format!("[{batch}, inputs], as its state is for {batch} examples");
            return Err(Error::Shape { op: G::CELL, expected, got: x.dims() });
        }
        let drawn = match drawn {
            Some(drawn) => drawn,
            None => Arc::new(self.drawn(batch, inputs)?),
        };
        let before = state.unwrap_or_else(|| G::zeros(batch, self.units));
        let hidden_before = G::hidden(&before)?;
        self.check_state(&hidden_before, batch)?;
        // The number of units is the kernel's.
        let product = |kernel, x: &Var<Matrix, E>| W::apply(kernel, &DenseMap { units: 0 }, x);
        let products = [product(&drawn.kernel, x)?, product(&drawn.recurrent, &hidden_before)?];
        let after = G::step(products, &drawn.biases, &before)?;
        let hidden = G::hidden(&after)?;
        Ok((hidden, CellState { batch, state: Some(after), drawn: Some(drawn) }))
    }

    fn drawn<E: Float>(&self, batch: usize, inputs: usize) -> Result<Drawn<W, E>> {
        if self.units == 0 {
            let (of, got) = (G::CELL, "0".to_string());
            return Err(Error::Parameter { of, name: "units", must_be: "at least 1", got });
        }
        let outputs = G::NUM_GATES * self.units;
        let map = DenseMap { units: outputs };
        let kernel = |name, inputs: usize| -> Result<W::Drawn<Matrix, E>> {
            let input = (batch, inputs);
            self.estimator.draw(&Slot {
                name,
                shape: map.kernel_shape(&input)?,
                initializer: VarianceScaling::glorot(),
                input: Geometry::<Matrix>::layout(&map, &Dims::of(&input)),
                outputs,
            })
        };
        let bias = |&name: &&'static str| -> Result<Value<E>> {
            let start = |place: usize| G::bias_start(place / self.units);
            let bias = self.bias.draw_from(name, self.estimator.members(), outputs, start)?;
            Ok(bias.unwrap_or_else(|| Value::full(E::ZERO, Dims::vector(outputs))))
        };
        Ok(Drawn {
            kernel: kernel("kernel", inputs)?,
            recurrent: kernel("recurrent_kernel", self.units)?,
            biases: G::BIASES.iter().map(bias).collect::<Result<_>>()?,
        })
    }

    fn check_state<E: Float>(&self, hidden: &Var<Matrix, E>, batch: usize) -> Result<()> {
        let got = hidden.dims();
        if *got == [batch, self.units] {
            return Ok(());
        }
        let expected = format!("[{batch}, {0}], the state of a cell of {0} units", self.units);
        Err(Error::Shape { op: G::CELL, expected, got })
    }

    /// All steps of a sequence: one operation if each kernel is one matrix for all examples.
    pub(super) fn unroll<E: Float>(&self, x: &Sequences<E>) -> Result<Sequences<E>> {
        let (batch, steps, inputs) = *x.shape();
        let drawn: Drawn<W, E> = self.drawn(batch, inputs)?;
        if batch * steps == 0 {
            return Ok(Var::zeros((batch, steps, self.units)));
        }
        if let Some(kernels) = drawn.matrices() {
            return Var::from_value(G::sequence(x.value(), kernels, &drawn.biases, None)?);
        }
        let state = CellState { batch, state: None, drawn: Some(Arc::new(drawn)) };
        Ok(self.in_turn(x, None, state)?.0)
    }

    /// As [`Cell::unroll`], from a state and with the last one; sequences with lengths end where those say.
    pub(super) fn unroll_from<E: Float>(
        &self,
        x: &Sequences<E>,
        lengths: Option<&Lengths>,
        CellState { batch, state, drawn }: CellState<G, W, E>,
    ) -> Result<(Sequences<E>, CellState<G, W, E>)> {
        let (rows, steps, inputs) = *x.shape();
        if rows != batch {
            let expected = format!("[{batch}, steps, inputs], as its state is for {batch} examples");
            return Err(Error::Shape { op: G::LAYER, expected, got: x.dims() });
        }
        if let Some(state) = &state {
            self.check_state(&G::hidden(state)?, batch)?;
        }
        let drawn = match drawn {
            Some(drawn) => drawn,
            None => Arc::new(self.drawn(batch, inputs)?),
        };
        if batch * steps == 0 {
            return Ok((
                Var::zeros((batch, steps, self.units)),
                CellState { batch, state, drawn: Some(drawn) },
            ));
        }
        if let (Some(kernels), None) = (drawn.matrices(), lengths) {
            let (y, last) = G::sequence_and_state(x.value(), kernels, &drawn.biases, state.as_ref())?;
            return Ok((Var::from_value(y)?, CellState { batch, state: Some(last), drawn: Some(drawn) }));
        }
        self.in_turn(x, lengths, CellState { batch, state, drawn: Some(drawn) })
    }

    /// One step after another.
    fn in_turn<E: Float>(
        &self,
        x: &Sequences<E>,
        lengths: Option<&Lengths>,
        mut state: CellState<G, W, E>,
    ) -> Result<(Sequences<E>, CellState<G, W, E>)> {
        let (batch, steps, _) = *x.shape();
        let by_time: Sequences<E> = x.permute(&[1, 0, 2])?;
        let mut hidden = Vec::with_capacity(steps);
        for step in 0..steps {
            let before = state.state.clone();
            let (mut h, mut after) = self.stepped(&by_time.at(step)?, state)?;
            if let (Some(lengths), Some(now)) = (lengths, &after.state) {
                let go_on = lengths.go_on_at(step);
                let before = before.unwrap_or_else(|| G::zeros(batch, self.units));
                let chosen = G::choose(&go_on, now, &before)?;
                h = Var::from_value(keep_rows(h.value(), &go_on)?)?;
                after.state = Some(chosen);
            }
            hidden.push(h);
            state = after;
        }
        Ok((Var::stack(&hidden)?.permute(&[1, 0, 2])?, state))
    }
}

impl<G: Gates, W: Estimator> Layer for Cell<G, W> {
    fn kind(&self) -> &'static str {
        G::CELL
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

impl<G: Gates, W: Estimator, E: Float> Input for CellState<G, W, E> {
    type Owned = CellState<G, W, E>;
    fn into_owned(self) -> Self::Owned {
        self
    }
}

impl<G: Gates, W: Estimator, E: Float> Input for &CellState<G, W, E> {
    type Owned = CellState<G, W, E>;
    fn into_owned(self) -> Self::Owned {
        self.clone()
    }
}
