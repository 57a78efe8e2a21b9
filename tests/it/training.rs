//! Training: what a refused step leaves, what a file brings back, when it ends, and what each row counts.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::path::PathBuf;

use ed::data::Batches;
use ed::params::optimizer::{Adam, Groups, Optimizer, Schedule, Sgd};
use ed::params::{Params, make_params, param_as};
use ed::prelude::*;
use ed::tensor::Value;

type Rows = Var<(usize, usize), f64>;

fn rows(num_rows: usize) -> Result<Rows> {
    Rows::from_vec((0..2 * num_rows).map(|i| (i as f64 * 1.7).sin() + 3.0).collect(), (num_rows, 2))
}

fn scalar(name: &'static str, start: f64) -> Result<Var<(), f64>> {
    param_as(name, || Var::scalar(start))
}

#[track_caller]
fn assert_same(a: &Params, b: &Params) -> Result<()> {
    assert_eq!(a.len(), b.len());
    for (name, value) in a.iter() {
        assert_eq!(value.to_vec()?, b.required(name.as_str())?.to_vec()?, "{name}");
        assert_eq!(a.is_state(name.as_str()), b.is_state(name.as_str()), "{name}");
    }
    Ok(())
}

fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ed-training-{}-{name}.safetensors", std::process::id()))
}

#[test]
fn a_refused_batch_leaves_the_averages_of_batch_normalisation_as_they_were() -> Result<()> {
    let net = sequential![BatchNorm::new(), Dense::new(1)];
    let good = rows(6)?;
    let bad = Rows::from_vec(vec![1.0, f64::NAN, 2.0, 3.0], (2, 2))?;
    let first = Cell::new(true);
    let mut train = Train::new(6, |_| {
        let x = if first.get() { &good } else { &bad };
        Ok(net.forward(x)?.square().mean())
    });
    first.set(false);
    assert!(train.step(0).is_err());
    assert!(train.parameters().is_empty(), "a refused first step makes nothing");
    first.set(true);
    train.step(0)?;
    let before = train.parameters().clone();
    assert!(before.names().any(|name| before.is_state(name.as_str())));
    first.set(false);
    let refused = train.step(0).unwrap_err().to_string();
    assert!(refused.contains("not finite") || refused.contains("NaN"), "{refused}");
    assert_same(&before, train.parameters())?;
    assert_eq!(train.losses().len(), 1);
    first.set(true);
    train.step(0)?;
    Ok(())
}

/// At its minimum the loss is 0, with an infinite slope; a running count is kept beside it.
fn cusp() -> Result<Var<(), f64>> {
    let count = || ed::params::state_as("count", || Var::<(), f64>::scalar(0.0));
    ed::params::set_state("count", &(count()? + 1.0))?;
    let w = param_as("w", || Var::from([1.0, 2.0]))?;
    let other = scalar("other", 1.0)?;
    Ok((w - Var::from([1.0, 2.0])).square().sum().sqrt() + other)
}

#[test]
fn an_infinite_slope_is_refused_by_the_parameters_name_and_nothing_changes() -> Result<()> {
    let optimizers: [Box<dyn Optimizer>; 5] = [
        Box::new(Adam::new(0.1)),
        Box::new(Sgd::new(0.1)),
        Box::new(Adam::new(0.1).clip_norm(1.0)),
        Box::new(Sgd::new(0.1).clip_value(1.0)),
        Box::new(Groups::new(Adam::new(0.1)).group("o*", Sgd::new(0.1))),
    ];
    for optimizer in optimizers {
        let name = format!("{optimizer:?}");
        let mut train = Train::new(1, |_| cusp()).optimizer(optimizer);
        let refused = train.step(0).unwrap_err().to_string();
        assert!(refused.contains("the parameter `w`"), "{name}: {refused}");
        assert!(train.parameters().is_empty() && train.losses().is_empty());
    }
    Ok(())
}

#[test]
fn a_step_that_is_skipped_changes_neither_parameters_nor_state() -> Result<()> {
    let program = |step: usize| Ok(cusp()? * if step.is_multiple_of(2) { 1.0 } else { f64::NAN });
    let mut train = Train::new(1, program).optimizer(Adam::new(0.1).skip_not_finite(3));
    for _ in 0..3 {
        assert!(train.step(0)?.is_nan());
    }
    assert!(train.parameters().is_empty());
    assert!(train.step(0).is_err(), "three in a row were allowed");
    Ok(())
}

