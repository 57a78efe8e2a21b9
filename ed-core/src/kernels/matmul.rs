//! Products of matrices, and of matrices with vectors, over row-major slices.
//!
//! Products of matrices are faer's. Those with a vector are bound by memory and are ours: one pass
//! over the matrix, on all cores when it is large.

use faer::Accum;
use smallvec::{SmallVec, smallvec};

use super::dispatch::{Arch, Kernel, dispatch};
use super::float::Real;
pub use super::linalg::{LinalgError, Transpose};
use super::linalg::{check_len, parallelism, view, view_mut};
use super::parallel::{Rows, for_each, map_reduce};

/// `c = alpha op(a) op(b) + beta c` for row-major slices, where `op(a)` is `m × k`, `op(b)` is `k × n`
/// and `c` is `m × n`. With `beta = 0` the old `c` is not read.
///
/// # Errors
/// [`LinalgError::Length`] if a slice does not fit `[m, k, n]`.
///
/// ```
/// use ed_core::kernels::matmul::{Transpose, matmul};
/// let (a, mut c) = ([1.0, 2.0, 3.0, 4.0], [0.0; 4]);
/// matmul([2, 2, 2], 1.0, (&a, Transpose::No), (&a, Transpose::Yes), 0.0, &mut c).unwrap();
/// assert_eq!(c, [5.0, 11.0, 11.0, 25.0]);
/// ```
pub fn matmul<T: Real>(
    [m, k, n]: [usize; 3],
    alpha: T,
    (a, op_a): (&[T], Transpose),
    (b, op_b): (&[T], Transpose),
    beta: T,
    c: &mut [T],
) -> Result<(), LinalgError> {
    check_len("a", a, m * k)?;
    check_len("b", b, k * n)?;
    check_len("c", c, m * n)?;
    let a = if op_a == Transpose::No { view(a, m, k) } else { view(a, k, m).transpose() };
    let b = if op_b == Transpose::No { view(b, k, n) } else { view(b, n, k).transpose() };
    let accumulate = if beta == T::ZERO {
        Accum::Replace
    } else {
        if beta != T::ONE {
            c.iter_mut().for_each(|c| *c *= beta);
        }
        Accum::Add
    };
    T::gemm(view_mut(c, m, n), accumulate, a, b, alpha, parallelism(m * k * n));
    Ok(())
}

/// Elements of a matrix that are worth a thread.
const CHUNK: usize = 1 << 16;

/// Rows of at most a chunk of elements, at least one.
fn rows_per_chunk(columns: usize) -> usize {
    (CHUNK / columns.max(1)).max(1)
}

/// `y = A x` for a row-major `A` of `rows × columns`.
///
/// # Errors
/// [`LinalgError::Length`] if a slice does not fit: `x` holds `columns` numbers and `y` holds `rows`.
///
/// ```
/// use ed_core::kernels::matmul::matvec;
/// let mut y = [0.0; 2];
/// matvec([2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[1.0, 0.0, -1.0], &mut y).unwrap();
/// assert_eq!(y, [-2.0, -2.0]);
/// ```
pub fn matvec<T: Real>(
    [rows, columns]: [usize; 2],
    a: &[T],
    x: &[T],
    y: &mut [T],
) -> Result<(), LinalgError> {
    check_len("a", a, rows * columns)?;
    check_len("x", x, columns)?;
    check_len("y", y, rows)?;
    if columns == 0 {
        y.fill(T::ZERO);
        return Ok(());
    }
    for_each((y, Rows::new(a, columns)), rows_per_chunk(columns), |_, (y, a)| {
        dispatch(Matvec { a: a.into_inner(), x, y });
    });
    Ok(())
}

/// Lanes of one row, and rows at a time: together the accumulators that hide an addition's latency.
const LANES: usize = 8;
const ROWS: usize = 4;

struct Matvec<'a, T> {
    a: &'a [T],
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Real> Kernel for Matvec<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let columns = self.x.len();
        let (mut a, mut y) = (self.a, self.y);
        if columns >= LANES {
            let (y_blocks, y_rest) = y.as_chunks_mut::<ROWS>();
            let mut blocks = a.chunks_exact(ROWS * columns);
            for (y, rows) in y_blocks.iter_mut().zip(&mut blocks) {
                *y = four_row_dots::<A, T>(rows, self.x);
            }
            (a, y) = (blocks.remainder(), y_rest);
        }
        for (y, row) in y.iter_mut().zip(a.chunks_exact(columns)) {
            *y = row_dot::<A, T>(row, self.x);
        }
    }
}

