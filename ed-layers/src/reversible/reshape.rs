//! [`Reshape`]: the numbers of each row in other axes.

use std::sync::Arc;

use dfdx::shapes::{Dim, Shape};
use ed_core::bijectors::{Bijector, Reshape as Axes};
use ed_core::distributions::{Distribution, Transformed};
use ed_core::tensor::{Float, Var};
use ed_core::{Error, RandomVariable, Result};

use super::bind::{Binding, Reversible};
use crate::layer::{Apply, Layer};

/// The axes behind the first as other axes with as many numbers: rows become images, and images rows. It keeps volumes.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let base = seed(0, || sample(Normal::standard((5usize, 6usize))?))?;
/// # let _: &Var<_, f32> = &base;
/// let images = Reshape::to([2, 3, 1]).forward(&base)?;
/// assert_eq!(images.shape(), &(5, 2, 3, 1));
/// // One density for each image: that of its row.
/// assert_eq!(images.distribution().log_prob(&images)?.shape(), &(5,));
/// assert_eq!(Reshape::to([6]).forward(&images)?.to_vec()?, base.to_vec()?);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reshape<const AXES: usize> {
    sizes: [usize; AXES],
}

impl<const AXES: usize> Reshape<AXES> {
    /// To axes of these sizes.
    pub fn to(sizes: [usize; AXES]) -> Reshape<AXES> {
        Reshape { sizes }
    }
}

impl<const AXES: usize> Layer for Reshape<AXES> {
    fn kind(&self) -> &'static str {
        "Reshape"
    }
}

impl<E: Float, const AXES: usize> Reversible<E> for Reshape<AXES> {
    fn bijector(&self, at: &Binding<E>) -> Result<Arc<dyn Bijector<E>>> {
        let Some((_, from)) = at.dims.split_first() else {
            let expected = "with a first axis of rows".to_string();
            return Err(Error::Shape { op: "Reshape", expected, got: at.dims });
        };
        Ok(Arc::new(Axes::new(from.iter().copied(), self.sizes)?))
    }
}

/// A shape whose axes behind the first can be `AXES` others.
pub trait WithAxes<const AXES: usize>: Shape {
    /// The shape with the other axes.
    type Out: Shape;
    /// The first axis alone.
    type Front: Shape;
}

macro_rules! with_axes {
    ($($axis:ident)+) => {
        with_axes! { @ [$($axis)+] 1 [usize] }
        with_axes! { @ [$($axis)+] 2 [usize usize] }
        with_axes! { @ [$($axis)+] 3 [usize usize usize] }
        with_axes! { @ [$($axis)+] 4 [usize usize usize usize] }
        with_axes! { @ [$($axis)+] 5 [usize usize usize usize usize] }
    };
    (@ [$($axis:ident)+] $axes:literal [$($size:ident)+]) => {
        impl<N: Dim, $($axis: Dim),+> WithAxes<$axes> for (N, $($axis),+) {
            type Out = (N, $($size),+);
            type Front = (N,);
        }
    };
}

with_axes! { A }
with_axes! { A B }
with_axes! { A B C }
with_axes! { A B C D }
with_axes! { A B C D F }

impl<const AXES: usize, E: Float, S: WithAxes<AXES>> Apply<Var<S, E>> for Reshape<AXES> {
    type Output = Var<S::Out, E>;
    fn apply(&self, x: Var<S, E>) -> Result<Self::Output> {
        Var::from_value(self.bijector(&Binding::input(x.value().check()?))?.forward(x.value())?)
    }
}

impl<const AXES: usize, D> Apply<RandomVariable<D>> for Reshape<AXES>
where
    D: Distribution,
    D::Shape: WithAxes<AXES>,
{
    type Output = RandomVariable<
        Transformed<D, <D::Shape as WithAxes<AXES>>::Out, <D::Shape as WithAxes<AXES>>::Front>,
    >;
    fn apply(&self, base: RandomVariable<D>) -> Result<Self::Output> {
        let bijector = self.bijector(&Binding::input(base.var().value()))?;
        Transformed::of_variable(&base, bijector)
    }
}
