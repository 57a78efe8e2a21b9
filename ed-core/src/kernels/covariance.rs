//! Matrices of stationary covariance functions, with their backwards: distances by a product, the function and its
//! slope in one pass over the matrix.

use faer::Accum;
use faer::linalg::matmul::triangular::BlockStructure::{Rectangular, TriangularLower};

use super::dispatch::{Arch, Kernel, dispatch};
use super::float::Real;
use super::linalg::{Transpose, parallelism, view, view_mut};
use super::math;
use super::matmul::{matmul, matvec_transposed};
use super::parallel::{COSTLY_CHUNK, Rows, for_each, map_reduce};

/// How a stationary covariance function falls with the squared distance `s` in lengthscales, from 1 at `s = 0`.
///
/// # Source
/// Rasmussen and Williams 2006, "Gaussian Processes for Machine Learning", section 4.2.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Profile {
    /// `exp(-s/2)`.
    ExponentiatedQuadratic,
    /// `exp(-r)` with `r = √s`: continuous functions.
    Matern12,
    /// `(1 + r) exp(-r)` with `r = √(3s)`: functions with one derivative.
    Matern32,
    /// `(1 + r + r²/3) exp(-r)` with `r = √(5s)`: functions with two derivatives.
    Matern52,
    /// `(1 + s/2α)^(-α)`: a mixture of lengthscales, wider for a smaller `α`.
    RationalQuadratic,
}

/// A profile as a type, for loops that specialise on it.
trait Fall: Copy + Send + Sync {
    /// Whether it has a mixture parameter.
    const MIXES: bool = false;
    /// Value at `s` and its derivative by `s`.
    fn at<A: Arch, T: Real>(s: T, alpha: T) -> (T, T);
}

#[derive(Clone, Copy)]
struct Squared;
#[derive(Clone, Copy)]
struct Half;
#[derive(Clone, Copy)]
struct ThreeHalves;
#[derive(Clone, Copy)]
struct FiveHalves;
#[derive(Clone, Copy)]
struct Rational;

impl Fall for Squared {
    #[inline(always)]
    fn at<A: Arch, T: Real>(s: T, _: T) -> (T, T) {
        let k = math::exp::<A, T>(-T::HALF * s);
        (k, -T::HALF * k)
    }
}

impl Fall for Half {
    #[inline(always)]
    fn at<A: Arch, T: Real>(s: T, _: T) -> (T, T) {
        let r = s.sqrt();
        let k = math::exp::<A, T>(-r);
        // The function has a kink at 0, where no direction is steeper than another.
        (k, if s > T::ZERO { -T::HALF * k / r } else { T::ZERO })
    }
}

impl Fall for ThreeHalves {
    #[inline(always)]
    fn at<A: Arch, T: Real>(s: T, _: T) -> (T, T) {
        let r = (T::from_f64(3.0) * s).sqrt();
        let e = math::exp::<A, T>(-r);
        ((T::ONE + r) * e, T::from_f64(-1.5) * e)
    }
}

impl Fall for FiveHalves {
    #[inline(always)]
    fn at<A: Arch, T: Real>(s: T, _: T) -> (T, T) {
        let square = T::from_f64(5.0) * s;
        let r = square.sqrt();
        let e = math::exp::<A, T>(-r);
        ((T::ONE + r + square * T::from_f64(1.0 / 3.0)) * e, T::from_f64(-5.0 / 6.0) * (T::ONE + r) * e)
    }
}

impl Fall for Rational {
    const MIXES: bool = true;
    #[inline(always)]
    fn at<A: Arch, T: Real>(s: T, alpha: T) -> (T, T) {
        let u = T::HALF * s / alpha;
        let k = math::exp::<A, T>(-alpha * math::ln_1p::<A, T>(u));
        (k, -T::HALF * k / (T::ONE + u))
    }
}

