//! `block`: some random variables are nobody's business.

use std::rc::Rc;

use super::handled::{Handled, Handler};
use crate::error::Result;
use crate::model::Model;
use crate::trace::{Next, Site, Tracer};

/// See [`block`].
#[derive(Clone, Copy, Debug)]
pub struct Block<F> {
    hides: F,
}

/// The model with some of its random variables hidden from the handlers outside of this one: they are drawn, and not
/// recorded, conditioned or counted.
///
/// # Examples
/// ```
/// use ed::prelude::*;
///
/// #[model]
/// fn pair() -> Result<Var<(), f64>> {
///     let noise = sample(Normal::new(0.0, 1.0)?);
///     let x = sample(Normal::new(&noise, 1.0)?);
///     Ok(x + noise)
/// }
///
/// # fn main() -> Result<()> {
/// let (_, trace) = seed(0, || tape(&block(pair, |site| site.label() == "noise")))?;
/// assert_eq!(trace.names().collect::<Vec<_>>(), [&pair::x]);
/// # Ok(()) }
/// ```
pub fn block<M, F>(model: M, hides: F) -> Handled<M, Block<F>>
where
    M: Model,
    F: Fn(&Site) -> bool + Clone + 'static,
{
    Handled::new(model, Block { hides })
}

impl<F: Fn(&Site) -> bool + Clone + 'static> Handler for Block<F> {
    fn tracer(&self) -> Rc<dyn Tracer> {
        Rc::new(self.clone())
    }
}

impl<F: Fn(&Site) -> bool> Tracer for Block<F> {
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        if (self.hides)(site) { next.finish(site) } else { next.forward(site) }
    }

    fn looks(&self) -> bool {
        false
    }
}
