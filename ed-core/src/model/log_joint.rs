//! `make_log_joint`: the joint log-density of a model as a function of its random variables.

use std::cell::RefCell;
use std::rc::Rc;

use super::Model;
use crate::error::{Error, Result};
use crate::params::fixing_params;
use crate::tensor::AnyVar;
use crate::trace::{Kind, Next, Site, SiteName, Trace, Tracer, Values, with_tracer};

/// A model's joint log-density. See [`make_log_joint`].
#[derive(Clone, Copy, Debug)]
pub struct LogJoint<M> {
    model: M,
}

/// The joint log-density of a model: every random variable by name.
///
/// A random variable that is conditioned or observed inside of the model keeps that value and counts. The program runs
/// at each call, so its control flow may depend on the values.
///
/// # Examples
/// ```
/// use ed::prelude::*;
///
/// #[model]
/// fn location() -> Result<RandomVariable<Normal<(usize,), f64>>> {
///     let loc = sample(Normal::new(0.0, 1.0)?);
///     let x = sample(Normal::new(&loc.expand_last(5usize), 0.5)?);
///     Ok(x)
/// }
///
/// # fn main() -> Result<()> {
/// let log_joint = make_log_joint(location);
/// let value = log_joint.at(values![
///     location::loc = Var::<(), f64>::scalar(0.3),
///     location::x = Var::from([0.0, 1.0, -1.0, 0.5, 2.0]),
/// ])?;
/// assert!((value.item()? + 12.492895296).abs() < 1e-9);
/// # Ok(()) }
/// ```
/// A name that the model does not have does not compile:
/// ```compile_fail
/// # use ed::prelude::*;
/// # #[model]
/// # fn location() -> Result<RandomVariable<Normal<(), f64>>> {
/// #     let loc = sample(Normal::new(0.0, 1.0)?);
/// #     Ok(loc)
/// # }
/// let values = values![location::scale = Var::<(), f64>::scalar(1.0)];
/// ```
pub fn make_log_joint<M: Model>(model: M) -> LogJoint<M> {
    LogJoint { model }
}

impl<M: Model> LogJoint<M> {
    /// The joint log-density at the given values: masked, scaled and summed, in nats; minus infinity outside of a
    /// support.
    ///
    /// # Errors
    /// [`Error::Unconditioned`] for a random variable without a value, [`Error::NoSuchSite`] for a value without a
    /// random variable, [`Error::Algorithm`] for a random variable that has a value inside of the model,
    /// [`Error::UnmovedParameters`] for parameters that no store gives, [`Error::UnnamedSite`] and [`Error::DuplicateSite`] for names that are not, and the error of a
    /// value of the wrong shape or precision, with the site's name.
    pub fn at(&self, values: Values) -> Result<AnyVar> {
        let tracer = Rc::new(At { values, trace: RefCell::new(Trace::default()) });
        fixing_params("a joint log-density", || with_tracer(tracer.clone(), || self.model.run()))?;
        let trace = tracer.trace.take();
        if let Some(extra) = tracer.values.names().find(|name| trace.get(name.as_str()).is_none()) {
            return Err(trace.no_such(extra.as_str()));
        }
        trace.log_prob()
    }
}

fn valued_twice(name: &SiteName) -> Error {
    Error::Algorithm {
        of: "a joint log-density",
        why: format!(
            "the site `{name}` has a value inside of the model already; leave it out of `values![…]`"
        ),
    }
}

struct At {
    values: Values,
    trace: RefCell<Trace>,
}

impl Tracer for At {
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        if site.value.is_none() {
            let name = site.required_name()?;
            let value = self.values.get(name.as_str());
            let value = value.ok_or_else(|| Error::Unconditioned { name: name.to_string() })?.clone();
            site.distribution.check_form(&value).map_err(|error| error.at_site(site.label()))?;
            site.value = Some(value);
        } else if site.kind != Kind::Deterministic {
            let name = site.required_name()?;
            if self.values.get(name.as_str()).is_some() {
                return Err(valued_twice(name));
            }
        }
        next.forward(site)?;
        self.trace.borrow_mut().push(site.clone())
    }

    fn records(&self) -> bool {
        true
    }
}
