//! Other axes over the same numbers.

use super::{Bijector, Constraint};
use crate::error::{Error, Result};
use crate::tensor::{Dims, Float, Value};

/// The last axes of a tensor as other axes with as many numbers, in row-major order. It keeps volumes.
///
/// # Shapes
/// `[…, from] → […, to]`; log-determinants `[…]`.
///
/// # Examples
/// ```
/// use ed::bijectors::{Bijector, Reshape};
/// use ed::tensor::{Dims, Value};
/// # fn main() -> ed::Result<()> {
/// let images = Reshape::new([6], [2, 3])?;
/// let (y, log_det) = images.forward_and_log_det(&Value::from_vec(vec![0.5f64; 24], Dims::vector(4).with_last(6))?)?;
/// assert_eq!((&y.dims()[..], &log_det.dims()[..]), (&[4, 2, 3][..], &[4][..]));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reshape {
    from: Dims,
    to: Dims,
}

impl Reshape {
    /// From axes of these sizes to axes of those.
    ///
    /// # Errors
    /// [`Error::Shape`] unless both have as many numbers.
    pub fn new(
        from: impl IntoIterator<Item = usize>,
        to: impl IntoIterator<Item = usize>,
    ) -> Result<Reshape> {
        let (from, to): (Dims, Dims) = (from.into_iter().collect(), to.into_iter().collect());
        if from.num_elements() != to.num_elements() {
            let expected = format!("of {} numbers, as {to:?} has", to.num_elements());
            return Err(Error::Shape { op: "reshape", expected, got: from });
        }
        Ok(Reshape { from, to })
    }

    fn map<E: Float>(x: &Value<E>, from: Dims, to: Dims) -> Result<(Value<E>, Value<E>)> {
        let dims = *x.check()?.dims();
        let Some(front) = dims.strip_suffix(&from[..]) else {
            let expected = format!("with {from:?} as its last axes");
            return Err(Error::Shape { op: "reshape", expected, got: dims });
        };
        let y = x.reshape(front.iter().chain(&to[..]).copied().collect())?;
        Ok((y, Value::full(E::ZERO, front.iter().copied().collect())))
    }

    fn dims(dims: Dims, from: Dims, to: Dims) -> Dims {
        match dims.strip_suffix(&from[..]) {
            Some(front) => front.iter().chain(&to[..]).copied().collect(),
            None => dims,
        }
    }
}

impl<E: Float> Bijector<E> for Reshape {
    fn event_rank(&self) -> usize {
        self.from.rank()
    }

    fn codomain_event_rank(&self) -> usize {
        self.to.rank()
    }

    fn forward_and_log_det(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        Reshape::map(x, self.from, self.to)
    }

    fn inverse_and_log_det(&self, y: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        Reshape::map(y, self.to, self.from)
    }

    fn codomain(&self) -> Option<Constraint<E>> {
        Some(Constraint::Real)
    }

    fn is_affine(&self) -> bool {
        true
    }

    fn forward_dims(&self, dims: Dims) -> Dims {
        Reshape::dims(dims, self.from, self.to)
    }

    fn inverse_dims(&self, dims: Dims) -> Dims {
        Reshape::dims(dims, self.to, self.from)
    }
}
