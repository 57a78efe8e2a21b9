//! [`Made`]: a network whose outputs see only what comes before them.

use std::sync::{Arc, Mutex, PoisonError};

use dfdx::shapes::Shape;
use ed_core::kernels::rng;
use ed_core::ops::{Staircase, take_columns};
use ed_core::params::param_as;
use ed_core::tensor::{Append, Dims, Float, Value, Var};
use ed_core::trace::key_for;
use ed_core::{Error, Result, SiteName};

use super::bound_made::BoundMade;
use super::degrees::{Plan, Sizes};
use super::flat::{Flat, Rows};
use super::order::Order;
use super::transform::with_last;
use crate::activation::Activation;
use crate::layer::{Apply, Layer};
use crate::scope::Identity;

/// A masked autoregressive network: the outputs of a position depend on the positions before it in an [`Order`] alone.
///
/// As a layer it maps `[…, positions · channels]` to `[…, positions, outputs]`; in a
/// [`RealNvp`](super::RealNvp) it gives the parameters of an autoregressive flow. With a context, `(x, context)`, every
/// output sees all of it: some hidden units see nothing else, for the first position, and the outputs add a linear map of
/// it.
///
/// The units are sorted by degree, so that every mask is a staircase, and the products leave out what it forbids.
/// Parameters: `0/kernel`, `0/bias` and so on, a pair for each layer, with the positions in their order; with a context
/// `context/kernel` and, if there are hidden units, `context/output`. Of a kernel there is what its mask lets through, as [`Staircase::pack`] orders it.
///
/// # Source
/// Germain et al. 2015, MADE: Masked Autoencoder for Distribution Estimation, section 3.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let made = Made::new([8, 8]).order(RightToLeft).outputs(2);
/// let of = |x: [f64; 3]| seed(0, || made.forward(&Var::from([x])));
/// let (y, moved) = (of([1.0, 2.0, 3.0])?, of([9.0, 2.0, 3.0])?);
/// assert_eq!(y.shape(), &(1, 3, 2));
/// // The first position comes last: nobody sees it.
/// assert_eq!(y.to_vec()?, moved.to_vec()?);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Made {
    identity: Identity,
    hidden: Vec<usize>,
    order: Order,
    channels: usize,
    outputs: usize,
    activation: Activation,
    plan: Arc<Mutex<Option<Arc<Plan>>>>,
}

/// Where the kernel of the outputs starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Start {
    /// As any other kernel.
    Random,
    /// At zero, so that the parameters of a flow are those of the identity.
    Zero,
}

impl Made {
    /// A network with layers of so many hidden units, rectified, from left to right, with one channel and one output
    /// for each position.
    pub fn new(hidden: impl Into<Vec<usize>>) -> Made {
        Made {
            identity: Identity::of("made"),
            hidden: hidden.into(),
            order: Order::LeftToRight,
            channels: 1,
            outputs: 1,
            activation: Activation::Relu,
            plan: Arc::default(),
        }
    }

    /// With a name.
    pub fn named(self, name: impl Into<SiteName>) -> Made {
        Made { identity: self.identity.named(name), ..self }
    }

    /// With another order of the positions.
    pub fn order(self, order: Order) -> Made {
        Made { order, ..self }
    }

    /// With so many numbers in each position, as a pixel has colours: they are side by side along the last axis and do
    /// not see one another.
    pub fn channels(self, channels: usize) -> Made {
        Made { channels, ..self }
    }

    /// With so many outputs for each position, where it is used as a layer. A flow knows how many it needs.
    pub fn outputs(self, outputs: usize) -> Made {
        Made { outputs, ..self }
    }

    /// With another activation of the hidden units.
    pub fn activation(self, activation: Activation) -> Made {
        Made { activation, ..self }
    }

