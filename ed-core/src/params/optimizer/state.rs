//! What optimisers remember, as named tensors.

use crate::error::{Error, Result};
use crate::params::Params;
use crate::tensor::{AnyVar, Var};
use crate::trace::SiteName;

/// Collects a state.
#[derive(Default)]
pub(super) struct Writer {
    state: Params,
}

impl Writer {
    /// A number of steps; doubles hold those up to 2⁵³.
    pub(super) fn count(&mut self, name: impl Into<SiteName>, count: u64) -> Result<()> {
        self.state.insert(name, Var::<(), f64>::scalar(count as f64))
    }

    pub(super) fn tensor(&mut self, name: impl Into<SiteName>, value: &AnyVar) -> Result<()> {
        self.state.insert(name, value.clone())
    }

    pub(super) fn finish(self) -> Params {
        self.state
    }
}

/// Reads a state.
pub(super) struct Reader<'s> {
    of: &'static str,
    state: &'s Params,
}

impl<'s> Reader<'s> {
    pub(super) fn new(of: &'static str, state: &'s Params) -> Reader<'s> {
        Reader { of, state }
    }

    /// A number of steps.
    ///
    /// # Errors
    /// [`Error::Algorithm`] if there is no such number.
    pub(super) fn count(&self, name: &str) -> Result<u64> {
        let count = self.tensor(name)?.item()?;
        if count >= 0.0 && count.fract() == 0.0 {
            return Ok(count as u64);
        }
        Err(self.refused(format!("its `{name}` is {count} and no number of steps")))
    }

    /// A tensor.
    ///
    /// # Errors
    /// [`Error::Algorithm`] if there is none of this name.
    pub(super) fn tensor(&self, name: &str) -> Result<&'s AnyVar> {
        self.state.get(name).ok_or_else(|| self.refused(format!("it has no `{name}`")))
    }

    /// What follows a prefix in names that have it, with the tensors.
    pub(super) fn all(&self, prefix: &'static str) -> impl Iterator<Item = (SiteName, &'s AnyVar)> {
        self.state.iter().filter_map(move |(name, value)| {
            Some((SiteName::from(name.as_str().strip_prefix(prefix)?.to_string()), value))
        })
    }

    fn refused(&self, why: String) -> Error {
        let why = format!("the state that was saved is that of another optimiser: {why}");
        Error::Algorithm { of: self.of, why }
    }
}

/// Adds a state to another, under a prefix.
pub(super) fn under(prefix: &str, inner: &Params, outer: &mut Params) -> Result<()> {
    inner.iter().try_for_each(|(name, value)| outer.insert(format!("{prefix}{name}"), value.clone()))
}

/// The state that was added under a prefix.
pub(super) fn inside(prefix: &str, outer: &Params) -> Result<Params> {
    let mut inner = Params::new();
    for (name, value) in outer.iter() {
        if let Some(name) = name.as_str().strip_prefix(prefix) {
            inner.insert(name.to_string(), value.clone())?;
        }
    }
    Ok(inner)
}
