//! The integration tests, as one binary.

mod bijectors;
mod examples;
mod facade;
mod flat;
mod handlers;
mod ops;
mod support;
mod svi;
mod tape;
mod tracing;
