//! Random variables that somebody has a belief about: a posterior to draw from instead of the prior.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use dfdx::shapes::Shape;

use super::name::SiteName;
use super::site::Site;
use super::stack::{dispatch, full_name};
use crate::distributions::erased::AnyDistribution;
use crate::error::Result;
use crate::kernels::rng::Key;
use crate::tensor::{AnyVar, Float, Var};

/// What the program itself believes about one of its random variables: a posterior with parameters of its own, as the
/// weights of a Bayesian layer have one.
///
/// The parameters are read (and made, the first time) only when they are asked for: a belief about a variable whose
/// value comes from elsewhere costs nothing.
pub trait Belief: Any + Debug + Send + Sync {
    /// The posterior.
    ///
    /// # Errors
    /// The error of reading or making a parameter.
    fn posterior(&self) -> Result<Arc<dyn AnyDistribution>>;

    /// A draw from the posterior, and `KL(posterior ‖ prior)` in nats, summed: in one pass where there is one.
    ///
    /// # Errors
    /// As [`Belief::posterior`], and those of the divergence.
    fn draw(&self, key: Key) -> Result<(AnyVar, AnyVar)>;

    /// `KL(posterior ‖ prior)` in nats, summed, where nobody needs a draw.
    ///
    /// # Errors
    /// As [`Belief::draw`].
    fn kl(&self) -> Result<AnyVar>;

    /// Whether what is believed is itself the answer, so that [`mean`](crate::handlers::mean) leaves the random variable
    /// open: the spread of a process's inducing outputs is part of what the process predicts, while a weight at its mean
    /// is a point.
    fn stays_at_mean(&self) -> bool {
        false
    }

    /// As [`Belief::kl`], for a random variable that stays open with this key: a belief that knows what will be made of
    /// the key may do it in the same pass.
    ///
    /// # Errors
    /// As [`Belief::kl`].
    fn open(&self, key: Key) -> Result<AnyVar> {
        let _ = key;
        self.kl()
    }
}

/// What became of a random variable that the program has a belief about.
#[derive(Clone, Debug)]
pub enum Drawn<S: Shape, E: Float> {
    /// It has this value.
    Value(Var<S, E>),
    /// Nobody set its value and nobody looks: whoever asked may use the posterior as a whole, with noise made from
    /// this key. The belief is the one that came first under this name in the run.
    Open(Key, Arc<dyn Belief>),
}

/// A random variable with a prior, and a belief to draw it from.
///
/// The site's density is the prior's, whoever decides its value: `condition`, `substitute` or a sampler set it as that
/// of any other random variable. If nobody does, it comes from the belief, and the divergence of the belief from the
/// prior goes to [`with_kl`](crate::handlers::with_kl).
///
/// Inside of a layer it belongs to that layer: it is one random variable of the run, however often the layer runs (see
/// [`own`](super::own)). So its prior and its belief must not depend on the layer's input.
///
/// With `may_stay_open`, the value is drawn only if a tracer [looks](super::Tracer::looks) at values. Estimators that
/// work with the moments of a weight and never draw it (Flipout, local reparameterisation) are made of this.
///
/// # Errors
/// As [`sample_as`](super::sample_as), and those of the belief, with the site's name.
pub fn believe_as<S: Shape, E: Float>(
    name: impl Into<SiteName>,
    prior: Arc<dyn AnyDistribution>,
    belief: Arc<dyn Belief>,
    may_stay_open: bool,
) -> Result<Drawn<S, E>> {
    let mut site = Site::of(Some(full_name(&name.into())), prior);
    site.belief = Some(belief);
    site.may_stay_open = may_stay_open;
    dispatch(&mut site)?;
    if let (None, Some(key), Some(belief)) = (&site.value, site.key, &site.belief) {
        return Ok(Drawn::Open(key, belief.clone()));
    }
    let value = site.value()?.typed().map_err(|error| error.at_site(site.label()))?;
    Ok(Drawn::Value(value))
}
