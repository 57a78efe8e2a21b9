//! A model under a handler, which is a model again.

use std::rc::Rc;

use crate::error::Result;
use crate::model::Model;
use crate::trace::{Tracer, with_tracer};

/// What makes the tracer for one run of a handled model.
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
