//! Mean functions: what a function is expected to be before anything is known.

use std::fmt::Debug;

use ed_core::Result;
use ed_core::params::{param_as, state_as};
use ed_core::tensor::{Float, Var};

use super::kernels::Points;
use super::principal::principal_axes;

/// A mean function.
pub trait Mean: Clone + Debug + Send + Sync + 'static {
    /// The means at points, `[N, features] → [N, units]`; `None` stands for zeros.
    ///
    /// # Errors
    /// The error of reading a parameter.
    fn at<E: Float>(&self, x: &Points<E>, units: usize) -> Result<Option<Var<(usize, usize), E>>>;
}

/// Zero everywhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ZeroMean;

impl Mean for ZeroMean {
    fn at<E: Float>(&self, _: &Points<E>, _: usize) -> Result<Option<Var<(usize, usize), E>>> {
        Ok(None)
    }
}

/// One trained number for each unit, from 0: the parameter `mean/constant`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ConstantMean;

impl Mean for ConstantMean {
    fn at<E: Float>(&self, x: &Points<E>, units: usize) -> Result<Option<Var<(usize, usize), E>>> {
        let constant: Var<(usize,), E> = param_as("mean/constant", || Var::zeros((units,)))?;
        Ok(Some(constant.broadcast_to((x.shape().0, units))?))
    }
}

/// A trained plane for each unit, from 0: the parameters `mean/weights`, `[features, units]`, and `mean/constant`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LinearMean;

impl Mean for LinearMean {
    fn at<E: Float>(&self, x: &Points<E>, units: usize) -> Result<Option<Var<(usize, usize), E>>> {
        let weights: Var<(usize, usize), E> = param_as("mean/weights", || Var::zeros((x.shape().1, units)))?;
        let constant: Var<(usize,), E> = param_as("mean/constant", || Var::zeros((units,)))?;
        Ok(Some((x.dot(&weights)? + constant).check()?))
    }
}

/// The inputs themselves, as far as there are units, for the inner layers of a deep Gaussian process: what they add is a
/// deviation from passing the inputs on, so that depth alone does not flatten the function.
///
/// With as many units as features the mean is the input; with fewer, the input along the principal axes of the first
/// batch; with more, the input with zeros after it. The map is fixed; it is the state `mean/projection`.
///
/// # Source
/// Salimbeni and Deisenroth 2017, "Doubly stochastic variational inference for deep Gaussian processes", section 3.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ProjectionMean;

impl Mean for ProjectionMean {
    fn at<E: Float>(&self, x: &Points<E>, units: usize) -> Result<Option<Var<(usize, usize), E>>> {
        let features = x.shape().1;
        if features == units {
            return Ok(Some(x.clone()));
        }
        let rows = x.detach();
        let start = if units < features {
            principal_axes(rows.as_slice()?, features, units)
        } else {
            padded(features, units)
        };
        let map: Var<(usize, usize), E> = state_as("mean/projection", || {
            let numbers = start.iter().map(|&w| E::from_f64(w)).collect();
            Var::from_vec(numbers, (features, units)).unwrap_or_else(|_| Var::zeros((features, units)))
        })?;
        Ok(Some(x.dot(&map)?))
    }
}

/// The identity with columns of zeros after it.
fn padded(features: usize, units: usize) -> Vec<f64> {
    (0..features * units).map(|i| if i / units == i % units { 1.0 } else { 0.0 }).collect()
}
