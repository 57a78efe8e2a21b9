//! The sizes of a tensor's axes, once its type is forgotten.

use std::fmt;
use std::ops::Deref;

use dfdx::shapes::Shape;

/// Largest number of axes, as in dfdx.
pub const MAX_RANK: usize = 6;

/// The sizes of a tensor's axes at run time, at most [`MAX_RANK`] of them.
///
/// # Examples
/// ```
/// use ed::tensor::Dims;
/// let dims = Dims::of(&(3usize, 4usize));
/// assert_eq!(dims.num_elements(), 12);
/// assert_eq!(dims.to_string(), "[3, 4]");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dims {
    rank: u8,
    sizes: [usize; MAX_RANK],
}

impl Dims {
    /// No axes: one number.
    pub const SCALAR: Dims = Dims { rank: 0, sizes: [0; MAX_RANK] };

    /// The sizes of a typed shape.
    pub fn of<S: Shape>(shape: &S) -> Dims {
        shape.concrete().into_iter().collect()
    }

    /// One axis.
    pub fn vector(size: usize) -> Dims {
        Dims::SCALAR.with_last(size)
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.rank as usize
    }

    /// Product of the sizes: 1 for a scalar, and `usize::MAX` for more than a `usize` can count.
    pub fn num_elements(&self) -> usize {
        product(self)
    }

    /// Some sizes, unless there are more than [`MAX_RANK`] of them.
    pub(crate) fn try_collect(sizes: impl IntoIterator<Item = usize>) -> Option<Dims> {
        let mut dims = Dims::SCALAR;
        for size in sizes {
            if dims.rank() == MAX_RANK {
                return None;
            }
            dims = dims.with_last(size);
        }
        Some(dims)
    }

    /// The same sizes and one more axis at the end.
    ///
    /// # Panics
    /// When the result would have more than [`MAX_RANK`] axes; typed shapes cannot get there.
    pub fn with_last(mut self, size: usize) -> Dims {
        self.sizes[self.rank()] = size;
        self.rank += 1;
        self
    }

    /// One more axis in front, then the same sizes. Panics as [`Dims::with_last`] does.
    pub fn with_first(self, size: usize) -> Dims {
        std::iter::once(size).chain(self.iter().copied()).collect()
    }

    /// The typed shape with these sizes, if the type allows them.
    pub fn typed<S: Shape>(&self) -> Option<S> {
        if S::NUM_DIMS != self.rank() {
            return None;
        }
        let mut concrete = S::Concrete::default();
        for (axis, &size) in self.iter().enumerate() {
            concrete[axis] = size;
        }
        S::from_concrete(&concrete)
    }
}

impl Deref for Dims {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.sizes[..self.rank()]
    }
}

impl FromIterator<usize> for Dims {
    /// Collects the sizes. Panics as [`Dims::with_last`] does.
    fn from_iter<I: IntoIterator<Item = usize>>(sizes: I) -> Dims {
        sizes.into_iter().fold(Dims::SCALAR, Dims::with_last)
    }
}

impl fmt::Display for Dims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &**self)
    }
}

impl fmt::Debug for Dims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &**self)
    }
}

/// The product of some sizes: 0 if one of them is 0, and `usize::MAX` for more than a `usize` can count.
pub(crate) fn product(sizes: &[usize]) -> usize {
    sizes.iter().fold(1, |product: usize, &size| product.saturating_mul(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_of_sizes_does_not_wrap() {
        let count = |sizes: &[usize]| sizes.iter().copied().collect::<Dims>().num_elements();
        assert_eq!(count(&[1 << 63, 2]), usize::MAX);
        assert_eq!(count(&[usize::MAX, usize::MAX, 3]), usize::MAX);
        assert_eq!((count(&[1 << 63, 2, 0]), count(&[0, 1 << 63, 2])), (0, 0));
        assert_eq!((count(&[]), count(&[3, 4])), (1, 12));
    }
}
