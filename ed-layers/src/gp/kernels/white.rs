//! Noise.

use ed_core::Result;
use ed_core::tensor::{Float, Var};

use super::{Kernel, Points, repeated};
use crate::gp::positive::Positive;

/// Independent noise of variance `v` at every point: on the diagonal of [`Kernel::gram`], and nowhere in
/// [`Kernel::matrix`], whose points are others even where they lie at one place. Starts at 1 and is trained.
#[derive(Clone, Debug)]
pub struct White {
    variance: Positive,
}

impl Default for White {
    fn default() -> White {
        White { variance: Positive::Trained(1.0) }
    }
}

impl White {
    /// With a trained variance.
    pub fn new() -> White {
        White::default()
    }

    /// With another variance: a number to train it from, or [`Positive::Fixed`].
    pub fn variance(self, variance: impl Into<Positive>) -> Self {
        White { variance: variance.into() }
    }
}

impl Kernel for White {
    fn matrix<E: Float>(&self, x: &Points<E>, z: &Points<E>) -> Result<Var<(usize, usize), E>> {
        Ok(Var::zeros((x.shape().0, z.shape().0)))
    }

    fn gram<E: Float>(&self, x: &Points<E>) -> Result<Var<(usize, usize), E>> {
        let variance = self.variance.read::<_, E>("White", "variance", ())?;
        (identity(x.shape().0) * variance).check()
    }

    fn diag<E: Float>(&self, x: &Points<E>) -> Result<Var<(usize,), E>> {
        repeated(&self.variance.read("White", "variance", ())?, x)
    }
}

/// The identity matrix.
pub(crate) fn identity<E: Float>(order: usize) -> Var<(usize, usize), E> {
    let ones = (0..order * order).map(|i| if i / order == i % order { E::ONE } else { E::ZERO });
    match Var::from_vec(ones.collect(), (order, order)) {
        Ok(identity) => identity,
        Err(_) => unreachable!("there are as many numbers as the shape says"),
    }
}
