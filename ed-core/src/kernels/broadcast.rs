//! A parameter of an element-wise loop: one number for all elements, or a slice that repeats.

use super::float::Real;
use super::parallel::Split;

/// One number for every element, or the slice `values`, of which element `i` reads `values[i % len]`.
///
/// ```
/// use ed_core::kernels::Broadcast;
/// let columns = [1.0, 2.0, 3.0];
/// assert_eq!(Broadcast::from(&columns[..]).at(4), 2.0);
/// assert_eq!(Broadcast::from(0.5).at(4), 0.5);
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Broadcast<'a, T> {
    /// The same number for every element.
    Scalar(T),
    /// A repeating slice, of which element 0 reads `values[offset]`.
    Cycle {
        /// At least two numbers.
        values: &'a [T],
        /// Below the length of `values`.
        offset: usize,
    },
}

impl<T: Real> From<T> for Broadcast<'_, T> {
    fn from(value: T) -> Self {
        Self::Scalar(value)
    }
}

/// An empty slice has no number to repeat: it reads as NaN.
impl<'a, T: Real> From<&'a [T]> for Broadcast<'a, T> {
    fn from(values: &'a [T]) -> Self {
        match values {
            [] => Self::Scalar(T::NAN),
            [value] => Self::Scalar(*value),
            _ => Self::Cycle { values, offset: 0 },
        }
    }
}

impl<'a, T: Real> Broadcast<'a, T> {
    /// The number of element `i`.
    #[inline(always)]
    pub fn at(self, i: usize) -> T {
        match self {
            Self::Scalar(value) => value,
            Self::Cycle { values, offset } => values[(offset + i) % values.len()],
        }
    }

    /// The numbers of elements `start..start + tile.len()`.
    #[inline(always)]
    pub(super) fn load(self, start: usize, tile: &mut [T]) {
        match self {
            Self::Scalar(value) => tile.fill(value),
            Self::Cycle { values, offset } => {
                let first = (offset + start) % values.len();
                if let Some(slice) = values.get(first..first + tile.len()) {
                    tile.copy_from_slice(slice);
                } else {
                    let repeated = values.iter().cycle().skip(first);
                    tile.iter_mut().zip(repeated).for_each(|(t, &v)| *t = v);
                }
            }
        }
    }
}

/// Endless: a parameter follows the slice that it belongs to.
impl<T: Real> Split for Broadcast<'_, T> {
    fn len(&self) -> usize {
        usize::MAX
    }
    fn split_at(self, mid: usize) -> (Self, Self) {
        match self {
            Self::Scalar(_) => (self, self),
            Self::Cycle { values, offset } => {
                (self, Self::Cycle { values, offset: (offset + mid) % values.len() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_and_halves_read_what_single_elements_read() {
        for len in [2, 3, 7, 40] {
            let values: Vec<f64> = (0..len).map(f64::from).collect();
            let whole = Broadcast::from(&values[..]);
            let right = whole.split_at(11).1;
            for start in [0, 1, 5, 39, 100] {
                let mut tile = [0.0; 8];
                whole.load(start, &mut tile);
                assert!(tile.iter().enumerate().all(|(i, &t)| t == whole.at(start + i)));
                right.load(start, &mut tile);
                assert!(tile.iter().enumerate().all(|(i, &t)| t == whole.at(11 + start + i)));
            }
        }
    }

    #[test]
    fn an_empty_parameter_is_nan_instead_of_a_panic() {
        let none: &[f32] = &[];
        assert!(Broadcast::from(none).at(0).is_nan());
    }
}
