//! Covariance functions of the distance between two points.

use std::fmt::Debug;
use std::marker::PhantomData;

use ed_core::Result;
use ed_core::ops::{Hyperparameters, Profile, stationary_covariance};
use ed_core::tensor::{Float, Var};

use super::{Kernel, Points, repeated};
use crate::gp::positive::Positive;

/// How a covariance falls with the distance, as a type.
pub trait Form: Clone + Copy + Debug + Default + Send + Sync + 'static {
    /// As the operation knows it.
    const PROFILE: Profile;
    /// The name of the covariance function.
    const NAME: &'static str;
}

macro_rules! forms {
    ($($(#[$doc:meta])* $name:ident;)+) => {
        pub mod form {
            //! How covariances fall with the distance.

            $(
                #[doc = concat!("See [`", stringify!($name), "`](super::", stringify!($name), ").")]
                #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
                pub struct $name;

                impl super::Form for $name {
                    const PROFILE: ed_core::ops::Profile = ed_core::ops::Profile::$name;
                    const NAME: &'static str = stringify!($name);
                }
            )+
        }
        $(
            $(#[$doc])*
            pub type $name = Stationary<form::$name>;
        )+
    };
}

forms! {
    /// `v exp(-r²/2)`: very smooth functions.
    ExponentiatedQuadratic;
    /// `v exp(-r)`: rough functions, as those of a random walk pulled to its mean.
    Matern12;
    /// `v (1 + √3 r) exp(-√3 r)`: functions with one derivative.
    Matern32;
    /// `v (1 + √5 r + 5r²/3) exp(-√5 r)`: functions with two derivatives.
    Matern52;
    /// `v (1 + r²/2α)^(-α)`: functions of many lengthscales, more of them for a smaller `α`.
    RationalQuadratic;
}

/// A covariance that depends on the distance `r = ‖(x - z) / ℓ‖` alone, with variance `v` at distance 0.
///
/// The lengthscale `ℓ` is one number for all features, or, after [`Stationary::ard`], one for each (automatic relevance
/// determination). It starts at the square root of the number of features, about as far apart as standardised points
/// are, and the variance at 1; both are trained.
///
/// # Source
/// Rasmussen and Williams 2006, "Gaussian Processes for Machine Learning", section 4.2.1.
///
/// # Examples
/// ```
/// use ed::layers::gp::kernels::{ExponentiatedQuadratic, Kernel};
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let x = Var::from_vec(vec![0.0f64, 2.0], (2usize, 1usize))?;
/// let k = ExponentiatedQuadratic::new().lengthscale(2.0).variance(3.0).gram(&x)?;
/// assert!((k.to_vec()?[1] - 3.0 * (-0.5f64).exp()).abs() < 1e-12);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Stationary<F> {
    lengthscale: Option<Positive>,
    ard: bool,
    variance: Positive,
    alpha: Positive,
    form: PhantomData<F>,
}

impl<F: Form> Default for Stationary<F> {
    fn default() -> Self {
        let one = Positive::Trained(1.0);
        Stationary { lengthscale: None, ard: false, variance: one, alpha: one, form: PhantomData }
    }
}

impl<F: Form> Stationary<F> {
    /// With a trained lengthscale and a trained variance.
    pub fn new() -> Self {
        Stationary::default()
    }

    /// With another lengthscale: a number to train it from, or [`Positive::Fixed`].
    pub fn lengthscale(self, lengthscale: impl Into<Positive>) -> Self {
        Stationary { lengthscale: Some(lengthscale.into()), ..self }
    }

    /// With another variance: a number to train it from, or [`Positive::Fixed`].
    pub fn variance(self, variance: impl Into<Positive>) -> Self {
        Stationary { variance: variance.into(), ..self }
    }

    /// With a lengthscale for each feature.
    pub fn ard(self) -> Self {
        Stationary { ard: true, ..self }
    }

    fn read<E: Float, T>(
        &self,
        features: usize,
        with: impl FnOnce(Hyperparameters<'_, E>) -> Result<T>,
    ) -> Result<T> {
        let start = self.lengthscale.unwrap_or(Positive::Trained((features.max(1) as f64).sqrt()));
        let lengthscale = match self.ard {
            true => start.read::<_, E>(F::NAME, "lengthscale", (features,))?.into_value(),
            false => start.read::<_, E>(F::NAME, "lengthscale", ())?.into_value(),
        };
        let variance = self.variance.read::<_, E>(F::NAME, "variance", ())?.into_value();
        let alpha = match F::PROFILE {
            Profile::RationalQuadratic => Some(self.alpha.read::<_, E>(F::NAME, "alpha", ())?.into_value()),
            _ => None,
        };
        with(Hyperparameters { lengthscale: &lengthscale, variance: &variance, alpha: alpha.as_ref() })
    }
}

impl RationalQuadratic {
    /// With another mixture parameter: a number to train it from (1, unless said otherwise), or [`Positive::Fixed`].
    pub fn alpha(self, alpha: impl Into<Positive>) -> Self {
        Stationary { alpha: alpha.into(), ..self }
    }
}

impl<F: Form> Kernel for Stationary<F> {
    fn matrix<E: Float>(&self, x: &Points<E>, z: &Points<E>) -> Result<Var<(usize, usize), E>> {
        let matrix = |numbers: Hyperparameters<'_, E>| {
            stationary_covariance(F::PROFILE, x.value(), Some(z.value()), numbers)
        };
        Var::from_value(self.read(x.shape().1, matrix)?)
    }

    fn gram<E: Float>(&self, x: &Points<E>) -> Result<Var<(usize, usize), E>> {
        let gram =
            |numbers: Hyperparameters<'_, E>| stationary_covariance(F::PROFILE, x.value(), None, numbers);
        Var::from_value(self.read(x.shape().1, gram)?)
    }

    fn diag<E: Float>(&self, x: &Points<E>) -> Result<Var<(usize,), E>> {
        repeated(&self.variance.read(F::NAME, "variance", ())?, x)
    }
}