    /// The masks for so many numbers and no context, first layer to last, with the positions in order and the hidden
    /// units sorted by degree.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a layer without units, or without channels or outputs; [`Error::Shape`] if the numbers
    /// are not whole positions.
    pub fn masks(&self, features: usize) -> Result<Vec<Arc<Staircase>>> {
        Ok(self.plan(features, (1, self.outputs), false)?.masks.clone())
    }

    /// The numbers of all positions in order: where each lies on the last axis; `None` if they are in order.
    pub(crate) fn places(&self, features: usize) -> Result<Option<Arc<[usize]>>> {
        let positions = self.order.positions(features / self.channels.max(1))?;
        if positions.is_sorted() {
            return Ok(None);
        }
        Ok(Some(positions.iter().flat_map(|at| at * self.channels..(at + 1) * self.channels).collect()))
    }

    pub(crate) fn channels_of_position(&self) -> usize {
        self.channels
    }

    fn plan(
        &self,
        features: usize,
        (segments, per_position): (usize, usize),
        given: bool,
    ) -> Result<Arc<Plan>> {
        let setting = |name, got: String| Error::Parameter { of: "Made", name, must_be: "at least 1", got };
        if self.hidden.contains(&0) {
            return Err(setting("hidden", format!("{:?}", self.hidden)));
        }
        for (name, count) in [("channels", self.channels), ("outputs", per_position)] {
            if count == 0 {
                return Err(setting(name, "0".into()));
            }
        }
        if !features.is_multiple_of(self.channels) || features == 0 {
            let expected = format!("with a multiple of {} numbers along the last axis", self.channels);
            return Err(Error::Shape { op: "Made", expected, got: Dims::vector(features) });
        }
        let (positions, channels, hidden) = (features / self.channels, self.channels, self.hidden.clone());
        let sizes = Sizes { positions, channels, hidden, given, segments, per_position };
        let mut kept = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = kept.as_ref().filter(|plan| plan.sizes == sizes) {
            return Ok(plan.clone());
        }
        let plan = Arc::new(Plan::new(sizes)?);
        *kept = Some(plan.clone());
        Ok(plan)
    }

    /// Reads the parameters, under the name in force.
    pub(crate) fn bound<E: Float>(
        &self,
        features: usize,
        outputs: (usize, usize),
        context: Option<&Value<E>>,
        start: Start,
    ) -> Result<BoundMade<E>> {
        let plan = self.plan(features, outputs, context.is_some())?;
        let last = plan.masks.len() - 1;
        let mut layers = Vec::new();
        for (index, mask) in plan.masks.iter().enumerate() {
            let name = format!("{index}/kernel");
            let zero = index == last && start == Start::Zero;
            let key = if zero { Ok(None) } else { key_for(&format!("start of {name}")).map(Some) };
            let kernel = param_or(&name, Dims::vector(mask.num_stored()), || starting_kernel(mask, key?))?;
            let bias = param_as::<(usize,), E>(format!("{index}/bias"), || Var::zeros((mask.columns(),)))?;
            layers.push((kernel, bias.into_value()));
        }
        let mut seen = Vec::new();
        if let Some(context) = context {
            let context = Flat::of(context)?;
            let product = |name: &str, index: usize| -> Result<Rows<E>> {
                let shape = (context.width(), plan.masks[index].columns());
                let scale = (1.0 / shape.0.max(1) as f64).sqrt();
                let key = key_for(&format!("start of {name}"));
                let kernel: Value<E> = param_or(name, Dims::of(&shape), || {
                    let mut numbers = vec![E::ZERO; shape.0 * shape.1];
                    if index < last || start == Start::Random {
                        rng::fill_normal(key?, &mut numbers);
                    }
                    Ok(Var::from_vec(numbers, shape)? * scale)
                })?;
                context.rows.dot(&Var::<(usize, usize), E>::from_value(kernel)?)
            };
            seen.push(product("context/kernel", 0)?);
            if last > 0 {
                seen.push(product("context/output", last)?);
            }
        }
        Ok(BoundMade { plan, layers, context: seen, activation: self.activation })
    }
}

