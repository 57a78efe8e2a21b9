//! The integration tests, as one binary.

mod bijectors;
mod flat;
mod ops;
mod svi;
mod tape;
