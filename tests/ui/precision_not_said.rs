//! A latent that is used only through its number.
//
// says: `!` is not a precision
// says: `i32` is not a precision
// says: write it: `Normal::<(), f64>::new(0.0, 1.0)?`

use ed::prelude::*;

#[model]
fn branch() -> Result<()> {
    let x = sample(Normal::new(0.0, 1.0)?);
    let _positive = x.item()? > 0.0;
    Ok(())
}

fn main() {
    let _ = Var::<(), i32>::scalar(1.0);
}
