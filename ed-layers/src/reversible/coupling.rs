//! [`Coupling`]: some numbers transformed by what any network makes of the others.

use std::fmt;
use std::sync::Arc;

use ed_core::bijectors::{Bijector, Constraint};
use ed_core::ops::{Direction, join_columns, take_columns};
use ed_core::params::{Captured, capture, param_as};
use ed_core::tensor::{Float, Value, Var};
use ed_core::trace::without_noise;
use ed_core::{Error, Result, SiteName};

use super::bind::{Binding, Side};
use super::flat::{Flat, Rows, context_for};
use super::permute::places_back;
use super::real_nvp::Conditioner;
use super::transform::Transform;
use crate::layer::{Apply, Layer};
use crate::scope::{self, Identity};

/// Which features a coupling layer leaves as they are.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Kept {
    /// The first half, rounded up.
    #[default]
    FirstHalf,
    /// The second half, rounded up.
    SecondHalf,
    /// Those at even places, from 0 on: a checkerboard, for rows of odd length.
    Even,
    /// Those at odd places.
    Odd,
    /// Those that are marked.
    Given(Vec<bool>),
}

impl Kept {
    /// Whether each of the features is kept.
    fn marks(&self, features: usize) -> Result<Vec<bool>> {
        let half = features.div_ceil(2);
        let marks: Vec<bool> = match self {
            Kept::FirstHalf => (0..features).map(|place| place < half).collect(),
            Kept::SecondHalf => (0..features).map(|place| place >= features - half).collect(),
            Kept::Even => (0..features).map(|place| place % 2 == 0).collect(),
            Kept::Odd => (0..features).map(|place| place % 2 == 1).collect(),
            Kept::Given(marks) => marks.clone(),
        };
        if marks.len() != features || !marks.contains(&true) || !marks.contains(&false) {
            return Err(Error::Parameter {
                of: "Coupling",
                name: "kept",
                must_be: "a mark for every feature that keeps some and changes some",
                got: format!("{self:?} for {features} features"),
            });
        }
        Ok(marks)
    }
}

/// A network for a [`RealNvp`](super::RealNvp) that sees some features, and by which the others are transformed.
///
/// The network is any layer from rows of features to rows of features, of any width: a linear readout of it gives the
/// parameters, and starts at zero, so that the flow starts as the identity. With a context, the network sees it beside
/// the features. The network has to give the same output for the same input, so it takes no noise: a Bayesian layer or
/// dropout is refused. Batch normalisation in it has the moments of the batch while the flow is trained, the same both
/// ways, and its moving averages afterwards.
///
/// [`Coupling::unconditional`] lets the kept features go through the flow's transformation too, by parameters that
/// depend on nothing: a layer then shapes every feature, half of them by the others and half of them each by itself.
/// The network sees the features on the side of the data.
///
/// Parameters: the network's, under `network`, `readout/kernel`, `readout/bias`, and `unconditional` if it is wished.
///
/// # Source
/// Dinh et al. 2017, Real NVP, section 3.3; with splines and unconditional transformations, Durkan et al. 2019.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let net = || sequential![Dense::new(32).relu(), Dense::new(32).relu()];
/// let flow = sequential![
///     RealNvp::new(Coupling::new(net())),
///     RealNvp::new(Coupling::new(net()).kept(Kept::SecondHalf)).transform(Transform::spline()),
/// ];
/// let x = Var::<_, f64>::ones((5usize, 3usize));
/// let density = seed(0, || flow.distribution(Normal::standard((5usize, 3usize))?))?;
/// assert_eq!(density.log_prob(&x)?.shape(), &(5,));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Coupling<N> {
    identity: Identity,
    network: Net<N>,
    kept: Kept,
    unconditional: bool,
}

impl<N: Layer> Coupling<N> {
    /// A coupling that keeps the first half of the features.
    pub fn new(network: N) -> Coupling<N> {
        Coupling {
            identity: Identity::of("coupling"),
            network: Net(Arc::new(network)),
            kept: Kept::FirstHalf,
            unconditional: false,
        }
    }

    /// With other features kept.
    pub fn kept(self, kept: Kept) -> Self {
        Coupling { kept, ..self }
    }

    /// With the kept features transformed too, each by parameters of its own that no other feature changes.
    pub fn unconditional(self) -> Self {
        Coupling { unconditional: true, ..self }
    }

    /// With a name.
    pub fn named(self, name: impl Into<SiteName>) -> Self {
        Coupling { identity: self.identity.named(name), ..self }
    }
}

impl<N: Layer> Layer for Coupling<N> {
    fn kind(&self) -> &'static str {
        "Coupling"
    }
    fn identity(&self) -> Option<&Identity> {
        Some(&self.identity)
    }
    fn children(&self, visit: &mut dyn FnMut(&str, &dyn Layer)) {
        self.network.children(visit);
    }
}

