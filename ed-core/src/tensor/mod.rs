//! Values: typed tensors, the gradient tape under them, and what an operation is.
//!
//! | type | shape | precision |
//! |---|---|---|
//! | [`Var<S, E>`](Var) | typed | typed |
//! | [`Value<E>`](Value) | run time | typed |
//! | [`AnyVar`] | run time | run time |
//!
//! All three share their data; going from one to another copies nothing.

mod any;
mod buffer;
mod convert;
pub(crate) mod dims;
mod dot;
mod float;
mod linalg;
mod op;
mod operators;
pub(crate) mod plan;
mod print;
mod shapes;
pub(crate) mod tape;
mod value;
mod var;

pub(crate) use any::with_value;
pub use any::{AnyGradients, AnyVar};
pub(crate) use buffer::Buffer;
pub use dims::{Dims, MAX_RANK};
pub use dot::Dot;
pub use float::Float;
pub use op::{Backward, GradSlot, Keep, Op};
pub use operators::Operand;
pub(crate) use operators::larger;
pub(crate) use print::fmt_named;
pub use shapes::{Append, BroadcastWith, LeadingAxis, Stack, WithoutLast};
pub use tape::{Gradients, Node, Tape, apply};
pub use value::Value;
pub use var::Var;
