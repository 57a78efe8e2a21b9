//! [`Linear`]: a geometry, an estimator for its kernel, a bias and an activation.

use dfdx::shapes::Shape;
use ed_core::params::any_param;
use ed_core::tensor::{Dims, Float, Value, Var};
use ed_core::trace::full_name;
use ed_core::{Error, Result, SiteName};

use crate::activation::Activation;
use crate::estimator::{Deterministic, Estimator, Slot};
use crate::geometry::{DenseMap, Geometry, Layout, add_bias};
use crate::initializers::VarianceScaling;
use crate::layer::{Apply, Layer};
use crate::scope::Identity;
use crate::weight::NormalBelief;

/// What is added to each output channel.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let x: Var<_, f32> = Var::ones((5usize, 4usize));
/// let mut params = Params::new();
/// seed(0, || Dense::new(3).without_bias().init(&mut params, &x))?;
/// assert_eq!(params.names().map(SiteName::as_str).collect::<Vec<_>>(), ["dense/kernel"]);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub enum Bias {
    /// Nothing.
    None,
    /// A trainable number that starts at 0.
    #[default]
    Point,
    /// A random variable, with this belief; drawn once for the batch.
    Believed(NormalBelief),
}

impl Bias {
    /// The bias of a name: `[outputs]`, or `[members, outputs]` if there are several members, as
    /// [`add_channels`](ed_core::ops::add_channels) takes it.
    ///
    /// # Errors
    /// Those of reading a parameter and of a tracer.
    pub fn draw<E: Float>(
        &self,
        name: &'static str,
        members: usize,
        outputs: usize,
    ) -> Result<Option<Value<E>>> {
        self.draw_from(name, members, outputs, |_| 0.0)
    }

    /// As [`Bias::draw`], where a trainable number starts at what `start` says for its output.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn draw_from<E: Float>(
        &self,
        name: &'static str,
        members: usize,
        outputs: usize,
        start: impl Fn(usize) -> f64,
    ) -> Result<Option<Value<E>>> {
        let starts = || (0..members * outputs).map(|place| E::from_f64(start(place % outputs))).collect();
        let point = |dims: Dims| -> Result<Value<E>> {
            let full = full_name(&name.into());
            let value = any_param(&full, &dims, || Ok(E::into_any(Value::from_vec(starts(), dims)?)))?;
            Ok(value.as_value::<E>().map_err(|error| error.at_site(&full))?.clone())
        };
        Ok(match (self, members) {
            (Bias::None, _) => None,
            (Bias::Point, 1) => Some(point(Dims::vector(outputs))?),
            (Bias::Point, _) => Some(point(Dims::vector(members).with_last(outputs))?),
            (Bias::Believed(belief), 1) => Some(belief.sample_at(name, (outputs,), 0.0)?.into_value()),
            (Bias::Believed(belief), _) => {
                let belief = belief.components(members);
                Some(belief.sample_at(name, (members, outputs), 0.0)?.into_value())
            }
        })
    }
}

/// A map linear in its kernel, then a bias, then possibly an activation: what [`Dense`], [`Conv1d`](crate::Conv1d) and
/// [`Conv2d`](crate::Conv2d) are, deterministic or Bayesian.
///
/// Its parameters are `kernel`, or `kernel/loc` and `kernel/raw_scale`, and `bias`.
#[derive(Clone, Debug)]
pub struct Linear<G, W = Deterministic> {
    identity: Identity,
    geometry: G,
    estimator: W,
    bias: Bias,
    activation: Activation,
    initializer: VarianceScaling,
}

impl<G, W: Estimator> Linear<G, W> {
    /// A layer of a geometry, called `name` unless something gives it another name.
    pub fn of(name: &'static str, geometry: G) -> Self {
        Linear {
            identity: Identity::of(name),
            geometry,
            estimator: W::default(),
            bias: Bias::default(),
            activation: Activation::default(),
            initializer: VarianceScaling::glorot(),
        }
    }

    /// With a name.
    pub fn named(self, name: impl Into<SiteName>) -> Self {
        Linear { identity: self.identity.named(name), ..self }
    }

    /// With an estimator that has settings: `Dense::new(10).estimator(Flipout::default().scale(0.01))`.
    pub fn estimator<V: Estimator>(self, estimator: V) -> Linear<G, V> {
        let Linear { identity, geometry, bias, activation, initializer, .. } = self;
        Linear { identity, geometry, estimator, bias, activation, initializer }
    }

    /// With another bias.
    pub fn bias(self, bias: Bias) -> Self {
        Linear { bias, ..self }
    }

    /// Without a bias.
    pub fn without_bias(self) -> Self {
        self.bias(Bias::None)
    }

    /// With an activation.
    pub fn activation(self, activation: Activation) -> Self {
        Linear { activation, ..self }
    }

    /// With a rectifier after it, and weights that start accordingly.
    pub fn relu(self) -> Self {
        self.activation(Activation::Relu).initializer(VarianceScaling::he())
    }

    /// With weights that start as this says: those of a deterministic layer, the means of a Bayesian one.
    pub fn initializer(self, initializer: VarianceScaling) -> Self {
        Linear { initializer, ..self }
    }

