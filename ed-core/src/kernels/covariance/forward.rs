//! The way forward: a block of rows at a time, its products and then the function of them.

use faer::{Accum, Par};

use super::direct::{self, Columns};
use super::{
    Fall, FiveHalves, Half, LANES, Profile, Rational, Scale, Squared, Stationary, ThreeHalves, with_fall,
};
use crate::kernels::dispatch::{Arch, Kernel, dispatch};
use crate::kernels::float::Real;
use crate::kernels::linalg::{view, view_mut};
use crate::kernels::parallel::{Rows, for_each, in_pool};
use crate::kernels::square::{lines, mirror};

/// Rows of one task.
const ROWS: usize = 128;

/// How the squared distances are found.
#[derive(Clone, Copy)]
enum Way<'a, T> {
    /// By a product of the points.
    Products(Sides<'a, T>),
    /// From the differences in each feature.
    Differences(Columns<'a, T>),
}

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

    fn write(&self, out: &mut [T], squares: Option<&mut [T]>, memory: &mut [T]) {
        let (n, m, d) = (self.rows(), self.columns(), self.features);
        let scale: Scale<T> = self.in_lengthscales();
        let scaled = |points: &[T], memory: &mut [T]| {
            let (scaled, squares) = memory.split_at_mut(points.len());
            scale.apply(points, scaled, Some(&mut *squares));
            squares.iter().any(|&square| direct::is_far(square))
        };
        let (of_x, of_z) = memory.split_at_mut(n * (d + 1));
        let differences = self.has_few_features()
            || scaled(self.x, of_x)
            || self.z.is_some_and(|z| scaled(z, &mut of_z[..m * (d + 1)]));
        if differences {
            let points = &mut memory[..m * d];
            direct::by_feature(self.z.unwrap_or(self.x), d, points);
            let columns = Columns { points, factors: &scale.factors };
            return self.write_rows(out, squares, Way::Differences(columns));
        }
        let (of_x, of_z) = memory.split_at(n * (d + 1));
        let x = of_x.split_at(n * d);
        let z = if self.z.is_some() { of_z[..m * (d + 1)].split_at(m * d) } else { x };
        self.write_rows(out, squares, Way::Products(Sides { x, z }));
    }

    fn write_rows(&self, out: &mut [T], mut squares: Option<&mut [T]>, way: Way<'_, T>) {
        let (n, m, several) = (self.rows(), self.columns(), self.several());
        if self.z.is_some() {
            let parts = (Rows::new(out, m), squares.map(|squares| Rows::new(squares, m)));
            for_each(parts, if several { ROWS } else { n }, |start, (out, squares)| {
                self.fill(start, out.into_inner(), squares.map(Rows::into_inner), way);
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
                self.fill(out.start, out.values, squares, way);
            }
        });
        mirror(n, out, several);
        if let Some(squares) = squares {
            mirror(n, squares, several);
        }
    }

    /// Writes some rows, from `start` on; only up to the diagonal if the points are those of the columns.
    fn fill(&self, start: usize, out: &mut [T], mut squares: Option<&mut [T]>, way: Way<'_, T>) {
        let (m, d, lower) = (self.columns(), self.features, self.z.is_none());
        if let Way::Products(Sides { x: (x, _), z: (z, _) }) = way {
            let count = out.len() / m;
            let width = if lower { start + count } else { m };
            let left = view(&x[start * d..][..count * d], count, d);
            let right = view(&z[..width * d], width, d).transpose();
            let target = view_mut(out, count, m).subcols_mut(0, width);
            T::gemm(target, Accum::Replace, left, right, -T::TWO, Par::Seq);
        }
        for (i, out) in out.chunks_exact_mut(m).enumerate() {
            let row = start + i;
            let len = if lower { row } else { m };
            let mut squares = squares.as_mut().map(|squares| &mut squares[i * m..][..m]);
            let fill = (&mut out[..len], squares.as_mut().map(|squares| &mut squares[..len]));
            match way {
                Way::Differences(columns) => {
                    direct::fill_row(self, &self.x[row * d..][..d], columns, fill.0, fill.1);
                }
                Way::Products(Sides { x, z }) => {
                    let (offset, of_z) = (x.1[row], &z.1[..len]);
                    let (point, others) = (&x.0[row * d..][..d], &z.0[..len * d]);
                    let (variance, alpha) = (self.variance, self.alpha);
                    with_fall!(self.profile, F => dispatch(Fill::<F, T> {
                        offset, of_z, point, others, variance, alpha, out: fill.0, squares: fill.1,
                        fall: Default::default()
                    }));
                }
            }
            if lower {
                // A point is at distance 0 from itself, whatever rounding says.
                out[row] = self.variance;
                squares.into_iter().for_each(|squares| squares[row] = T::ZERO);
            }
        }
    }
}

/// A row of the matrix from the products of its points with the others, `-2 x·z`.
struct Fill<'a, F, T> {
    offset: T,
    of_z: &'a [T],
    /// The points themselves, in lengthscales.
    point: &'a [T],
    others: &'a [T],
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
        let Fill { offset, point, others, variance, alpha, out, squares, .. } = self;
        let (len, d) = (out.len(), point.len());
        let of_z = &self.of_z[..len];
        // Of a square that is this much smaller than those that it is the difference of, rounding left too little.
        let near = T::EPSILON * T::from_f64(1024.0);
        for base in (0..len).step_by(LANES) {
            let end = (base + LANES).min(len);
            let mut any = false;
            for j in base..end {
                let sum = offset + of_z[j];
                let square = out[j] + sum;
                any |= square < near * sum;
                // NaN stays, so that it is not taken for a distance of 0.
                out[j] = if square < T::ZERO { T::ZERO } else { square };
            }
            if any {
                for j in base..end {
                    if out[j] < near * (offset + of_z[j]) {
                        let pairs = point.iter().zip(&others[j * d..][..d]);
                        out[j] = pairs.map(|(&x, &z)| (x - z) * (x - z)).sum();
                    }
                }
            }
        }
        if let Some(squares) = squares {
            squares[..len].copy_from_slice(out);
        }
        for out in out {
            *out = variance * F::at::<A, T>(*out, alpha).0;
        }
    }
}
