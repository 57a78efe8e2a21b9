//! Covariance functions: what the values of a random function at two points have in common.
//!
//! They compose: `ExponentiatedQuadratic::new() * Linear::new() + White::new()`. Their numbers are trained under names,
//! `kernel/raw_lengthscale`, unless they are fixed; those of a composition are told apart by their places
//! (`kernel/left/raw_variance`).

mod combine;
mod linear;
mod periodic;
mod stationary;
mod white;

use std::fmt::Debug;

use ed_core::Result;
use ed_core::tensor::{Float, Var};

pub use combine::{OnFeatures, Product, Scaled, Sum};
pub use linear::Linear;
pub use periodic::Periodic;
pub use stationary::{
    ExponentiatedQuadratic, Form, Matern12, Matern32, Matern52, RationalQuadratic, Stationary, form,
};
pub use white::White;
pub(crate) use white::identity;

use super::positive::Positive;

/// Points, one a row: `[points, features]`.
pub type Points<E> = Var<(usize, usize), E>;

/// A covariance function `k(x, z)`: symmetric and positive semi-definite.
pub trait Kernel: Clone + Debug + Send + Sync + 'static {
    /// The covariances between two sets of points: `[N, features], [M, features] → [N, M]`.
    ///
    /// # Errors
    /// A misfit of shapes, a number out of its domain, or the error of reading a parameter.
    fn matrix<E: Float>(&self, x: &Points<E>, z: &Points<E>) -> Result<Var<(usize, usize), E>>;

    /// The covariances of points with one another, `[N, N]`, symmetric: with the noise of [`White`] on the diagonal.
    ///
    /// # Errors
    /// As [`Kernel::matrix`].
    fn gram<E: Float>(&self, x: &Points<E>) -> Result<Var<(usize, usize), E>> {
        self.matrix(x, x)
    }

    /// The variances, the diagonal of [`Kernel::gram`]: `[N]`.
    ///
    /// # Errors
    /// As [`Kernel::matrix`].
    fn diag<E: Float>(&self, x: &Points<E>) -> Result<Var<(usize,), E>>;

    /// Times a number, trained from 1 unless said otherwise.
    fn scaled(self, variance: impl Into<Positive>) -> Scaled<Self> {
        Scaled { kernel: self, variance: variance.into() }
    }

    /// On some of the features only, by their places.
    fn on(self, features: &[usize]) -> OnFeatures<Self> {
        OnFeatures { kernel: self, features: features.into() }
    }
}

/// A number repeated for every point.
fn repeated<E: Float>(number: &Var<(), E>, points: &Points<E>) -> Result<Var<(usize,), E>> {
    number.broadcast_to((points.shape().0,))
}

/// `+` and `*` between covariance functions.
macro_rules! compose {
    ($([$($generics:tt)*] $kernel:ty;)+) => {$(
        impl<$($generics)* Other: $crate::gp::kernels::Kernel> std::ops::Add<Other> for $kernel {
            type Output = $crate::gp::kernels::Sum<Self, Other>;
            fn add(self, other: Other) -> Self::Output {
                $crate::gp::kernels::Sum { left: self, right: other }
            }
        }
        impl<$($generics)* Other: $crate::gp::kernels::Kernel> std::ops::Mul<Other> for $kernel {
            type Output = $crate::gp::kernels::Product<Self, Other>;
            fn mul(self, other: Other) -> Self::Output {
                $crate::gp::kernels::Product { left: self, right: other }
            }
        }
    )+};
}

compose! {
    [F: Form,] Stationary<F>;
    [] Periodic;
    [] Linear;
    [] White;
    [A: Kernel, B: Kernel,] Sum<A, B>;
    [A: Kernel, B: Kernel,] Product<A, B>;
    [K: Kernel,] Scaled<K>;
    [K: Kernel,] OnFeatures<K>;
}
