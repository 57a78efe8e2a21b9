//! Batch axes as event axes.

use super::univariate::*;
use crate::ops::reduce;
use crate::tensor::{Dims, WithoutLast};

/// Independent draws of a distribution as one joint draw: the last batch axes become event axes, and their
/// log-densities are summed.
///
/// # Shapes
/// batch: `B`, the front axes of the inner batch; event: the other axes. `log_prob`: `[B…, E…] → [B…]`.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let normal = Normal::new(Var::from([0.0f64, 2.0]), Var::from([1.0, 0.5]))?;
/// let joint = Independent::all(normal);
/// approx::assert_relative_eq!(joint.log_prob(&Var::from([1.3, 1.3]))?.item()?, -2.969730, epsilon = 1e-6);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Independent<D: Distribution, B: Shape = ()> {
    inner: D,
    batch: B,
}

impl<D: Distribution> Independent<D, ()> {
    /// All batch axes become event axes.
    pub fn all(inner: D) -> Self {
        Independent { inner, batch: () }
    }
}

impl<D: Distribution> Independent<D, WithoutLast<D::Batch>> {
    /// The last batch axis becomes an event axis.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no batch axis.
    pub fn last(inner: D) -> Result<Self> {
        let dims = Dims::of(&inner.batch_shape());
        let front = dims.split_last().map(|(_, front)| front.iter().copied().collect::<Dims>());
        match front.and_then(|front| front.typed()) {
            Some(batch) => Ok(Independent { inner, batch }),
            None => Err(Error::Shape { op: "Independent", expected: "with a batch axis".into(), got: dims }),
        }
    }
}

impl<D: Distribution, B: Shape> Independent<D, B> {
    /// The distribution of the independent draws.
    pub fn inner(&self) -> &D {
        &self.inner
    }

    /// The sum over the axes that became event axes.
    fn summed(&self, each: &Value<D::Elem>) -> Result<Var<B, D::Elem>> {
        let axes: Vec<usize> = (B::NUM_DIMS..each.dims().rank()).collect();
        Var::from_value(if axes.is_empty() { each.clone() } else { reduce::sum_axes(each, &axes) })
    }
}

impl<D: Distribution, B: Shape> Distribution for Independent<D, B> {
    type Elem = D::Elem;
    type Batch = B;
    type Shape = D::Shape;
    const NAME: &'static str = D::NAME;
    const DISCRETE: bool = D::DISCRETE;
    const PATHWISE: bool = D::PATHWISE;
    const PROPER: bool = D::PROPER;

    fn shape(&self) -> D::Shape {
        self.inner.shape()
    }

    fn batch_shape(&self) -> B {
        self.batch
    }

    fn support(&self) -> Constraint<D::Elem> {
        self.inner.support()
    }

    fn sample(&self, key: Key) -> Result<Var<D::Shape, D::Elem>> {
        self.inner.sample(key)
    }

    fn log_prob(&self, value: &Var<D::Shape, D::Elem>) -> Result<Var<B, D::Elem>> {
        self.summed(self.inner.log_prob(value)?.value())
    }

    fn log_prob_sum(&self, value: &Var<D::Shape, D::Elem>) -> Result<Var<(), D::Elem>> {
        self.inner.log_prob_sum(value)
    }

    fn mean(&self) -> Result<Var<D::Shape, D::Elem>> {
        self.inner.mean()
    }

    fn variance(&self) -> Result<Var<D::Shape, D::Elem>> {
        self.inner.variance()
    }

    fn entropy(&self) -> Result<Var<B, D::Elem>> {
        self.summed(self.inner.entropy()?.value())
    }

    /// Between two of the same kind, the divergence of the inner distributions.
    fn kl_to(&self, other: &dyn erased::AnyDistribution) -> Option<Result<Value<D::Elem>>> {
        match other.as_any().downcast_ref::<Self>() {
            Some(other) => self.inner.kl_to(&other.inner),
            None => self.inner.kl_to(other),
        }
    }
}
