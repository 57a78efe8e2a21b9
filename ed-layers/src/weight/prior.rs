//! Priors of weights. A prior is also a regulariser: the divergence of what is believed from it.

use std::fmt::Debug;
use std::sync::Arc;

use ed_core::distributions::erased::AnyDistribution;
use ed_core::ops::normal_raw_scale;
use ed_core::params::any_param;
use ed_core::tensor::{AnyVar, Dims, Float, Value};
use ed_core::{Error, Result, SiteName};

use crate::initializers::VarianceScaling;

/// A weight that wants a prior.
#[derive(Clone, Debug)]
pub struct WeightSite {
    /// Its full name.
    pub name: SiteName,
    /// Its sizes.
    pub dims: Dims,
    /// Its precision: `"f32"` or `"f64"`.
    pub precision: &'static str,
}

impl WeightSite {
    /// A number in the weight's precision.
    pub fn scalar(&self, x: f64) -> AnyVar {
        self.filled(x, Dims::SCALAR)
    }

    fn filled(&self, x: f64, dims: Dims) -> AnyVar {
        match self.precision {
            f32::NAME => AnyVar::F32(Value::full(x as f32, dims)),
            _ => AnyVar::F64(Value::full(x, dims)),
        }
    }
}

/// The law of a prior.
#[derive(Clone, Debug)]
pub enum Law {
    /// Independent normals; location and scale are each one number or have the weight's sizes.
    Normal {
        /// Location.
        loc: AnyVar,
        /// Standard deviation.
        scale: AnyVar,
    },
    /// Any other distribution in the weight's sizes.
    Other(Arc<dyn AnyDistribution>),
}

/// A prior of weights.
pub trait Prior: Debug + Send + Sync {
    /// The law for a weight. A prior with parameters of its own reads them under the weight's name, as
    /// `kernel/prior/scale`.
    ///
    /// # Errors
    /// A setting out of its domain, or the error of reading a parameter.
    fn law(&self, weight: &WeightSite) -> Result<Law>;

    /// The divergence of independent normals from this prior in nats, summed, where it is not that of [`Prior::law`] in
    /// closed form or by a draw. The standard deviations are made when they are asked for.
    fn kl(&self, weight: &WeightSite, loc: &AnyVar, scale: &dyn Fn() -> AnyVar) -> Option<Result<AnyVar>> {
        let _ = (weight, loc, scale);
        None
    }
}

/// Independent normals with fixed location and scale.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum NormalPrior {
    /// The same for every weight.
    Fixed {
        /// Location.
        loc: f64,
        /// Standard deviation.
        scale: f64,
    },
    /// Around 0, as wide as variance scaling says for the weight's sizes, times a factor.
    Scaled(VarianceScaling, f64),
}

impl Default for NormalPrior {
    /// The standard normal.
    fn default() -> NormalPrior {
        NormalPrior::Fixed { loc: 0.0, scale: 1.0 }
    }
}

pub(super) fn positive(of: &'static str, scale: f64) -> Result<f64> {
    if scale > 0.0 && scale.is_finite() {
        return Ok(scale);
    }
    Err(Error::Parameter { of, name: "scale", must_be: "finite and positive", got: scale.to_string() })
}

impl Prior for NormalPrior {
    fn law(&self, weight: &WeightSite) -> Result<Law> {
        let (loc, scale) = match *self {
            NormalPrior::Fixed { loc, scale } => (loc, scale),
            NormalPrior::Scaled(scaling, factor) => (0.0, factor * scaling.stddev_of(&weight.dims)?),
        };
        if !loc.is_finite() {
            let (of, must_be, got) = ("NormalPrior", "finite", loc.to_string());
            return Err(Error::Parameter { of, name: "loc", must_be, got });
        }
        let scale = positive("NormalPrior", scale)?;
        Ok(Law::Normal { loc: weight.scalar(loc), scale: weight.scalar(scale) })
    }
}

/// Normals with a trainable standard deviation, one for the whole weight or one for each of its numbers: empirical
/// Bayes.
///
/// # Examples
/// ```
/// use ed::layers::weight::TrainablePrior;
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let each = TrainablePrior { shared: false, ..TrainablePrior::default() };
/// let layer = Dense::<Reparameterization>::new(2).estimator(Reparameterization::default().prior(each));
/// let mut params = Params::new();
/// seed(0, || layer.init(&mut params, Var::<_, f32>::ones((4usize, 3usize))))?;
/// assert_eq!(params.required("dense/kernel/prior/raw_scale")?.dims().to_string(), "[3, 2]");
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TrainablePrior {
    /// Location, which is not trained.
    pub loc: f64,
    /// Where the standard deviation starts.
    pub scale: f64,
    /// Whether the whole weight has one standard deviation.
    pub shared: bool,
}

impl Default for TrainablePrior {
    /// Around 0, with one standard deviation that starts at 1.
    fn default() -> TrainablePrior {
        TrainablePrior { loc: 0.0, scale: 1.0, shared: true }
    }
}

impl Prior for TrainablePrior {
    fn law(&self, weight: &WeightSite) -> Result<Law> {
        let start = positive("TrainablePrior", self.scale)?.exp_m1().ln();
        let name = SiteName::from(format!("{}/prior/raw_scale", weight.name));
        let dims = if self.shared { Dims::SCALAR } else { weight.dims };
        let raw = any_param(&name, &dims, || Ok(weight.filled(start, dims)))?;
        let scale = match raw {
            AnyVar::F32(raw) => AnyVar::F32(normal_raw_scale(&raw)),
            AnyVar::F64(raw) => AnyVar::F64(normal_raw_scale(&raw)),
        };
        Ok(Law::Normal { loc: weight.scalar(self.loc), scale })
    }
}
