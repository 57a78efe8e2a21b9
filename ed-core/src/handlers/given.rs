//! Values that a handler was given by name, and which of the names came up in a run.

use std::cell::RefCell;

use crate::error::{Error, Result};
use crate::tensor::AnyVar;
use crate::trace::{Site, SiteName, Values};

/// Values by name during one run.
pub(super) struct Given {
    values: Values,
    met: RefCell<Vec<bool>>,
    seen: RefCell<Vec<SiteName>>,
}

impl Given {
    pub(super) fn new(values: &Values) -> Given {
        Given {
            values: values.clone(),
            met: RefCell::new(vec![false; values.len()]),
            seen: RefCell::default(),
        }
    }

    /// The value for a site that comes by.
    pub(super) fn meet(&self, site: &Site) -> Option<&AnyVar> {
        let name = site.name.as_ref()?;
        self.seen.borrow_mut().push(name.clone());
        let (place, (_, value)) = self.values.iter().enumerate().find(|(_, (other, _))| *other == name)?;
        self.met.borrow_mut()[place] = true;
        Some(value)
    }

    /// Checks at the end of a run that every value found its site.
    ///
    /// # Errors
    /// [`Error::NoSuchSite`] with the first name that did not come.
    pub(super) fn all_met(&self) -> Result<()> {
        let Some(place) = self.met.borrow().iter().position(|met| !met) else { return Ok(()) };
        let name = self.values.names().nth(place).map(SiteName::to_string).unwrap_or_default();
        Err(Error::NoSuchSite { name, known: self.seen.borrow().iter().map(SiteName::to_string).collect() })
    }
}
