//! A kernel that is a parameter.

use dfdx::shapes::Shape;
use ed_core::Result;
use ed_core::tensor::{Float, Var};

use super::{Estimator, Slot};
use crate::geometry::Geometry;

/// `K(x, w)` with one trainable kernel `w`, and no uncertainty.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Deterministic;

impl Estimator for Deterministic {
    const NAME: &'static str = "Deterministic";
    type Drawn<K: Shape, E: Float> = Var<K, E>;

    fn draw<K: Shape, E: Float>(&self, slot: &Slot<K>) -> Result<Var<K, E>> {
        slot.param()
    }

    fn apply<S: Shape, E: Float, G: Geometry<S>>(
        drawn: &Var<G::Kernel, E>,
        geometry: &G,
        x: &Var<S, E>,
    ) -> Result<Var<G::Out, E>> {
        geometry.apply(x, drawn)
    }

    fn kernel<K: Shape, E: Float>(drawn: &Var<K, E>) -> Option<&Var<K, E>> {
        Some(drawn)
    }
}
