//! The mean-field guide: independent normals.

use std::sync::Arc;

use super::drawn::Drawn;
use super::latents::{Latent, Latents, full, noise, part, require_positive, standard_log_prob};
use crate::distributions::erased::AnyDistribution;
use crate::error::Result;
use crate::kernels::rng::Key;
use crate::model::Model;
use crate::ops::{elementwise as ew, reduce};
use crate::params::any_param;
use crate::tensor::{AnyVar, Float, Value};
use crate::trace::{Rows, SiteName, Values, key_for};

/// Independent normal numbers, one for each unconstrained number of the model (Kucukelbir et al. 2017, section 2.4):
/// `z = loc + exp(log_scale) ε`, mapped onto the support of each random variable.
///
/// A random variable on all reals gets a plain [`Normal`](crate::distributions::Normal), so that its divergence from a
/// normal prior is computed in closed form. Parameters: `<site>.loc` and `<site>.log_scale`; those of a random variable
/// inside of a subsampled plate have one row for every repetition, of which a run reads the ones that it sees.
///
/// # Examples
/// ```
/// use ed::prelude::*;
///
/// #[model]
/// fn measurement() -> Result<RandomVariable<Normal<(), f64>>> {
///     let x = sample(Normal::new(0.0, 1.0)?);
///     let y = sample(Normal::new(&x, 1.0)?);
///     Ok(y)
/// }
///
/// # fn main() -> Result<()> {
/// let observed = condition(measurement, values![measurement::y = Var::<(), f64>::scalar(2.0)]);
/// let fit = Svi::new(&observed, MeanField::of(&observed)?).steps(1_000).learning_rate(0.02).run(0)?;
/// // The posterior is N(1, 1/√2).
/// let draws = fit.sample(2_000, 1)?;
/// assert!((fit.mean()?.required("x")?.item()? - 1.0).abs() < 0.1);
/// assert!((draws.sd("x")?.item()? - 0.5f64.sqrt()).abs() < 0.1);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a guide does nothing until `Svi` trains it"]
pub struct MeanField {
    latents: Latents,
    names: Vec<(SiteName, SiteName)>,
    init_scale: f64,
}

impl MeanField {
    /// A guide for the latent random variables of a model. It starts at the means of the priors where they have one,
    /// else at unconstrained zeros, with the unconstrained scale 0.1.
    ///
    /// # Errors
    /// The model's; [`Error::Undefined`](crate::Error::Undefined), with the name, for a discrete random variable;
    /// [`Error::Algorithm`](crate::Error::Algorithm) if there is no latent one, if all data are empty, or if the support
    /// of one depends on another.
    pub fn of<M: Model>(model: &M) -> Result<MeanField> {
        let latents = Latents::of(model)?;
        let names = latents.sites.iter().map(|site| {
            (SiteName::from(format!("{}.loc", site.name)), SiteName::from(format!("{}.log_scale", site.name)))
        });
        Ok(MeanField { names: names.collect(), latents, init_scale: 0.1 })
    }

    /// The scale of the unconstrained numbers at the start.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) unless it is finite and positive.
    pub fn init_scale(mut self, scale: f64) -> Result<MeanField> {
        require_positive("MeanField", "init_scale", scale)?;
        self.init_scale = scale;
        Ok(self)
    }

    /// The values at the start, by name; those that are not named start where they did.
    ///
    /// # Errors
    /// [`Error::NoSuchSite`](crate::Error::NoSuchSite) for a name that the model does not have, and the error of a value
    /// of the wrong kind or outside of the support, with its name.
    pub fn init_loc(mut self, values: &Values) -> Result<MeanField> {
        self.latents.start_at(values)?;
        Ok(self)
    }

    /// Starts at a draw from the prior.
    ///
    /// # Errors
    /// The model's.
    pub fn init_from_prior<M: Model>(mut self, model: &M, seed: u64) -> Result<MeanField> {
        self.latents.start_at_draw(model, seed)?;
        Ok(self)
    }

    fn posterior(
        &self,
        site: &Latent,
        (loc, log_scale): &(SiteName, SiteName),
        rows: &Option<Rows>,
    ) -> Result<Arc<dyn AnyDistribution>> {
        let loc = any_param(loc, site.init.dims(), || Ok(site.init.clone()))?;
        let log_scale = any_param(log_scale, site.init.dims(), || {
            Ok(full(site.prior.precision(), self.init_scale.ln(), *site.init.dims()))
        })?;
        let (loc, log_scale) = (part(loc, rows)?, part(log_scale, rows)?);
        match (&loc, &log_scale) {
            (AnyVar::F32(loc), AnyVar::F32(log_scale)) => posterior(site, loc, log_scale),
            (AnyVar::F64(loc), AnyVar::F64(log_scale)) => posterior(site, loc, log_scale),
            (loc, log_scale) => loc.times(log_scale).map(|_| site.prior.clone()),
        }
    }
}

fn posterior<E: Float>(
    site: &Latent,
    loc: &Value<E>,
    log_scale: &Value<E>,
) -> Result<Arc<dyn AnyDistribution>> {
    let scale = ew::exp(log_scale);
    if !site.prior.has_jacobian() {
        return site.prior.normal_like(&E::into_any(loc.clone()), &E::into_any(scale));
    }
    Ok(Arc::new(pushed_forward(site, loc, log_scale, &scale, key_for(site.name.as_str())?)?))
}

/// A draw `f(z)`, `z = loc + scale · ε`. With `ε` fixed, `log q(z)` depends on the scales alone.
fn pushed_forward<E: Float>(
    site: &Latent,
    loc: &Value<E>,
    log_scale: &Value<E>,
    scale: &Value<E>,
    key: Key,
) -> Result<Drawn> {
    let noise = noise::<E>(key, *loc.dims());
    let z = ew::add(&ew::mul(scale, &noise), loc);
    let log_prob = ew::affine(&reduce::sum(log_scale), -1.0, standard_log_prob(noise.peek()?));
    let (value, log_det) = site.prior.constrain(&E::into_any(z))?;
    let log_prob = E::into_any(log_prob).plus(&log_det.scaled(-1.0))?;
    Ok(Drawn { prior: site.prior.clone(), value, log_prob, loc: E::into_any(loc.clone()) })
}

by_reference!(MeanField);

impl Model for MeanField {
    type Output = Values;
    fn run(&self) -> Result<Values> {
        let draw = |(site, names): (&Latent, &(SiteName, SiteName))| {
            let rows = site.rows()?;
            let posterior = self.posterior(site, names, &rows).map_err(|error| error.at_site(&site.name))?;
            Ok((site.name.clone(), site.emit(posterior, rows)?))
        };
        self.latents.sites.iter().zip(&self.names).map(draw).collect()
    }
}
