//! Layers of neural networks that carry uncertainty.
//!
//! A layer is a geometry (how a kernel meets an input) times an estimator (how an uncertain kernel does), and one word
//! turns it Bayesian: `Dense::<Flipout>::new(10)`.

// Generated code says `::ed::layers`; inside this crate that is the module below.
extern crate self as ed;

#[doc(hidden)]
pub mod layers {
    pub use crate::Layer;
}

pub mod activation;
pub mod attention;
mod convolution;
mod dropout;
mod embedding;
pub mod estimator;
pub mod geometry;
pub mod gp;
pub mod initializers;
mod layer;
mod lengths;
mod linear;
pub mod losses;
mod members;
mod names;
mod normalization;
pub mod output;
mod part;
mod pooling;
pub mod prelude;
mod random_variables;
pub mod recurrent;
pub mod reversible;
pub mod scope;
mod sequential;
mod shape;
mod summary;
pub mod weight;

pub use attention::{
    Attention, LocalAttention1d, LocalMask, MultiHeadAttention, PositionalEmbedding, ShiftRight, WithBlocks,
    WithHeads,
};
pub use convolution::{Conv1d, Conv2d, Sizes, WithFilters};
pub use dropout::{AlwaysDropout, Dropout};
pub use ed_macros::Layer;
pub use embedding::{Embedding, WithTable};
pub use layer::{Apply, Input, Layer};
pub use lengths::Lengths;
pub use linear::{Bias, Dense, Kinded, Linear, Pass, WithUnits};
pub use members::{average_members, repeat_for_members};
pub use names::*;
pub use normalization::{BatchNorm, LayerNorm};
pub use part::Part;
pub use pooling::{AvgPool1d, AvgPool2d, GlobalAvgPool, GlobalMaxPool, MaxPool1d, MaxPool2d};
pub use recurrent::{Gru, GruCell, Lstm, LstmCell};
pub use reversible::{
    ActNorm, Coupling, Intensities, Invert, InvertibleLinear, Kept, Made, Order, Permute, RealNvp, Reshape,
    Reverse, Reversible, Transform,
};
pub use sequential::{Chain, Run, Sequential};
pub use shape::{Flatten, Residual};
pub use summary::summary;
