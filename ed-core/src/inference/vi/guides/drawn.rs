//! What a guide's random variable is where no family of distributions has a type for it.

use std::any::Any;
use std::sync::Arc;

use crate::distributions::erased::AnyDistribution;
use crate::error::{Error, Result};
use crate::kernels::rng::Key;
use crate::tensor::{AnyVar, Dims};

/// A posterior that a guide has drawn from already: the image of unconstrained numbers in the support of a prior.
///
/// It knows its density at that draw only, which is where variational inference asks for it. A draw on constrained
/// support is `x = f(z)` with `log q(x) = log q(z) - ln |det ∂f/∂z|`.
#[derive(Debug)]
pub(crate) struct Drawn {
    /// The random variable's distribution in the model: the kind of its values, and the map onto them.
    pub prior: Arc<dyn AnyDistribution>,
    /// The draw.
    pub value: AnyVar,
    /// Its log-density in nats, one number.
    pub log_prob: AnyVar,
    /// The unconstrained location.
    pub loc: AnyVar,
}

impl Drawn {
    /// The image of the unconstrained location: the mean of a posterior on the reals, the median under an elementwise
    /// map.
    pub fn centre(&self) -> Result<AnyVar> {
        Ok(self.prior.constrain(&self.loc)?.0)
    }

    fn undefined<T>(&self, what: &'static str, instead: &'static str) -> Result<T> {
        Err(Error::Undefined { of: self.name(), what, instead })
    }
}

/// Whether two values are one tensor, not only equal numbers.
fn same(a: &AnyVar, b: &AnyVar) -> bool {
    match (a, b) {
        (AnyVar::F32(a), AnyVar::F32(b)) => Arc::ptr_eq(a.data(), b.data()),
        (AnyVar::F64(a), AnyVar::F64(b)) => Arc::ptr_eq(a.data(), b.data()),
        _ => false,
    }
}

impl AnyDistribution for Drawn {
    fn name(&self) -> &'static str {
        "a guide's posterior"
    }

    fn precision(&self) -> &'static str {
        self.prior.precision()
    }

    fn is_discrete(&self) -> bool {
        false
    }

    fn is_pathwise(&self) -> bool {
        true
    }

    fn dims(&self) -> Dims {
        self.prior.dims()
    }

    fn batch_dims(&self) -> Dims {
        self.prior.batch_dims()
    }

    fn sample(&self, _: Key) -> Result<AnyVar> {
        Ok(self.value.check()?.clone())
    }

    fn log_prob(&self, _: &AnyVar) -> Result<AnyVar> {
        self.undefined("density of its elements one by one", "ask for `log_prob_sum`, and leave masks out")
    }

    fn log_prob_sum(&self, value: &AnyVar) -> Result<AnyVar> {
        match same(value, &self.value) {
            true => Ok(self.log_prob.clone()),
            false => self.undefined("density away from its draw", "ask at the value that this run drew"),
        }
    }

    fn mean(&self) -> Result<AnyVar> {
        match self.prior.has_jacobian() {
            false => self.centre(),
            true => self.undefined("mean in closed form", "average draws instead"),
        }
    }

    fn variance(&self) -> Result<AnyVar> {
        self.undefined("variance in closed form", "estimate it from draws instead")
    }

    fn entropy(&self) -> Result<AnyVar> {
        self.undefined("entropy in closed form", "average -log_prob over draws instead")
    }

    fn kl_to(&self, _: &dyn AnyDistribution) -> Option<Result<AnyVar>> {
        None
    }

    fn check_form(&self, value: &AnyVar) -> Result<()> {
        self.prior.check_form(value)
    }

    fn check(&self, value: &AnyVar) -> Result<()> {
        self.prior.check(value)
    }

    fn unconstrained_dims(&self) -> Result<Dims> {
        self.prior.unconstrained_dims()
    }

    fn has_jacobian(&self) -> bool {
        self.prior.has_jacobian()
    }

    fn constrain(&self, unconstrained: &AnyVar) -> Result<(AnyVar, AnyVar)> {
        self.prior.constrain(unconstrained)
    }

    fn unconstrain(&self, value: &AnyVar) -> Result<AnyVar> {
        self.prior.unconstrain(value)
    }

    fn normal_like(&self, loc: &AnyVar, scale: &AnyVar) -> Result<Arc<dyn AnyDistribution>> {
        self.prior.normal_like(loc, scale)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
