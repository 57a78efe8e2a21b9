//! Other axes over the same numbers.

use super::{Bijector, Constraint};
use crate::error::{Error, Result};
use crate::tensor::{Dims, Float, MAX_RANK, Value};

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
    /// [`Error::Shape`] unless both have as many numbers; [`Error::Value`] for more than [`MAX_RANK`] axes.
    pub fn new(
        from: impl IntoIterator<Item = usize>,
        to: impl IntoIterator<Item = usize>,
    ) -> Result<Reshape> {
        let (from, to) = (axes(from)?, axes(to)?);
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
        let y = x.reshape(axes(front.iter().chain(&to[..]).copied())?)?;
        Ok((y, Value::full(E::ZERO, front.iter().copied().collect())))
    }

    /// The dims of an image, where there is one; a map of others is an error.
    fn dims(dims: Dims, from: Dims, to: Dims) -> Dims {
        let front = dims.strip_suffix(&from[..]);
        front.and_then(|front| Dims::try_collect(front.iter().chain(&to[..]).copied())).unwrap_or(dims)
    }
}

/// At most as many axes as a tensor has.
fn axes(sizes: impl IntoIterator<Item = usize>) -> Result<Dims> {
    // One more than fit is enough to know, and to say.
    let sizes: Vec<usize> = sizes.into_iter().take(MAX_RANK + 1).collect();
    Dims::try_collect(sizes.iter().copied()).ok_or_else(|| Error::Value {
        of: "reshape",
        must_be: "at most six axes, the largest number that a tensor has",
        got: format!("{sizes:?}"),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_axes_than_a_tensor_has_are_refused() {
        for (from, to) in [(vec![1; 7], vec![1]), (vec![1], vec![1; 7]), (vec![1], vec![1; 5_000])] {
            let refused = Reshape::new(from, to).map_err(|error| error.to_string());
            assert!(refused.is_err_and(|error| error.contains("at most six axes")));
        }
        // Six axes for the event, and one of the batch in front.
        let deep = Reshape::new([64], [2; 6]).unwrap();
        let x = Value::from_vec(vec![0.0; 128], Dims::vector(2).with_last(64)).unwrap();
        assert!(matches!(deep.forward_and_log_det(&x), Err(Error::Value { .. })));
        assert_eq!(Bijector::<f64>::forward_dims(&deep, *x.dims()), *x.dims());
    }

    #[test]
    fn sizes_whose_product_wraps_are_not_those_of_nothing() {
        assert!(Reshape::new([1 << 63, 2], [0]).is_err());
    }
}
