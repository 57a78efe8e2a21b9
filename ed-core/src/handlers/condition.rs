//! `condition`: some random variables are data.

use std::rc::Rc;

use super::given::Given;
use super::handled::{Handled, Handler};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::trace::{Kind, Next, Site, Tracer, Values};

/// See [`condition`].
#[derive(Clone, Debug)]
pub struct Condition {
    values: Values,
}

/// The model with some of its random variables observed.
///
/// Their distributions stay; only their values are set. A value of the wrong shape, of the wrong precision or outside
/// of the support is an error that names the site.
///
/// # Errors
/// Running it gives [`Error::NoSuchSite`] for a name that did not come up in the run, and [`Error::Algorithm`] for a site
/// that is observed already, or forced by [`intervene`](super::intervene): a datum has one value.
///
/// # Examples
/// ```
/// use ed::prelude::*;
///
/// #[model]
/// fn coin() -> Result<RandomVariable<Normal<(), f64>>> {
///     let x = sample(Normal::new(0.0, 1.0)?);
///     let y = sample(Normal::new(&x, 1e-8)?);
///     Ok(y)
/// }
///
/// # fn main() -> Result<()> {
/// let observed = condition(coin, values![coin::x = Var::<(), f64>::scalar(5.0)]);
/// let y = seed(0, || observed.run())?;
/// approx::assert_abs_diff_eq!(y.item()?, 5.0, epsilon = 1e-6);
/// # Ok(()) }
/// ```
pub fn condition<M: Model>(model: M, values: Values) -> Handled<M, Condition> {
    Handled::new(model, Condition { values })
}

impl Handler for Condition {
    fn tracer(&self) -> Rc<dyn Tracer> {
        Rc::new(Observe(Given::new(&self.values)))
    }
}

fn valued_twice(site: &Site) -> Error {
    let already = match site.kind {
        Kind::Observed => "is observed already, by an `observe` in the model or another `condition`",
        _ => "has a value that was forced by `intervene`",
    };
    let why = format!(
        "the site `{}` {already}: leave it out of one of them, or pass the data to the model as an argument",
        site.label()
    );
    Error::Algorithm { of: "condition", why }
}

struct Observe(Given);

impl Tracer for Observe {
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        if let Some(value) = self.0.meet(site) {
            if matches!(site.kind, Kind::Observed | Kind::Intervened) {
                return Err(valued_twice(site));
            }
            site.value = Some(value.clone());
            site.kind = Kind::Observed;
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