/// Runs an expression for the type of a profile.
macro_rules! with_fall {
    ($profile:expr, $fall:ident => $body:expr) => {
        match $profile {
            Profile::ExponentiatedQuadratic => {
                type $fall = Squared;
                $body
            }
            Profile::Matern12 => {
                type $fall = Half;
                $body
            }
            Profile::Matern32 => {
                type $fall = ThreeHalves;
                $body
            }
            Profile::Matern52 => {
                type $fall = FiveHalves;
                $body
            }
            Profile::RationalQuadratic => {
                type $fall = Rational;
                $body
            }
        }
    };
}

/// What a covariance matrix is made of: `k_ij = v · profile(Σ_k ((x_ik - z_jk) / ℓ_k)²)`.
#[derive(Clone, Copy, Debug)]
pub struct Stationary<'a, T> {
    /// How the covariance falls.
    pub profile: Profile,
    /// Numbers of a point.
    pub features: usize,
    /// Points of the rows: `rows × features`.
    pub x: &'a [T],
    /// Points of the columns, or none if they are those of the rows.
    pub z: Option<&'a [T]>,
    /// One number for all features, or one each.
    pub lengthscale: &'a [T],
    /// The covariance at distance 0.
    pub variance: T,
    /// The mixture parameter of [`Profile::RationalQuadratic`].
    pub alpha: T,
}

/// The gradients that [`Stationary::backward`] finds.
#[derive(Clone, Debug)]
pub struct StationaryGradients<T> {
    /// By the points of the rows, if they were asked for.
    pub x: Option<Vec<T>>,
    /// By the points of the columns, if they were asked for.
    pub z: Option<Vec<T>>,
    /// By each feature's lengthscale; their sum is that of a lengthscale for all.
    pub lengthscale: Vec<f64>,
    /// By the variance.
    pub variance: f64,
    /// By the mixture parameter.
    pub alpha: f64,
}

/// Points in lengthscales, and the square of each one's length.
struct Scaled<T> {
    points: Vec<T>,
    squares: Vec<T>,
}

