//! Differentiable operations: the one module that knows both the tape and the kernels.
//!
//! Each operation is a small struct that implements [`Op`](crate::tensor::Op) and a function that applies it. Nothing
//! above this module can tell on which device it ran.

pub(crate) mod affine;
pub(crate) mod attention;
pub(crate) mod belief;
pub(crate) mod categorical;
pub(crate) mod channels;
pub(crate) mod columns;
pub mod conv;
#[cfg(test)]
mod conv_tests;
pub(crate) mod covariance;
pub(crate) mod density;
pub(crate) mod dfdx;
pub(crate) mod elementwise;
pub(crate) mod interval;
pub(crate) mod jitter;
mod keep;
pub(crate) mod layout;
pub(crate) mod linalg;
pub(crate) mod loops;
pub(crate) mod masked;
pub(crate) mod mixture;
pub(crate) mod mixture_logistic;
pub(crate) mod noise;
pub(crate) mod norm;
pub(crate) mod normal_kl;
pub mod pool;
pub mod recurrent;
pub(crate) mod reduce;
pub(crate) mod sample;
pub(crate) mod select;
pub(crate) mod shift_scale;
pub(crate) mod spline;
#[cfg(test)]
mod test_gradients;
mod window;

pub use affine::{affine, affine_relu};
pub use attention::{AttentionCache, Pattern, attention, attention_with_lengths, check_lengths, shift_right};
pub use belief::{
    DrawAround, normal_draw, normal_draw_and_kl, normal_raw_kl, normal_raw_scale, normal_raw_variance,
};
pub use categorical::{mean_softmax_cross_entropy, softmax_cross_entropy};
pub use channels::{add_channels, add_channels_relu, scale_channels};
pub use columns::{join_columns, take_columns};
pub use covariance::{Hyperparameters, Profile, marginal_variance, stationary_covariance, whiten};
pub use dfdx::{Traced, via_dfdx, via_dfdx2};
pub use jitter::{MOST_JITTER, covariance_factor};
pub use keep::keep_rows;
pub use layout::take_rows;
pub use masked::{Staircase, masked_linear};
pub use noise::{add_flipped, dropout, flip, local_noise, spatial_dropout};
pub use norm::{BatchNorm, batch_norm, layer_norm};
pub use shift_scale::{Direction, LOG_SCALE_BOUND, shift_scale};
pub use spline::rational_quadratic_spline;
pub use window::{Padding, Window};
