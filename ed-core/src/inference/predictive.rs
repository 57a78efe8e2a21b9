//! Prior and posterior predictive draws.

use std::rc::Rc;

use crate::error::{Error, Result};
use crate::handlers::{substitute, tape};
use crate::inference::Draws;
use crate::kernels::rng::Key;
use crate::model::Model;
use crate::params::fixing_params;
use crate::trace::{Kind, Next, Site, Trace, Tracer, Values, whole_plates, with_key, with_tracer};

/// Forgets data and beliefs: an observed random variable is drawn, and a latent one that nobody sets comes from its prior.
struct Forget;

impl Tracer for Forget {
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        if site.kind == Kind::Observed {
            site.kind = Kind::Latent;
            site.value = None;
        }
        site.belief = None;
        next.forward(site)
    }
}

/// Draws of every random variable from the prior, as one chain; those that the model observes are drawn too, also where
/// a mask says that data are missing, and plates are run as a whole. The weights of Bayesian layers come from their priors
/// and not from what is believed about them. A factor weighs no draw.
///
/// # Errors
/// The model's; [`Error::UnmovedParameters`] if it has parameters that no store gives; [`Error::Undefined`], with the site's name, for an improper prior, from which there are no draws; and
/// [`Error::Parameter`] if no draw is asked for.
///
/// # Examples
/// ```
/// use ed::inference::prior_predictive;
/// use ed::prelude::*;
///
/// #[model]
/// fn measurement() -> Result<RandomVariable<Normal<(), f64>>> {
///     let x = sample(Normal::new(3.0, 1.0)?);
///     let y = sample(Normal::new(&x, 1.0)?);
///     Ok(y)
/// }
///
/// # fn main() -> Result<()> {
/// let draws = prior_predictive(&measurement, 2_000, 0)?;
/// assert!((draws.sd("y")?.item()? - 2f64.sqrt()).abs() < 0.1);
/// # Ok(()) }
/// ```
pub fn prior_predictive<M: Model>(model: &M, num_draws: usize, seed: u64) -> Result<Draws> {
    whole_plates(|| draws(num_draws, seed, |_| Ok(run(model)?.values())))
}

/// Draws of every random variable given posterior draws of the latent ones: for each posterior draw, one run of the
/// model with the latent random variables at it and new data.
///
/// The model may be the conditioned one: what it observes is drawn again. The result has the chains of the draws.
///
/// # Errors
/// As [`prior_predictive`], and [`Error::NoSuchSite`] if the draws have a random variable that the model does not have.
pub fn posterior_predictive<M: Model>(model: &M, posterior: &Draws, seed: u64) -> Result<Draws> {
    let at = |place: usize| {
        let (chain, draw) = (place / posterior.num_draws(), place % posterior.num_draws());
        let values = posterior.at(chain, draw)?;
        let trace = run(&substitute(|| model.run().map(|_| ()), values))?;
        match posterior.names().find(|name| trace.get(name.as_str()).is_none()) {
            Some(extra) => Err(Error::NoSuchSite {
                name: extra.to_string(),
                known: trace.names().map(|name| name.to_string()).collect(),
            }),
            None => Ok(trace.values()),
        }
    };
    let key = Key::new(seed);
    let chain = |chain: usize| -> Result<Vec<Values>> {
        let first = chain * posterior.num_draws();
        (first..first + posterior.num_draws())
            .map(|place| with_key(key.fold_in(place as u64), || at(place)))
            .collect()
    };
    let chains: Result<Vec<Vec<Values>>> = whole_plates(|| (0..posterior.num_chains()).map(chain).collect());
    let draws = Draws::from_chains(&chains?)?;
    Ok(if posterior.is_independent() { draws.independent() } else { draws })
}

/// One run whose observed random variables are drawn.
fn run<M: Model>(model: &M) -> Result<Trace> {
    let forgetful = || with_tracer(Rc::new(Forget), || model.run().map(|_| ()));
    Ok(fixing_params("predictive draws", || tape(&forgetful))?.1)
}

/// One chain of independent draws, each under its own key.
pub(crate) fn draws(num_draws: usize, seed: u64, draw: impl Fn(usize) -> Result<Values>) -> Result<Draws> {
    let key = Key::new(seed);
    let chain: Result<Vec<Values>> =
        (0..num_draws).map(|index| with_key(key.fold_in(index as u64), || draw(index))).collect();
    let chain = chain?;
    if chain.is_empty() {
        return Draws::new(1, 0);
    }
    Ok(Draws::from_chains(&[chain])?.independent())
}