    /// The geometry with changed settings.
    pub(crate) fn map_geometry(self, change: impl FnOnce(G) -> G) -> Self {
        Linear { geometry: change(self.geometry), ..self }
    }

    /// What the estimator draws for inputs such as this one: a kernel for a pass, or for all steps of a sequence.
    ///
    /// # Errors
    /// As [`Layer::forward`].
    pub fn draw<S: Shape, E: Float>(&self, input: &S) -> Result<Pass<W::Drawn<G::Kernel, E>, E>>
    where
        G: Geometry<S> + Kinded,
    {
        let shape = self.geometry.kernel_shape(input)?;
        let dims = Dims::of(&shape);
        if dims.num_elements() == 0 {
            let why = format!(
                "its kernel would have the shape {dims}, in which there is no number: give the layer at least one unit \
                 (filter, code), and its input at least one feature"
            );
            return Err(Error::Algorithm { of: self.geometry.kind(), why });
        }
        let outputs = dims.last().copied().unwrap_or(1);
        let layout = self.geometry.layout(&Dims::of(input));
        let slot = Slot {
            name: "kernel",
            shape,
            initializer: self.initializer,
            input: if G::CODES { Layout { channels: 0, ..layout } } else { layout },
            outputs,
        };
        let kernel = self.estimator.draw(&slot)?;
        let bias = self.bias.draw("bias", self.estimator.members(), outputs)?;
        Ok(Pass { kernel, bias })
    }

    /// The layer with what was drawn.
    ///
    /// # Errors
    /// As [`Layer::forward`].
    pub fn pass<S: Shape, E: Float>(
        &self,
        pass: &Pass<W::Drawn<G::Kernel, E>, E>,
        x: &Var<S, E>,
    ) -> Result<Var<G::Out, E>>
    where
        G: Geometry<S>,
    {
        let rectified = self.activation == Activation::Relu;
        let y = match (&pass.bias, W::kernel(&pass.kernel)) {
            (None, _) => return self.activation.of(&W::apply(&pass.kernel, &self.geometry, x)?),
            (Some(bias), Some(kernel)) => self.geometry.apply_with_bias(x, kernel, bias, rectified)?,
            (Some(bias), None) => add_bias(&W::apply(&pass.kernel, &self.geometry, x)?, bias, rectified)?,
        };
        if rectified { Ok(y) } else { self.activation.of(&y) }
    }
}

/// What a layer drew for a pass.
#[derive(Clone, Debug)]
pub struct Pass<D, E: Float> {
    kernel: D,
    /// `[outputs]`, or `[members, outputs]`.
    bias: Option<Value<E>>,
}

impl<G: Kinded, W: Estimator> Layer for Linear<G, W> {
    fn kind(&self) -> &'static str {
        self.geometry.kind()
    }

    fn identity(&self) -> Option<&Identity> {
        Some(&self.identity)
    }

    fn settings(&self) -> String {
        let mut settings = self.geometry.settings();
        for setting in [W::NAME, self.activation.name()] {
            if !matches!(setting, "Deterministic" | "") {
                settings = format!("{settings}, {setting}");
            }
        }
        settings
    }
}

impl<G, W, S, E> Apply<Var<S, E>> for Linear<G, W>
where
    G: Geometry<S> + Kinded,
    W: Estimator,
    S: Shape,
    E: Float,
{
    type Output = Var<G::Out, E>;
    fn apply(&self, x: Var<S, E>) -> Result<Var<G::Out, E>> {
        let pass = self.draw(x.shape())?;
        self.pass(&pass, &x)
    }
}

/// What a geometry is called.
pub trait Kinded: std::fmt::Debug {
    /// The name of the kind of layer that it makes: `Dense`, `Conv2d`.
    fn kind(&self) -> &'static str;

    /// Its settings in a few words, for summaries.
    fn settings(&self) -> String;
}

/// A dense layer: `y = act(x W + b)` along the last axis, `[…, inputs] → […, units]`.
///
/// `Dense::new(10)` is deterministic, `Dense::<Flipout>::new(10)` believes in its weights.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// type Belief = Reparameterization;
/// let layer = Dense::<Belief>::new(10);
/// let x: Var<_, f32> = Var::ones((5usize, 3usize));
/// let (_, trace) = seed(0, || tape(&|| layer.forward(&x)))?;
/// assert_eq!(trace.required("dense/kernel")?.value()?.dims().to_string(), "[3, 10]");
/// # Ok(()) }
/// ```
pub type Dense<W = Deterministic> = Linear<DenseMap, W>;

impl Dense {
    /// A deterministic dense layer.
    pub fn new(units: usize) -> Self {
        Dense::of("dense", DenseMap { units })
    }
}

/// `new` for layers with a number of units and an estimator of one's choice.
pub trait WithUnits {
    /// The layer, with the estimator's default settings.
    fn new(units: usize) -> Self;
}

impl<W: Estimator> WithUnits for Dense<W> {
    fn new(units: usize) -> Self {
        Dense::of("dense", DenseMap { units })
    }
}
