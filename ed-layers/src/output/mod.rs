//! Stochastic output layers: a tensor comes in, a random variable comes out.
//!
//! | layer | distribution |
//! |---|---|
//! | [`Normal`] | a normal for each unit, with a scale of its own (heteroscedastic regression) |
//! | [`Categorical`] | one of several classes |
//! | [`Bernoulli`] | yes or no for each unit |
//! | [`MixtureNormal`] | a mixture density network |
//! | [`MixtureLogistic`] | PixelCNN++'s mixture over the channels of a pixel |
//! | [`Discretize`] | any of these with a distribution function, on levels: a random variable in, one out |
//!
//! Inside, each parameter of the distribution is a [`Dense`] layer with any estimator, called as the parameter is. The
//! random variable has a value, drawn with the key in force, but is no site: no handler sees it. For data, ask its
//! distribution: `-y.distribution().log_prob(&labels)?.mean()` is a loss (labels that cannot come are refused, see
//! [`Strict`]), and `sample(y.distribution().clone())` in a
//! `#[model]` a site.

mod bernoulli;
mod categorical;
mod discretize;
mod mixture_logistic;
mod mixture_normal;
mod normal;
mod strict;

use std::fmt::Debug;

use dfdx::shapes::Shape;
use ed_core::distributions::Distribution;
use ed_core::tensor::{Float, Var};
use ed_core::trace::fresh_key;
use ed_core::{Error, RandomVariable, Result, SiteName};

pub use bernoulli::{Bernoulli, ToBernoulli};
pub use categorical::{Categorical, ToCategorical};
pub use discretize::Discretize;
pub use mixture_logistic::{MixtureLogistic, ToMixtureLogistic};
pub use mixture_normal::{MixtureNormal, ToMixtureNormal};
pub use normal::{Normal, ToNormal};
pub use strict::Strict;

use crate::estimator::{Deterministic, Estimator};
use crate::geometry::{DenseMap, Geometry};
use crate::layer::Layer;
use crate::linear::{Dense, Linear};
use crate::scope::Identity;

/// The shape of what a dense layer makes of an `S`.
pub type Out<S> = <DenseMap as Geometry<S>>::Out;

/// The distribution at the end of an [`Output`] layer.
pub trait Family: Clone + Debug + Send + Sync + 'static {
    /// The layer's kind: `Normal`.
    const KIND: &'static str;

    /// Its settings in a few words, for summaries.
    fn settings(&self) -> String;
}

/// A layer whose outputs are the parameters of a distribution: [`Normal`], [`Categorical`] and so on.
///
/// It is called `output` unless something gives it another name.
#[derive(Clone, Debug)]
pub struct Output<F, W = Deterministic> {
    identity: Identity,
    family: F,
    readout: Dense<W>,
}

impl<F: Family> Output<F> {
    /// A deterministic layer that ends in a distribution.
    pub fn of(family: F) -> Self {
        let readout = Linear::of("dense", DenseMap { units: 0 });
        Output { identity: Identity::of("output"), family, readout }
    }
}

impl<F: Family, W: Estimator> Output<F, W> {
    /// With a name.
    pub fn named(self, name: impl Into<SiteName>) -> Self {
        Output { identity: self.identity.named(name), ..self }
    }

    /// With an estimator for the kernels: `Normal::new(1).estimator(Flipout::default())`.
    pub fn estimator<V: Estimator>(self, estimator: V) -> Output<F, V> {
        let Output { identity, family, readout } = self;
        Output { identity, family, readout: readout.estimator(estimator) }
    }

    /// One parameter of the distribution: `[…, inputs] → […, units]`.
    fn param<S: Shape, E: Float>(
        &self,
        name: &'static str,
        units: usize,
        x: &Var<S, E>,
    ) -> Result<Var<Out<S>, E>>
    where
        DenseMap: Geometry<S>,
    {
        if units == 0 {
            let (of, must_be) = (F::KIND, "at least 1");
            return Err(Error::Parameter { of, name: "units", must_be, got: "0".into() });
        }
        self.readout.clone().named(name).map_geometry(|_| DenseMap { units }).forward(x)
    }

    /// A positive parameter: softplus of a dense layer, and a little more, so that it is never zero.
    fn scale<S: Shape, E: Float>(
        &self,
        name: &'static str,
        units: usize,
        x: &Var<S, E>,
    ) -> Result<Var<Out<S>, E>>
    where
        DenseMap: Geometry<S>,
    {
        (self.param(name, units, x)?.softplus() + 1e-7).check()
    }
}

impl<F: Family, W: Estimator> Layer for Output<F, W> {
    fn kind(&self) -> &'static str {
        F::KIND
    }
    fn identity(&self) -> Option<&Identity> {
        Some(&self.identity)
    }
    fn settings(&self) -> String {
        match W::NAME {
            "Deterministic" => self.family.settings(),
            name => format!("{}, {name}", self.family.settings()),
        }
    }
}

/// A random variable that is drawn and no site.
fn drawn<D: Distribution>(distribution: D) -> Result<RandomVariable<D>> {
    let value = distribution.sample(fresh_key("output")?)?;
    RandomVariable::of(distribution, value)
}
