//! The flat view of a model: what it evaluates, and when it may repeat recorded operations.

use std::cell::Cell;
use std::f64::consts::TAU;

use ed::inference::LogDensity;
use ed::model::Space;
use ed::prelude::*;

#[model]
fn regression(x: &Var<(usize,), f64>) -> Result<RandomVariable<Normal<(usize,), f64>>> {
    let slope = sample(Normal::new(0.0, 2.0)?);
    let log_scale = sample(Normal::new(Var::from([0.0, 1.0]), 1.0)?);
    let y = sample(Normal::new(&slope * x, log_scale.at(0)?.exp())?);
    Ok(y)
}

fn normal(x: f64, loc: f64, scale: f64) -> f64 {
    -0.5 * ((x - loc) / scale).powi(2) - scale.ln() - 0.5 * TAU.ln()
}

fn gradient_by_differences(density: &mut impl LogDensity, position: &[f64]) -> Result<Vec<f64>> {
    let mut scratch = vec![0.0; position.len()];
    let mut at = |index: usize, step: f64| {
        let mut moved = position.to_vec();
        moved[index] += step;
        density.log_density_and_gradient(&moved, &mut scratch)
    };
    (0..position.len()).map(|index| Ok((at(index, 1e-5)? - at(index, -1e-5)?) / 2e-5)).collect()
}

#[test]
fn the_value_is_the_joint_log_density_and_the_gradient_its_slope() -> Result<()> {
    let (x, y) = ([1.0, -0.5, 2.0], [0.9, -0.2, 2.5]);
    let features = Var::from(x);
    let observed = condition(|| regression(&features), values![regression::y = Var::from(y)]);
    let space = Space::of(&observed)?;
    assert_eq!(space.dim(), 3);
    let mut density = space.log_density(&observed);
    let mut gradient = [0.0; 3];
    for position in [[0.3, -0.2, 0.5], [-1.0, 0.4, 2.0]] {
        let value = density.log_density_and_gradient(&position, &mut gradient)?;
        let [slope, a, b] = position;
        let prior = normal(slope, 0.0, 2.0) + normal(a, 0.0, 1.0) + normal(b, 1.0, 1.0);
        let likelihood: f64 = x.iter().zip(y).map(|(x, y)| normal(y, slope * x, a.exp())).sum();
        approx::assert_relative_eq!(value, prior + likelihood, max_relative = 1e-12);
        let differences = gradient_by_differences(&mut density, &position)?;
        for (slope, difference) in gradient.iter().zip(differences) {
            approx::assert_relative_eq!(*slope, difference, max_relative = 1e-6);
        }
    }
    assert!(density.is_replayed());
    Ok(())
}

#[test]
fn repeated_operations_and_a_rerun_model_agree() -> Result<()> {
    let features = Var::from([0.2, 1.0, -3.0]);
    let observed = condition(|| regression(&features), values![regression::y = Var::from([0.0, 1.0, 2.0])]);
    let space = Space::of(&observed)?;
    let mut replayed = space.log_density(&observed);
    let mut rerun = space.log_density(&observed).always_rerun();
    let (mut one, mut two) = ([0.0; 3], [0.0; 3]);
    for position in [[0.1, 0.2, 0.3], [5.0, -1.0, 0.0], [0.0, 0.0, 0.0]] {
        let first = replayed.log_density_and_gradient(&position, &mut one)?;
        let second = rerun.log_density_and_gradient(&position, &mut two)?;
        assert_eq!((first, one), (second, two));
    }
    assert!(replayed.is_replayed() && !rerun.is_replayed());
    Ok(())
}

#[test]
fn a_model_that_reads_a_latent_value_runs_every_time() -> Result<()> {
    let runs = Cell::new(0);
    let model = || {
        runs.set(runs.get() + 1);
        let x = sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?)?;
        let scale = if x.item()? > 0.0 { 1.0 } else { 3.0 };
        observe_as("y", Normal::new(&x, scale)?, &Var::scalar(0.5))
    };
    let space = Space::of(&model)?;
    let mut density = space.log_density(&model);
    let mut gradient = [0.0];
    let before = runs.get();
    for x in [1.0, -1.0, 2.0] {
        let value = density.log_density_and_gradient(&[x], &mut gradient)?;
        let scale = if x > 0.0 { 1.0 } else { 3.0 };
        approx::assert_relative_eq!(value, normal(x, 0.0, 1.0) + normal(0.5, x, scale), max_relative = 1e-12);
        approx::assert_relative_eq!(gradient[0], -x + (0.5 - x) / (scale * scale), max_relative = 1e-12);
    }
    assert!(!density.is_replayed());
    assert!(runs.get() >= before + 3);
    Ok(())
}

