//! Where weights start, and how wide their priors are: variance scaling by the number of inputs and outputs.

use ed_core::kernels::rng::{self, Key};
use ed_core::tensor::{Dims, Float, Var};
use ed_core::{Error, Result};

use dfdx::shapes::Shape;

/// Standard deviation of a standard normal number truncated to (-2, 2).
const TRUNCATED_SD: f64 = 0.879_625_661_034_239_8;

/// Which size of a weight its variance is divided by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fan {
    /// The number of inputs of a unit.
    In,
    /// The number of units that an input goes to.
    Out,
    /// The mean of both.
    Average,
    /// None: the variance is the scale.
    Unit,
}

/// The law of the starting values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Law {
    /// Normal.
    Normal,
    /// Normal, drawn again beyond two standard deviations, with the variance corrected for it.
    TruncatedNormal,
    /// Uniform.
    Uniform,
}

/// Independent numbers of mean 0 and variance `scale / fan`.
///
/// # Examples
/// ```
/// use ed::layers::initializers::VarianceScaling;
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let he = VarianceScaling::he();
/// assert_eq!(he.stddev(&(50usize, 10usize))?, 0.2);
/// let kernel: Var<_, f32> = he.init(Key::new(0), (50usize, 10usize))?;
/// let mean_square = kernel.square().mean().item()?;
/// assert!((mean_square - 0.04).abs() < 0.01);
/// # Ok(()) }
/// ```
///
/// # Source
/// He et al. 2015 (`he`), Glorot and Bengio 2010 (`glorot`), LeCun et al. 1998 (`lecun`).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct VarianceScaling {
    /// Factor of the variance.
    pub scale: f64,
    /// The size that the variance is divided by.
    pub fan: Fan,
    /// The law.
    pub law: Law,
}

impl VarianceScaling {
    /// Variance `2 / inputs`, truncated normal: for layers followed by a rectifier.
    pub fn he() -> Self {
        VarianceScaling { scale: 2.0, fan: Fan::In, law: Law::TruncatedNormal }
    }

    /// Variance `2 / (inputs + outputs)`, truncated normal: for layers followed by a saturating activation.
    pub fn glorot() -> Self {
        VarianceScaling { scale: 1.0, fan: Fan::Average, law: Law::TruncatedNormal }
    }

    /// Variance `1 / inputs`, truncated normal.
    pub fn lecun() -> Self {
        VarianceScaling { scale: 1.0, fan: Fan::In, law: Law::TruncatedNormal }
    }

    /// The standard deviation for a weight of shape `[…, inputs, outputs]`; the axes in front are positions of a
    /// convolution's window and count as many times.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless the scale is finite and positive; [`Error::Shape`] for a weight without elements.
    pub fn stddev<S: Shape>(&self, shape: &S) -> Result<f64> {
        self.stddev_of(&Dims::of(shape))
    }

    /// As [`VarianceScaling::stddev`], for sizes that are known at run time only.
    ///
    /// # Errors
    /// As there.
    pub fn stddev_of(&self, dims: &Dims) -> Result<f64> {
        if !(self.scale > 0.0 && self.scale.is_finite()) {
            let got = self.scale.to_string();
            let (of, must_be) = ("VarianceScaling", "finite and positive");
            return Err(Error::Parameter { of, name: "scale", must_be, got });
        }
        if dims.num_elements() == 0 {
            return Err(Error::Shape { op: "VarianceScaling", expected: "with elements".into(), got: *dims });
        }
        let (window, inputs, outputs) = match **dims {
            [] => (1.0, 1, 1),
            [size] => (1.0, size, size),
            [ref window @ .., inputs, outputs] => {
                (window.iter().map(|&size| size as f64).product(), inputs, outputs)
            }
        };
        let (inputs, outputs) = (window * inputs as f64, window * outputs as f64);
        let fan = match self.fan {
            Fan::In => inputs,
            Fan::Out => outputs,
            Fan::Average => 0.5 * (inputs + outputs),
            Fan::Unit => 1.0,
        };
        Ok((self.scale / fan).sqrt())
    }

    /// Starting values in a shape, a function of the key alone.
    ///
    /// # Errors
    /// As [`VarianceScaling::stddev`].
    pub fn init<S: Shape, E: Float>(&self, key: Key, shape: S) -> Result<Var<S, E>> {
        let stddev = self.stddev(&shape)?;
        // Refused where no memory holds them.
        let mut numbers = Var::<S, E>::zeros(shape).to_vec()?;
        match self.law {
            Law::Normal => rng::fill_normal(key, &mut numbers),
            Law::TruncatedNormal => fill_truncated(key, &mut numbers),
            Law::Uniform => {
                rng::fill_uniform(key, &mut numbers);
                let half_width = 3f64.sqrt();
                numbers.iter_mut().for_each(|x| *x = E::from_f64((2.0 * x.to_f64() - 1.0) * half_width));
            }
        }
        Ok((Var::from_vec(numbers, shape)? * stddev).detach())
    }
}

/// Standard normal numbers truncated to (-2, 2) and scaled to variance 1, by the inverse distribution function.
fn fill_truncated<E: Float>(key: Key, numbers: &mut [E]) {
    use ed_core::kernels::special::{normal_cdf, normal_quantile};
    rng::fill_uniform(key, numbers);
    let (low, high) = (normal_cdf(-2.0), normal_cdf(2.0));
    for x in numbers {
        *x = E::from_f64(normal_quantile(low + (high - low) * x.to_f64()) / TRUNCATED_SD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_law_has_mean_zero_and_the_stated_variance() -> Result<()> {
        for law in [Law::Normal, Law::TruncatedNormal, Law::Uniform] {
            let scaling = VarianceScaling { scale: 3.0, fan: Fan::Out, law };
            let weights: Var<_, f64> = scaling.init(Key::new(1), (400usize, 100usize))?;
            let count = 40_000f64;
            let variance = 0.03;
            let (mean, square) = (weights.mean().item()?, weights.square().mean().item()?);
            // The squares of these laws have standard deviations of at most √2 times their mean.
            assert!(mean.abs() < 5.0 * (variance / count).sqrt(), "{law:?}: mean {mean}");
            assert!((square - variance).abs() < 5.0 * variance * (2.0 / count).sqrt(), "{law:?}: {square}");
        }
        Ok(())
    }

    #[test]
    fn a_truncated_law_stays_inside_two_standard_deviations() -> Result<()> {
        let weights: Var<_, f32> = VarianceScaling::lecun().init(Key::new(2), (100usize, 200usize))?;
        let limit = 2.0 / TRUNCATED_SD as f32 * 0.1 * 1.0001;
        assert!(weights.to_vec()?.iter().all(|x| x.abs() <= limit));
        Ok(())
    }

    #[test]
    fn windows_of_convolutions_count() -> Result<()> {
        let he = VarianceScaling::he();
        assert_eq!(he.stddev(&(5usize, 5usize, 2usize, 32usize))?, (2.0f64 / 50.0).sqrt());
        assert!(he.stddev(&(0usize, 3usize)).is_err());
        assert!(VarianceScaling { scale: -1.0, ..he }.stddev(&(1usize, 1usize)).is_err());
        Ok(())
    }
}
