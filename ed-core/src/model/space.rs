//! The flat view of a model: its latent random variables as one unconstrained vector.

use std::cell::RefCell;
use std::rc::Rc;

use super::Model;
use super::probe::{probe, require_data};
use crate::distributions::erased::AnyDistribution;
use crate::error::{Error, Result};
use crate::handlers::tape;
use crate::inference::LogDensity;
use crate::kernels::rng::Key;
use crate::ops::{layout, reduce};
use crate::params::fixing_params;
use crate::tensor::plan::Plan;
use crate::tensor::{AnyVar, Dims, Float, Tape, Value};
use crate::trace::{Kind, Next, Site, SiteName, Tracer, Values, with_tracer};

/// Where one latent random variable lies in the flat vector.
#[derive(Clone, Debug)]
pub struct SpaceSite {
    /// Its name.
    pub name: SiteName,
    /// Sizes of its values.
    pub dims: Dims,
    /// Sizes of the unconstrained numbers that stand for a value.
    pub unconstrained_dims: Dims,
    /// Place of the first of them.
    pub offset: usize,
}

impl SpaceSite {
    pub(crate) fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.unconstrained_dims.num_elements()
    }
}

/// The latent random variables of a model and their places in one flat vector of unconstrained numbers.
///
/// A random variable on a constrained support is the image of unconstrained numbers under the bijector onto its
/// support; the log-density of the flat vector includes the log-determinant.
#[derive(Clone, Debug)]
pub struct Space {
    sites: Vec<SpaceSite>,
    dim: usize,
    double: bool,
}

impl Space {
    /// Runs the model once and collects its latent random variables.
    ///
    /// # Errors
    /// The model's; [`Error::UnmovedParameters`] if it has parameters that no store gives; and so that of a datum outside of its support; [`Error::Undefined`] at a discrete latent random
    /// variable; [`Error::Precision`] if some are `f32` and others `f64`; [`Error::Algorithm`] if there are none, if all
    /// data are empty, or if a plate is subsampled, so that every run has another density.
    pub fn of<M: Model>(model: &M) -> Result<Space> {
        let first = || with_tracer(Rc::new(Unbelieving), || model.run().map(|_| ()));
        let trace = fixing_params("a sampler", || probe(&first, Key::new(0)))?;
        require_data("inference", &trace)?;
        let part = trace.sites().iter().flat_map(|site| &site.plates).find(|rows| rows.is_part());
        if let Some(rows) = part {
            let (name, size, batch) = (rows.name().to_string(), rows.size(), rows.batch());
            return Err(Error::UnseededPlate { name, batch, size });
        }
        let mut sites: Vec<SpaceSite> = Vec::new();
        let mut dim = 0;
        let mut precision = None;
        for site in trace.latents() {
            let name = site.required_name()?.clone();
            let unconstrained_dims =
                site.distribution.unconstrained_dims().map_err(|error| error.at_site(&name))?;
            let expected = *precision.get_or_insert(site.distribution.precision());
            if site.distribution.precision() != expected {
                let got = site.distribution.precision();
                return Err(Error::Precision { of: format!("the site `{name}`"), expected, got });
            }
            sites.push(SpaceSite { name, dims: site.distribution.dims(), unconstrained_dims, offset: dim });
            dim += unconstrained_dims.num_elements();
        }
        if dim == 0 {
            return Err(Error::Algorithm {
                of: "inference",
                why: "the model has no latent random variable: every one is observed, or none has a name"
                    .into(),
            });
        }
        Ok(Space { sites, dim, double: precision == Some(f64::NAME) })
    }

    /// The latent random variables, in the order of the model.
    pub fn sites(&self) -> &[SpaceSite] {
        &self.sites
    }

    /// Number of unconstrained numbers.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// From a flat unconstrained vector to values by name, as the model constrains them.
    ///
    /// # Errors
    /// The model's, and [`Error::Shape`] if the vector has another length.
    pub fn values<M: Model>(&self, model: &M, position: &[f64]) -> Result<Values> {
        fn run<E: Float, M: Model>(space: &Space, model: &M, position: &[f64]) -> Result<Values> {
            let position = flat_value::<E>(position);
            let pass = space.pass(model, &position)?;
            Ok(pass.values.take())
        }
        self.check_len(position.len())?;
        if self.double { run::<f64, M>(self, model, position) } else { run::<f32, M>(self, model, position) }
    }

