//! A run of a model that finds out what is in it.

use std::rc::Rc;

use super::Model;
use crate::error::{Error, Result};
use crate::handlers::tape;
use crate::kernels::rng::{Key, fill_normal};
use crate::tensor::AnyVar;
use crate::trace::{Kind, Next, Site, Trace, Tracer, key_for, with_key, with_tracer};

/// Gives a value to what cannot be drawn.
struct Improper;

impl Tracer for Improper {
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        let is_open = site.kind == Kind::Latent && site.value.is_none() && site.belief.is_none();
        if is_open && !site.distribution.is_proper() {
            let start = image_of_noise(site);
            site.value = Some(start.map_err(|error| error.at_site(site.label()))?);
        }
        next.forward(site)
    }

    fn looks(&self) -> bool {
        false
    }
}

/// The image of standard normal numbers in a support.
fn image_of_noise(site: &Site) -> Result<AnyVar> {
    let dims = site.distribution.unconstrained_dims()?;
    let mut noise = vec![0.0f64; dims.num_elements()];
    fill_normal(key_for(&site.label())?, &mut noise);
    let noise = AnyVar::from_numbers(site.distribution.precision(), &noise, dims);
    Ok(site.distribution.constrain(&noise)?.0)
}

/// One run with every random variable drawn from its prior; one whose prior is improper lies somewhere in its support.
///
/// # Errors
/// The model's.
pub(crate) fn probe<M: Model>(model: &M, key: Key) -> Result<Trace> {
    let started = || with_tracer(Rc::new(Improper), || model.run().map(|_| ()));
    Ok(with_key(key, || tape(&started))?.1)
}

/// Checks that there are data: a model whose observed random variables all have no element says nothing but its prior.
///
/// # Errors
/// [`Error::Algorithm`] with the names.
pub(crate) fn require_data(of: &'static str, trace: &Trace) -> Result<()> {
    let mut observed = trace.sites().iter().filter(|site| site.kind == Kind::Observed).peekable();
    if observed.peek().is_none() || observed.clone().any(|site| site.distribution.dims().num_elements() > 0) {
        return Ok(());
    }
    let names: Vec<String> = observed.map(|site| format!("`{}`", site.label())).collect();
    let why = format!(
        "there are no data: {} has no element, so the posterior is the prior; for draws from that, use \
         `prior_predictive`, or leave the observation out",
        names.join(", ")
    );
    Err(Error::Algorithm { of, why })
}
