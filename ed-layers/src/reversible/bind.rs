//! What a reversible layer is: a layer that makes a bijector of its parameters.

use std::sync::Arc;

use dfdx::shapes::Shape;
use ed_core::bijectors::Bijector;
use ed_core::distributions::{Distribution, Transformed};
use ed_core::params::{Params, make_params, repeated};
use ed_core::tensor::{Dims, Float, Value, Var, WithoutLast};
use ed_core::{RandomVariable, Result};

use crate::layer::Layer;
use crate::scope;

/// The side of a bijector that a tensor lies on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// What goes in: the side of the base.
    Input,
    /// What comes out: the side of the data.
    Output,
}

/// What a reversible layer is told when it makes its bijector.
#[derive(Clone, Debug)]
pub struct Binding<E: Float> {
    /// Sizes of a tensor on the layer's input side: `[…, features]`.
    pub dims: Dims,
    /// Numbers on one of the sides, from which a layer such as [`ActNorm`](super::ActNorm) may start.
    pub data: Option<(Side, Value<E>)>,
    /// What the bijector is conditioned on: `[…, K]`, with the axes in front that the tensor has, or none.
    pub context: Option<Value<E>>,
}

impl<E: Float> Binding<E> {
    /// For tensors of these sizes, without data.
    pub fn of(dims: Dims) -> Binding<E> {
        Binding { dims, data: None, context: None }
    }

    /// For this input.
    pub fn input(x: &Value<E>) -> Binding<E> {
        Binding { data: Some((Side::Input, x.clone())), ..Binding::of(*x.dims()) }
    }

    /// With a context.
    pub fn given(self, context: &Value<E>) -> Binding<E> {
        Binding { context: Some(context.clone()), ..self }
    }

    /// For the next layer, behind this one, or the one before.
    pub(crate) fn beyond(&self, bijector: &dyn Bijector<E>, side: Side) -> Result<Binding<E>> {
        let dims = match side {
            Side::Input => bijector.forward_dims(self.dims),
            Side::Output => self.dims,
        };
        let data = match &self.data {
            Some((Side::Input, x)) if side == Side::Input => Some((side, repeated(|| bijector.forward(x))?)),
            Some((Side::Output, y)) if side == Side::Output => {
                Some((side, repeated(|| bijector.inverse(y))?))
            }
            _ => None,
        };
        Ok(Binding { dims, data, context: self.context.clone() })
    }
}

/// The distribution of a base pushed through reversible layers: one density for each row of features.
pub type Flow<D> = Transformed<D, <D as Distribution>::Shape, WithoutLast<<D as Distribution>::Shape>>;

/// A layer that is invertible, with a known Jacobian determinant.
///
/// It reads its parameters once and binds them into a [`Bijector`], which is a value as any other: it maps tensors both
/// ways, pushes distributions, and lives on when the run that the parameters belong to has ended. Applied to a tensor,
/// the layer transforms it; applied to a random variable, it gives the random variable with the transformed
/// distribution, and the value goes along; applied to either and a context, `(x, context)`, it gives the transformed one
/// and the context, for the next layer.
///
/// A layer's last axis is its features; the axes in front are independent.
pub trait Reversible<E: Float>: Layer {
    /// Makes the bijector, with the layer's name already in force. Implement this; call [`Reversible::bind`].
    ///
    /// # Errors
    /// See [`Reversible::bind`].
    fn bijector(&self, at: &Binding<E>) -> Result<Arc<dyn Bijector<E>>>;

    /// Reads the parameters and makes the bijector.
    ///
    /// # Errors
    /// A misfit of sizes; a parameter in the store of another shape;
    /// [`Error::Unseeded`](ed_core::Error::Unseeded) if a parameter has to be made and no key is in force.
    fn bind(&self, at: &Binding<E>) -> Result<Arc<dyn Bijector<E>>>
    where
        Self: Sized,
    {
        scope::enter(self, || self.bijector(at))
    }

    /// The distribution of the base pushed through the layer. Nothing is drawn, so that this is the way to a density
    /// whose draws are dear, as those of a masked autoregressive flow are.
    ///
    /// # Errors
    /// As [`Reversible::bind`] and [`Transformed::typed`].
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let flow = RealNvp::new(Made::new([16]));
    /// let x = Var::<_, f64>::ones((5usize, 2usize));
    /// // A flow starts as the identity.
    /// let density = seed(0, || flow.distribution(Normal::standard((5usize, 2usize))?))?;
    /// assert!((density.log_prob(&x)?.to_vec()?[4] + 1.0 + std::f64::consts::TAU.ln()).abs() < 1e-12);
    /// # Ok(()) }
    /// ```
    fn distribution<D: Distribution<Elem = E>>(&self, base: D) -> Result<Flow<D>>
    where
        Self: Sized,
    {
        let bijector = self.bind(&Binding::of(Dims::of(&base.shape())))?;
        Transformed::typed(base, bijector)
    }