#[test]
fn rows_count_the_same_in_batches_of_several_sizes() -> Result<()> {
    let y: Vec<f64> = (0..10).map(f64::from).collect();
    let loss = |rows: &[usize]| {
        let batch: Var<(usize,), f64> = Var::from(rows.iter().map(|&row| y[row]).collect::<Vec<_>>());
        Ok((batch - scalar("w", 1.5)?).square().mean())
    };
    // The parameter stands still, so that the losses of an epoch are those of its rows.
    let batches = Batches::new(10, 3, 4)?.keep_last();
    assert_eq!(batches.per_epoch(), 4);
    let still = Train::over(batches.clone(), loss).optimizer(Sgd::new(0.0)).steps(4).run(0)?;
    let epoch = still.losses().iter().sum::<f64>() / 4.0;
    let all_rows = y.iter().map(|y| (y - 1.5).powi(2)).sum::<f64>() / 10.0;
    assert!((epoch - all_rows).abs() < 1e-12, "{epoch} for {all_rows}");
    // The gradients of an epoch add up to those of the mean over rows: a step for each, so small that they commute.
    let moved = Train::over(batches, loss).optimizer(Sgd::new(1e-7)).steps(4).run(0)?;
    let slope = (1.5 - moved.params().required("w")?.item()?) / 4e-7;
    assert!((slope - 2.0 * (1.5 - 4.5)).abs() < 1e-4, "{slope}");
    // Batches of one size weigh 1, whatever is left over.
    let even = Train::over(Batches::new(10, 3, 4)?, loss).optimizer(Sgd::new(0.0)).steps(1).run(0)?;
    let mut batches = Batches::new(10, 3, 4)?;
    let mean = batches.rows(0).iter().map(|&row| (y[row] - 1.5).powi(2)).sum::<f64>() / 3.0;
    assert!((even.losses()[0] - mean).abs() < 1e-12);
    Ok(())
}

#[test]
fn a_hundred_steps_and_a_hundred_more_from_a_file_are_two_hundred_bit_for_bit() -> Result<()> {
    let x = rows(8)?;
    let net =
        sequential![Dense::<Flipout>::new(4), BatchNorm::new(), Relu, Dense::<Reparameterization>::new(1)];
    let path = file("resumed");
    let optimizers: [fn() -> Box<dyn Optimizer>; 4] = [
        || Box::new(Adam::new(Schedule::cosine(0.05, 200).warm_up(20)).weight_decay(0.01)),
        || Box::new(Sgd::new(0.01).momentum(0.9).clip_norm(1.0)),
        || Box::new(Groups::new(Adam::new(0.01)).group("*loc", Sgd::new(0.01).momentum(0.5)).frozen("*bias")),
        || Box::new(Adam::new(0.01).skip_not_finite(2)),
    ];
    for optimizer in optimizers {
        let program = |step: usize| {
            let y = net.forward(&x)?.square().mean();
            // One step that is skipped where that is allowed.
            Ok(if step == 70 && format!("{:?}", optimizer()).contains("Skipping") { y * f64::NAN } else { y })
        };
        let train = || Train::new(8, program).optimizer(optimizer()).samples(2).quiet();
        let whole = train().steps(200).run(7)?;
        train().steps(100).save_every(30, &path).run(7)?;
        let resumed = train().resume(&path)?.steps(200).run(7)?;
        let bits = |losses: &[f64]| losses.iter().map(|loss| loss.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(whole.losses()), bits(resumed.losses()));
        assert_same(whole.params(), resumed.params())?;
    }
    let quadratic = |_: usize| Ok((scalar("w", 0.0)? - 3.0).square());
    let train = || Train::new(8, quadratic).steps(200).quiet();
    assert!(train().resume(&path).unwrap_err().to_string().contains("another optimiser"));

    train().steps(10).save_every(7, &path).run(7)?;
    // The file is one of parameters, and a file of parameters is none of a training.
    let params = Params::load(&path)?;
    assert_eq!(params.names().map(|name| name.to_string()).collect::<Vec<_>>(), ["w"]);
    let refused = train().resume(&path)?.run(8).unwrap_err().to_string();
    assert!(refused.contains("`seed`") && refused.contains("8 after 7"), "{refused}");
    params.save(&path)?;
    assert!(train().resume(&path).unwrap_err().to_string().contains("no training to resume"));
    std::fs::remove_file(&path).ok();
    Ok(())
}

/// Falls towards 3, and breaks in a step.
fn breaking(at: usize) -> impl Fn(usize) -> Result<Var<(), f64>> {
    move |step| {
        let loss = (scalar("w", 0.0)? - 3.0).square();
        Ok(if step == at { loss * f64::NAN } else { loss })
    }
}

