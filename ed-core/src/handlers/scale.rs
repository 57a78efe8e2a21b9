//! `scale` and `mask`: how much of a log-density counts.

use std::rc::Rc;

use super::handled::{Handled, Handler};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::tensor::AnyVar;
use crate::trace::{Next, Site, Tracer};

/// See [`scale`].
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    factor: f64,
}

/// The model with the log-density of every random variable times a factor, as for a subsample of the data.
///
/// # Errors
/// [`Error::Parameter`] unless the factor is finite and positive.
pub fn scale<M: Model>(model: M, factor: f64) -> Result<Handled<M, Scale>> {
    if !(factor > 0.0 && factor.is_finite()) {
        return Err(Error::Parameter {
            of: "scale",
            name: "factor",
            must_be: "finite and positive",
            got: factor.to_string(),
        });
    }
    Ok(Handled::new(model, Scale { factor }))
}

impl Handler for Scale {
    fn tracer(&self) -> Rc<dyn Tracer> {
        Rc::new(*self)
    }
}

impl Tracer for Scale {
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        site.scale *= self.factor;
        next.forward(site)
    }

    fn looks(&self) -> bool {
        false
    }
}

/// See [`mask`].
#[derive(Clone, Debug)]
pub struct Mask {
    mask: AnyVar,
}

/// The model with the log-density of its random variables counted only where the mask is not zero.
///
/// The mask has the shape of each random variable's batch, or of its end. What it leaves out is missing: data there may
/// be NaN, values and gradients stay finite, and predictive draws fill it.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let model = || observe_as("x", Normal::standard((2usize,))?, &Var::from([0.0f64, 1e9]));
/// let (_, trace) = tape(&mask(model, Var::from([1.0f64, 0.0])))?;
/// assert!((trace.log_prob()?.item()? + 0.9189385332).abs() < 1e-9);
/// # Ok(()) }
/// ```
pub fn mask<M: Model>(model: M, mask: impl Into<AnyVar>) -> Handled<M, Mask> {
    Handled::new(model, Mask { mask: mask.into() })
}

impl Handler for Mask {
    fn tracer(&self) -> Rc<dyn Tracer> {
        Rc::new(self.clone())
    }
}

impl Tracer for Mask {
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        site.mask = Some(match site.mask.take() {
            None => self.mask.clone(),
            Some(inner) => inner.times(&self.mask).map_err(|error| error.at_site(site.label()))?,
        });
        next.forward(site)
    }

    fn looks(&self) -> bool {
        false
    }
}
