//! `substitute` and `replay`: latent random variables take given values and stay latent.

use std::rc::Rc;

use super::given::Given;
use super::handled::{Handled, Handler};
use crate::error::Result;
use crate::model::Model;
use crate::tensor::AnyVar;
use crate::trace::{Kind, Next, Site, Trace, Tracer, Values};

/// See [`substitute`].
#[derive(Clone, Debug)]
pub struct Substitute {
    values: Values,
}

/// The model with some of its random variables at given values, which inference goes on to count as latent. A random
/// variable that is observed keeps its value.
///
/// # Errors
/// Running it gives [`Error::NoSuchSite`](crate::Error::NoSuchSite) for a name that did not come up in the run.
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
/// drawn as before, and what the model does not have is left out.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let model = || sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?);
/// let (x, trace) = seed(0, || tape(&model))?;
/// let again = seed(1, || replay(model, &trace).run())?;
/// assert_eq!(again.item()?, x.item()?);
/// # Ok(()) }
/// ```
pub fn replay<M: Model>(model: M, trace: &Trace) -> Handled<M, Replay> {
    Handled::new(model, Replay { values: trace.latent_values() })
}

/// See [`replay`].
#[derive(Clone, Debug)]
pub struct Replay {
    values: Values,
}

impl Handler for Substitute {
    fn tracer(&self) -> Rc<dyn Tracer> {
        Rc::new(Fill(Given::new(&self.values)))
    }
}

impl Handler for Replay {
    fn tracer(&self) -> Rc<dyn Tracer> {
        Rc::new(self.clone())
    }
}

fn fill(site: &mut Site, value: Option<&AnyVar>) {
    if let (Kind::Latent, Some(value)) = (site.kind, value) {
        site.value = Some(value.clone());
    }
}

struct Fill(Given);

impl Tracer for Fill {
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        fill(site, self.0.meet(site));
        next.forward(site)
    }

    fn looks(&self) -> bool {
        false
    }

    fn after_run(&self) -> Result<()> {
        self.0.all_met()
    }
}

impl Tracer for Replay {
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        let value = site.name.as_ref().and_then(|name| self.values.get(name.as_str()));
        fill(site, value);
        next.forward(site)
    }

    fn looks(&self) -> bool {
        false
    }
}
