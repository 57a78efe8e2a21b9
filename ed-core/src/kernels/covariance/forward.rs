//! The way forward: a block of rows at a time, its products and then the function of them.

use faer::{Accum, Par};

use super::{Fall, FiveHalves, Half, Profile, Rational, Scale, Squared, Stationary, ThreeHalves, with_fall};
use crate::kernels::dispatch::{Arch, Kernel, dispatch};
use crate::kernels::float::Real;
use crate::kernels::linalg::{view, view_mut};
use crate::kernels::parallel::{Rows, for_each, in_pool};
use crate::kernels::square::{lines, mirror};

/// Rows of one task.
const ROWS: usize = 128;

/// The points of both sides in lengthscales, and the square of each one's length.
#[derive(Clone, Copy)]
struct Sides<'a, T> {
    x: (&'a [T], &'a [T]),
    z: (&'a [T], &'a [T]),
}

impl<T: Real> Stationary<'_, T> {
    /// The length of the working memory of [`Stationary::forward`].
    pub fn forward_memory(&self) -> usize {
        let points = self.rows() + if self.z.is_some() { self.columns() } else { 0 };
        points * (self.features + 1)
    }

    /// Writes the matrix, `rows × columns`, and the squared distances if there is a place for them.
    ///
    /// The working memory, of any contents, has [`Stationary::forward_memory`] numbers.
    pub fn forward(&self, out: &mut [T], squares: Option<&mut [T]>, memory: &mut [T]) {
        let (n, m) = (self.rows(), self.columns());
        if n * m == 0 {
            // Points without features are all at one place.
            out.fill(self.variance);
            squares.into_iter().for_each(|squares| squares.fill(T::ZERO));
            return;
        }
        let run = || self.write(out, squares, memory);
        if self.several() { in_pool(run) } else { run() }
    }

    fn write(&self, out: &mut [T], mut squares: Option<&mut [T]>, memory: &mut [T]) {
        let (n, m, d) = (self.rows(), self.columns(), self.features);
        let scale: Scale<T> = self.in_lengthscales();
        let (of_x, of_z) = memory.split_at_mut(n * (d + 1));
        let scaled = |points: &[T], memory| -> (&[T], &[T]) {
            let (scaled, squares) = <[T]>::split_at_mut(memory, points.len());
            scale.apply(points, scaled, Some(squares));
            (scaled, squares)
        };
        let x = scaled(self.x, of_x);
        let z = self.z.map_or(x, |z| scaled(z, of_z));
        let (sides, several) = (Sides { x, z }, self.several());
        if self.z.is_some() {
            let parts = (Rows::new(out, m), squares.map(|squares| Rows::new(squares, m)));
            for_each(parts, if several { ROWS } else { n }, |start, (out, squares)| {
                self.fill(start, out.into_inner(), squares.map(Rows::into_inner), sides);
            });
            return;
        }
        let mut blocks: Vec<_> = lines(n, ROWS, out).into_iter().map(|lines| (lines, None)).collect();
        if let Some(squares) = &mut squares {
            let places = blocks.iter_mut().zip(lines(n, ROWS, squares));
            places.for_each(|((_, squares), lines)| *squares = Some(lines));
        }
        for_each(blocks.as_mut_slice(), if several { 1 } else { n }, |_, blocks| {
            for (out, squares) in blocks {
                let squares = squares.as_mut().map(|squares| &mut *squares.values);
                self.fill(out.start, out.values, squares, sides);
            }
        });
        mirror(n, out, several);
        if let Some(squares) = squares {
            mirror(n, squares, several);
        }
    }

    /// Writes some rows, from `start` on; only up to the diagonal if the points are those of the columns.
    fn fill(&self, start: usize, out: &mut [T], mut squares: Option<&mut [T]>, sides: Sides<'_, T>) {
        let (m, d, lower) = (self.columns(), self.features, self.z.is_none());
        let (count, (x, offsets), (z, of_z)) = (out.len() / m, sides.x, sides.z);
        let width = if lower { start + count } else { m };
        let left = view(&x[start * d..][..count * d], count, d);
        let right = view(&z[..width * d], width, d).transpose();
        let target = view_mut(out, count, m).subcols_mut(0, width);
        T::gemm(target, Accum::Replace, left, right, -T::TWO, Par::Seq);
        for (i, out) in out.chunks_exact_mut(m).enumerate() {
            let row = start + i;
            let len = if lower { row } else { m };
            let mut squares = squares.as_mut().map(|squares| &mut squares[i * m..][..m]);
            let (offset, of_z) = (offsets[row], &of_z[..len]);
            let (variance, alpha) = (self.variance, self.alpha);
            let fill = (&mut out[..len], squares.as_mut().map(|squares| &mut squares[..len]));
            with_fall!(self.profile, F => dispatch(Fill::<F, T> {
                offset, of_z, variance, alpha, out: fill.0, squares: fill.1, fall: Default::default()
            }));
            if lower {
                // A point is at distance 0 from itself, whatever rounding says.
                out[row] = variance;
                squares.into_iter().for_each(|squares| squares[row] = T::ZERO);
            }
        }
    }
}

/// A row of the matrix from the products of its points with the others, `-2 x·z`.
struct Fill<'a, F, T> {
    offset: T,
    of_z: &'a [T],
    variance: T,
    alpha: T,
    out: &'a mut [T],
    squares: Option<&'a mut [T]>,
    fall: std::marker::PhantomData<F>,
}

impl<F: Fall, T: Real> Kernel for Fill<'_, F, T> {
    type Out = ();
    const WIDE: bool = true;
    #[inline(always)]
    fn run<A: Arch>(self) {
        let len = self.out.len();
        let (out, of_z) = (self.out, &self.of_z[..len]);
        let square = |product: T, of_z: T| {
            let square = product + self.offset + of_z;
            // NaN stays, so that it is not taken for a distance of 0.
            if square < T::ZERO { T::ZERO } else { square }
        };
        if let Some(squares) = self.squares {
            let squares = &mut squares[..len];
            for j in 0..len {
                squares[j] = square(out[j], of_z[j]);
                out[j] = self.variance * F::at::<A, T>(squares[j], self.alpha).0;
            }
        } else {
            for j in 0..len {
                out[j] = self.variance * F::at::<A, T>(square(out[j], of_z[j]), self.alpha).0;
            }
        }
    }
}
