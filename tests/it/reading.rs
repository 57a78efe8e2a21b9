//! Numbers that a program reads have no gradient: whoever differentiates it refuses, with the place, and a sampler runs
//! the program at every step.

use ed::inference::LogDensity;
use ed::model::Space;
use ed::params::{Params, param_as, value_and_gradients};
use ed::prelude::*;

use super::support::{ln_normal, message, scalar};

/// `x ~ N(0, 1)` and one datum 3 with deviation 0.1, whose location is what `read` makes of `x`: the posterior of the
/// identity is `N(300 / 101, 1 / √101)`.
fn located(read: impl Fn(&Var<(), f64>) -> Result<Var<(), f64>>) -> impl Model {
    move || {
        let x = sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?)?;
        observe_as("y", Normal::new(read(x.var())?, 0.1)?, &scalar(3.0))
    }
}

/// A way to read the number of a tensor.
type Reading = fn(&Var<(), f64>) -> Result<Var<(), f64>>;

const READINGS: [Reading; 5] = [
    |x| Ok(Var::scalar(x.item()?)),
    |x| Ok(Var::scalar(x.to_vec()?[0])),
    |x| Ok(Var::scalar(x.as_slice()?[0])),
    |x| Ok(Var::scalar(AnyVar::from(x).item()?)),
    |x| Ok(Var::scalar((x * 2.0).exp().item()?)),
];

#[test]
fn every_gradient_method_refuses_a_program_that_reads_a_number_and_names_the_place() -> Result<()> {
    for (index, read) in READINGS.into_iter().enumerate() {
        let model = located(read);
        let said = [
            message(Svi::new(&model, MeanField::of(&model)?).step(0)),
            message(Svi::new(&model, FullRank::of(&model)?).step(0)),
            message(Svi::new(&model, LowRank::of(&model, 1)?).step(0)),
            message(Svi::new(&model, Delta::of(&model)?).step(0)),
            message(value_and_gradients(&mut Params::new(), || {
                let w = param_as("w", || scalar(1.0))?;
                Ok((read(&w)? - 3.0).square() + &w * 0.0)
            })),
            message(Train::new(1, |_| read(&param_as("w", || scalar(1.0))?)).step(0)),
        ];
        for said in said {
            assert!(said.contains("reading.rs:") && said.contains("x.detach()"), "reading {index}: {said}");
        }
    }
    Ok(())
}

#[test]
fn a_detached_number_the_data_and_the_loss_itself_may_be_read() -> Result<()> {
    let mut params = Params::new();
    let mut logged = 0.0;
    let (value, gradients) = value_and_gradients(&mut params, || {
        let w = param_as("w", || scalar(2.0))?;
        let branch = if w.detach().item()? > 0.0 { 3.0 } else { 5.0 };
        let loss = (&w * branch + scalar(1.0).item()?).square();
        logged = loss.item()?;
        Ok(loss)
    })?;
    assert_eq!((value, logged), (49.0, 49.0));
    assert_eq!(gradients.required("w")?.item()?, 42.0);
    Ok(())
}

#[test]
fn a_detached_value_changes_from_step_to_step_of_a_sampler() -> Result<()> {
    let model = || {
        let x = sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?)?;
        observe_as("y", Normal::new(x.detach(), 0.5)?, &scalar(3.0))
    };
    let space = Space::of(&model)?;
    let mut density = space.log_density(&model);
    let mut gradient = [0.0];
    for x in [0.5, -1.0, 2.0] {
        let value = density.log_density_and_gradient(&[x], &mut gradient)?;
        approx::assert_relative_eq!(
            value,
            ln_normal(x, 0.0, 1.0) + ln_normal(3.0, x, 0.5),
            max_relative = 1e-12
        );
        approx::assert_relative_eq!(gradient[0], -x, max_relative = 1e-12);
    }
    Ok(())
}

#[test]
fn a_sampler_is_right_about_a_model_that_reads_a_number() -> Result<()> {
    // The gradient lacks what the reading cut, which makes proposals worse and no draw wrong.
    let draws = Nuts::new(&located(READINGS[0])).chains(1).draws(1_000).max_depth(6).quiet().run(0)?;
    let row = draws.summary()?.row("x").cloned().unwrap();
    assert!((row.mean - 300.0 / 101.0).abs() < 5.0 * row.mcse_mean, "{} ± {}", row.mean, row.mcse_mean);
    assert!((row.sd - 101f64.sqrt().recip()).abs() < 0.03, "{}", row.sd);
    Ok(())
}
