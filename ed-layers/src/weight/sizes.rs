//! Typed tensors and distributions for weights whose sizes are known at run time.

use std::sync::Arc;

use dfdx::shapes::Shape;
use ed_core::distributions::erased::AnyDistribution;
use ed_core::tensor::{Float, Value, Var};
use ed_core::{Error, Result};

use super::prior::WeightSite;

/// A distribution of any shape and precision.
pub(super) trait Family {
    /// The distribution in a shape.
    fn sized<S: Shape, E: Float>(&self, shape: S) -> Result<Arc<dyn AnyDistribution>>;
}

macro_rules! by_rank {
    ($dims:expr, [$($rank:literal $shape:ty;)+], $typed:ident => $then:expr) => {
        match $dims.rank() {
            $($rank => {
                type $typed = $shape;
                $then
            })+
            _ => Err(Error::Shape { op: "a weight", expected: "with at most 6 axes".into(), got: *$dims }),
        }
    };
    ($dims:expr, $typed:ident => $then:expr) => {
        by_rank!($dims, [
            0 ();
            1 (usize,);
            2 (usize, usize);
            3 (usize, usize, usize);
            4 (usize, usize, usize, usize);
            5 (usize, usize, usize, usize, usize);
            6 (usize, usize, usize, usize, usize, usize);
        ], $typed => $then)
    };
}

/// A family's distribution in the sizes and the precision of a weight.
pub(super) fn in_sizes_of(family: &impl Family, weight: &WeightSite) -> Result<Arc<dyn AnyDistribution>> {
    let misfit = || Error::Shape { op: "a weight", expected: "with run-time sizes".into(), got: weight.dims };
    by_rank!(&weight.dims, Typed => {
        let shape = weight.dims.typed::<Typed>();
        match weight.precision {
            f32::NAME => family.sized::<_, f32>(shape.ok_or_else(misfit)?),
            _ => family.sized::<_, f64>(shape.ok_or_else(misfit)?),
        }
    })
}

/// The numbers of a weight in a row.
pub(super) fn flattened<E: Float>(weight: &Value<E>) -> Result<Var<(usize,), E>> {
    let dims = *weight.check()?.dims();
    by_rank!(&dims, Typed => Var::<Typed, E>::from_value(weight.clone())?.reshape((dims.num_elements(),)))
}

/// A divergence of normals as a function of their locations and scales, in either precision.
macro_rules! divergence {
    ($loc:expr, $scale:expr, |$mu:ident, $sigma:ident| $kl:expr) => {{
        use ed_core::tensor::AnyVar;
        let each = || -> ed_core::Result<AnyVar> {
            match $loc {
                AnyVar::F32(loc) => {
                    let ($mu, $sigma) = (
                        $crate::weight::sizes::flattened(loc)?,
                        $crate::weight::sizes::flattened($scale.as_value::<f32>()?)?,
                    );
                    Ok(($kl).check()?.into())
                }
                AnyVar::F64(loc) => {
                    let ($mu, $sigma) = (
                        $crate::weight::sizes::flattened(loc)?,
                        $crate::weight::sizes::flattened($scale.as_value::<f64>()?)?,
                    );
                    Ok(($kl).check()?.into())
                }
            }
        };
        Some(each())
    }};
}
pub(super) use divergence;
