//! Straight lines and planes.

use ed_core::Result;
use ed_core::tensor::{Float, Var};

use super::{Kernel, Points};
use crate::gp::positive::Positive;

/// `v x·z + b`: linear functions with normal weights of variance `v` and a normal offset of variance `b`. Both start at 1
/// and are trained.
///
/// # Source
/// Rasmussen and Williams 2006, section 4.2.2 (the dot-product covariance).
#[derive(Clone, Debug)]
pub struct Linear {
    variance: Positive,
    bias: Positive,
}

impl Default for Linear {
    fn default() -> Linear {
        Linear { variance: Positive::Trained(1.0), bias: Positive::Trained(1.0) }
    }
}

impl Linear {
    /// With trained variances of the weights and the offset.
    pub fn new() -> Linear {
        Linear::default()
    }

    /// With another variance of the weights: a number to train it from, or [`Positive::Fixed`].
    pub fn variance(self, variance: impl Into<Positive>) -> Self {
        Linear { variance: variance.into(), ..self }
    }

    /// With another variance of the offset.
    pub fn bias(self, bias: impl Into<Positive>) -> Self {
        Linear { bias: bias.into(), ..self }
    }

    fn read<E: Float>(&self) -> Result<[Var<(), E>; 2]> {
        Ok([self.variance.read("Linear", "variance", ())?, self.bias.read("Linear", "bias", ())?])
    }
}

impl Kernel for Linear {
    fn matrix<E: Float>(&self, x: &Points<E>, z: &Points<E>) -> Result<Var<(usize, usize), E>> {
        let [variance, bias] = self.read()?;
        (x.dot(&z.transpose())? * variance + bias).check()
    }

    fn diag<E: Float>(&self, x: &Points<E>) -> Result<Var<(usize,), E>> {
        let [variance, bias] = self.read()?;
        (x.square().sum_last() * variance + bias).check()
    }
}
