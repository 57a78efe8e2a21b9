//! Bijectors, one file each, and the constraints that they map onto.

mod bijector;
mod constraint;
mod exp;
mod identity;

pub use bijector::Bijector;
pub use constraint::{Constraint, biject_to};
pub use exp::Exp;
pub use identity::Identity;