impl<T: Real> Stationary<'_, T> {
    fn rows(&self) -> usize {
        self.x.len() / self.features.max(1)
    }

    fn columns(&self) -> usize {
        self.z.unwrap_or(self.x).len() / self.features.max(1)
    }

    fn inverse_lengthscale(&self, k: usize) -> T {
        T::ONE / self.lengthscale[if self.lengthscale.len() == 1 { 0 } else { k }]
    }

    /// Means of the columns' points. Distances do not change if both sides move by them, and the product that they are
    /// found by loses no digits to a common offset.
    fn centre(&self) -> Vec<T> {
        let (z, count) = (self.z.unwrap_or(self.x), self.columns().max(1));
        let mut centre = vec![T::ZERO; self.features];
        for row in z.chunks_exact(self.features.max(1)) {
            centre.iter_mut().zip(row).for_each(|(sum, &x)| *sum += x);
        }
        let factor = T::from_f64(1.0 / count as f64);
        centre.iter_mut().for_each(|sum| *sum *= factor);
        centre
    }

    fn scaled(&self, points: &[T], centre: &[T]) -> Scaled<T> {
        let factors: Vec<T> = (0..self.features).map(|k| self.inverse_lengthscale(k)).collect();
        let mut scaled = Vec::with_capacity(points.len());
        let mut squares = Vec::with_capacity(points.len() / self.features.max(1));
        for row in points.chunks_exact(self.features.max(1)) {
            let from = scaled.len();
            scaled.extend(row.iter().zip(centre).zip(&factors).map(|((&x, &c), &f)| (x - c) * f));
            squares.push(scaled[from..].iter().map(|&x| x * x).sum());
        }
        Scaled { points: scaled, squares }
    }

    fn both_scaled(&self) -> (Scaled<T>, Option<Scaled<T>>) {
        let centre = self.centre();
        (self.scaled(self.x, &centre), self.z.map(|z| self.scaled(z, &centre)))
    }

    /// Writes the matrix, `rows × columns`, and the squared distances if there is a place for them.
    pub fn forward(&self, out: &mut [T], mut squares: Option<&mut [T]>) {
        let (n, m, d) = (self.rows(), self.columns(), self.features);
        if n * m == 0 {
            return;
        }
        let (x, z) = self.both_scaled();
        let minus_two = -T::TWO;
        let par = parallelism(n * m * d);
        let of_z = z.as_ref().unwrap_or(&x);
        let (left, right) = (view(&x.points, n, d), view(&of_z.points, m, d).transpose());
        let triangle = if z.is_none() { TriangularLower } else { Rectangular };
        let target = (view_mut(out, n, m), triangle);
        T::triangular(target, Accum::Replace, (left, Rectangular), (right, Rectangular), minus_two, par);
        let lower = z.is_none();
        let parts = (Rows::new(&mut *out, m), squares.as_deref_mut().map(|squares| Rows::new(squares, m)));
        for_each(parts, (COSTLY_CHUNK / m).max(1), |start, (out, squares)| {
            let (out, mut squares) = (out.into_inner(), squares.map(Rows::into_inner));
            for (i, out) in out.chunks_exact_mut(m).enumerate() {
                let row = start + i;
                let len = if lower { row + 1 } else { m };
                let squares = squares.as_mut().map(|squares| &mut squares[i * m..i * m + len]);
                let (offset, of_z) = (x.squares[row], &of_z.squares[..len]);
                let (out, variance, alpha) = (&mut out[..len], self.variance, self.alpha);
                with_fall!(self.profile, F => dispatch(Fill::<F, T> { offset, of_z, variance, alpha, out, squares, fall: Default::default() }));
            }
        });
        if lower {
            // A point is at distance 0 from itself, whatever rounding says.
            for i in 0..n {
                out[i * n + i] = self.variance;
            }
            mirror(n, out);
            if let Some(squares) = squares {
                (0..n).for_each(|i| squares[i * n + i] = T::ZERO);
                mirror(n, squares);
            }
        }
    }

    /// The gradients of a loss from the matrix `out`, the squared distances that [`Stationary::forward`] kept (not
    /// needed by the exponentiated quadratic) and the gradient by the matrix; those by points only where `wants` says so.
    pub fn backward(
        &self,
        out: &[T],
        squares: &[T],
        grad_out: &[T],
        wants: [bool; 2],
    ) -> StationaryGradients<T> {
        let (n, m, d) = (self.rows(), self.columns(), self.features);
        let mut gradients =
            StationaryGradients { x: None, z: None, lengthscale: vec![0.0; d], variance: 0.0, alpha: 0.0 };
        let empty = |wanted: bool, len| wanted.then(|| vec![T::ZERO; len]);
        if n * m == 0 {
            gradients.x = empty(wants[0], self.x.len());
            gradients.z = empty(wants[1], self.z.map_or(0, <[T]>::len));
            return gradients;
        }
        let (x, z) = self.both_scaled();
        // Weights: the gradients by the squared distances; of a pair of points, for both of its places.
        let mut weights = vec![T::ZERO; n * m];
        let mut row_sums = vec![T::ZERO; n];
        let mut both = Vec::new();
        let grad = match z {
            None => {
                both.resize(n * n, T::ZERO);
                plus_transposed(n, grad_out, T::ONE, &mut both);
                &both
            }
            Some(_) => grad_out,
        };
        let parts = (Rows::new(weights.as_mut_slice(), m), row_sums.as_mut_slice());
        let [by_variance, by_alpha] = map_reduce(
            parts,
            (COSTLY_CHUNK / m).max(1),
            |start, (weights, row_sums)| {
                let mut sums = [0.0; 2];
                for (i, weights) in weights.into_inner().chunks_exact_mut(m).enumerate() {
                    let range = (start + i) * m..(start + i + 1) * m;
                    let squares = squares.get(range.clone()).unwrap_or(&[]);
                    let (out, grad) = (&out[range.clone()], &grad[range]);
                    let (variance, alpha) = (self.variance, self.alpha);
                    let (sum, row) = with_fall!(self.profile, F => dispatch(Weigh::<F, T> {
                        out, squares, grad, variance, alpha, weights, fall: Default::default()
                    }));
                    row_sums[i] = sum;
                    sums[0] += row[0];
                    sums[1] += row[1];
                }
                sums
            },
            |a, b| [a[0] + b[0], a[1] + b[1]],
        );
        // With both places of a pair in one weight, every term of the sums was counted twice.
        let once = if z.is_none() { 0.5 } else { 1.0 };
        gradients.variance = once * by_variance / self.variance.to_f64();
        gradients.alpha = once * by_alpha;
        let fit = |outcome: Result<(), _>| debug_assert!(outcome.is_ok(), "{outcome:?}");
        let pull = |points: &Scaled<T>, sums: &[T], pulled: &[T]| -> Vec<T> {
            let rows = points.points.chunks_exact(d).zip(pulled.chunks_exact(d)).zip(sums);
            let mut gradient = Vec::with_capacity(points.points.len());
            for ((point, pulled), &sum) in rows {
                let terms = point.iter().zip(pulled).enumerate();
                gradient
                    .extend(terms.map(|(k, (&x, &u))| T::TWO * (sum * x - u) * self.inverse_lengthscale(k)));
            }
            gradient
        };
        let mut spread = vec![0.0f64; d];
        let mut add_spread = |points: &[T], sums: &[T]| {
            for (row, &sum) in points.chunks_exact(d).zip(sums) {
                spread.iter_mut().zip(row).for_each(|(total, &x)| *total += (sum * x * x).to_f64());
            }
        };
        let overlap = |points: &[T], pulled: &[T]| {
            let mut overlap = vec![0.0f64; d];
            for (row, pulled) in points.chunks_exact(d).zip(pulled.chunks_exact(d)) {
                let terms = row.iter().zip(pulled).map(|(&x, &u)| (x * u).to_f64());
                overlap.iter_mut().zip(terms).for_each(|(total, term)| *total += term);
            }
            overlap
        };
        add_spread(&x.points, &row_sums);
        let overlap = match &z {
            None => {
                let mut pulled = vec![T::ZERO; n * d];
                let sides = ((weights.as_slice(), Transpose::No), (x.points.as_slice(), Transpose::No));
                fit(matmul([n, n, d], T::ONE, sides.0, sides.1, T::ZERO, &mut pulled));
                gradients.x = wants[0].then(|| pull(&x, &row_sums, &pulled));
                overlap(&x.points, &pulled)
            }
            Some(z) => {
                let ones = vec![T::ONE; n];
                let mut column_sums = vec![T::ZERO; m];
                fit(matvec_transposed([n, m], &weights, &ones, &mut column_sums));
                add_spread(&z.points, &column_sums);
                let mut known = None;
                if wants[0] || !wants[1] {
                    let mut pulled = vec![T::ZERO; n * d];
                    let sides = ((weights.as_slice(), Transpose::No), (z.points.as_slice(), Transpose::No));
                    fit(matmul([n, m, d], T::ONE, sides.0, sides.1, T::ZERO, &mut pulled));
                    gradients.x = wants[0].then(|| pull(&x, &row_sums, &pulled));
                    known = Some(overlap(&x.points, &pulled));
                }
                if wants[1] {
                    let mut pulled = vec![T::ZERO; m * d];
                    let sides = ((weights.as_slice(), Transpose::Yes), (x.points.as_slice(), Transpose::No));
                    fit(matmul([m, n, d], T::ONE, sides.0, sides.1, T::ZERO, &mut pulled));
                    gradients.z = Some(pull(z, &column_sums, &pulled));
                    known = known.or_else(|| Some(overlap(&z.points, &pulled)));
                }
                known.unwrap_or_default()
            }
        };
        // Both sides of a pair meet in one weight there, so the overlap is counted for both; here once for each side.
        let sides = if z.is_none() { 1.0 } else { 2.0 };
        for (k, total) in gradients.lengthscale.iter_mut().enumerate() {
            *total = -2.0 * self.inverse_lengthscale(k).to_f64() * (spread[k] - sides * overlap[k]);
        }
        gradients
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

const LANES: usize = 8;

/// A row of weights: its sum, and the sums of the gradients by the logarithm of the variance and by `alpha`.
struct Weigh<'a, F, T> {
    out: &'a [T],
    squares: &'a [T],
    grad: &'a [T],
    variance: T,
    alpha: T,
    weights: &'a mut [T],
    fall: std::marker::PhantomData<F>,
}

