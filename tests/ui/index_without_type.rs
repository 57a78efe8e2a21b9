//! An index of a group, without saying what it is.

use ed::prelude::*;

fn main() -> Result<()> {
    let alpha = Var::from([1.0f64, 2.0]);
    let group = [0usize, 1, 1];
    let _ = alpha.gather(&group)?;
    let _ = alpha.gather(&[0.0, 1.0])?;
    Ok(())
}
