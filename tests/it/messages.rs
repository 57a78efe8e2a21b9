//! What the compiler says to the mistakes that everybody makes.
//!
//! `TRYBUILD=overwrite cargo test --test it messages` writes the expected messages anew: read each one.

#[test]
fn mistakes_are_explained_where_they_are_made() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
