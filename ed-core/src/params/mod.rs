//! Trainable numbers: the store, the statement that reads it, and the optimisers that change it.

mod capture;
pub(crate) mod checkpoint;
mod missing;
pub mod optimizer;
mod part;
mod scope;
mod statement;
mod store;
mod undo;

pub use capture::{Captured, capture, repeated};
pub(crate) use missing::fixing_params;
pub use part::{Misfit, Taken};
pub(crate) use scope::{in_force, value_gradients_and_undo};
pub use scope::{make_params, value_and_gradients, with_params};
pub use statement::{any_param, claim, is_training, param_as, set_state, state_as};
pub use store::Params;
pub(crate) use undo::Undo;
