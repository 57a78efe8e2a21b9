//! Layers that take a tensor take a random variable, too: its value.

use ed_core::distributions::Distribution;
use ed_core::tensor::{Float, Var};
use ed_core::{RandomVariable, Result};

use crate::activation::{Gelu, Relu, Sigmoid, Silu, Softplus, Tanh};
use crate::attention::Extent;
use crate::estimator::Estimator;
use crate::gp::BayesianLinearModel;
use crate::layer::Apply;
use crate::linear::Linear;
use crate::output::Output;
use crate::recurrent::{Gates, Unrolled};
use crate::{
    AlwaysDropout, Attention, AvgPool1d, AvgPool2d, BatchNorm, Dropout, Flatten, GlobalAvgPool,
    GlobalMaxPool, LayerNorm, MaxPool1d, MaxPool2d, PositionalEmbedding, Residual, ShiftRight,
};

macro_rules! by_value {
    ($([$($generics:tt)*] $layer:ty;)+) => {$(
        impl<$($generics)* V: Distribution> Apply<RandomVariable<V>> for $layer
        where
            Self: Apply<Var<V::Shape, V::Elem>>,
        {
            type Output = <Self as Apply<Var<V::Shape, V::Elem>>>::Output;
            fn apply(&self, x: RandomVariable<V>) -> Result<Self::Output> {
                self.apply(x.into_var())
            }
        }
    )+};
}

by_value! {
    [G, W,] Linear<G, W>;
    [F, W,] Output<F, W>;
    [G: Gates, W: Estimator,] Unrolled<G, W>;
    [X: Extent, W: Estimator,] Attention<X, W>;
    [L,] Residual<L>;
    [E: Float,] BayesianLinearModel<E>;
    [] PositionalEmbedding;
    [] ShiftRight;
    [] BatchNorm;
    [] LayerNorm;
    [] Dropout;
    [] AlwaysDropout;
    [] Flatten;
    [] AvgPool1d;
    [] AvgPool2d;
    [] MaxPool1d;
    [] MaxPool2d;
    [] GlobalAvgPool;
    [] GlobalMaxPool;
    [] Relu;
    [] Tanh;
    [] Sigmoid;
    [] Softplus;
    [] Silu;
    [] Gelu;
}
