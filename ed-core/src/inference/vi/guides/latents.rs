//! The latent random variables that an automatic guide stands for.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::distributions::erased::AnyDistribution;
use crate::error::{Error, Result};
use crate::handlers::{seed, tape};
use crate::model::Model;
use crate::tensor::{AnyVar, Dims, Float, Value};
use crate::trace::{Kind, Next, Site, SiteName, Tracer, Values, dispatch, with_tracer};

/// One latent random variable.
#[derive(Clone, Debug)]
pub(crate) struct Latent {
    pub name: SiteName,
    /// Its distribution in the first run of the model.
    pub prior: Arc<dyn AnyDistribution>,
    /// The unconstrained numbers at which a guide starts.
    pub init: AnyVar,
}

/// The latent random variables of a model, in its order.
#[derive(Clone, Debug)]
pub(crate) struct Latents {
    pub sites: Vec<Latent>,
}

/// Collects latent random variables while it sets them to where a guide starts.
struct Collector(RefCell<Vec<Latent>>);

impl Tracer for Collector {
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        if site.kind != Kind::Latent || site.value.is_some() {
            return next.forward(site);
        }
        let name = site.required_name()?.clone();
        let (init, value) = start(&*site.distribution).map_err(|error| error.at_site(&name))?;
        site.value = Some(value);
        let prior = site.distribution.clone();
        next.forward(site)?;
        self.0.borrow_mut().push(Latent { name, prior, init });
        Ok(())
    }
}

/// Where a guide starts: at the prior's mean where it has one inside of its support, else at unconstrained zeros.
fn start(prior: &dyn AnyDistribution) -> Result<(AnyVar, AnyVar)> {
    let dims = prior.unconstrained_dims()?;
    let from_mean = prior.mean().and_then(|mean| prior.unconstrain(&mean)).ok();
    let finite = |x: &AnyVar| x.peek().is_ok_and(|x| x.iter().all(|x| x.is_finite()));
    let init = from_mean.filter(finite).unwrap_or_else(|| full(prior.precision(), 0.0, dims)).detach();
    let (value, _) = prior.constrain(&init)?;
    Ok((init, value))
}

impl Latents {
    /// Runs the model once.
    ///
    /// # Errors
    /// The model's; [`Error::UnnamedSite`]; [`Error::Undefined`], with the name, for a discrete random variable;
    /// [`Error::Algorithm`] if there is none.
    pub fn of<M: Model>(model: &M) -> Result<Latents> {
        let collector = Rc::new(Collector(RefCell::new(Vec::new())));
        seed(0, || with_tracer(collector.clone(), || tape(model)))?;
        let sites = collector.0.take();
        if sites.is_empty() {
            let why = "the model has no latent random variable: every one is observed, or none has a name";
            return Err(Error::Algorithm { of: "a guide", why: why.into() });
        }
        Ok(Latents { sites })
    }

    /// Starts at given values; the other random variables start where they did.
    ///
    /// # Errors
    /// [`Error::NoSuchSite`] for a name that the model does not have, and the error of a value of the wrong kind or
    /// outside of the support, with its name.
    pub fn start_at(&mut self, values: &Values) -> Result<()> {
        for (name, value) in values.iter() {
            let Some(site) = self.sites.iter_mut().find(|site| site.name == *name) else {
                let known = self.sites.iter().map(|site| site.name.to_string()).collect();
                return Err(Error::NoSuchSite { name: name.to_string(), known });
            };
            let inside = site.prior.check(value).and_then(|()| site.prior.unconstrain(value));
            site.init = inside.map_err(|error| error.at_site(name))?.detach();
        }
        Ok(())
    }

    /// Starts at a draw from the prior.
    ///
    /// # Errors
    /// The model's.
    pub fn start_at_draw<M: Model>(&mut self, model: &M, from: u64) -> Result<()> {
        let (_, trace) = seed(from, || tape(model))?;
        let values = trace.latents().filter_map(|site| Some((site.name.clone()?, site.value.clone()?)));
        self.start_at(&values.collect())
    }

    /// The unconstrained starting point of all random variables as one vector, and the one precision that they have.
    ///
    /// # Errors
    /// [`Error::Precision`] if some are `f32` and others `f64`.
    pub fn flat_start(&self) -> Result<AnyVar> {
        let precision = self.sites[0].prior.precision();
        let mut numbers = Vec::new();
        for site in &self.sites {
            if site.prior.precision() != precision {
                let (of, got) = (format!("the site `{}`", site.name), site.prior.precision());
                return Err(Error::Precision { of, expected: precision, got });
            }
            numbers.extend(site.init.peek()?);
        }
        Ok(from_numbers(precision, &numbers))
    }
}

/// A random variable of a guide on its way through the handlers.
pub(crate) fn emit(name: &SiteName, distribution: Arc<dyn AnyDistribution>) -> Result<AnyVar> {
    let name = Some(name.clone());
    let mut site = Site::of(name, distribution);
    dispatch(&mut site)?;
    Ok(site.value()?.clone())
}

/// The same number everywhere, in a precision by name.
pub(crate) fn full(precision: &str, x: f64, dims: Dims) -> AnyVar {
    match precision {
        f32::NAME => AnyVar::F32(Value::full(x as f32, dims)),
        _ => AnyVar::F64(Value::full(x, dims)),
    }
}

/// A vector, in a precision by name.
pub(crate) fn from_numbers(precision: &str, numbers: &[f64]) -> AnyVar {
    let dims = Dims::vector(numbers.len());
    match precision {
        f32::NAME => {
            let numbers: Vec<f32> = numbers.iter().map(|&x| x as f32).collect();
            AnyVar::F32(Value::new(Arc::new(numbers.into()), dims))
        }
        _ => AnyVar::F64(Value::new(Arc::new(numbers.to_vec().into()), dims)),
    }
}

/// Standard normal noise.
pub(crate) fn noise<E: Float>(key: crate::kernels::rng::Key, dims: Dims) -> Value<E> {
    let mut data = crate::tensor::Buffer::scratch(dims.num_elements());
    crate::kernels::rng::fill_normal(key, &mut data);
    Value::new(Arc::new(data), dims)
}

/// `-½ Σ e² - (n/2) ln 2π`: the log-density of standard normal numbers.
pub(crate) fn standard_log_prob<E: Float>(noise: &[E]) -> f64 {
    let squares: f64 = noise.iter().map(|e| e.to_f64() * e.to_f64()).sum();
    -0.5 * (squares + noise.len() as f64 * std::f64::consts::TAU.ln())
}

/// A setting that must be a positive number.
pub(crate) fn require_positive(of: &'static str, name: &'static str, x: f64) -> Result<()> {
    match x > 0.0 && x.is_finite() {
        true => Ok(()),
        false => Err(Error::Parameter { of, name, must_be: "finite and positive", got: x.to_string() }),
    }
}
