//! `swap` and `mean`: draw from other distributions, or from none.

use std::rc::Rc;
use std::sync::Arc;

use super::handled::{Handled, Handler};
use crate::distributions::erased::AnyDistribution;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::trace::{Kind, Next, Site, Tracer};

/// See [`swap`].
#[derive(Clone, Copy, Debug)]
pub struct Swap<F> {
    posterior: F,
}

/// The model with priors swapped for posteriors: a latent random variable for which `posterior` gives a distribution
/// is drawn from that one.
///
/// # Errors
/// Running it gives [`Error::Shape`] at a site whose posterior has another shape.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// use std::sync::Arc;
///
/// #[model]
/// fn coin() -> Result<RandomVariable<Normal<(), f64>>> {
///     let x = sample(Normal::new(0.0, 1.0)?);
///     Ok(x)
/// }
///
/// # fn main() -> Result<()> {
/// let trained = swap(coin, |site: &Site| match site.label().as_str() {
///     "x" => Ok(Some(Arc::new(Normal::<(), f64>::new(9.0, 1e-3)?) as _)),
///     _ => Ok(None),
/// });
/// assert!((seed(0, || trained.run())?.item()? - 9.0).abs() < 0.01);
/// # Ok(()) }
/// ```
pub fn swap<M, F>(model: M, posterior: F) -> Handled<M, Swap<F>>
where
    M: Model,
    F: Fn(&Site) -> Result<Option<Arc<dyn AnyDistribution>>> + Clone + 'static,
{
    Handled::new(model, Swap { posterior })
}

impl<F> Handler for Swap<F>
where
    F: Fn(&Site) -> Result<Option<Arc<dyn AnyDistribution>>> + Clone + 'static,
{
    fn tracer(&self) -> Rc<dyn Tracer> {
        Rc::new(self.clone())
    }
}

impl<F> Tracer for Swap<F>
where
    F: Fn(&Site) -> Result<Option<Arc<dyn AnyDistribution>>>,
{
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        if site.kind == Kind::Latent
            && site.value.is_none()
            && let Some(posterior) = (self.posterior)(site)?
        {
            let (expected, got) = (site.distribution.dims(), posterior.dims());
            if expected != got {
                let misfit = Error::Shape { op: "swap", expected: expected.to_string(), got };
                return Err(misfit.at_site(site.label()));
            }
            site.distribution = posterior;
            site.belief = None;
        }
        next.forward(site)
    }

    fn looks(&self) -> bool {
        false
    }
}

/// See [`mean`].
#[derive(Clone, Copy, Debug)]
pub struct Mean;

/// The model with every unvalued latent random variable at its mean: that of the program's belief about it, if there is
/// one, or else that of its distribution.
///
/// A Bayesian network run this way predicts in one pass, with the posterior means of its weights. A belief that is itself
/// the answer stays as it is, unless somebody looks at the value: the marginals of a sparse Gaussian process have the
/// variance of its inducing outputs.
pub fn mean<M: Model>(model: M) -> Handled<M, Mean> {
    Handled::new(model, Mean)
}

impl Handler for Mean {
    fn tracer(&self) -> Rc<dyn Tracer> {
        Rc::new(Mean)
    }
}

impl Tracer for Mean {
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        let stays = site.may_stay_open() && site.belief.as_ref().is_some_and(|belief| belief.stays_at_mean());
        if site.kind == Kind::Latent && site.value.is_none() && !stays {
            site.value = Some(site.source()?.mean().map_err(|error| error.at_site(site.label()))?);
        }
        next.forward(site)
    }

    fn looks(&self) -> bool {
        false
    }
}
