//! [`Params`]: trainable tensors by name.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::error::{Error, Result};
use crate::tensor::{AnyVar, fmt_named};
use crate::trace::SiteName;

/// Trainable tensors by name, unconstrained, of either precision, in the order in which they were made.
///
/// Cloning shares the numbers; whoever changes a shared tensor copies it first.
///
/// # Examples
/// ```
/// use ed::params::Params;
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let mut params = Params::new();
/// params.insert("weights", Var::from([1.0f32, 2.0]))?;
/// params.insert("bias", Var::<(), f32>::scalar(0.5))?;
/// assert_eq!(params.num_parameters(), 3);
/// assert_eq!(params.required("weights")?.to_vec()?, [1.0, 2.0]);
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct Params {
    entries: Vec<(SiteName, AnyVar)>,
    places: HashMap<SiteName, usize>,
    /// Those that programs write and optimisers leave alone.
    state: HashSet<SiteName>,
    /// Those that the program which reads them made, in the sizes that it wants.
    made: HashSet<SiteName>,
}

impl Params {
    /// No parameters.
    pub fn new() -> Params {
        Params::default()
    }

    /// Adds a parameter, off every tape.
    ///
    /// # Errors
    /// [`Error::DuplicateSite`] if the name is there already, or the error that the value carries.
    pub fn insert(&mut self, name: impl Into<SiteName>, value: impl Into<AnyVar>) -> Result<()> {
        let (name, value) = (name.into(), value.into().check()?.detach());
        if self.places.contains_key(&name) {
            return Err(Error::DuplicateSite { name: name.to_string() });
        }
        self.places.insert(name.clone(), self.entries.len());
        self.entries.push((name, value));
        Ok(())
    }

    /// Adds a tensor that the program itself keeps up, as batch normalisation its moving averages: saved and loaded with
    /// the parameters, and left alone by optimisers.
    ///
    /// # Errors
    /// As [`Params::insert`].
    pub fn insert_state(&mut self, name: impl Into<SiteName>, value: impl Into<AnyVar>) -> Result<()> {
        let name = name.into();
        self.insert(name.clone(), value)?;
        self.state.insert(name);
        Ok(())
    }

    /// Adds a parameter that the program which reads it made.
    pub(super) fn insert_made(&mut self, name: &SiteName, value: AnyVar) -> Result<()> {
        self.insert(name, value)?;
        self.made.insert(name.clone());
        Ok(())
    }

    /// Whether the program that is trained made a parameter, and did not find it here.
    pub(super) fn was_made_here(&self, name: &SiteName) -> bool {
        self.made.contains(name)
    }

    /// Whether a tensor is kept up by the program and not trained.
    pub fn is_state(&self, name: &str) -> bool {
        self.state.contains(&SiteName::from(name.to_string()))
    }

    /// Adds a value as it is, on its tape.
    pub(super) fn record(&mut self, name: &SiteName, value: AnyVar) {
        self.places.insert(name.clone(), self.entries.len());
        self.entries.push((name.clone(), value));
    }

    /// Gives a parameter another value of the same shape and precision.
    ///
    /// # Errors
    /// [`Error::NoSuchSite`] if there is none of this name; [`Error::Shape`] or [`Error::Precision`], with the name, if
    /// the value differs in kind; or the error that the value carries.
    pub fn set(&mut self, name: impl Into<SiteName>, value: impl Into<AnyVar>) -> Result<()> {
        let (name, value) = (name.into(), value.into().check()?.detach());
        check_kind(self.required(name.as_str())?, &value).map_err(|error| error.at_site(&name))?;
        let place = self.places[&name];
        self.entries[place].1 = value;
        Ok(())
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&AnyVar> {
        self.places.get(&SiteName::from(name.to_string())).map(|&place| &self.entries[place].1)
    }

    /// The value of a parameter.
    ///
    /// # Errors
    /// [`Error::NoSuchSite`] if there is none of this name.
    pub fn required(&self, name: &str) -> Result<&AnyVar> {
        self.get(name).ok_or_else(|| Error::NoSuchSite {
            name: name.into(),
            known: self.names().map(SiteName::to_string).collect(),
        })
    }

    /// The value of a parameter, to change in place.
    pub(crate) fn get_mut(&mut self, name: &SiteName) -> Option<&mut AnyVar> {
        self.places.get(name).map(|&place| &mut self.entries[place].1)
    }

    /// Takes away what came after the first `len` tensors.
    pub(super) fn truncate(&mut self, len: usize) {
        for (name, _) in self.entries.drain(len.min(self.entries.len())..) {
            self.places.remove(&name);
            self.state.remove(&name);
            self.made.remove(&name);
        }
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &SiteName> {
        self.entries.iter().map(|(name, _)| name)
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&SiteName, &AnyVar)> {
        self.entries.iter().map(|(name, value)| (name, value))
    }

    /// Names and values, in order, to change in place.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&SiteName, &mut AnyVar)> {
        self.entries.iter_mut().map(|(name, value)| (&*name, value))
    }

    /// Number of tensors.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Number of trainable numbers in all.
    pub fn num_parameters(&self) -> usize {
        let trained = self.entries.iter().filter(|(name, _)| !self.state.contains(name));
        trained.map(|(_, value)| value.dims().num_elements()).sum()
    }
}

/// One tensor a line: its name, precision, shape and numbers.
impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_named(f, self.iter())
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Checks that a value has the shape and precision of the one that a parameter has.
pub(super) fn check_kind(has: &AnyVar, value: &AnyVar) -> Result<()> {
    if has.precision() != value.precision() {
        let (expected, got) = (has.precision(), value.precision());
        return Err(Error::Precision { of: "the parameter".into(), expected, got });
    }
    if has.dims() != value.dims() {
        return Err(Error::Shape { op: "a parameter", expected: has.dims().to_string(), got: *value.dims() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::Var;

    #[test]
    fn keeps_order_kind_and_names() -> Result<()> {
        let mut params = Params::new();
        params.insert("b", Var::from([1.0f64]))?;
        params.insert("a", Var::from([1.0f32, 2.0]))?;
        assert_eq!(params.names().map(SiteName::as_str).collect::<Vec<_>>(), ["b", "a"]);
        assert!(matches!(params.insert("a", Var::from([1.0f32])), Err(Error::DuplicateSite { .. })));
        let error = params.set("a", Var::from([1.0f32])).unwrap_err().to_string();
        assert_eq!(error, "at the site `a`: a parameter: expected a tensor of shape [2], got [1]");
        assert!(params.set("a", Var::from([1.0f64, 2.0])).unwrap_err().to_string().contains("f32"));
        assert!(params.set("c", Var::from([1.0f64])).unwrap_err().to_string().contains("`b` and `a`"));
        params.set("a", Var::from([5.0f32, 6.0]))?;
        assert_eq!(params.required("a")?.to_vec()?, [5.0, 6.0]);
        Ok(())
    }
}