/// `sums += a x`, lane by lane.
#[inline(always)]
fn add_products<A: Arch, T: Real>(sums: &mut [T; LANES], a: &[T; LANES], x: &[T; LANES]) {
    for lane in 0..LANES {
        sums[lane] = a[lane].mul_add::<A>(x[lane], sums[lane]);
    }
}

/// What the last, incomplete block of a row adds to its sums: the block is read so that it ends with
/// the row, and what the block before has counted is masked.
#[inline(always)]
fn add_rest<A: Arch, T: Real>(sums: &mut [T; LANES], row: &[T], x_rest: &[T; LANES], counted: usize) {
    if let Some(a) = row.last_chunk::<LANES>() {
        let mut masked = *a;
        for (lane, a) in masked.iter_mut().enumerate() {
            *a = if lane < counted { T::ZERO } else { *a };
        }
        add_products::<A, T>(sums, &masked, x_rest);
    }
}

#[inline(always)]
fn total<T: Real>(s: [T; LANES]) -> T {
    ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}

/// The incomplete last block of `x`, moved to the end of its lanes, and how many lanes precede it.
#[inline(always)]
fn rest_of<T: Real>(x: &[T]) -> ([T; LANES], usize) {
    let rest = x.as_chunks::<LANES>().1;
    let mut padded = [T::ZERO; LANES];
    padded[LANES - rest.len()..].copy_from_slice(rest);
    (padded, LANES - rest.len())
}

/// The products of four consecutive rows with `x`, of at least `LANES` columns.
#[inline(always)]
fn four_row_dots<A: Arch, T: Real>(rows: &[T], x: &[T]) -> [T; ROWS] {
    let columns = x.len();
    let (r0, rows) = rows.split_at(columns);
    let (r1, rows) = rows.split_at(columns);
    let (r2, rows) = rows.split_at(columns);
    let r3 = &rows[..columns];
    let [mut s0, mut s1, mut s2, mut s3] = [[T::ZERO; LANES]; ROWS];
    let blocks = |row| <[T]>::as_chunks::<LANES>(row).0;
    // Zipped, not indexed: a bounds check inside the loop would keep it from vectorising.
    let zipped = blocks(x).iter().zip(blocks(r0)).zip(blocks(r1)).zip(blocks(r2)).zip(blocks(r3));
    for ((((x, a0), a1), a2), a3) in zipped {
        add_products::<A, T>(&mut s0, a0, x);
        add_products::<A, T>(&mut s1, a1, x);
        add_products::<A, T>(&mut s2, a2, x);
        add_products::<A, T>(&mut s3, a3, x);
    }
    let (rest, counted) = rest_of(x);
    if counted < LANES {
        add_rest::<A, T>(&mut s0, r0, &rest, counted);
        add_rest::<A, T>(&mut s1, r1, &rest, counted);
        add_rest::<A, T>(&mut s2, r2, &rest, counted);
        add_rest::<A, T>(&mut s3, r3, &rest, counted);
    }
    [total(s0), total(s1), total(s2), total(s3)]
}

/// The product of one row with `x`.
#[inline(always)]
fn row_dot<A: Arch, T: Real>(row: &[T], x: &[T]) -> T {
    if x.len() < LANES {
        return row.iter().zip(x).fold(T::ZERO, |sum, (&a, &x)| a.mul_add::<A>(x, sum));
    }
    let mut sums = [T::ZERO; LANES];
    for (x, a) in x.as_chunks::<LANES>().0.iter().zip(row.as_chunks::<LANES>().0) {
        add_products::<A, T>(&mut sums, a, x);
    }
    let (rest, counted) = rest_of(x);
    if counted < LANES {
        add_rest::<A, T>(&mut sums, row, &rest, counted);
    }
    total(sums)
}

