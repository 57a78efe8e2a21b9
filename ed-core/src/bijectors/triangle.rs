//! Sizes of triangles: how many numbers make a matrix.

use crate::error::{Error, Result};
use crate::tensor::{Dims, Float, MAX_RANK, Value};

/// The numbers of a triangle with `order` rows, its diagonal included; `usize::MAX` for more than a `usize` can count.
pub(super) fn triangle(order: usize) -> usize {
    usize::try_from(wide_triangle(order as u128)).unwrap_or(usize::MAX)
}

fn wide_triangle(order: u128) -> u128 {
    order * (order + 1) / 2
}

/// The order of the largest triangle of at most `numbers` numbers.
fn largest(numbers: usize) -> usize {
    let mut order = ((2.0 * numbers as f64).sqrt()) as usize;
    let fits = |order: usize| wide_triangle(order as u128) <= numbers as u128;
    while !fits(order) {
        order -= 1;
    }
    while fits(order + 1) {
        order += 1;
    }
    order
}

/// The order of the triangle that the last axis of `x` fills.
///
/// # Errors
/// [`Error::Shape`] if no triangle has so many numbers, or the matrices would have too many axes.
pub(super) fn order<E: Float>(of: &'static str, x: &Value<E>) -> Result<usize> {
    let dims = *x.dims();
    let numbers = dims.last().copied().unwrap_or(0);
    let order = largest(numbers);
    if triangle(order) != numbers {
        return Err(Error::Shape {
            op: of,
            expected: "with 1, 3, 6, 10, … numbers along the last axis, as a triangle has".into(),
            got: dims,
        });
    }
    if dims.rank() >= MAX_RANK {
        return Err(Error::Shape { op: of, expected: format!("with fewer than {MAX_RANK} axes"), got: dims });
    }
    Ok(order)
}

/// The order of the square matrices over the last two axes of `y`.
///
/// # Errors
/// [`Error::Shape`] if they are not square.
pub(super) fn square<E: Float>(of: &'static str, y: &Value<E>) -> Result<usize> {
    match **y.dims() {
        [.., rows, columns] if rows == columns => Ok(rows),
        _ => Err(Error::Shape { op: of, expected: "of square matrices […, K, K]".into(), got: *y.dims() }),
    }
}

/// Sizes of the matrices of order `K + more` for the numbers of a triangle of order `K`; unchanged if there is none.
pub(super) fn matrix_dims(dims: Dims, more: usize) -> Dims {
    match dims.split_last() {
        Some((&numbers, front)) if dims.rank() < MAX_RANK => {
            let order = largest(numbers) + more;
            front.iter().copied().chain([order, order]).collect()
        }
        _ => dims,
    }
}

/// Sizes of the numbers of a triangle of order `K - less` for matrices of order `K`; unchanged if they are not square.
pub(super) fn vector_dims(dims: Dims, less: usize) -> Dims {
    match *dims {
        [ref front @ .., rows, columns] if rows == columns => {
            front.iter().copied().chain([triangle(rows.saturating_sub(less))]).collect()
        }
        _ => dims,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_triangle_is_recognised_and_nothing_else() {
        for order in 0..200 {
            assert_eq!(largest(triangle(order)), order);
            assert_eq!(largest(triangle(order + 1) - 1), order);
        }
        let most = largest(usize::MAX);
        assert!(triangle(most) < usize::MAX && triangle(most + 1) == usize::MAX);
    }

    #[test]
    fn sizes_go_there_and_back() {
        let numbers: Dims = [5, 6].into_iter().collect();
        assert_eq!(*matrix_dims(numbers, 0), [5, 3, 3]);
        assert_eq!(*matrix_dims(numbers, 1), [5, 4, 4]);
        assert_eq!(vector_dims(matrix_dims(numbers, 1), 1), numbers);
    }
}
