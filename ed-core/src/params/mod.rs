//! Trainable numbers: the store, the statement that reads it, and the optimisers that change it.

pub(crate) mod checkpoint;
pub mod optimizer;
mod statement;
mod store;
mod undo;

pub(crate) use statement::value_gradients_and_undo;
pub use statement::{
    Captured, any_param, capture, claim, is_training, make_params, param_as, repeated, set_state, state_as,
    value_and_gradients, with_params,
};
pub use store::Params;
pub(crate) use undo::Undo;