/// `y = Aᵀ x` for a row-major `A` of `rows × columns`.
///
/// # Errors
/// [`LinalgError::Length`] if a slice does not fit: `x` holds `rows` numbers and `y` holds `columns`.
///
/// ```
/// use ed_core::kernels::matmul::matvec_transposed;
/// let mut y = [0.0; 3];
/// matvec_transposed([2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[1.0, -1.0], &mut y).unwrap();
/// assert_eq!(y, [-3.0, -3.0, -3.0]);
/// ```
pub fn matvec_transposed<T: Real>(
    [rows, columns]: [usize; 2],
    a: &[T],
    x: &[T],
    y: &mut [T],
) -> Result<(), LinalgError> {
    check_len("a", a, rows * columns)?;
    check_len("x", x, rows)?;
    check_len("y", y, columns)?;
    if columns == 0 {
        return Ok(());
    }
    let sum = map_reduce(
        (x, Rows::new(a, columns)),
        rows_per_chunk(columns),
        |_, (x, a)| {
            let mut sums: SmallVec<[T; 64]> = smallvec![T::ZERO; columns];
            dispatch(MatvecTransposed { a: a.into_inner(), x, sums: &mut sums });
            sums
        },
        |mut left, right| {
            left.iter_mut().zip(&right).for_each(|(left, &right)| *left += right);
            left
        },
    );
    y.copy_from_slice(&sum);
    Ok(())
}

struct MatvecTransposed<'a, T> {
    a: &'a [T],
    x: &'a [T],
    sums: &'a mut [T],
}

impl<T: Real> Kernel for MatvecTransposed<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let columns = self.sums.len();
        let mut blocks = self.a.chunks_exact(ROWS * columns);
        let (x, x_rest) = self.x.as_chunks::<ROWS>();
        for (x, rows) in x.iter().zip(&mut blocks) {
            add_four_rows::<A, T>(rows, x, self.sums);
        }
        for (&x, row) in x_rest.iter().zip(blocks.remainder().chunks_exact(columns)) {
            for (sum, &a) in self.sums.iter_mut().zip(row) {
                *sum = a.mul_add::<A>(x, *sum);
            }
        }
    }
}

/// `sums += Σ x[r] rows[r]`: several rows for one read and write of the sums.
#[inline(always)]
fn add_four_rows<A: Arch, T: Real>(rows: &[T], x: &[T; ROWS], sums: &mut [T]) {
    let columns = sums.len();
    let (r0, rows) = rows.split_at(columns);
    let (r1, rows) = rows.split_at(columns);
    let (r2, r3) = rows.split_at(columns);
    for ((((sum, &a0), &a1), &a2), &a3) in sums.iter_mut().zip(r0).zip(r1).zip(r2).zip(r3) {
        let pair = a1.mul_add::<A>(x[1], a0.mul_add::<A>(x[0], *sum));
        *sum = a3.mul_add::<A>(x[3], a2.mul_add::<A>(x[2], pair));
    }
}

struct OuterAdd<'a, T> {
    alpha: T,
    x: &'a [T],
    y: &'a [T],
    a: &'a mut [T],
}

impl<T: Real> Kernel for OuterAdd<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        for (row, &x) in self.a.chunks_exact_mut(self.y.len()).zip(self.x) {
            let scaled = self.alpha * x;
            for (a, &y) in row.iter_mut().zip(self.y) {
                *a = scaled.mul_add::<A>(y, *a);
            }
        }
    }
}

