//! A distribution whose type is forgotten: what sites and handlers carry.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use super::distribution::Distribution;
use crate::bijectors::{Bijector, Constraint};
use crate::error::{Error, Result};
use crate::kernels::rng::Key;
use crate::tensor::tape::drawing;
use crate::tensor::{AnyVar, Dims, Float, Value};

/// [`Distribution`] without its types. Implemented for every distribution; not for implementing by hand.
pub trait AnyDistribution: Debug + Send + Sync {
    /// The distribution's name.
    fn name(&self) -> &'static str;
    /// Precision of draws: `"f32"` or `"f64"`.
    fn precision(&self) -> &'static str;
    /// Whether draws are whole numbers.
    fn is_discrete(&self) -> bool;
    /// Whether gradients flow from a draw to the parameters.
    fn is_pathwise(&self) -> bool;
    /// Sizes of a draw: batch axes, then event axes.
    fn dims(&self) -> Dims;
    /// Sizes of the batch axes.
    fn batch_dims(&self) -> Dims;
    /// A draw. See [`Distribution::sample`].
    ///
    /// # Errors
    /// As there.
    fn sample(&self, key: Key) -> Result<AnyVar>;
    /// Log-density of each independent draw. See [`Distribution::log_prob`].
    ///
    /// # Errors
    /// As there, and [`Error::Precision`].
    fn log_prob(&self, value: &AnyVar) -> Result<AnyVar>;
    /// Summed log-density. See [`Distribution::log_prob_sum`].
    ///
    /// # Errors
    /// As [`AnyDistribution::log_prob`].
    fn log_prob_sum(&self, value: &AnyVar) -> Result<AnyVar>;
    /// Expectation. See [`Distribution::mean`].
    ///
    /// # Errors
    /// As there.
    fn mean(&self) -> Result<AnyVar>;
    /// Variance. See [`Distribution::variance`].
    ///
    /// # Errors
    /// As there.
    fn variance(&self) -> Result<AnyVar>;
    /// Entropy of each independent draw. See [`Distribution::entropy`].
    ///
    /// # Errors
    /// As there.
    fn entropy(&self) -> Result<AnyVar>;
    /// `KL(self ‖ other)`, summed, where it has a closed form.
    fn kl_to(&self, other: &dyn AnyDistribution) -> Option<Result<AnyVar>>;
    /// Checks precision and shape of a value.
    ///
    /// # Errors
    /// [`Error::Precision`] or [`Error::Shape`].
    fn check_form(&self, value: &AnyVar) -> Result<()>;
    /// Checks precision, shape and support of a value.
    ///
    /// # Errors
    /// [`Error::Precision`], [`Error::Shape`] or [`Error::Value`].
    fn check(&self, value: &AnyVar) -> Result<()>;
    /// Checks precision, shape and support of a datum. One outside of a support that depends on a random variable passes:
    /// its log-density is minus infinity in this run. NaN and infinity never do.
    ///
    /// # Errors
    /// As [`AnyDistribution::check`].
    fn check_datum(&self, value: &AnyVar) -> Result<()> {
        self.check(value)
    }
    /// Some value in the support: what stands in for one that is missing.
    ///
    /// # Errors
    /// [`Error::Undefined`] where none is known.
    fn any_member(&self) -> Result<AnyVar> {
        let (what, instead) = ("known member of its support", "give a value for what the mask leaves out");
        Err(Error::Undefined { of: self.name(), what, instead })
    }
    /// Whether draws exist: not of an improper prior.
    fn is_proper(&self) -> bool {
        true
    }
    /// Sizes of the unconstrained values that stand for a draw.
    ///
    /// # Errors
    /// [`Error::Undefined`] where the support is discrete.
    fn unconstrained_dims(&self) -> Result<Dims>;
    /// Whether the map from unconstrained numbers changes volumes: not for a distribution on all reals.
    fn has_jacobian(&self) -> bool;
    /// From unconstrained numbers to a value in the support, and the summed log-determinant of the map.
    ///
    /// # Errors
    /// As [`AnyDistribution::unconstrained_dims`].
    fn constrain(&self, unconstrained: &AnyVar) -> Result<(AnyVar, AnyVar)>;
    /// From a value in the support to the unconstrained numbers that stand for it.
    ///
    /// # Errors
    /// As [`AnyDistribution::unconstrained_dims`].
    fn unconstrain(&self, value: &AnyVar) -> Result<AnyVar>;
    /// Independent normals in the shape and precision of a draw: what stands for this distribution in a mean-field
    /// guide.
    ///
    /// # Errors
    /// As [`Normal::new`](super::Normal::new), and [`Error::Shape`] or [`Error::Precision`] for parameters of another
    /// kind.
    fn normal_like(&self, loc: &AnyVar, scale: &AnyVar) -> Result<Arc<dyn AnyDistribution>>;
    /// The distribution, for asking its type.
    fn as_any(&self) -> &dyn Any;
}

