//! [`Trace`]: what one run of a model did.

use std::collections::HashMap;

use super::name::SiteName;
use super::site::{Kind, Site};
use super::values::Values;
use crate::error::{Error, Result};
use crate::tensor::AnyVar;

/// The named sites of one run of a model, in order.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let model = || {
///     let x = sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?)?;
///     observe_as("y", Normal::new(&x, 1.0)?, &Var::scalar(2.0))
/// };
/// let (_, trace) = seed(0, || tape(&model))?;
/// assert_eq!(trace.names().map(SiteName::as_str).collect::<Vec<_>>(), ["x", "y"]);
/// assert_eq!(trace.latents().count(), 1);
/// let parts = trace.required("x")?.log_prob()?.item()? + trace.required("y")?.log_prob()?.item()?;
/// assert!((trace.log_prob()?.item()? - parts).abs() < 1e-12);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Trace {
    sites: Vec<Site>,
    places: HashMap<SiteName, usize>,
}

impl Trace {
    /// Adds a site.
    ///
    /// # Errors
    /// [`Error::DuplicateSite`] if its name is there already.
    pub fn push(&mut self, site: Site) -> Result<()> {
        if let Some(name) = &site.name {
            if self.places.contains_key(name) {
                return Err(Error::DuplicateSite { name: name.to_string() });
            }
            self.places.insert(name.clone(), self.sites.len());
        }
        self.sites.push(site);
        Ok(())
    }

    /// The site of a name.
    pub fn get(&self, name: &str) -> Option<&Site> {
        self.places.get(&SiteName::from(name.to_string())).map(|&place| &self.sites[place])
    }

    /// The site of a name.
    ///
    /// # Errors
    /// [`Error::NoSuchSite`] if there is none.
    pub fn required(&self, name: &str) -> Result<&Site> {
        self.get(name).ok_or_else(|| self.no_such(name))
    }

    /// The error for a name that this trace does not have.
    pub(crate) fn no_such(&self, name: &str) -> Error {
        Error::NoSuchSite { name: name.into(), known: self.names().map(|name| name.to_string()).collect() }
    }

    /// All sites, in the order of the run.
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &SiteName> {
        self.sites.iter().filter_map(|site| site.name.as_ref())
    }

    /// The random variables that were neither observed nor intervened on.
    pub fn latents(&self) -> impl Iterator<Item = &Site> {
        self.sites.iter().filter(|site| site.kind == Kind::Latent)
    }

    /// The values of all named sites.
    pub fn values(&self) -> Values {
        self.sites.iter().filter_map(|site| Some((site.name.clone()?, site.value.clone()?))).collect()
    }

    /// The values of the latent random variables.
    pub fn latent_values(&self) -> Values {
        self.latents().filter_map(|site| Some((site.name.clone()?, site.value.clone()?))).collect()
    }

    /// The joint log-density of the run: masked, scaled and summed, in nats. Zero in single precision if it is empty.
    ///
    /// # Errors
    /// The error of a site's density, with its name.
    pub fn log_prob(&self) -> Result<AnyVar> {
        let mut total: Option<AnyVar> = None;
        for site in self.sites.iter().filter(|site| site.is_random()) {
            let log_prob = site.log_prob()?;
            total = Some(match total {
                None => log_prob,
                Some(sum) => sum.plus(&log_prob)?,
            });
        }
        Ok(total.unwrap_or_else(|| crate::tensor::Var::<(), f32>::scalar(0.0).into()))
    }
}
