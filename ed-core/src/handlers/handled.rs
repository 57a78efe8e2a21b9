//! A model under a handler, which is a model again.

use std::rc::Rc;

use crate::error::Result;
use crate::model::Model;
use crate::trace::{Tracer, with_tracer};

/// What makes the tracer for one run of a handled model.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// use std::rc::Rc;
///
/// /// Counts each log-density several times.
/// struct Repeated(f64);
///
/// impl Tracer for Repeated {
///     fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
///         site.scale *= self.0;
///         next.forward(site)
///     }
/// }
///
/// impl Handler for Repeated {
///     fn tracer(&self) -> Rc<dyn Tracer> {
///         Rc::new(Repeated(self.0))
///     }
/// }
///
/// let model = || observe_as("y", Normal::new(0.0, 1.0)?, &Var::<(), f64>::scalar(0.0));
/// let repeated = Handled::new(model, Repeated(3.0));
/// let log_prob = tape(&repeated)?.1.log_prob()?.item()?;
/// assert!((log_prob + 1.5 * std::f64::consts::TAU.ln()).abs() < 1e-12);
/// # Ok(()) }
/// ```
pub trait Handler {
    /// The tracer.
    fn tracer(&self) -> Rc<dyn Tracer>;
}

/// A model that runs under a handler.
#[must_use = "a handled model does nothing until it runs"]
#[derive(Clone, Copy, Debug)]
pub struct Handled<M, H> {
    model: M,
    handler: H,
}

impl<M: Model, H: Handler> Handled<M, H> {
    /// Puts a handler around a model.
    pub fn new(model: M, handler: H) -> Handled<M, H> {
        Handled { model, handler }
    }
}

impl<M: Model, H: Handler> Model for Handled<M, H> {
    type Output = M::Output;
    fn run(&self) -> Result<M::Output> {
        with_tracer(self.handler.tracer(), || self.model.run())
    }
}

/// Handlers take a model or a reference to one: `swap(&observed, …)`.
impl<M: Model, H: Handler> Model for &Handled<M, H> {
    type Output = M::Output;
    fn run(&self) -> Result<M::Output> {
        (**self).run()
    }
}