impl<D: Distribution> AnyDistribution for D {
    fn name(&self) -> &'static str {
        D::NAME
    }

    fn precision(&self) -> &'static str {
        D::Elem::NAME
    }

    fn is_discrete(&self) -> bool {
        D::DISCRETE
    }

    fn is_pathwise(&self) -> bool {
        D::PATHWISE
    }

    fn dims(&self) -> Dims {
        Dims::of(&self.shape())
    }

    fn batch_dims(&self) -> Dims {
        Dims::of(&self.batch_shape())
    }

    fn sample(&self, key: Key) -> Result<AnyVar> {
        let draw = || Distribution::sample(self, key);
        Ok(if D::PATHWISE { draw() } else { drawing(draw) }?.into())
    }

    fn log_prob(&self, value: &AnyVar) -> Result<AnyVar> {
        Ok(Distribution::log_prob(self, &value.typed()?)?.into())
    }

    fn log_prob_sum(&self, value: &AnyVar) -> Result<AnyVar> {
        Ok(Distribution::log_prob_sum(self, &value.typed()?)?.into())
    }

    fn mean(&self) -> Result<AnyVar> {
        Ok(Distribution::mean(self)?.into())
    }

    fn variance(&self) -> Result<AnyVar> {
        Ok(Distribution::variance(self)?.into())
    }

    fn entropy(&self) -> Result<AnyVar> {
        Ok(Distribution::entropy(self)?.into())
    }

    fn kl_to(&self, other: &dyn AnyDistribution) -> Option<Result<AnyVar>> {
        Some(Distribution::kl_to(self, other)?.map(Float::into_any))
    }

    fn check_form(&self, value: &AnyVar) -> Result<()> {
        let value = value.as_value::<D::Elem>().map_err(|error| match error {
            Error::Precision { expected, got, .. } => Error::Precision { of: D::NAME.into(), expected, got },
            other => other,
        })?;
        let expected = AnyDistribution::dims(self);
        if *value.dims() != expected {
            return Err(Error::Shape { op: D::NAME, expected: expected.to_string(), got: *value.dims() });
        }
        Ok(())
    }

    fn check(&self, value: &AnyVar) -> Result<()> {
        self.check_form(value)?;
        self.support().check(D::NAME, value.as_value()?)
    }

    fn check_datum(&self, value: &AnyVar) -> Result<()> {
        let Err(outside) = self.check(value) else { return Ok(()) };
        let numbers = value.as_value::<D::Elem>()?;
        match outside {
            Error::Value { .. } if self.support().is_random(numbers) => {
                Constraint::Real.check(D::NAME, numbers)
            }
            outside => Err(outside),
        }
    }

    fn any_member(&self) -> Result<AnyVar> {
        Ok(Float::into_any(self.support().any_member(AnyDistribution::dims(self))?))
    }

    fn is_proper(&self) -> bool {
        D::PROPER
    }

    fn unconstrained_dims(&self) -> Result<Dims> {
        Ok(bijector(self)?.inverse_dims(AnyDistribution::dims(self)))
    }

    fn has_jacobian(&self) -> bool {
        !matches!(self.support(), Constraint::Real)
    }

    fn constrain(&self, unconstrained: &AnyVar) -> Result<(AnyVar, AnyVar)> {
        let unconstrained: &Value<D::Elem> = unconstrained.as_value()?;
        let (value, log_det) = bijector(self)?.forward_and_log_det_sum(unconstrained)?;
        Ok((Float::into_any(value), Float::into_any(log_det)))
    }

    fn unconstrain(&self, value: &AnyVar) -> Result<AnyVar> {
        Ok(Float::into_any(bijector(self)?.inverse(value.as_value()?)?))
    }

    fn normal_like(&self, loc: &AnyVar, scale: &AnyVar) -> Result<Arc<dyn AnyDistribution>> {
        let (loc, scale) = (loc.typed::<D::Shape, D::Elem>()?, scale.typed::<D::Shape, D::Elem>()?);
        Ok(Arc::new(super::Normal::new(loc, scale)?))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn bijector<D: Distribution>(distribution: &D) -> Result<Box<dyn Bijector<D::Elem>>> {
    crate::bijectors::biject_to(&distribution.support()).ok_or(Error::Undefined {
        of: D::NAME,
        what: "map from unconstrained numbers onto its support",
        instead: "a discrete random variable has to be observed, or summed out of the model",
    })
}