impl<E, N> Conditioner<E> for Coupling<N>
where
    E: Float,
    N: Layer + Apply<Rows<E>, Output = Rows<E>> + Send + Sync + 'static,
{
    fn bijector(&self, at: &Binding<E>, transform: Transform, _: Side) -> Result<Arc<dyn Bijector<E>>> {
        let Some((&features, front)) = at.dims.split_last() else {
            let expected = "with features along the last axis".to_string();
            return Err(Error::Shape { op: "Coupling", expected, got: at.dims });
        };
        let marks = self.kept.marks(features)?;
        let places = |kept: bool| (0..features).filter(|&place| marks[place] == kept).collect::<Vec<_>>();
        let (kept, changed) = (places(true), places(false));
        let back = places_back(&kept.iter().chain(&changed).copied().collect::<Vec<_>>());
        let context = at.context.as_ref().map(Flat::of).transpose()?.map(|flat| flat.rows);
        let width = kept.len() + context.as_ref().map_or(0, |context| context.shape().1);
        let network = self.network.clone();
        // Runs once on an input of the right sizes, for the network's parameters and the size of its output.
        let probe: Rows<E> = Var::zeros((front.iter().product::<usize>().min(1), width));
        let (features_seen, captured) = capture(|| without_noise("Coupling", || network.run(probe)))?;
        let (inputs, outputs) = (features_seen.shape().1, changed.len() * transform.num_params());
        let kernel: Rows<E> = param_as("readout/kernel", || Var::zeros((inputs, outputs)))?;
        let bias: Var<(usize,), E> = param_as("readout/bias", || Var::zeros((outputs,)))?;
        let free = kept.len() * transform.num_params();
        let unconditional =
            self.unconditional.then(|| param_as("unconditional", || Var::zeros((free,)))).transpose()?;
        Ok(Arc::new(Map {
            network,
            captured,
            kernel,
            bias,
            unconditional,
            context,
            kept: kept.into(),
            changed: changed.into(),
            back,
            transform,
        }))
    }
}

/// The network, which runs under the same names in a layer and in its bijector.
#[derive(Debug)]
struct Net<N>(Arc<N>);

impl<N> Clone for Net<N> {
    fn clone(&self) -> Net<N> {
        Net(self.0.clone())
    }
}

impl<N: Layer> Layer for Net<N> {
    fn kind(&self) -> &'static str {
        "network"
    }
    fn children(&self, visit: &mut dyn FnMut(&str, &dyn Layer)) {
        visit("network", &*self.0);
    }
}

impl<N: Layer> Net<N> {
    fn run<X>(&self, x: X) -> Result<N::Output>
    where
        N: Apply<X>,
    {
        scope::enter(self, || scope::enter(&*self.0, || self.0.apply(x)))
    }
}

struct Map<N, E: Float> {
    network: Net<N>,
    captured: Captured,
    kernel: Rows<E>,
    bias: Var<(usize,), E>,
    /// Parameters of the kept features' own transformation.
    unconditional: Option<Var<(usize,), E>>,
    context: Option<Rows<E>>,
    kept: Arc<[usize]>,
    changed: Arc<[usize]>,
    /// Where each feature lies behind the kept ones and the changed ones.
    back: Arc<[usize]>,
    transform: Transform,
}

impl<N: Layer, E: Float> fmt::Debug for Map<N, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coupling").field("network", &self.network.0).finish_non_exhaustive()
    }
}

impl<E, N> Map<N, E>
where
    E: Float,
    N: Layer + Apply<Rows<E>, Output = Rows<E>>,
{
    fn map(&self, x: &Value<E>, direction: Direction) -> Result<(Value<E>, Value<E>)> {
        let flat = Flat::of(x)?;
        let num_rows = flat.rows.shape().0;
        // The network sees the side of the data, from which the transformation is stated.
        let stated = direction.opposite();
        let before = take_columns(flat.rows.value(), &self.kept)?;
        let changed = take_columns(flat.rows.value(), &self.changed)?;
        let (after, own_log_det) = match &self.unconditional {
            None => (before.clone(), None),
            Some(params) => {
                let params = params.broadcast_to((num_rows, params.shape().0))?;
                let (after, log_det) = self.transform.apply(&before, params.value(), stated)?;
                (after, Some(log_det))
            }
        };
        let seen = match direction {
            Direction::Forward => &after,
            Direction::Inverse => &before,
        };
        let seen = match &self.context {
            None => seen.clone(),
            Some(context) => join_columns(seen, context_for("Coupling", context, num_rows)?.value())?,
        };
        let seen: Rows<E> = Var::from_value(seen)?;
        let features = self.captured.run(|| without_noise("Coupling", || self.network.run(seen)))?;
        let params = (features.dot(&self.kernel)? + &self.bias).check()?;
        let (changed, log_det) = self.transform.apply(&changed, params.value(), stated)?;
        let y = take_columns(&join_columns(&after, &changed)?, &self.back)?;
        let log_det = match own_log_det {
            None => log_det,
            Some(own) => {
                let [changed, kept] = [log_det, own].map(Var::<(usize,), E>::from_value);
                (changed? + kept?).check()?.into_value()
            }
        };
        Ok((flat.back(&Var::from_value(y)?)?, log_det.reshape(flat.front)?))
    }
}

impl<E, N> Bijector<E> for Map<N, E>
where
    E: Float,
    N: Layer + Apply<Rows<E>, Output = Rows<E>> + Send + Sync,
{
    fn event_rank(&self) -> usize {
        1
    }

    fn forward_and_log_det(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        self.map(x, Direction::Forward)
    }

    fn inverse_and_log_det(&self, y: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        self.map(y, Direction::Inverse)
    }

    fn codomain(&self) -> Option<Constraint<E>> {
        Some(Constraint::Real)
    }
}
