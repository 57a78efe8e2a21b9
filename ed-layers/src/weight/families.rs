//! Priors of independent numbers that have no closed divergence from a normal: `log q - log p` at the draw stands for
//! it, an unbiased estimate.

use std::sync::Arc;

use dfdx::shapes::Shape;
use ed_core::Result;
use ed_core::distributions::erased::AnyDistribution;
use ed_core::distributions::{Cauchy, Laplace};
use ed_core::tensor::{Float, Var};

use super::prior::{Law, Prior, WeightSite};
use super::sizes::{Family, in_sizes_of};

macro_rules! families {
    ($($(#[$doc:meta])* $prior:ident of $distribution:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Debug)]
        pub struct $prior {
            /// Location.
            pub loc: f64,
            /// Scale.
            pub scale: f64,
        }

        impl Default for $prior {
            /// Around 0, with scale 1.
            fn default() -> $prior {
                $prior { loc: 0.0, scale: 1.0 }
            }
        }

        impl Family for $prior {
            fn sized<S: Shape, E: Float>(&self, shape: S) -> Result<Arc<dyn AnyDistribution>> {
                let (loc, scale) = (Var::<(), E>::scalar(self.loc), Var::<(), E>::scalar(self.scale));
                Ok(Arc::new($distribution::new(loc, scale)?.expand(shape)?))
            }
        }

        impl Prior for $prior {
            fn law(&self, weight: &WeightSite) -> Result<Law> {
                Ok(Law::Other(in_sizes_of(self, weight)?))
            }
        }
    )+};
}

families! {
    /// Independent Laplace numbers: most weights small, some large.
    ///
    /// The divergence is `log q - log p` at the draw, an unbiased estimate, which may be negative.
    ///
    /// # Examples
    /// ```
    /// use ed::layers::weight::LaplacePrior;
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let sparse = Reparameterization::default().prior(LaplacePrior { loc: 0.0, scale: 0.1 });
    /// let layer = Dense::<Reparameterization>::new(2).estimator(sparse);
    /// let x: Var<_, f32> = Var::ones((4usize, 3usize));
    /// let (_, trace) = seed(0, || tape(&|| layer.forward(&x)))?;
    /// assert_eq!(trace.required("dense/kernel")?.distribution.name(), "Laplace");
    /// # Ok(()) }
    /// ```
    LaplacePrior of Laplace;

    /// Independent Cauchy numbers: tails so heavy that a large weight costs little.
    ///
    /// The divergence is `log q - log p` at the draw, an unbiased estimate, which may be negative. As a normal weight takes
    /// both signs, this stands for the half-Cauchy prior too.
    CauchyPrior of Cauchy;
}
