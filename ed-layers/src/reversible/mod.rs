//! Reversible layers: random variable in, random variable out.
//!
//! A reversible layer reads its parameters and binds them into a bijector ([`Reversible`]). Layers one after another, in
//! [`sequential!`](crate::sequential), are reversible as a whole.
//!
//! | layer | map |
//! |---|---|
//! | [`RealNvp`] of a [`Made`] | autoregressive: each number by those before it |
//! | [`RealNvp`] of a [`Coupling`] | some numbers by the others |
//! | [`ActNorm`] | shift and scale of each feature, started from data |
//! | [`InvertibleLinear`] | a matrix by its triangular factors |
//! | [`Permute`], [`Reverse`] | another order |
//! | [`Reshape`] | rows to images, and images to rows |
//! | [`Intensities`] | all numbers onto those of an image |
//! | [`Invert`] | any of these the other way round |

mod act_norm;
mod autoregressive;
mod bind;
mod bound_made;
mod constant_memory;
mod coupling;
mod degrees;
mod dequantize;
mod flat;
mod invert;
mod invertible_linear;
mod made;
mod order;
mod permute;
mod real_nvp;
mod reshape;
mod stack;
mod transform;

pub use act_norm::ActNorm;
pub use bind::{Binding, Flow, Reversible, Side};
pub use constant_memory::ConstantMemory;
pub use coupling::{Coupling, Kept};
pub use degrees::hidden_degrees;
pub use dequantize::{Intensities, bits_per_dim, dequantize};
pub use invert::Invert;
pub use invertible_linear::InvertibleLinear;
pub use made::Made;
pub use order::Order;
pub use permute::{Permute, Reverse};
pub use real_nvp::{Conditioner, RealNvp};
pub use reshape::{Reshape, WithAxes};
pub use stack::ReversibleChain;
pub use transform::Transform;
