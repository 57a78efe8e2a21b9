//! A sampler that is set up and never run.
//
// says: a sampler does nothing until `run`
// says: a fit does nothing until `run` or `step`
// says: a training does nothing until `run` or `step`
// says: a handled model does nothing until it runs

#![deny(unused_must_use)]

use ed::prelude::*;

fn main() -> Result<()> {
    let model = || sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?);
    Nuts::new(&model).draws(100);
    Svi::new(&model, MeanField::of(&model)?).steps(100);
    Train::new(1, |_| param_as("w", || Var::<(), f64>::scalar(1.0))).steps(10);
    condition(model, values![]);
    Ok(())
}