/// A parameter whose start may fail.
pub(super) fn param_or<S: Shape, E: Float>(
    name: &str,
    dims: Dims,
    start: impl FnOnce() -> Result<Var<S, E>>,
) -> Result<Value<E>> {
    let name = ed_core::trace::full_name(&name.to_string().into());
    let value = ed_core::params::any_param(&name, &dims, || Ok(start()?.into()))?;
    let typed: Var<S, E> = value.typed().map_err(|error| error.at_site(&name))?;
    Ok(typed.into_value())
}

/// Normal weights of Glorot and Bengio's variance, `2 / (rows + columns)`; zeros without a key and where the mask forbids.
///
/// The sizes count what the mask forbids. Units that see few inputs are not given larger weights for it: a flow that
/// starts rough learns rows by heart.
fn starting_kernel<E: Float>(mask: &Staircase, key: Option<rng::Key>) -> Result<Var<(usize,), E>> {
    let (rows, columns) = (mask.rows(), mask.columns());
    let mut numbers = vec![E::ZERO; mask.num_stored()];
    if let Some(key) = key {
        let mut matrix = vec![E::ZERO; rows * columns];
        rng::fill_normal(key, &mut matrix);
        let scale = E::from_f64((2.0 / (rows + columns) as f64).sqrt());
        matrix.iter_mut().for_each(|x| *x *= scale);
        numbers = mask.pack(&matrix).unwrap_or(numbers);
    }
    let len = numbers.len();
    Var::from_vec(numbers, (len,))
}

impl Layer for Made {
    fn kind(&self) -> &'static str {
        "Made"
    }
    fn identity(&self) -> Option<&Identity> {
        Some(&self.identity)
    }
    fn settings(&self) -> String {
        let order = match &self.order {
            Order::LeftToRight => "left to right".to_string(),
            Order::RightToLeft => "right to left".to_string(),
            Order::Random(_) => "random order".to_string(),
            Order::Given(_) => "given order".to_string(),
        };
        format!("{:?}, {order}", self.hidden)
    }
}

impl Made {
    fn outputs_of<S: Shape + Append<usize>, E: Float>(
        &self,
        x: &Var<S, E>,
        context: Option<&Value<E>>,
    ) -> Result<Var<S::Appended, E>> {
        let flat = Flat::of(x.value())?;
        let features = flat.width();
        // Outputs position by position: each is a segment of one output, moved to the end afterwards.
        let net = self.bound(features, (self.outputs, 1), context, Start::Random)?;
        let order = self.places(features)?;
        let sorted = match &order {
            Some(places) => Var::from_value(take_columns(flat.rows.value(), places)?)?,
            None => flat.rows.clone(),
        };
        let y = net.outputs(&sorted)?;
        let positions = net.plan.sizes.positions;
        let mut at = vec![0; positions * self.outputs];
        for (rank, position) in self.order.positions(positions)?.into_iter().enumerate() {
            for output in 0..self.outputs {
                at[position * self.outputs + output] = output * positions + rank;
            }
        }
        let y = take_columns(y.value(), &at.into())?;
        let dims = with_last(x.dims(), positions).with_last(self.outputs);
        Var::from_value(y.reshape(dims)?)
    }
}

impl<S: Shape + Append<usize>, E: Float> Apply<Var<S, E>> for Made {
    type Output = Var<S::Appended, E>;
    fn apply(&self, x: Var<S, E>) -> Result<Self::Output> {
        self.outputs_of(&x, None)
    }
}

impl<S: Shape + Append<usize>, C: Shape, E: Float> Apply<(Var<S, E>, Var<C, E>)> for Made {
    type Output = Var<S::Appended, E>;
    fn apply(&self, (x, context): (Var<S, E>, Var<C, E>)) -> Result<Self::Output> {
        self.outputs_of(&x, Some(context.value()))
    }
}
