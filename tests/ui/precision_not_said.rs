//! A latent that is used only through its number.

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
