//! [`Site`]: the message about one random variable that handlers read and change.

use std::sync::Arc;

use super::belief::Belief;
use super::name::SiteName;
use super::rows::Rows;
use crate::distributions::Distribution;
use crate::distributions::erased::AnyDistribution;
use crate::error::{Error, Result};
use crate::kernels::rng::Key;
use crate::ops::reduce;
use crate::ops::select::select;
use crate::tensor::{AnyVar, Float, with_value};

/// What kind of statement a site is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A random variable that inference has to find.
    Latent,
    /// A random variable whose value is data.
    Observed,
    /// A random variable whose value was set from outside: it has no density here.
    Intervened,
    /// A quantity computed from others, recorded under a name.
    Deterministic,
    /// A log-weight added to the joint density.
    Factor,
}

/// One random variable on its way through the handlers, and back.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let (_, trace) = tape(&|| observe_as("y", Normal::new(0.0, 2.0)?, &Var::<(), f64>::scalar(1.0)))?;
/// let site = trace.required("y")?;
/// assert_eq!((site.label().as_str(), site.kind, site.scale), ("y", Kind::Observed, 1.0));
/// assert_eq!((site.value()?.item()?, site.distribution.name()), (1.0, "Normal"));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Site {
    /// The name, with the prefixes of the sub-models around it.
    pub name: Option<SiteName>,
    /// The distribution from which a value is drawn if there is none, and by which it is judged.
    pub distribution: Arc<dyn AnyDistribution>,
    /// The value; present on the way back.
    pub value: Option<AnyVar>,
    /// What kind of statement it is.
    pub kind: Kind,
    /// Factor of the log-density, as a plate that subsamples sets it.
    pub scale: f64,
    /// Zeros and ones in the shape of the batch: where the log-density counts. Data may be missing (NaN) elsewhere.
    pub mask: Option<AnyVar>,
    /// The subsampled plates around the statement, innermost first.
    pub plates: Vec<Rows>,
    /// What the program believes about it: where a value is drawn from if there is none.
    pub belief: Option<Arc<dyn Belief>>,
    /// The divergence of the belief from the distribution in nats, present on the way back if the belief was used.
    pub kl: Option<AnyVar>,
    /// Whether nobody needs the value.
    pub(super) may_stay_open: bool,
    /// The key for what stands in for a value that was not drawn.
    pub(super) key: Option<Key>,
    /// The layer that it belongs to.
    pub(super) owner: Option<u64>,
    /// The key and the store that it came up under, as a number.
    pub(super) context: u64,
}

impl Site {
    /// A random variable that has not met any handler yet.
    pub fn new<D: Distribution>(name: Option<SiteName>, distribution: D) -> Site {
        Site::of(name, Arc::new(distribution))
    }

    /// As [`Site::new`], from a distribution whose type is forgotten.
    pub(crate) fn of(name: Option<SiteName>, distribution: Arc<dyn AnyDistribution>) -> Site {
        Site {
            name,
            distribution,
            value: None,
            kind: Kind::Latent,
            scale: 1.0,
            mask: None,
            plates: Vec::new(),
            belief: None,
            kl: None,
            may_stay_open: false,
            key: None,
            owner: None,
            context: 0,
        }
    }

    /// The layer that it belongs to, by the number that [`own`](super::own) was given.
    pub fn owner(&self) -> Option<u64> {
        self.owner
    }

    /// The name.
    ///
    /// # Errors
    /// [`Error::UnnamedSite`] if there is none.
    pub fn required_name(&self) -> Result<&SiteName> {
        self.name.as_ref().ok_or_else(|| Error::UnnamedSite { distribution: self.distribution.name() })
    }

    /// The value on the way back.
    ///
    /// # Errors
    /// [`Error::Unconditioned`] on the way out, before there is one.
    pub fn value(&self) -> Result<&AnyVar> {
        self.value.as_ref().ok_or_else(|| Error::Unconditioned { name: self.label() })
    }

    /// Where a value comes from that nobody sets: the posterior of the belief, or else the distribution.
    ///
    /// # Errors
    /// Those of the belief, with the site's name.
    pub fn source(&self) -> Result<Arc<dyn AnyDistribution>> {
        match &self.belief {
            None => Ok(self.distribution.clone()),
            Some(belief) => belief.posterior().map_err(|error| error.at_site(self.label())),
        }
    }

    /// Whether nobody looks at its value, so that a belief about it may be used as a whole and needs no draw.
    pub fn may_stay_open(&self) -> bool {
        self.may_stay_open
    }

    /// Whether the site has a density: neither intervened on nor deterministic.
    pub fn is_random(&self) -> bool {
        matches!(self.kind, Kind::Latent | Kind::Observed | Kind::Factor)
    }

    /// The name, or what stands for it in a message.
    pub fn label(&self) -> String {
        match &self.name {
            Some(name) => name.to_string(),
            None => format!("an unnamed {}", self.distribution.name()),
        }
    }

    /// The site's part of the joint log-density: summed over the batch, masked and scaled, in nats.
    ///
    /// # Errors
    /// The error of the density, with the site's name.
    pub fn log_prob(&self) -> Result<AnyVar> {
        let value = self.value()?;
        if !self.is_random() {
            return Ok(value.zero_like());
        }
        let log_prob = match &self.mask {
            None => self.distribution.log_prob_sum(value),
            Some(mask) => self
                .present(value, mask)
                .and_then(|value| self.distribution.log_prob(&value))
                .and_then(|each| masked_sum(&each, mask)),
        };
        Ok(log_prob.map_err(|error| error.at_site(self.label()))?.scaled(self.scale))
    }
}

impl Site {
    /// The value with something harmless in place of data that the mask leaves out: what is missing may be NaN, and would
    /// make the gradients of what is there NaN, too.
    fn present(&self, value: &AnyVar, mask: &AnyVar) -> Result<AnyVar> {
        if self.kind != Kind::Observed {
            return Ok(value.clone());
        }
        self.distribution.check_form(value)?;
        let (other, batch) = (self.distribution.any_member()?.off_tape(), self.distribution.batch_dims());
        with_value!(value, value => {
            Ok(Float::into_any(select(value, other.as_value()?, mask.as_value()?, &batch)?))
        })
    }

    /// Checks that a datum lies in the support, where the mask does not say that it is missing.
    ///
    /// # Errors
    /// That of the value, with the site's name.
    pub(super) fn check_datum(&self, value: &AnyVar) -> Result<()> {
        let present = match &self.mask {
            None => Ok(value.clone()),
            Some(mask) => self.present(value, mask),
        };
        let checked = present.and_then(|value| self.distribution.check_datum(&value));
        checked.map_err(|error| error.at_site(self.label()))
    }
}

/// `Σ` of the terms where the mask is not zero; a term that is left out may be infinite or NaN.
fn masked_sum(terms: &AnyVar, mask: &AnyVar) -> Result<AnyVar> {
    with_value!(terms, terms => Ok(Float::into_any(reduce::masked_sum(terms, mask.as_value()?)?)))
}
