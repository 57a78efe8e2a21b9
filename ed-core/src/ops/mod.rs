//! Differentiable operations: the one module that knows both the tape and the kernels.
//!
//! Each operation is a small struct that implements [`Op`](crate::tensor::Op) and a function that applies it. Nothing
//! above this module can tell on which device it ran.

pub(crate) mod belief;
pub(crate) mod categorical;
pub(crate) mod density;
pub(crate) mod dfdx;
pub(crate) mod elementwise;
pub(crate) mod layout;
pub(crate) mod linalg;
pub(crate) mod loops;
pub(crate) mod normal_kl;
pub(crate) mod reduce;
pub(crate) mod sample;
#[cfg(test)]
mod test_gradients;

pub use belief::{
    DrawAround, normal_draw, normal_draw_and_kl, normal_raw_kl, normal_raw_scale, normal_raw_variance,
};
pub use dfdx::{Traced, via_dfdx, via_dfdx2};
