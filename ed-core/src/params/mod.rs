//! Trainable numbers: the store, the statement that reads it, and the optimisers that change it.

pub mod optimizer;
mod statement;
mod store;

pub(crate) use statement::any_param;
pub use statement::{param_as, value_and_gradients, with_params};
pub use store::Params;
