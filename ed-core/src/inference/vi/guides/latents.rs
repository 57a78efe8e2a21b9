//! The latent random variables that an automatic guide stands for.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::distributions::erased::AnyDistribution;
use crate::error::{Error, Result};
use crate::handlers::tape;
use crate::kernels::rng::Key;
use crate::model::{Model, probe, require_data, unconstrained};
use crate::tensor::{AnyVar, Dims, Float, Value};
use crate::trace::{
    Kind, Next, Rows, Site, SiteName, Tracer, Values, dispatch, whole_plates, with_key, with_tracer,
};

/// One latent random variable.
#[derive(Clone, Debug)]
pub(crate) struct Latent {
    pub name: SiteName,
    /// Its distribution in the first run of the model.
    pub prior: Arc<dyn AnyDistribution>,
    /// The unconstrained numbers at which a guide starts.
    pub init: AnyVar,
    /// The subsampled plate that it lies in: a guide holds a belief for every row, and a run reads those of its rows.
    rows: Option<Rows>,
}

impl Latent {
    /// The rows of this run.
    ///
    /// # Errors
    /// [`Error::UnseededPlate`] if no key is in force.
    pub fn rows(&self) -> Result<Option<Rows>> {
        self.rows.as_ref().map(|rows| Rows::drawn(rows.name(), rows.size(), rows.batch())).transpose()
    }

    /// A posterior of these rows, on its way through the handlers.
    ///
    /// # Errors
    /// Those of the handlers.
    pub fn emit(&self, posterior: Arc<dyn AnyDistribution>, rows: Option<Rows>) -> Result<AnyVar> {
        let mut site = Site::of(Some(self.name.clone()), posterior);
        site.scale = factor(&rows);
        site.plates.extend(rows);
        dispatch(&mut site)?;
        Ok(site.value()?.clone())
    }
}

/// How often a row of this run counts.
pub(crate) fn factor(rows: &Option<Rows>) -> f64 {
    rows.as_ref().map_or(1.0, Rows::factor)
}

/// What belongs to the rows of this run.
pub(crate) fn part(all: AnyVar, rows: &Option<Rows>) -> Result<AnyVar> {
    rows.as_ref().map_or(Ok(all.clone()), |rows| rows.of(&all))
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
        let rows = plate_of(site)?;
        let (init, value) = start(&*site.distribution).map_err(|error| error.at_site(&name))?;
        site.value = Some(value);
        let prior = site.distribution.clone();
        next.forward(site)?;
        self.0.borrow_mut().push(Latent { name, prior, init, rows });
        Ok(())
    }
}

/// The subsampled plate that a random variable lies in, in a run that sees all of its rows.
fn plate_of(site: &Site) -> Result<Option<Rows>> {
    let mut parts = site.plates.iter().filter(|rows| rows.is_part());
    let Some(rows) = parts.next() else { return Ok(None) };
    let name = site.label();
    let why = if let Some(outer) = parts.next() {
        format!(
            "`{name}` lies in two subsampled plates, `{}` and `{}`: write the guide as a model",
            outer.name(),
            rows.name()
        )
    } else if site.distribution.dims().first() != Some(&rows.size()) {
        format!(
            "`{name}` has the shape {} when the subsampled plate `{}` shows all of its {} rows: give it one row for each \
             along its first axis, `(rows.len(), …)`, or sample it outside of the plate",
            site.distribution.dims(),
            rows.name(),
            rows.size()
        )
    } else {
        return Ok(Some(rows.clone()));
    };
    Err(Error::Algorithm { of: "a guide", why })
}

/// Looks for random variables whose support is another one in another run.
struct Moved {
    first: Vec<Latent>,
    found: RefCell<Option<SiteName>>,
}

impl Moved {
    /// Puts the random variable elsewhere, by which the supports that depend on it move.
    fn look(&self, site: &Site, first: &Latent) -> Result<AnyVar> {
        let rows = site.plates.iter().find(|rows| rows.is_part());
        let mut there = None;
        for shift in [-6.0, 6.0, 0.5] {
            let shifted = first.init.plus(&full(first.prior.precision(), shift, Dims::SCALAR))?;
            let shifted = rows.map_or(Ok(shifted.clone()), |rows| rows.of(&shifted))?;
            let value = site.distribution.constrain(&shifted)?.0;
            let same = match (rows, first.prior.constrain(&shifted)) {
                (_, Err(_)) => false,
                (None, Ok((other, _))) => {
                    site.distribution.check(&other).is_ok() && first.prior.check(&value).is_ok()
                }
                (Some(_), Ok((other, _))) => near(&value.peek()?, &other.peek()?),
            };
            if !same {
                self.found.borrow_mut().get_or_insert(first.name.clone());
            }
            there = Some(value);
        }
        there.ok_or_else(|| Error::Unconditioned { name: first.name.to_string() })
    }
}

fn near(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-5 * (1.0 + a.abs()))
}

impl Tracer for Moved {
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        let first = self.first.iter().find(|latent| site.name.as_ref() == Some(&latent.name));
        if let (Kind::Latent, None, Some(first)) = (site.kind, &site.value, first) {
            site.value = Some(self.look(site, first)?);
        }
        next.forward(site)
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
    /// Runs the model, with all rows of its plates.
    ///
    /// # Errors
    /// The model's; [`Error::UnnamedSite`]; [`Error::Undefined`], with the name, for a discrete random variable;
    /// [`Error::Algorithm`] if there is none, if all data are empty, or if a support depends on other random variables.
    pub fn of<M: Model>(model: &M) -> Result<Latents> {
        let (sites, trace) = whole_plates(|| {
            let collector = Rc::new(Collector(RefCell::new(Vec::new())));
            let (_, trace) = with_key(Key::new(0), || with_tracer(collector.clone(), || tape(model)))?;
            Ok((collector.0.take(), trace))
        })?;
        require_data("a guide", &trace)?;
        if sites.is_empty() {
            let why = "the model has no latent random variable: every one is observed, or none has a name";
            return Err(Error::Algorithm { of: "a guide", why: why.into() });
        }
        let moved = Rc::new(Moved { first: sites.clone(), found: RefCell::new(None) });
        // A model that cannot run elsewhere shows nothing by it.
        let _ = with_key(Key::new(1), || with_tracer(moved.clone(), || model.run().map(|_| ())));
        if let Some(name) = moved.found.take() {
            let why = format!(
                "the support of `{name}` depends on another random variable or on the row of a plate, and an automatic \
                 guide knows one support: sample it on a fixed one and move it, as in `low + (high - low) * u`, or write \
                 the guide as a model"
            );
            return Err(Error::Algorithm { of: "a guide", why });
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
            site.init = unconstrained(&*site.prior, value).map_err(|error| error.at_site(name))?.detach();
        }
        Ok(())
    }

    /// Starts at a draw from the prior.
    ///
    /// # Errors
    /// The model's.
    pub fn start_at_draw<M: Model>(&mut self, model: &M, from: u64) -> Result<()> {
        let trace = whole_plates(|| probe(model, Key::new(from)))?;
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

/// The same number everywhere, in a precision by name.
pub(crate) fn full(precision: &str, x: f64, dims: Dims) -> AnyVar {
    match precision {
        f32::NAME => AnyVar::F32(Value::full(x as f32, dims)),
        _ => AnyVar::F64(Value::full(x, dims)),
    }
}

/// A vector, in a precision by name.
pub(crate) fn from_numbers(precision: &str, numbers: &[f64]) -> AnyVar {
    AnyVar::from_numbers(precision, numbers, Dims::vector(numbers.len()))
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