    /// From values by name to the flat unconstrained vector.
    ///
    /// # Errors
    /// [`Error::NoSuchSite`] if a value is missing, and the error of a value of the wrong shape or support, by name.
    pub fn position<M: Model>(&self, model: &M, values: &Values) -> Result<Vec<f64>> {
        self.sites.iter().try_for_each(|place| values.required(place.name.as_str()).map(|_| ()))?;
        self.place(model, values, vec![0.0; self.dim])
    }

    /// A position with the given values in place of its own numbers.
    ///
    /// # Errors
    /// [`Error::NoSuchSite`] for a name that is not latent, the error of a value of the wrong shape or outside of the
    /// support, by name, and the model's.
    pub(crate) fn place<M: Model>(&self, model: &M, given: &Values, position: Vec<f64>) -> Result<Vec<f64>> {
        if let Some(stranger) = given.names().find(|name| self.site(name).is_none()) {
            let known = self.sites.iter().map(|place| place.name.to_string()).collect();
            return Err(Error::NoSuchSite { name: stranger.to_string(), known });
        }
        let placer = Placer { space: self.clone(), given: given.clone(), position: RefCell::new(position) };
        let placer = Rc::new(placer);
        with_tracer(placer.clone(), || model.run())?;
        Ok(placer.position.take())
    }

    /// The place of a random variable.
    pub(crate) fn site(&self, name: &SiteName) -> Option<&SpaceSite> {
        self.sites.iter().find(|place| place.name == *name)
    }

    /// Whether the model is in double precision.
    pub(crate) fn is_double(&self) -> bool {
        self.double
    }

    /// Distance between neighbouring numbers of the model's precision near 1.
    pub(crate) fn epsilon(&self) -> f64 {
        if self.double { f64::EPSILON } else { f64::from(f32::EPSILON) }
    }

    /// The log-density of the model over the flat vector.
    pub fn log_density<'m, M: Model>(&self, model: &'m M) -> FlatModel<'m, M> {
        FlatModel {
            model,
            space: self.clone(),
            plan: if self.double { Engine::double() } else { Engine::single() },
        }
    }

    fn check_len(&self, len: usize) -> Result<()> {
        if len == self.dim {
            return Ok(());
        }
        Err(Error::Shape {
            op: "a flat position",
            expected: format!("[{}]", self.dim),
            got: Dims::vector(len),
        })
    }

    /// Runs the model at a flat position and collects values and log-density terms.
    fn pass<E: Float, M: Model>(&self, model: &M, position: &Value<E>) -> Result<Rc<Pass<E>>> {
        let pass = Rc::new(Pass {
            position: position.clone(),
            sites: self.sites.clone(),
            next: RefCell::new(0),
            terms: RefCell::new(Vec::new()),
            values: RefCell::new(Values::new()),
        });
        fixing_params("a sampler", || with_tracer(pass.clone(), || model.run()))?;
        let reached = *pass.next.borrow();
        if let Some(missed) = self.sites.get(reached) {
            return Err(changed(&format!("`{}` was not sampled", missed.name)));
        }
        Ok(pass)
    }
}

/// The unconstrained numbers that stand for a value that somebody gave.
///
/// # Errors
/// The error of a value of the wrong kind, outside of the support, or on its border, for which no number stands.
pub(crate) fn unconstrained(distribution: &dyn AnyDistribution, value: &AnyVar) -> Result<AnyVar> {
    distribution.check(value)?;
    let numbers = distribution.unconstrain(value)?;
    if numbers.peek()?.iter().all(|x| x.is_finite()) {
        return Ok(numbers);
    }
    let must_be = "inside of the support and not on its border, nor too near to it for the precision";
    let got = format!("one that infinity stands for: {:?}", value.peek()?);
    Err(Error::Value { of: distribution.name(), must_be, got })
}

fn changed(what: &str) -> Error {
    Error::Algorithm {
        of: "inference over a flat vector",
        why: format!(
            "the random variables of the model must be the same, in the same order and shape, in every run, but {what}"
        ),
    }
}

fn flat_value<E: Float>(position: &[f64]) -> Value<E> {
    let data: Vec<E> = position.iter().map(|&x| E::from_f64(x)).collect();
    let dims = Dims::vector(data.len());
    Value::from_vec(data, dims).unwrap_or_else(|_| Value::full(E::ZERO, dims))
}

/// The tracer of the first run: a random variable that the program has a belief about is at an unconstrained zero, since
/// a belief may have parameters that nobody made.
struct Unbelieving;

