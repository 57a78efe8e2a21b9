//! A constructor whose `Result` was not opened.
//
// says: is not a distribution
// says: write `Normal::new(…)?`, with the question mark

use ed::prelude::*;

#[model]
fn location() -> Result<RandomVariable<Normal<(), f64>>> {
    let loc = sample(Normal::new(0.0, 1.0));
    Ok(loc)
}

fn main() {
    let _ = sample(Normal::<(), f64>::new(0.0, 1.0));
}
