//! What a model is: a program that samples.

use crate::error::Result;

/// A program whose random variables inference may ask for: any `|| f(…)` that returns a [`Result`], and what handlers
/// make of one.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let data = Var::from([0.1f64, -0.4]);
/// let model = || observe_as("y", Normal::standard((2usize,))?, &data);
/// // A handled model is a model.
/// let whole = tape(&model)?.1.log_prob()?.item()?;
/// let half = tape(&scale(&model, 0.5)?)?.1.log_prob()?.item()?;
/// assert!((half - 0.5 * whole).abs() < 1e-12);
/// # Ok(()) }
/// ```
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
