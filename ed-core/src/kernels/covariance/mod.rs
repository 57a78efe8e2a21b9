//! Matrices of stationary covariance functions, with their backwards: distances by a product, the function and its
//! slope in one pass over the matrix.

mod backward;
mod direct;
mod forward;

use super::dispatch::{Arch, Kernel, dispatch};
use super::float::Real;
use super::math;
use super::parallel::{CHUNK, Rows, for_each};

pub use backward::{Matrix, NumberGradients, PointGradients};

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

/// A squared distance that leaves room for what profiles make of it. Where it overflows, points are that far apart.
#[inline(always)]
fn bounded<T: Real>(s: T) -> T {
    let most = T::MAX * T::from_f64(0.125);
    // NaN stays.
    if s > most { most } else { s }
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
        let r = (T::from_f64(3.0) * bounded(s)).sqrt();
        let e = math::exp::<A, T>(-r);
        ((T::ONE + r) * e, T::from_f64(-1.5) * e)
    }
}

impl Fall for FiveHalves {
    #[inline(always)]
    fn at<A: Arch, T: Real>(s: T, _: T) -> (T, T) {
        let square = T::from_f64(5.0) * bounded(s);
        let r = square.sqrt();
        let e = math::exp::<A, T>(-r);
        ((T::ONE + r + square * T::from_f64(1.0 / 3.0)) * e, T::from_f64(-5.0 / 6.0) * (T::ONE + r) * e)
    }
}

impl Fall for Rational {
    const MIXES: bool = true;
    #[inline(always)]
    fn at<A: Arch, T: Real>(s: T, alpha: T) -> (T, T) {
        let u = bounded(T::HALF * s / alpha);
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

use with_fall;

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

/// Multiplications that are worth a second core.
const PARALLEL: usize = 1 << 18;

impl<T: Real> Stationary<'_, T> {
    fn rows(&self) -> usize {
        self.x.len() / self.features.max(1)
    }

    fn columns(&self) -> usize {
        self.z.unwrap_or(self.x).len() / self.features.max(1)
    }

    /// Whether the matrix is worth a second core.
    fn several(&self) -> bool {
        self.rows() * self.columns() * self.features.max(LANES) > PARALLEL
    }

    fn inverse_lengthscale(&self, k: usize) -> T {
        let inverse = T::ONE / self.lengthscale[if self.lengthscale.len() == 1 { 0 } else { k }];
        // Points at one place are at distance 0, however short the lengthscale is.
        if inverse > T::MAX { T::MAX } else { inverse }
    }

    fn in_lengthscales(&self) -> Scale<T> {
        // Distances do not change if both sides move by the mean of the columns' points, and the product that they are
        // found by loses no digits to a common offset.
        let (z, count) = (self.z.unwrap_or(self.x), self.columns().max(1));
        let mut centre = vec![T::ZERO; self.features];
        for row in z.chunks_exact(self.features.max(1)) {
            centre.iter_mut().zip(row).for_each(|(sum, &x)| *sum += x);
        }
        let factor = T::from_f64(1.0 / count as f64);
        centre.iter_mut().for_each(|sum| *sum *= factor);
        Scale { centre, factors: (0..self.features).map(|k| self.inverse_lengthscale(k)).collect() }
    }
}

/// How points become numbers of lengthscales from a centre.
struct Scale<T> {
    centre: Vec<T>,
    factors: Vec<T>,
}

impl<T: Real> Scale<T> {
    /// Writes the points, and the square of each one's length if there is a place for them.
    fn apply(&self, points: &[T], scaled: &mut [T], squares: Option<&mut [T]>) {
        let d = self.factors.len().max(1);
        let parts = (Rows::new(points, d), Rows::new(scaled, d), squares);
        for_each(parts, (CHUNK / d).max(1), |_, (points, scaled, squares)| {
            let (points, scaled) = (points.into_inner(), scaled.into_inner());
            dispatch(ScaleRows { scale: self, points, scaled, squares });
        });
    }
}

struct ScaleRows<'a, T> {
    scale: &'a Scale<T>,
    points: &'a [T],
    scaled: &'a mut [T],
    squares: Option<&'a mut [T]>,
}

const LANES: usize = 16;

impl<T: Real> Kernel for ScaleRows<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<A: Arch>(self) {
        let Scale { centre, factors } = self.scale;
        let d = factors.len();
        for (row, scaled) in self.points.chunks_exact(d).zip(self.scaled.chunks_exact_mut(d)) {
            for k in 0..d {
                scaled[k] = (row[k] - centre[k]) * factors[k];
            }
        }
        let Some(squares) = self.squares else { return };
        for (row, square) in self.scaled.chunks_exact(d).zip(squares) {
            let (blocks, rest) = row.as_chunks::<LANES>();
            let mut sums = [T::ZERO; LANES];
            for block in blocks {
                for lane in 0..LANES {
                    sums[lane] = block[lane].mul_add::<A>(block[lane], sums[lane]);
                }
            }
            *square = sums.into_iter().sum::<T>() + rest.iter().map(|&x| x * x).sum::<T>();
        }
    }
}