    /// As [`Reversible::distribution`], conditioned on a context.
    ///
    /// # Errors
    /// As there, and a misfit of the context.
    fn distribution_given<D: Distribution<Elem = E>, S: Shape>(
        &self,
        base: D,
        context: &Var<S, E>,
    ) -> Result<Flow<D>>
    where
        Self: Sized,
    {
        let bijector = self.bind(&Binding::of(Dims::of(&base.shape())).given(context.value()))?;
        Transformed::typed(base, bijector)
    }

    /// Makes the parameters that `params` lacks such that layers with a data-dependent start, such as
    /// [`ActNorm`](super::ActNorm), map these data to a standardised input.
    ///
    /// # Errors
    /// As [`Reversible::bind`], and those of the bijectors.
    fn init_from<S: Shape>(&self, params: &mut Params, data: &Var<S, E>) -> Result<()>
    where
        Self: Sized,
    {
        let data = data.value().check()?.detach();
        make_params(params, || {
            // The sizes of the input follow from a bijector that has none of the data yet.
            let dims = *data.dims();
            self.bind(&Binding { data: Some((Side::Output, data)), ..Binding::of(dims) })
        })?;
        Ok(())
    }
}

/// Binds a layer to a random variable, which becomes the transformed one.
pub(crate) fn push<D: Distribution, L: Reversible<D::Elem>>(
    layer: &L,
    base: &RandomVariable<D>,
    context: Option<&Value<D::Elem>>,
) -> Result<RandomVariable<Flow<D>>> {
    let at = Binding { context: context.cloned(), ..Binding::input(base.var().value()) };
    Transformed::of_variable(base, layer.bijector(&at)?)
}

/// Binds a layer to a tensor and transforms it.
pub(crate) fn transform<S: Shape, E: Float, L: Reversible<E>>(
    layer: &L,
    x: &Var<S, E>,
    context: Option<&Value<E>>,
) -> Result<Var<S, E>> {
    let at = Binding { context: context.cloned(), ..Binding::input(x.value().check()?) };
    Var::from_value(layer.bijector(&at)?.forward(x.value())?)
}

/// What reversible layers do with inputs: tensors, random variables, and either with a context.
macro_rules! reversible_inputs {
    ($([$($generics:tt)*] $layer:ty;)+) => {$(
        impl<$($generics)* S: dfdx::shapes::Shape, E: ed_core::tensor::Float>
            $crate::Apply<ed_core::tensor::Var<S, E>> for $layer
        where
            Self: $crate::reversible::Reversible<E>,
        {
            type Output = ed_core::tensor::Var<S, E>;
            fn apply(&self, x: ed_core::tensor::Var<S, E>) -> ed_core::Result<Self::Output> {
                $crate::reversible::bind::transform(self, &x, None)
            }
        }

        impl<$($generics)* S, C, E> $crate::Apply<(ed_core::tensor::Var<S, E>, ed_core::tensor::Var<C, E>)> for $layer
        where
            S: dfdx::shapes::Shape,
            C: dfdx::shapes::Shape,
            E: ed_core::tensor::Float,
            Self: $crate::reversible::Reversible<E>,
        {
            type Output = (ed_core::tensor::Var<S, E>, ed_core::tensor::Var<C, E>);
            fn apply(
                &self,
                (x, context): (ed_core::tensor::Var<S, E>, ed_core::tensor::Var<C, E>),
            ) -> ed_core::Result<Self::Output> {
                Ok(($crate::reversible::bind::transform(self, &x, Some(context.value()))?, context))
            }
        }

        impl<$($generics)* D: ed_core::distributions::Distribution> $crate::Apply<ed_core::RandomVariable<D>> for $layer
        where
            Self: $crate::reversible::Reversible<D::Elem>,
        {
            type Output = ed_core::RandomVariable<$crate::reversible::Flow<D>>;
            fn apply(&self, base: ed_core::RandomVariable<D>) -> ed_core::Result<Self::Output> {
                $crate::reversible::bind::push(self, &base, None)
            }
        }

        impl<$($generics)* D, C> $crate::Apply<(ed_core::RandomVariable<D>, ed_core::tensor::Var<C, D::Elem>)> for $layer
        where
            D: ed_core::distributions::Distribution,
            C: dfdx::shapes::Shape,
            Self: $crate::reversible::Reversible<D::Elem>,
        {
            type Output = (
                ed_core::RandomVariable<$crate::reversible::Flow<D>>,
                ed_core::tensor::Var<C, D::Elem>,
            );
            fn apply(
                &self,
                (base, context): (ed_core::RandomVariable<D>, ed_core::tensor::Var<C, D::Elem>),
            ) -> ed_core::Result<Self::Output> {
                Ok(($crate::reversible::bind::push(self, &base, Some(context.value()))?, context))
            }
        }
    )+};
}
pub(crate) use reversible_inputs;
