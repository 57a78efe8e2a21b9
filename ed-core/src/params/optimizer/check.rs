//! What every optimiser asks of gradients before it changes anything.

use crate::error::{Error, Result};
use crate::kernels::optim::first_beyond;
use crate::params::Params;
use crate::params::store::check_kind;
use crate::tensor::{Float, Value, with_value};
use crate::trace::SiteName;

/// Checks that no gradient is infinite or NaN.
///
/// # Errors
/// [`Error::NotFinite`] with the parameter's name.
pub(crate) fn finite(gradients: &Params) -> Result<()> {
    gradients.iter().try_for_each(|(name, gradient)| with_value!(gradient, g => within(name, g, |max| max)))
}

/// Checks that every gradient belongs to a parameter of its shape and precision, and that no element is beyond `limit`,
/// given the largest number of its precision.
///
/// # Errors
/// [`Error::NoSuchSite`], [`Error::Shape`], [`Error::Precision`] or [`Error::NotFinite`] with the parameter's name.
pub(super) fn fitting(params: &Params, gradients: &Params, limit: impl Fn(f64) -> f64) -> Result<()> {
    for (name, gradient) in gradients.iter() {
        check_kind(params.required(name.as_str())?, gradient).map_err(|error| error.at_site(name))?;
        with_value!(gradient, g => within(name, g, &limit))?;
    }
    Ok(())
}

fn within<E: Float>(name: &SiteName, gradient: &Value<E>, limit: impl Fn(f64) -> f64) -> Result<()> {
    let gradient = gradient.peek()?;
    let limit = E::from_f64(limit(E::MAX.to_f64()));
    let Some(place) = first_beyond(gradient, limit) else { return Ok(()) };
    let x = gradient[place];
    let subject =
        if x.is_finite() { "What the optimiser computes from the gradient" } else { "The gradient" };
    let what = format!("{subject} by the parameter `{name}`, {x:?} at its element {place},");
    let advice = "lower the learning rate, clip the gradients, or look in the loss for roots, logarithms and quotients \
                  at the edges of their domains, and in the data for NaN";
    Err(Error::NotFinite { what, advice })
}
