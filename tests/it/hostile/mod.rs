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
// The table of families belongs to the laws of distributions; `tests/slow` has no other way to it.
#[allow(dead_code, clippy::duplicate_mod)]
#[path = "../distributions/subjects.rs"]
mod subjects;

pub use grid::{Grid, Report};

/// How much of the grid runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Some numbers: seconds.
    #[allow(dead_code)]
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