/// `A += alpha x yᵀ` for a row-major `A` of `x.len() × y.len()`.
///
/// # Errors
/// [`LinalgError::Length`] if `a` does not fit.
///
/// ```
/// use ed_core::kernels::matmul::outer_add;
/// let mut a = [1.0; 4];
/// outer_add(2.0, &[1.0, 2.0], &[0.0, 1.0], &mut a).unwrap();
/// assert_eq!(a, [1.0, 3.0, 1.0, 5.0]);
/// ```
pub fn outer_add<T: Real>(alpha: T, x: &[T], y: &[T], a: &mut [T]) -> Result<(), LinalgError> {
    check_len("a", a, x.len() * y.len())?;
    if !y.is_empty() {
        for_each((x, Rows::new(a, y.len())), rows_per_chunk(y.len()), |_, (x, a)| {
            dispatch(OuterAdd { alpha, x, y, a: a.into_inner() });
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::dispatch::{Level, with_level};
    use crate::kernels::parallel::tests::same_for_all_threads;

    fn numbers(len: usize, seed: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 7919 + seed * 31) % 1009) as f32 / 500.0 - 1.0).collect()
    }

    fn near(a: f32, b: f64) {
        assert!((f64::from(a) - b).abs() <= 1e-4 * (1.0 + b.abs()), "{a} is not {b}");
    }

    #[test]
    fn matrix_products_equal_the_definition_for_all_transpositions() {
        for [m, k, n] in [[1, 1, 1], [3, 5, 2], [17, 33, 9], [0, 3, 2], [2, 0, 3], [130, 70, 120]] {
            let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
            for op_a in [Transpose::No, Transpose::Yes] {
                for op_b in [Transpose::No, Transpose::Yes] {
                    for (alpha, beta) in [(1.0, 0.0), (-0.5, 1.0), (2.0, 0.25)] {
                        let start = if beta == 0.0 { f32::NAN } else { 3.0 };
                        let mut c = vec![start; m * n];
                        matmul([m, k, n], alpha, (&a, op_a), (&b, op_b), beta, &mut c).unwrap();
                        for i in 0..m {
                            for j in 0..n {
                                let product: f64 = (0..k)
                                    .map(|l| {
                                        let a = a[if op_a == Transpose::No { i * k + l } else { l * m + i }];
                                        let b = b[if op_b == Transpose::No { l * n + j } else { j * k + l }];
                                        f64::from(a) * f64::from(b)
                                    })
                                    .sum();
                                let old = if beta == 0.0 { 0.0 } else { f64::from(beta) * 3.0 };
                                near(c[i * n + j], f64::from(alpha) * product + old);
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn products_with_vectors_equal_the_definition_at_both_levels() {
        for level in [Level::Portable, Level::Avx2] {
            for [rows, columns] in
                [[0, 3], [3, 0], [1, 1], [5, 7], [4, 8], [9, 15], [6, 54], [3001, 54], [7, 70_000]]
            {
                let (a, x, w) = (numbers(rows * columns, 1), numbers(columns, 2), numbers(rows, 3));
                let (mut y, mut z) = (vec![f32::NAN; rows], vec![f32::NAN; columns]);
                let mut sum = a.clone();
                with_level(level, || {
                    matvec([rows, columns], &a, &x, &mut y).unwrap();
                    matvec_transposed([rows, columns], &a, &w, &mut z).unwrap();
                    outer_add(0.5, &w, &x, &mut sum).unwrap();
                });
                let mut columns_sum = vec![0.0; columns];
                for i in 0..rows {
                    let mut row_sum = 0.0;
                    for j in 0..columns {
                        let value = f64::from(a[i * columns + j]);
                        row_sum += value * f64::from(x[j]);
                        columns_sum[j] += value * f64::from(w[i]);
                        near(sum[i * columns + j], value + 0.5 * f64::from(w[i] * x[j]));
                    }
                    near(y[i], row_sum);
                }
                z.iter().zip(&columns_sum).for_each(|(&z, &s)| near(z, s));
            }
        }
    }

    #[test]
    fn an_infinite_entry_reaches_its_row_only_once() {
        for column in [0, 3, 8, 12] {
            let mut a = vec![1.0f64; 13];
            a[column] = f64::INFINITY;
            let mut y = [0.0];
            matvec([1, 13], &a, &[1.0; 13], &mut y).unwrap();
            assert_eq!(y, [f64::INFINITY]);
        }
    }

    #[test]
    fn threads_do_not_change_a_transposed_product() {
        let (a, x) = (numbers(10_000 * 54, 1), numbers(10_000, 2));
        same_for_all_threads(|| {
            let mut y = vec![0.0; 54];
            matvec_transposed([10_000, 54], &a, &x, &mut y).unwrap();
            y
        });
    }

    #[test]
    fn refuses_slices_that_do_not_fit() {
        let error = matvec([2, 3], &[0.0; 5], &[0.0; 3], &mut [0.0; 2]).unwrap_err();
        assert_eq!(error, LinalgError::Length { argument: "a", expected: 6, found: 5 });
        assert!(error.to_string().contains("should hold 6 numbers"));
        assert!(matvec_transposed([2, 3], &[0.0; 6], &[0.0; 3], &mut [0.0; 3]).is_err());
        assert!(outer_add(1.0, &[0.0; 2], &[0.0; 3], &mut [0.0; 5]).is_err());
        let no = Transpose::No;
        assert!(matmul([2, 2, 2], 1.0, (&[0.0; 4], no), (&[0.0; 3], no), 0.0, &mut [0.0; 4]).is_err());
    }
}
