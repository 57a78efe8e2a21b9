//! Covariance functions made of others.

use std::sync::Arc;

use ed_core::tensor::{Float, Var};
use ed_core::trace::nested_as;
use ed_core::{Error, Result};

use super::{Kernel, Points};
use crate::gp::positive::Positive;

macro_rules! pairs {
    ($($(#[$doc:meta])* $name:ident $operator:tt;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name<A, B> {
            pub(super) left: A,
            pub(super) right: B,
        }

        impl<A: Kernel, B: Kernel> Kernel for $name<A, B> {
            fn matrix<E: Float>(&self, x: &Points<E>, z: &Points<E>) -> Result<Var<(usize, usize), E>> {
                let left = nested_as("left", || self.left.matrix(x, z))?;
                (left $operator nested_as("right", || self.right.matrix(x, z))?).check()
            }

            fn gram<E: Float>(&self, x: &Points<E>) -> Result<Var<(usize, usize), E>> {
                let left = nested_as("left", || self.left.gram(x))?;
                (left $operator nested_as("right", || self.right.gram(x))?).check()
            }

            fn diag<E: Float>(&self, x: &Points<E>) -> Result<Var<(usize,), E>> {
                let left = nested_as("left", || self.left.diag(x))?;
                (left $operator nested_as("right", || self.right.diag(x))?).check()
            }
        }
    )+};
}

pairs! {
    /// `k₁(x, z) + k₂(x, z)`: the sum of two independent functions.
    Sum +;
    /// `k₁(x, z) k₂(x, z)`.
    Product *;
}

/// `v k(x, z)`: a function times `√v`.
#[derive(Clone, Debug)]
pub struct Scaled<K> {
    pub(super) kernel: K,
    pub(super) variance: Positive,
}

impl<K: Kernel> Scaled<K> {
    fn factor<E: Float>(&self) -> Result<Var<(), E>> {
        self.variance.read("Scaled", "factor", ())
    }
}

impl<K: Kernel> Kernel for Scaled<K> {
    fn matrix<E: Float>(&self, x: &Points<E>, z: &Points<E>) -> Result<Var<(usize, usize), E>> {
        (self.kernel.matrix(x, z)? * self.factor()?).check()
    }

    fn gram<E: Float>(&self, x: &Points<E>) -> Result<Var<(usize, usize), E>> {
        (self.kernel.gram(x)? * self.factor()?).check()
    }

    fn diag<E: Float>(&self, x: &Points<E>) -> Result<Var<(usize,), E>> {
        (self.kernel.diag(x)? * self.factor()?).check()
    }
}

/// A covariance function of some of the features.
#[derive(Clone, Debug)]
pub struct OnFeatures<K> {
    pub(super) kernel: K,
    pub(super) features: Arc<[usize]>,
}

impl<K> OnFeatures<K> {
    fn chosen<E: Float>(&self, x: &Points<E>) -> Result<Points<E>> {
        if let Some(feature) = self.features.iter().find(|&&feature| feature >= x.shape().1) {
            let must_be = "places of features that the points have";
            let got = format!("{feature} for points of {} features", x.shape().1);
            return Err(Error::Parameter { of: "Kernel::on", name: "features", must_be, got });
        }
        let columns: Var<(usize, usize), E> = x.transpose().gather(&self.features)?;
        Ok(columns.transpose())
    }
}

impl<K: Kernel> Kernel for OnFeatures<K> {
    fn matrix<E: Float>(&self, x: &Points<E>, z: &Points<E>) -> Result<Var<(usize, usize), E>> {
        self.kernel.matrix(&self.chosen(x)?, &self.chosen(z)?)
    }

    fn gram<E: Float>(&self, x: &Points<E>) -> Result<Var<(usize, usize), E>> {
        self.kernel.gram(&self.chosen(x)?)
    }

    fn diag<E: Float>(&self, x: &Points<E>) -> Result<Var<(usize,), E>> {
        self.kernel.diag(&self.chosen(x)?)
    }
}
