//! A model that was run where it should have been passed.
//
// says: is not a model
// says: `|| my_model(&data)`, and not `my_model(&data)`, which runs it

use ed::prelude::*;

#[model]
fn location(scale: f64) -> Result<RandomVariable<Normal<(), f64>>> {
    let loc = sample(Normal::new(0.0, scale)?);
    Ok(loc)
}

fn main() -> Result<()> {
    let _ = condition(location(1.0), values![]);
    let _ = make_log_joint(|| 3.0);
    let _ = tape(&location(1.0))?;
    Ok(())
}
