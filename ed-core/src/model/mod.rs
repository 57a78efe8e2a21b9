//! Models as values: running them, and what is computed from a whole model.

mod log_joint;
#[allow(clippy::module_inception)]
mod model;
mod probe;
mod space;

pub use log_joint::{LogJoint, make_log_joint};
pub use model::Model;
pub(crate) use probe::{probe, require_data};
pub(crate) use space::unconstrained;
pub use space::{FlatModel, Space, SpaceSite};
