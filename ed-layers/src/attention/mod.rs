//! Attention: positions of a sequence that look at each other, over all of it or in blocks.
//!
//! Queries, keys and values are one product with a kernel, and so is the output; both kernels are those of
//! [`Dense`](crate::Dense) layers with any estimator. Sequences are `[N, T, features]`.

mod extent;
mod layer;
mod position;
mod state;

pub use extent::{Extent, Global, Local, LocalMask};
pub use layer::{Attention, LocalAttention1d, MultiHeadAttention, WithBlocks, WithHeads};
pub use position::{PositionalEmbedding, ShiftRight};
pub use state::AttentionState;