impl Tracer for Unbelieving {
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        if site.kind == Kind::Latent && site.value.is_none() && site.belief.is_some() {
            let dims = site.distribution.unconstrained_dims().map_err(|error| error.at_site(site.label()))?;
            let zeros = match site.distribution.precision() {
                f32::NAME => AnyVar::F32(Value::full(0.0, dims)),
                _ => AnyVar::F64(Value::full(0.0, dims)),
            };
            site.value = Some(site.distribution.constrain(&zeros)?.0);
        }
        next.forward(site)
    }
}

/// The tracer that takes some values as they are given and the others off a flat position.
struct Placer {
    space: Space,
    given: Values,
    position: RefCell<Vec<f64>>,
}

impl Placer {
    fn value(&self, site: &Site) -> Result<AnyVar> {
        let name = site.required_name()?;
        let place = self.space.site(name).ok_or_else(|| changed(&format!("`{name}` came unexpectedly")))?;
        if let Some(value) = self.given.get(name.as_str()) {
            let numbers = unconstrained(&*site.distribution, value)?.peek()?;
            self.position.borrow_mut()[place.range()].copy_from_slice(&numbers);
            return Ok(value.clone());
        }
        let numbers = self.position.borrow()[place.range()].to_vec();
        let precision = site.distribution.precision();
        let unconstrained = AnyVar::from_numbers(precision, &numbers, place.unconstrained_dims);
        Ok(site.distribution.constrain(&unconstrained)?.0)
    }
}

impl Tracer for Placer {
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        if site.kind == Kind::Latent && site.value.is_none() {
            site.value = Some(self.value(site).map_err(|error| error.at_site(site.label()))?);
        }
        next.forward(site)
    }
}

/// The tracer that reads latent values off a flat position and adds up the log-density.
struct Pass<E: Float> {
    position: Value<E>,
    sites: Vec<SpaceSite>,
    next: RefCell<usize>,
    terms: RefCell<Vec<Value<E>>>,
    values: RefCell<Values>,
}

impl<E: Float> Pass<E> {
    fn add(&self, term: &AnyVar, site: &Site) -> Result<()> {
        let term = term.as_value::<E>().map_err(|error| error.at_site(site.label()))?;
        self.terms.borrow_mut().push(term.clone());
        Ok(())
    }
}

impl<E: Float> Tracer for Pass<E> {
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        if site.kind == Kind::Latent && site.value.is_none() {
            let index = self.next.replace_with(|index| *index + 1);
            let place = self.sites.get(index).filter(|place| site.name.as_ref() == Some(&place.name));
            let Some(place) = place else {
                return Err(changed(&format!("`{}` came unexpectedly", site.label())));
            };
            let dims = site.distribution.unconstrained_dims()?;
            if dims != place.unconstrained_dims {
                return Err(changed(&format!("`{}` changed its shape", place.name)));
            }
            let unconstrained: AnyVar = E::into_any(layout::slice(&self.position, place.offset, dims));
            let (value, log_det) = site.distribution.constrain(&unconstrained)?;
            site.value = Some(value);
            if site.distribution.has_jacobian() {
                self.add(&log_det, site)?;
            }
        }
        next.forward(site)?;
        if site.is_random() {
            self.add(&site.log_prob()?, site)?;
        }
        if let (Kind::Latent | Kind::Deterministic, Some(name), Some(value)) =
            (site.kind, &site.name, &site.value)
        {
            self.values.borrow_mut().insert(name, value.off_tape())?;
        }
        Ok(())
    }

    fn records(&self) -> bool {
        true
    }
}

/// A model as a log-density over flat vectors.
///
/// The first evaluation runs the model and records its operations; later ones repeat the operations, unless the model
/// read a number that depends on the position (then its control flow may depend on it, and it runs every time).
pub struct FlatModel<'m, M> {
    model: &'m M,
    space: Space,
    plan: Engine,
}

/// How the next evaluation is done.
enum Engine {
    F32(State<f32>),
    F64(State<f64>),
}

enum State<E: Float> {
    /// Not known yet.
    Unknown,
    /// The operations repeat.
    Replay(Box<Plan<E>>),
    /// The model runs every time.
    Rerun,
}

impl Engine {
    fn single() -> Engine {
        Engine::F32(State::Unknown)
    }

    fn double() -> Engine {
        Engine::F64(State::Unknown)
    }
}

