//! [`Values`]: values by name, as `values![…]` writes them.

use std::fmt;

use super::name::SiteName;
use crate::error::{Error, Result};
use crate::tensor::{AnyVar, fmt_named};

/// Values by the name of their random variable, in the order in which they were given.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let mut values = values!["tau" => Var::<(), f64>::scalar(1.5)];
/// values.insert("theta", Var::from([0.5f64, -0.5]))?;
/// assert_eq!(values.required("theta")?.to_vec()?, [0.5, -0.5]);
/// assert_eq!(values.to_string(), "tau: f64 1.5\ntheta: f64 [2] [0.5, -0.5]");
/// assert!(values.insert("tau", Var::<(), f64>::scalar(2.0)).is_err(), "a name has one value");
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct Values {
    entries: Vec<(SiteName, AnyVar)>,
}

impl Values {
    /// No values.
    pub fn new() -> Values {
        Values::default()
    }

    /// Adds a value.
    ///
    /// # Errors
    /// [`Error::DuplicateSite`] if the name has one already.
    pub fn insert(&mut self, name: impl Into<SiteName>, value: impl Into<AnyVar>) -> Result<()> {
        let name = name.into();
        if self.get(name.as_str()).is_some() {
            return Err(Error::DuplicateSite { name: name.to_string() });
        }
        self.entries.push((name, value.into()));
        Ok(())
    }

    /// Adds a value, or replaces the one that the name has.
    pub fn set(&mut self, name: impl Into<SiteName>, value: impl Into<AnyVar>) {
        let (name, value) = (name.into(), value.into());
        match self.entries.iter_mut().find(|(other, _)| *other == name) {
            Some(entry) => entry.1 = value,
            None => self.entries.push((name, value)),
        }
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&AnyVar> {
        self.entries.iter().find(|(other, _)| *other == *name).map(|(_, value)| value)
    }

    /// The value of a name.
    ///
    /// # Errors
    /// [`Error::NoSuchSite`] if there is none.
    pub fn required(&self, name: &str) -> Result<&AnyVar> {
        self.get(name).ok_or_else(|| Error::NoSuchSite {
            name: name.into(),
            known: self.names().map(|name| name.to_string()).collect(),
        })
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &SiteName> {
        self.entries.iter().map(|(name, _)| name)
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&SiteName, &AnyVar)> {
        self.entries.iter().map(|(name, value)| (name, value))
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// One value a line: its name, precision, shape and numbers.
impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_named(f, self.iter())
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl FromIterator<(SiteName, AnyVar)> for Values {
    /// Collects values; of two with one name the last stays.
    fn from_iter<I: IntoIterator<Item = (SiteName, AnyVar)>>(entries: I) -> Values {
        let mut values = Values::new();
        entries.into_iter().for_each(|(name, value)| values.set(name, value));
        values
    }
}

/// Values by name: `values![model::site = value, …]`, or `name => value` where the name is computed.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// let values = values!["tau" => Var::<(), f64>::scalar(1.0), SiteName::indexed("z", &[3]) => Var::from([0.5])];
/// # let _: Option<&AnyVar> = values.get("tau");
/// assert_eq!(values.len(), 2);
/// assert!(values.get("z[3]").is_some());
/// ```
#[macro_export]
macro_rules! values {
    (@add $values:ident) => {};
    (@add $values:ident $name:expr => $value:expr $(, $($rest:tt)*)?) => {
        $values.set($name, $value);
        $crate::values!(@add $values $($($rest)*)?);
    };
    (@add $values:ident $name:path = $value:expr $(, $($rest:tt)*)?) => {
        $values.set($name, $value);
        $crate::values!(@add $values $($($rest)*)?);
    };
    ($($entries:tt)*) => {{
        #[allow(unused_mut)]
        let mut values = $crate::trace::Values::new();
        $crate::values!(@add values $($entries)*);
        values
    }};
}
