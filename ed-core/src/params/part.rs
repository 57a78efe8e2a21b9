//! A part of a store: other names, and restoring what fits.

use std::fmt;

use super::store::{Params, check_kind};
use crate::error::Result;
use crate::tensor::Dims;
use crate::trace::SiteName;

/// What [`Params::take_from`] did.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// Names that were in both and have their values from the other store now.
    pub taken: Vec<SiteName>,
    /// Names that only this store has: they stay as they were.
    pub kept: Vec<SiteName>,
    /// Names that only the other store has.
    pub left: Vec<SiteName>,
    /// Names that both have, of different kinds: they stay as they were.
    pub misfits: Vec<Misfit>,
}

/// A tensor that differs from the one of its name.
#[derive(Clone, Debug)]
pub struct Misfit {
    /// The name.
    pub name: SiteName,
    /// Sizes and precision here.
    pub here: (Dims, &'static str),
    /// Sizes and precision there.
    pub there: (Dims, &'static str),
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |names: &[SiteName]| match names {
            [] => "none".into(),
            names => names.iter().map(SiteName::as_str).collect::<Vec<_>>().join(", "),
        };
        write!(f, "taken: {}; kept: {}; left: {}", names(&self.taken), names(&self.kept), names(&self.left))?;
        for (place, Misfit { name, here, there }) in self.misfits.iter().enumerate() {
            let before = if place == 0 { "; misfits: " } else { ", " };
            write!(f, "{before}{name} ({} {} here, {} {} there)", here.1, here.0, there.1, there.0)?;
        }
        Ok(())
    }
}

impl Params {
    /// Takes what fits from another store, such as that of a larger network, and says what it took, what only one of the
    /// two has, and what differs in kind. [`Params::renamed`] lets names meet that differ.
    ///
    /// # Errors
    /// The error that a value carries.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let x: Var<_, f32> = Var::ones((5usize, 4usize));
    /// let (mut trained, mut params) = (Params::new(), Params::new());
    /// seed(0, || sequential![Dense::new(16), Dense::new(3)].init(&mut trained, &x))?;
    /// seed(1, || sequential![Dense::new(16), Dense::new(2)].init(&mut params, &x))?;
    /// let taken = params.take_from(&trained)?;
    /// assert_eq!(taken.taken, ["0/kernel", "0/bias"]);
    /// assert_eq!(taken.misfits[0].name, "1/kernel");
    /// assert_eq!(params.required("0/kernel")?.to_vec()?, trained.required("0/kernel")?.to_vec()?);
    /// # Ok(()) }
    /// ```
    pub fn take_from(&mut self, other: &Params) -> Result<Taken> {
        let mut done = Taken::default();
        let only = |here: &Params, there: &Params| -> Vec<SiteName> {
            here.names().filter(|name| there.get(name.as_str()).is_none()).cloned().collect()
        };
        (done.kept, done.left) = (only(self, other), only(other, self));
        for (name, value) in other.iter() {
            let Some(own) = self.get(name.as_str()) else { continue };
            if check_kind(own, value).is_ok() {
                self.set(name, value.clone())?;
                done.taken.push(name.clone());
            } else {
                let (here, there) = ((*own.dims(), own.precision()), (*value.dims(), value.precision()));
                done.misfits.push(Misfit { name: name.clone(), here, there });
            }
        }
        Ok(done)
    }

    /// The same tensors under the names that `rename` gives them, without those for which it gives none: the parameters of
    /// a part of a network, or of one that had another name.
    ///
    /// # Errors
    /// [`Error::DuplicateSite`](crate::Error::DuplicateSite) if two get one name.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let mut params = Params::new();
    /// params.insert("encoder/kernel", Var::from([1.0f32]))?;
    /// params.insert("decoder/kernel", Var::from([2.0f32]))?;
    /// let encoder = params.renamed(|name| name.strip_prefix("encoder/").map(String::from))?;
    /// assert_eq!(encoder.names().map(SiteName::as_str).collect::<Vec<_>>(), ["kernel"]);
    /// # Ok(()) }
    /// ```
    pub fn renamed(&self, rename: impl Fn(&str) -> Option<String>) -> Result<Params> {
        let mut renamed = Params::new();
        for (name, value) in self.iter() {
            let Some(other) = rename(name.as_str()) else { continue };
            match self.is_state(name.as_str()) {
                true => renamed.insert_state(other, value.clone())?,
                false => renamed.insert(other, value.clone())?,
            }
        }
        Ok(renamed)
    }
}