impl<M: Model> FlatModel<'_, M> {
    /// The places of the random variables.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// Whether later evaluations repeat recorded operations; known after the first.
    pub fn is_replayed(&self) -> bool {
        matches!(&self.plan, Engine::F32(State::Replay(_)) | Engine::F64(State::Replay(_)))
    }

    /// Runs the model at every evaluation, even if its operations could be repeated: for a model that depends on
    /// something that changes from call to call.
    pub fn always_rerun(mut self) -> Self {
        self.plan = if self.space.double { Engine::F64(State::Rerun) } else { Engine::F32(State::Rerun) };
        self
    }

    /// As [`LogDensity::log_density_and_gradient`], of those terms of the log-density that are finite, with whether all
    /// are: a way towards where the others are, too.
    ///
    /// # Errors
    /// The model's.
    pub(crate) fn finite_part(&self, position: &[f64], gradient: &mut [f64]) -> Result<(f64, bool)> {
        match self.space.double {
            true => finite_part::<f64, M>(self.model, &self.space, position, gradient),
            false => finite_part::<f32, M>(self.model, &self.space, position, gradient),
        }
    }

    /// The random variables whose log-density or value is not finite at `position`, for an error message.
    ///
    /// # Errors
    /// The model's at `position`.
    pub(crate) fn suspects(&self, position: &[f64]) -> Result<Vec<String>> {
        let values = self.space.values(self.model, position)?;
        let fixed = crate::handlers::substitute(|| self.model.run().map(|_| ()), values);
        let (_, trace) = tape(&fixed)?;
        let finite = |site: &Site| {
            let log_prob = site.log_prob().and_then(|log_prob| log_prob.item());
            log_prob.is_ok_and(f64::is_finite)
        };
        Ok(trace.sites().iter().filter(|site| !finite(site)).map(Site::label).collect())
    }
}

fn evaluate<E: Float, M: Model>(
    model: &M,
    space: &Space,
    state: &mut State<E>,
    position: &[f64],
    gradient: &mut [f64],
) -> Result<f64> {
    if let State::Replay(plan) = state {
        let (value, slopes) = plan.value_and_gradient(|input| {
            input.iter_mut().zip(position).for_each(|(input, &x)| *input = E::from_f64(x));
        });
        gradient.iter_mut().zip(slopes).for_each(|(out, slope)| *out = slope.to_f64());
        return Ok(value.to_f64());
    }
    let run = || -> Result<_> {
        let tape = Tape::<E>::of();
        let watched = tape.watch_value(&flat_value(position));
        let pass = space.pass(model, &watched)?;
        let terms = pass.terms.borrow();
        let terms: Vec<&Value<E>> = terms.iter().collect();
        let total = reduce::add_all(&terms);
        Ok((tape, watched, total))
    };
    if let State::Unknown = state {
        let (tape, watched, total) = run()?;
        *state = match Plan::take(tape, watched.node(), &total)? {
            Some(plan) => State::Replay(Box::new(plan)),
            None => State::Rerun,
        };
    }
    if let State::Replay(_) = state {
        return evaluate(model, space, state, position, gradient);
    }
    let (_tape, watched, total) = run()?;
    let value = total.peek()?[0].to_f64();
    let gradients = crate::tensor::tape::backward(&total)?;
    match gradients.slice(watched.node())? {
        Some(slopes) => gradient.iter_mut().zip(slopes).for_each(|(out, slope)| *out = slope.to_f64()),
        None => gradient.fill(0.0),
    }
    Ok(value)
}

fn finite_part<E: Float, M: Model>(
    model: &M,
    space: &Space,
    position: &[f64],
    gradient: &mut [f64],
) -> Result<(f64, bool)> {
    let tape = Tape::<E>::of();
    let watched = tape.watch_value(&flat_value(position));
    let pass = space.pass(model, &watched)?;
    let terms = pass.terms.borrow();
    let finite = |term: &&Value<E>| term.peek().is_ok_and(|term| term[0].is_finite());
    let kept: Vec<&Value<E>> = terms.iter().filter(finite).collect();
    let total = reduce::add_all(&kept);
    gradient.fill(0.0);
    if total.node().is_some() {
        let gradients = crate::tensor::tape::backward(&total)?;
        if let Some(slopes) = gradients.slice(watched.node())? {
            gradient.iter_mut().zip(slopes).for_each(|(out, slope)| *out = slope.to_f64());
        }
    }
    Ok((total.peek()?[0].to_f64(), kept.len() == terms.len()))
}

impl<M: Model> LogDensity for FlatModel<'_, M> {
    fn dim(&self) -> usize {
        self.space.dim
    }

    fn log_density_and_gradient(&mut self, position: &[f64], gradient: &mut [f64]) -> Result<f64> {
        self.space.check_len(position.len())?;
        match &mut self.plan {
            Engine::F32(state) => evaluate(self.model, &self.space, state, position, gradient),
            Engine::F64(state) => evaluate(self.model, &self.space, state, position, gradient),
        }
    }
}
