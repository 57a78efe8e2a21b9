//! [`Fit`]: a trained guide.

use std::rc::Rc;

use super::guides::Delta;
use super::guides::drawn::Drawn;
use crate::diagnostics::Summary;
use crate::error::Result;
use crate::handlers::{seed, tape};
use crate::inference::{Draws, predictive};
use crate::model::Model;
use crate::params::{Params, with_params};
use crate::trace::{Kind, Next, Site, Tracer, Values, whole_plates, with_tracer};

/// Draws that a summary is made of.
const SUMMARY_DRAWS: usize = 1_000;

/// What variational inference found: a guide, its parameters, and the way there.
#[derive(Clone, Debug)]
pub struct Fit<G> {
    guide: G,
    params: Params,
    history: Vec<f64>,
}

/// A trained guide, as a model: running it draws the random variables from their posteriors.
#[derive(Clone, Copy, Debug)]
pub struct Posterior<'f, G> {
    guide: &'f G,
    params: &'f Params,
}

impl<G: Model> Model for Posterior<'_, G> {
    type Output = G::Output;
    fn run(&self) -> Result<G::Output> {
        with_params(self.params, || self.guide.run())
    }
}

/// Sets every latent random variable to the centre of its posterior.
struct Centre;

impl Tracer for Centre {
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        if site.kind == Kind::Latent && site.value.is_none() {
            let centre = match site.distribution.as_any().downcast_ref::<Drawn>() {
                Some(posterior) => posterior.centre(),
                None => site.distribution.mean(),
            };
            site.value = Some(centre.map_err(|error| error.at_site(site.label()))?);
        }
        next.forward(site)
    }
}

impl<G: Model> Fit<G> {
    pub(super) fn new(guide: G, params: Params, history: Vec<f64>) -> Fit<G> {
        Fit { guide, params, history }
    }

    /// The trained guide: a model that draws from the posteriors.
    pub fn posterior(&self) -> Posterior<'_, G> {
        Posterior { guide: &self.guide, params: &self.params }
    }

    /// The trained parameters, of the guide and of the model.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Each step's estimate of the ELBO, in nats.
    pub fn elbo(&self) -> &[f64] {
        &self.history
    }

    /// Each step's estimate of the negative ELBO, in nats.
    pub fn losses(&self) -> Vec<f64> {
        self.history.iter().map(|elbo| -elbo).collect()
    }

    /// Independent draws from the posterior, as one chain: of every row of a plate, subsampled or not. The same seed gives
    /// the same draws.
    ///
    /// # Errors
    /// The guide's, and [`Error::Parameter`](crate::Error::Parameter) if no draw is asked for.
    pub fn sample(&self, num_draws: usize, seed: u64) -> Result<Draws> {
        let draw = |_| Ok(tape(&self.posterior())?.1.latent_values());
        whole_plates(|| predictive::draws(num_draws, seed, draw))
    }

    /// The centre of each posterior: its mean where that has a closed form, else the image of the unconstrained mean,
    /// which is the median of a random variable whose support is mapped onto elementwise.
    ///
    /// # Errors
    /// The guide's, and [`Error::Undefined`](crate::Error::Undefined), with the name, where there is no such number.
    pub fn mean(&self) -> Result<Values> {
        let central = || with_tracer(Rc::new(Centre), || self.posterior().run());
        Ok(whole_plates(|| seed(0, || tape(&central)))?.1.latent_values())
    }

    /// Mean, standard deviation and quantiles of every scalar, from 1000 draws.
    ///
    /// # Errors
    /// As [`Fit::sample`].
    pub fn summary(&self) -> Result<Summary> {
        self.sample(SUMMARY_DRAWS, 0)?.summary()
    }
}

impl Fit<Delta> {
    /// The maximum a posteriori estimate.
    ///
    /// # Errors
    /// The guide's.
    pub fn values(&self) -> Result<Values> {
        whole_plates(|| seed(0, || self.posterior().run()))
    }
}