#[test]
fn an_error_in_a_late_step_brings_the_parameters_with_it() -> Result<()> {
    let train = || Train::new(1, breaking(150)).learning_rate(0.05).steps(1_000).quiet();
    let stopped = train().run(0).unwrap_err();
    let mut by_hand = train();
    while by_hand.step(0).is_ok() {}
    assert_eq!(by_hand.losses().len(), 150);
    assert_same(stopped.params().unwrap(), by_hand.parameters())?;
    assert!(stopped.to_string().contains("step 150") && stopped.to_string().contains("after 150 steps"));

    // The best of the validations before, which wants 1 and not 3.
    let validation = || (scalar("w", 0.0)? - 1.0).square().item();
    let stopped = train().run_best(0, 10, validation).unwrap_err();
    let Error::Stopped { steps, kept, params, .. } = &stopped else { panic!("{stopped}") };
    assert!(*steps == 150 && *kept < 150 && kept % 10 == 0);
    assert!((params.required("w")?.item()? - 1.0).abs() < 0.3);
    assert!(train().steps(0).run(0).unwrap_err().to_string().contains("`steps` must be at least 1"));
    let first = Train::new(1, breaking(0)).run(0).unwrap_err();
    assert!(matches!(first, Error::NotFinite { .. }) && first.params().is_none(), "{first}");
    Ok(())
}

#[test]
fn run_best_takes_all_steps_unless_it_has_patience() -> Result<()> {
    let train = || Train::new(1, breaking(usize::MAX)).learning_rate(0.05).steps(300).quiet();
    let asked = Cell::new(0);
    let validation = || {
        asked.set(asked.get() + 1);
        (scalar("w", 0.0)? - 1.0).square().item()
    };
    let all = train().run_best(0, 10, validation)?;
    assert_eq!((all.losses().len(), asked.get()), (300, 30));
    let patient = train().patience(3).run_best(0, 10, validation)?;
    assert_same(all.params(), patient.params())?;
    assert_eq!(patient.losses().len(), all.steps() + 30);
    // A validation that is not finite is no better, and at the last step too one is made.
    assert!(
        train()
            .patience(2)
            .run_best(0, 10, || Ok(f64::NAN))
            .unwrap_err()
            .to_string()
            .contains("validation loss")
    );
    asked.set(0);
    train().steps(25).run_best(0, 10, validation)?;
    assert_eq!(asked.get(), 3);
    assert!(train().patience(0).run_best(0, 10, validation).is_err());
    assert!(train().run_best(0, 0, validation).is_err());
    Ok(())
}

#[test]
fn patience_and_the_best_survive_a_file() -> Result<()> {
    let path = file("best");
    let train = || Train::new(1, breaking(usize::MAX)).learning_rate(0.05).steps(300).patience(4).quiet();
    let validation = || (scalar("w", 0.0)? - 1.0).square().item();
    let whole = train().run_best(0, 10, validation)?;
    let cut = whole.steps() + 20;
    train().steps(cut).save_every(cut, &path).run_best(0, 10, validation)?;
    let resumed = train().resume(&path)?.run_best(0, 10, validation)?;
    assert_eq!((resumed.steps(), resumed.losses()), (whole.steps(), whole.losses()));
    assert_same(whole.params(), resumed.params())?;
    std::fs::remove_file(&path).ok();
    Ok(())
}