#[test]
fn a_value_used_twice_in_one_operation_counts_twice() -> Result<()> {
    let model = || {
        let x = sample_as("x", Normal::new(Var::from([0.0f64, 0.0]), 1.0)?)?;
        observe_as("y", Normal::new(&x * &x, 1.0)?, &Var::from([1.0, 2.0]))
    };
    let space = Space::of(&model)?;
    let mut density = space.log_density(&model);
    let mut gradient = [0.0; 2];
    density.log_density_and_gradient(&[0.5, -1.5], &mut gradient)?;
    for (x, (slope, y)) in [0.5, -1.5].into_iter().zip(gradient.into_iter().zip([1.0, 2.0])) {
        approx::assert_relative_eq!(slope, -x + 2.0 * x * (y - x * x), max_relative = 1e-12);
    }
    Ok(())
}

#[test]
fn positions_and_values_go_both_ways() -> Result<()> {
    let features = Var::from([0.2, 1.0]);
    let observed = condition(|| regression(&features), values![regression::y = Var::from([0.0, 1.0])]);
    let space = Space::of(&observed)?;
    let values = space.values(&observed, &[0.25, 1.5, -2.0])?;
    assert_eq!(values.required("slope")?.item()?, 0.25);
    assert_eq!(values.required("log_scale")?.to_vec()?, [1.5, -2.0]);
    assert_eq!(space.position(&observed, &values)?, [0.25, 1.5, -2.0]);
    Ok(())
}

#[test]
fn refuses_what_has_no_flat_view() -> Result<()> {
    let all_observed = || observe_as("y", Normal::<(), f64>::new(0.0, 1.0)?, &Var::scalar(0.5));
    let error = Space::of(&all_observed).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("no latent random variable"), "{error}");

    let mixed = || {
        sample_as("single", Normal::<(), f32>::new(0.0, 1.0)?)?;
        sample_as("double", Normal::<(), f64>::new(0.0, 1.0)?)
    };
    let error = Space::of(&mixed).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("`double`") && error.contains("f32"), "{error}");

    let turn = Cell::new(0);
    let changing = || {
        turn.set(turn.get() + 1);
        let name = if turn.get() == 1 { "first" } else { "second" };
        sample_as(name, Normal::<(), f64>::new(0.0, 1.0)?)
    };
    let space = Space::of(&changing)?;
    let error = space.log_density(&changing).log_density_and_gradient(&[0.0], &mut [0.0]).err();
    assert!(error.is_some_and(|error| error.to_string().contains("`second` came unexpectedly")));
    Ok(())
}

#[test]
fn a_parameter_that_leaves_its_domain_is_refused_in_a_repeated_run_too() -> Result<()> {
    // ln |Γ| is finite at -1.5: without care, the repeated density would be, too.
    let model = || {
        let x = sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?)?;
        observe_as("y", Gamma::new(&x, 1.0)?, &Var::scalar(2.0))
    };
    let space = Space::of(&|| {
        sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?)?;
        observe_as("y", Gamma::<(), f64>::new(1.0, 1.0)?, &Var::scalar(2.0))
    })?;
    let mut density = space.log_density(&model);
    let mut gradient = [0.0];
    assert!(density.log_density_and_gradient(&[1.5], &mut gradient)?.is_finite());
    assert!(density.is_replayed());
    assert!(density.log_density_and_gradient(&[-1.5], &mut gradient)?.is_nan());
    assert!(
        space.log_density(&model).always_rerun().log_density_and_gradient(&[-1.5], &mut gradient).is_err()
    );
    Ok(())
}

#[test]
fn a_chain_that_cannot_start_says_which_site_is_at_fault() {
    let model = || {
        let x = sample_as("x", Flat::<(), f64>::real(())?)?;
        let size = deterministic_as("size", &*x * 0.0 - 1.0)?;
        factor_as("never", size.ln())
    };
    let error =
        Nuts::new(&model).chains(1).quiet().run(0).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("not finite at: never"), "{error}");
}
