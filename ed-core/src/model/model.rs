//! What a model is: a program that samples.

use crate::error::Result;

/// A program whose random variables inference may ask for: any `|| f(…)` that returns a [`Result`], and what handlers
/// make of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a model",
    label = "a model is needed here",
    note = "a model is a function or closure without arguments that returns a `Result`: `|| my_model(&data)`, and not \
            `my_model(&data)`, which runs it"
)]
pub trait Model {
    /// What the program returns.
    type Output;

    /// Runs the program under the tracers in force.
    ///
    /// # Errors
    /// The program's.
    fn run(&self) -> Result<Self::Output>;
}

impl<F: Fn() -> Result<T>, T> Model for F {
    type Output = T;
    fn run(&self) -> Result<T> {
        self()
    }
}
