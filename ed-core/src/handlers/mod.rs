//! Handlers, one file each: what makes one model of another.

mod condition;
mod handled;
mod seed;
mod tape;

pub use condition::{Condition, condition};
pub use handled::{Handled, Handler};
pub use seed::seed;
pub use tape::tape;
