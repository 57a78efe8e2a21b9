//! `intervene`: the do-operator.

use std::rc::Rc;

use super::given::Given;
use super::handled::{Handled, Handler};
use crate::error::Result;
use crate::model::Model;
use crate::trace::{Kind, Next, Site, Tracer, Values};

/// See [`intervene`].
#[derive(Clone, Debug)]
pub struct Intervene {
    values: Values,
}

/// The model with some of its random variables forced to values, whatever would have caused them: the mechanism that
/// generates them is cut, so that they say nothing about their parents and have no density (Pearl's `do`).
///
/// # Errors
/// Running it gives [`Error::NoSuchSite`](crate::Error::NoSuchSite) for a name that did not come up in the run.
///
/// # Examples
/// ```
/// use ed::prelude::*;
///
/// #[model]
/// fn rain() -> Result<RandomVariable<Normal<(), f64>>> {
///     let clouds = sample(Normal::new(0.0, 1.0)?);
///     let rain = sample(Normal::new(&clouds, 0.1)?);
///     Ok(rain)
/// }
///
/// # fn main() -> Result<()> {
/// let wet = Var::<(), f64>::scalar(3.0);
/// let (_, done) = seed(0, || tape(&intervene(rain, values![rain::rain = wet.clone()])))?;
/// let (_, seen) = seed(0, || tape(&condition(rain, values![rain::rain = wet.clone()])))?;
/// assert_eq!(done.required("clouds")?.value()?.item()?, seen.required("clouds")?.value()?.item()?);
/// assert!(done.log_prob()?.item()? > seen.log_prob()?.item()?);
/// # Ok(()) }
/// ```
pub fn intervene<M: Model>(model: M, values: Values) -> Handled<M, Intervene> {
    Handled::new(model, Intervene { values })
}

impl Handler for Intervene {
    fn tracer(&self) -> Rc<dyn Tracer> {
        Rc::new(Do(Given::new(&self.values)))
    }
}

struct Do(Given);

impl Tracer for Do {
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        if let Some(value) = self.0.meet(site) {
            site.value = Some(value.clone());
            site.kind = Kind::Intervened;
        }
        next.forward(site)
    }

    fn looks(&self) -> bool {
        false
    }

    fn after_run(&self) -> Result<()> {
        self.0.all_met()
    }
}