impl<F: Fall, T: Real> Kernel for Weigh<'_, F, T> {
    type Out = (T, [f64; 2]);
    #[inline(always)]
    fn run<A: Arch>(self) -> (T, [f64; 2]) {
        let len = self.weights.len();
        let (out, grad, weights) = (&self.out[..len], &self.grad[..len], self.weights);
        if self.squares.is_empty() {
            for j in 0..len {
                weights[j] = -T::HALF * out[j] * grad[j];
            }
        } else {
            let squares = &self.squares[..len];
            for j in 0..len {
                weights[j] = self.variance * F::at::<A, T>(squares[j], self.alpha).1 * grad[j];
            }
        }
        let mut sums = [[T::ZERO; LANES]; 2];
        let whole = len / LANES * LANES;
        for base in (0..whole).step_by(LANES) {
            for lane in 0..LANES {
                sums[0][lane] += weights[base + lane];
                sums[1][lane] += out[base + lane] * grad[base + lane];
            }
        }
        for j in whole..len {
            sums[0][0] += weights[j];
            sums[1][0] += out[j] * grad[j];
        }
        let [sum, by_variance] = sums.map(|lanes| lanes.into_iter().sum::<T>());
        // ∂k/∂α = k (u / (1 + u) - ln(1 + u)) with u = s / 2α.
        let by_alpha = if !F::MIXES {
            0.0
        } else {
            let term = |j: usize| {
                let u = T::HALF * self.squares[j] / self.alpha;
                out[j] * grad[j] * (u / (T::ONE + u) - math::ln_1p::<A, T>(u))
            };
            (0..len).map(|j| term(j).to_f64()).sum()
        };
        (sum, [by_variance.to_f64(), by_alpha])
    }
}

/// Side of the squares that a transposition goes by: two of them fit the level-1 cache.
const TILE: usize = 32;

/// Copies the lower triangle of a square matrix to the upper one.
fn mirror<T: Real>(n: usize, matrix: &mut [T]) {
    for top in (0..n).step_by(TILE) {
        for left in (0..=top).step_by(TILE) {
            for i in top..(top + TILE).min(n) {
                for j in left..(left + TILE).min(i) {
                    matrix[j * n + i] = matrix[i * n + j];
                }
            }
        }
    }
}

/// `factor (M + Mᵀ)` of a square matrix `M`.
pub(super) fn plus_transposed<T: Real>(n: usize, matrix: &[T], factor: T, sum: &mut [T]) {
    for_each(Rows::new(sum, n), TILE, |start, rows| {
        let rows = rows.into_inner();
        for left in (0..n).step_by(TILE) {
            for (i, row) in rows.chunks_exact_mut(n).enumerate() {
                let i = start + i;
                for j in left..(left + TILE).min(n) {
                    row[j] = factor * (matrix[i * n + j] + matrix[j * n + i]);
                }
            }
        }
    });
}
