//! Tests that take minutes: `cargo test --release --test slow -- --ignored --nocapture`.

#[path = "../it/hostile/mod.rs"]
mod hostile;
mod posteriordb;

#[test]
#[ignore = "minutes"]
fn the_whole_hostile_grid_has_no_panic_no_hang_and_no_nan_without_a_reason() {
    let report = hostile::run(hostile::Form::Whole);
    println!("{report}");
    assert!(report.calls > 6_000_000, "{report}");
    assert!(report.is_clean(), "{report}");
}
