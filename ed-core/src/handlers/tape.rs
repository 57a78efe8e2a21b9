//! `tape`: what a run did.

use std::cell::RefCell;
use std::rc::Rc;

use crate::error::Result;
use crate::model::Model;
use crate::trace::{Next, Site, Trace, Tracer, with_tracer};

struct Recorder(RefCell<Trace>);

impl Tracer for Recorder {
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        next.forward(site)?;
        self.0.borrow_mut().push(site.clone())
    }

    fn records(&self) -> bool {
        true
    }
}

/// Runs a model and records its sites as they come back from the handlers outside of this one.
///
/// # Errors
/// The model's, and [`Error::DuplicateSite`](crate::Error::DuplicateSite) if two sites have one name.
///
/// # Examples
/// ```
/// use ed::prelude::*;
///
/// #[model]
/// fn pair() -> Result<Var> {
///     let x = sample(Normal::new(0.0, 1.0)?);
///     let y = sample(Normal::new(&x, 1.0)?);
///     Ok(x + y)
/// }
///
/// # fn main() -> Result<()> {
/// let (sum, trace) = seed(0, || tape(&pair))?;
/// assert_eq!(trace.names().map(|name| name.as_str()).collect::<Vec<_>>(), ["x", "y"]);
/// assert!(trace.log_prob()?.item()?.is_finite());
/// # let _ = sum;
/// # Ok(()) }
/// ```
pub fn tape<M: Model>(model: &M) -> Result<(M::Output, Trace)> {
    let recorder = Rc::new(Recorder(RefCell::new(Trace::default())));
    let output = with_tracer(recorder.clone(), || model.run())?;
    let trace = recorder.0.take();
    Ok((output, trace))
}
