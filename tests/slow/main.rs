//! Tests that take minutes: `cargo test --release --test slow -- --ignored --nocapture`.

mod posteriordb;
