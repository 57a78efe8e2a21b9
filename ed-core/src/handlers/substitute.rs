//! `substitute` and `replay`: latent random variables take given values and stay latent.

use std::rc::Rc;

use super::handled::{Handled, Handler};
use crate::error::Result;
use crate::model::Model;
use crate::trace::{Kind, Next, Site, Trace, Tracer, Values};

/// See [`substitute`].
#[derive(Clone, Debug)]
pub struct Substitute {
    values: Values,
}

/// The model with some of its random variables at given values, which inference goes on to count as latent.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let model = || sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?);
/// let fixed = substitute(model, values!["x" => Var::<(), f64>::scalar(0.5)]);
/// let (x, trace) = tape(&fixed)?;
/// assert_eq!(x.item()?, 0.5);
/// assert_eq!(trace.required("x")?.kind, Kind::Latent);
/// # Ok(()) }
/// ```
pub fn substitute<M: Model>(model: M, values: Values) -> Handled<M, Substitute> {
    Handled::new(model, Substitute { values })
}

/// The model with its latent random variables at the values that they had in a trace; what the trace does not have is
/// drawn as before.
pub fn replay<M: Model>(model: M, trace: &Trace) -> Handled<M, Substitute> {
    let latents = trace.latents().filter_map(|site| Some((site.name.clone()?, site.value.clone()?)));
    substitute(model, latents.collect())
}

impl Handler for Substitute {
    fn tracer(&self) -> Rc<dyn Tracer> {
        Rc::new(self.clone())
    }
}

impl Tracer for Substitute {
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        if site.kind == Kind::Latent
            && let Some(value) = site.name.as_ref().and_then(|name| self.values.get(name.as_str()))
        {
            site.value = Some(value.clone());
        }
        next.forward(site)
    }
}
