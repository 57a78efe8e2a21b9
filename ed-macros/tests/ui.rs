//! The messages of the macros. The inputs are refused before any code names `::ed`.
//!
//! `TRYBUILD=overwrite cargo test -p ed-macros --test ui` writes the expected messages anew: read each one.

#[test]
fn mistakes_are_explained_at_their_place() {
    trybuild::TestCases::new().compile_fail("tests/ui/*/*.rs");
}
