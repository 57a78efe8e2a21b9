//! The hostile grid: every constructor, density, draw, moment, map and operation meets numbers and sizes that nobody
//! means. No call panics, none takes longer than [`BOUND`](grid::BOUND), and what is not a number has a reason that is
//! written down.
//!
//! A family is a row of the table of distributions, an operation or a bijector a row of its own table; another area
//! adds a file with a function that takes the [`Grid`], and a line in [`run`]. The quick form runs with the other
//! tests, the whole one in `tests/slow`.

mod families;
mod grid;
mod maps;
mod operations;
mod sizes;
#[allow(dead_code)]
#[path = "../distributions/subjects.rs"]
mod subjects;

pub use grid::{Grid, Report};

/// How much of the grid runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Some numbers: seconds.
    Quick,
    /// All numbers: minutes.
    #[allow(dead_code)]
    Whole,
}

/// Runs the grid under the watch of this thread.
pub fn run(form: Form) -> Report {
    Grid::watched(move |grid| {
        sizes::run(grid);
        operations::run(grid, form);
        maps::run(grid, form);
        families::run(grid, form);
    })
}

#[test]
fn hostile_numbers_and_sizes_give_a_number_an_error_or_a_nan_with_a_reason() {
    let report = run(Form::Quick);
    println!("{report}");
    assert!(report.calls > 20_000, "{report}");
    assert!(report.is_clean(), "{report}");
}
