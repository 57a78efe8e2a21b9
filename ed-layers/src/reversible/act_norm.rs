//! [`ActNorm`]: a shift and a scale for each feature, started from data.

use std::cell::LazyCell;
use std::sync::Arc;

use ed_core::bijectors::{Bijector, Constraint};
use ed_core::ops::{add_channels, scale_channels};
use ed_core::tensor::{Dims, Float, Value, Var};
use ed_core::{Error, Result, SiteName};

use super::bind::{Binding, Reversible, Side, reversible_inputs};
use super::flat::Flat;
use super::made::param_or;
use crate::layer::Layer;
use crate::scope::Identity;

/// `y = (x + shift) eˢ` with a `shift` and a log-scale `s` for each feature; `ln |det ∂y/∂x| = Σ s` over the features
/// of every position.
///
/// Where it meets data the first time, on either side, it starts such that their other side has mean 0 and standard
/// deviation 1 in each feature; without data it starts as the identity. A feature that is the same in all rows, up to
/// the rounding of its numbers, and a single row say nothing of a scale: it starts at 1. Use
/// [`Reversible::init_from`] to start a flow from the features that it is to model.
///
/// # Errors
/// [`Error::Value`] where it would start from a number that is not finite; [`Error::Shape`] where it would start from
/// no rows.
///
/// Parameters: `shift` and `log_scale`.
///
/// # Source
/// Kingma and Dhariwal 2018, Glow, section 3.1.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let features = Var::from([[1.0f64, 10.0], [3.0, 50.0]]);
/// let mut params = Params::new();
/// let norm = ActNorm::new();
/// norm.init_from(&mut params, &features)?;
/// let density = ed::params::with_params(&params, || norm.distribution(Normal::standard((2usize, 2usize))?))?;
/// // Both rows lie one standard deviation from the mean in each feature, and the scales are 1 and 20.
/// let expected = -1.0 - std::f64::consts::TAU.ln() - 20f64.ln();
/// assert!((density.log_prob(&features)?.to_vec()?[0] - expected).abs() < 1e-6);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct ActNorm {
    identity: Identity,
}

impl ActNorm {
    /// The layer.
    #[allow(clippy::new_without_default)]
    pub fn new() -> ActNorm {
        ActNorm { identity: Identity::of("act_norm") }
    }

    /// With a name.
    pub fn named(self, name: impl Into<SiteName>) -> ActNorm {
        ActNorm { identity: self.identity.named(name) }
    }
}

/// `shift` and `log_scale` to start from.
fn start<E: Float>(at: &Binding<E>, features: usize) -> Result<[Vec<E>; 2]> {
    let Some((side, data)) = &at.data else { return Ok([vec![E::ZERO; features], vec![E::ZERO; features]]) };
    let rows = Flat::of(data)?.rows;
    if rows.shape().0 == 0 {
        let expected = "of at least one row, to start from".to_string();
        return Err(Error::Shape { op: "ActNorm", expected, got: *data.dims() });
    }
    let numbers = rows.as_slice()?;
    let (mut shift, mut log_scale) = (Vec::new(), Vec::new());
    for feature in 0..features {
        let column: Vec<f64> = numbers.iter().skip(feature).step_by(features).map(|x| x.to_f64()).collect();
        if let Some(row) = column.iter().position(|x| !x.is_finite()) {
            let got = format!("{} in row {row} of feature {feature}", column[row]);
            return Err(Error::Value { of: "ActNorm", must_be: "finite, to start from", got });
        }
        let (mean, stddev) = moments::<E>(&column);
        let (b, s) = match side {
            Side::Input => (-mean, -stddev.ln()),
            Side::Output => (mean / stddev, stddev.ln()),
        };
        shift.push(E::from_f64(b));
        log_scale.push(E::from_f64(s));
    }
    Ok([shift, log_scale])
}

/// Mean and standard deviation; a standard deviation of 1 if it is no more than the rounding of numbers of type `E`.
fn moments<E: Float>(column: &[f64]) -> (f64, f64) {
    let count = column.len() as f64;
    // Divided first, so that no sum overflows; the second pass takes the rounding of the first sum away.
    let rough = column.iter().map(|x| x / count).sum::<f64>();
    let mean = rough + column.iter().map(|x| (x - rough) / count).sum::<f64>();
    let (furthest, largest) = column.iter().fold((0.0, 0.0), |(furthest, largest): (f64, f64), x| {
        (furthest.max((x - mean).abs()), largest.max(x.abs()))
    });
    if furthest <= 4.0 * E::EPSILON.to_f64() * largest {
        return (mean, 1.0);
    }
    let square = column.iter().map(|x| ((x - mean) / furthest).powi(2) / count).sum::<f64>();
    (mean, furthest * square.sqrt())
}

impl Layer for ActNorm {
    fn kind(&self) -> &'static str {
        "ActNorm"
    }
    fn identity(&self) -> Option<&Identity> {
        Some(&self.identity)
    }
}

impl<E: Float> Reversible<E> for ActNorm {
    fn bijector(&self, at: &Binding<E>) -> Result<Arc<dyn Bijector<E>>> {
        let Some(&features) = at.dims.last() else {
            let expected = "with features along the last axis".to_string();
            return Err(Error::Shape { op: "ActNorm", expected, got: at.dims });
        };
        // The data are looked at only where a parameter has to be made.
        let started = LazyCell::new(|| start(at, features));
        let param = |name: &str, which: usize| -> Result<Var<(usize,), E>> {
            let value = || Ok(Var::from(started.as_ref().map_err(Error::clone)?[which].clone()));
            Var::from_value(param_or(name, Dims::vector(features), value)?)
        };
        Ok(Arc::new(Map { shift: param("shift", 0)?, log_scale: param("log_scale", 1)? }))
    }
}

reversible_inputs! { [] ActNorm; }

#[derive(Clone, Debug)]
struct Map<E: Float> {
    shift: Var<(usize,), E>,
    log_scale: Var<(usize,), E>,
}

impl<E: Float> Map<E> {
    /// The same log-determinant at every position.
    fn log_det(&self, of: &Value<E>, sign: f64) -> Result<Value<E>> {
        let front: Dims = of.dims()[..of.dims().rank().saturating_sub(1)].iter().copied().collect();
        let sum = (self.log_scale.sum() * sign).broadcast_to((front.num_elements(),))?;
        sum.value().reshape(front)
    }
}

impl<E: Float> Bijector<E> for Map<E> {
    fn event_rank(&self) -> usize {
        1
    }

    fn forward_and_log_det(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let moved = add_channels(x, self.shift.value())?;
        Ok((scale_channels(&moved, self.log_scale.exp().value())?, self.log_det(x, 1.0)?))
    }

    fn inverse_and_log_det(&self, y: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let x = scale_channels(y, (-&self.log_scale).exp().value())?;
        Ok((add_channels(&x, (-&self.shift).value())?, self.log_det(y, -1.0)?))
    }

    fn codomain(&self) -> Option<Constraint<E>> {
        Some(Constraint::Real)
    }

    fn is_affine(&self) -> bool {
        true
    }
}
