//! A distribution where its value is meant.
//
// says: cannot be a parameter of precision
// says: is not a number, a tensor or a random variable
// says: a distribution has no value before it is drawn: `let x = sample(…);`, and then `&x`

use ed::prelude::*;

#[model]
fn line() -> Result<RandomVariable<Normal<(), f64>>> {
    let slope = Normal::<(), f64>::new(0.0, 1.0)?;
    let y = sample(Normal::new(slope, 1.0)?);
    Ok(y)
}

fn main() -> Result<()> {
    let intercept = Normal::<(), f64>::new(0.0, 1.0)?;
    let x = Var::<(), f64>::scalar(1.0);
    let _ = &x + &intercept;
    let _ = &x + Normal::<(), f64>::new(0.0, 1.0);
    Ok(())
}