#[test]
fn a_training_is_seen_between_steps_and_ended_from_outside() -> Result<()> {
    let mut seen = Vec::new();
    let trained =
        Train::new(1, breaking(usize::MAX)).learning_rate(0.1).steps(50).quiet().run_with(0, |so_far| {
            seen.push(so_far.parameters().required("w")?.item()?);
            assert_eq!(so_far.losses().len(), seen.len());
            let w = so_far.so_far().predict_at_mean(|| scalar("w", 0.0)?.item())?;
            assert_eq!(w, seen[seen.len() - 1]);
            Ok(if seen.len() == 20 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
    assert_eq!((trained.steps(), seen.len()), (20, 20));
    assert_eq!(trained.params().required("w")?.item()?, seen[19]);
    Ok(())
}

#[test]
fn weight_decay_shrinks_kernels_and_tables_and_no_scale_bias_or_normaliser() -> Result<()> {
    let x = Var::from_vec((0..32).map(|i| i as f32).collect(), (8usize, 4usize))?;
    let net = sequential![
        Dense::<Reparameterization>::new(4),
        LayerNorm::new(),
        Dense::<Rank1>::new(4),
        Dense::<BatchEnsemble>::new(4),
        BatchNorm::new(),
        Dense::new(2),
    ];
    let mut params = Params::new();
    ed::handlers::seed(0, || make_params(&mut params, || net.forward(&x)))?;
    let trained: Vec<String> =
        params.names().map(ToString::to_string).filter(|name| !params.is_state(name)).collect();
    let mut gradients = Params::new();
    for name in &trained {
        let dims = *params.required(name)?.dims();
        let full = |x: f32| Value::from_vec(vec![x; dims.num_elements()], dims).map(AnyVar::F32);
        gradients.insert(name.clone(), full(0.0)?)?;
        // Ones, so that what shrinks is seen.
        params.set(name.clone(), full(1.0)?)?;
    }
    Adam::new(0.1).weight_decay(0.5).step(&mut params, gradients)?;
    for name in &trained {
        let shrank = params.required(name)?.to_vec()?.iter().all(|x| (x - 0.95).abs() < 1e-6);
        let stayed = params.required(name)?.to_vec()?.iter().all(|x| *x == 1.0);
        let is_weight = name.ends_with("kernel") || name.ends_with("kernel/loc");
        assert!(if is_weight { shrank } else { stayed }, "{name}");
    }
    Ok(())
}

#[test]
fn a_validation_that_is_not_a_number_is_no_better_than_one_that_is() -> Result<()> {
    let asked = Cell::new(0);
    let validation = || {
        asked.set(asked.get() + 1);
        let loss = (scalar("w", 0.0)? - 3.0).square().item()?;
        Ok(if asked.get() % 2 == 1 { f64::NAN } else { loss })
    };
    let train = Train::new(1, breaking(usize::MAX)).learning_rate(0.05).steps(60).quiet();
    let best = train.patience(3).run_best(0, 10, validation)?;
    assert_eq!((best.steps(), best.losses().len()), (60, 60));
    Ok(())
}

#[model]
fn measurement() -> Result<RandomVariable<Normal<(), f64>>> {
    let x = sample(Normal::new(0.0, 1.0)?);
    let y = sample(Normal::new(&x, 1.0)?);
    Ok(y)
}

#[model]
fn guess() -> Result<()> {
    let x = sample(Normal::new(scalar("loc", 0.4)?, 1.0)?);
    let _ = x;
    Ok(())
}

#[test]
fn a_fit_goes_on_from_a_file_bit_for_bit_with_its_baselines() -> Result<()> {
    let path = file("fit");
    let observed = condition(measurement, values![measurement::y = Var::<(), f64>::scalar(1.5)]);
    // Without a closed form the score function has a baseline, an average over steps.
    let svi =
        || Svi::new(&observed, guess).estimator(ed::inference::Estimator::ScoreFunction).learning_rate(0.05);
    let whole = svi().steps(60).run(3)?;
    let mut first = svi();
    for _ in 0..25 {
        first.step(3)?;
    }
    first.save(&path)?;
    let resumed = svi().resume(&path)?.steps(60).run(3)?;
    assert_eq!(whole.elbo(), resumed.elbo());
    assert_same(whole.params(), resumed.params())?;
    assert!(svi().resume(&path)?.step(4).unwrap_err().to_string().contains("4 after 3"));
    std::fs::remove_file(&path).ok();
    Ok(())
}

#[test]
fn a_fit_refuses_an_infinite_slope_by_name_skips_it_if_told_and_loses_nothing() -> Result<()> {
    // The density is finite at the start, and its slope by `w` is not.
    let model = || {
        let x = sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?)?;
        let late = scalar("late", 0.0)?;
        observe_as("y", Normal::new(&x + scalar("w", 0.0)?.abs().sqrt() + late, 1.0)?, &Var::scalar(2.0))
    };
    let svi = || -> Result<_> { Ok(Svi::new(&model, MeanField::of(&model)?).steps(20)) };
    let refused = svi()?.run(0).unwrap_err().to_string();
    assert!(refused.contains("the parameter `w`") && refused.contains("in step 0"), "{refused}");
    let mut skipping = svi()?.optimizer(Adam::new(0.01).skip_not_finite(2));
    assert!(skipping.step(0)?.is_nan() && skipping.step(0)?.is_nan());
    assert!(skipping.step(0).is_err(), "two in a row were allowed");
    let fit = skipping.finish();
    assert!(fit.params().is_empty() && fit.elbo().len() == 2);
    Ok(())
}
