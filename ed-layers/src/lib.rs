//! What neural networks with uncertain weights are made of, over `ed-core`.

pub mod initializers;
