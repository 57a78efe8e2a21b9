//! The delta guide: a point.

use std::sync::Arc;

use super::drawn::Drawn;
use super::latents::{Latent, Latents, part};
use crate::error::Result;
use crate::model::Model;
use crate::params::any_param;
use crate::trace::{SiteName, Values};

/// One point for each latent random variable: variational inference finds the maximum a posteriori estimate, the mode
/// of the joint density of the constrained values.
///
/// Parameters: `<site>.loc`, the unconstrained numbers that stand for the value.
///
/// # Examples
/// ```
/// use ed::prelude::*;
///
/// #[model]
/// fn measurement() -> Result<RandomVariable<Normal<(), f64>>> {
///     let x = sample(Normal::new(0.0, 1.0)?);
///     let y = sample(Normal::new(&x, 0.5)?);
///     Ok(y)
/// }
///
/// # fn main() -> Result<()> {
/// let observed = condition(measurement, values![measurement::y = Var::<(), f64>::scalar(1.0)]);
/// let fit = Svi::new(&observed, Delta::of(&observed)?).steps(500).learning_rate(0.05).run(0)?;
/// assert!((fit.values()?.required("x")?.item()? - 0.8).abs() < 1e-4);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a guide does nothing until `Svi` trains it"]
pub struct Delta {
    latents: Latents,
    names: Vec<SiteName>,
}

impl Delta {
    /// A guide for the latent random variables of a model. It starts at the means of the priors where they have one,
    /// else at unconstrained zeros.
    ///
    /// # Errors
    /// As [`MeanField::of`](super::MeanField::of).
    pub fn of<M: Model>(model: &M) -> Result<Delta> {
        let latents = Latents::of(model)?;
        let names = latents.sites.iter().map(|site| SiteName::from(format!("{}.loc", site.name))).collect();
        Ok(Delta { latents, names })
    }

    /// The values at the start, by name; those that are not named start where they did.
    ///
    /// # Errors
    /// As [`MeanField::init_loc`](super::MeanField::init_loc).
    pub fn init_loc(mut self, values: &Values) -> Result<Delta> {
        self.latents.start_at(values)?;
        Ok(self)
    }
}

by_reference!(Delta);

impl Model for Delta {
    type Output = Values;
    fn run(&self) -> Result<Values> {
        let point = |(site, name): (&Latent, &SiteName)| {
            let loc = any_param(name, site.init.dims(), || Ok(site.init.clone()))?;
            let rows = site.rows()?;
            let loc = part(loc, &rows)?;
            let (value, _) = site.prior.constrain(&loc).map_err(|error| error.at_site(&site.name))?;
            let log_prob = value.zero_like();
            let posterior = Drawn { prior: site.prior.clone(), value, log_prob, loc };
            Ok((site.name.clone(), site.emit(Arc::new(posterior), rows)?))
        };
        self.latents.sites.iter().zip(&self.names).map(point).collect()
    }
}
