//! Optimisers against PyTorch (`tests/golden/gen_optimizers.py`).

use super::*;
use crate::params::{param_as, value_and_gradients};
use crate::tensor::{Float, Var};

fn golden(name: &str) -> Vec<f64> {
    let text = include_str!("../../../tests/golden/optimizers.json");
    let golden: serde_json::Value = serde_json::from_str(text).unwrap();
    golden[name].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// Five steps on `Σ (cos x + x² / 2)` from `(1, -2, 0.5)`.
fn five_steps<E: Float>(mut optimizer: impl Optimizer) -> Result<Vec<f64>> {
    let mut params = Params::new();
    for _ in 0..5 {
        let (_, gradients) = value_and_gradients(&mut params, || {
            let x = param_as("x", || {
                Var::<(usize,), E>::from_vec(start(), (3,)).unwrap_or_else(|_| Var::zeros((3,)))
            })?;
            Ok((x.cos() + x.square() * 0.5).sum())
        })?;
        optimizer.step(&mut params, gradients)?;
    }
    params.required("x")?.to_vec()
}

fn start<E: Float>() -> Vec<E> {
    [1.0, -2.0, 0.5].map(E::from_f64).to_vec()
}

#[test]
fn steps_are_those_of_pytorch() -> Result<()> {
    let close = |ours: Vec<f64>, name: &str, tolerance: f64| {
        for (ours, golden) in ours.iter().zip(golden(name)) {
            assert!((ours - golden).abs() < tolerance, "{name}: {ours} for {golden}");
        }
    };
    close(five_steps::<f64>(Adam::new(0.1))?, "adam", 1e-12);
    close(five_steps::<f32>(Adam::new(0.1))?, "adam", 1e-5);
    let decayed = Adam::new(0.05).betas(0.8, 0.95).eps(1e-3).weight_decay(0.1);
    close(five_steps::<f64>(decayed)?, "adamw", 1e-12);
    close(five_steps::<f64>(Sgd::new(0.1))?, "sgd", 1e-12);
    close(five_steps::<f64>(Sgd::new(0.1).momentum(0.9))?, "momentum", 1e-12);
    close(five_steps::<f64>(Sgd::new(0.1).clip_norm(0.5))?, "clip_norm", 1e-5);
    close(five_steps::<f64>(Sgd::new(0.1).clip_value(0.2))?, "clip_value", 1e-12);
    Ok(())
}

#[test]
fn schedules_are_those_of_pytorch() -> Result<()> {
    for (name, schedule) in [
        ("cosine", Schedule::cosine(0.1, 20)),
        ("exponential", Schedule::exponential(0.1, 0.5, 4)),
        ("piecewise", Schedule::piecewise(0.1, [(5, 0.01), (12, 0.001)])),
        ("one_cycle", Schedule::one_cycle(0.1, 20)),
    ] {
        for (step, golden) in golden(name).into_iter().enumerate() {
            let rate = schedule.at(step as u64)?;
            assert!((rate - golden).abs() < 1e-12, "{name} at {step}: {rate} for {golden}");
        }
    }
    Ok(())
}

#[test]
fn refuses_settings_outside_of_their_domain() {
    let refused = |optimizer: &mut dyn Optimizer| {
        optimizer.step(&mut Params::new(), Params::new()).unwrap_err().to_string()
    };
    assert!(
        refused(&mut Adam::new(-0.1)).contains("`learning_rate` must be finite and at least 0, got -0.1")
    );
    assert!(refused(&mut Adam::new(0.1).betas(1.0, 0.9)).contains("`beta1`"));
    assert!(refused(&mut Adam::new(0.1).eps(f64::NAN)).contains("`eps`"));
    assert!(refused(&mut Sgd::new(0.1).momentum(1.5)).contains("`momentum`"));
    assert!(refused(&mut Sgd::new(0.1).clip_norm(0.0)).contains("`bound`"));
    assert!(refused(&mut Sgd::new(Schedule::exponential(f64::NAN, 0.5, 3))).contains("`learning_rate`"));
}

#[test]
fn unshared_parameters_are_changed_in_place_and_shared_ones_copied() -> Result<()> {
    let mut params = Params::new();
    params.insert("x", Var::from([1.0f32, 2.0]))?;
    let address = |params: &Params| Ok::<_, Error>(params.required("x")?.as_value::<f32>()?.peek()?.as_ptr());
    let gradient = || -> Result<Params> {
        let mut gradients = Params::new();
        gradients.insert("x", Var::from([1.0f32, 1.0]))?;
        Ok(gradients)
    };
    let before = address(&params)?;
    Sgd::new(0.5).step(&mut params, gradient()?)?;
    assert_eq!(address(&params)?, before);
    let kept = params.clone();
    Sgd::new(0.5).step(&mut params, gradient()?)?;
    assert_eq!(kept.required("x")?.to_vec()?, [0.5, 1.5]);
    assert_eq!(params.required("x")?.to_vec()?, [0.0, 1.0]);
    Ok(())
}

/// Parameters `a` and `b` of ones, in a precision.
fn ones<E: Float>() -> Result<Params> {
    let mut params = Params::new();
    params.insert("a", Var::<_, E>::ones((2usize,)))?;
    params.insert("b", Var::<_, E>::ones((3usize,)))?;
    Ok(params)
}

fn gradients<E: Float>(a: f64, b: f64) -> Result<Params> {
    let mut gradients = Params::new();
    gradients.insert("a", Var::<_, E>::full(a, (2usize,)))?;
    gradients.insert("b", Var::<_, E>::full(b, (3usize,)))?;
    Ok(gradients)
}

/// Every optimiser, and every way of wrapping one.
fn all() -> Vec<(&'static str, Box<dyn Optimizer>)> {
    vec![
        ("Adam", Box::new(Adam::new(0.1).weight_decay(0.1))),
        ("Sgd", Box::new(Sgd::new(0.1))),
        ("momentum", Box::new(Sgd::new(Schedule::cosine(0.1, 50)).momentum(0.9))),
        ("clip_norm", Box::new(Adam::new(Schedule::one_cycle(0.1, 50)).clip_norm(1.0))),
        ("clip_value", Box::new(Sgd::new(0.1).clip_value(1.0))),
        ("groups", Box::new(Groups::new(Adam::new(0.1)).group("a*", Sgd::new(0.1).momentum(0.5)))),
        ("frozen", Box::new(Groups::new(Adam::new(0.1)).frozen("b"))),
        ("clipped groups", Box::new(Groups::new(Sgd::new(0.1)).group("b", Adam::new(0.1)).clip_norm(1.0))),
    ]
}

#[test]
fn a_gradient_that_is_not_finite_is_refused_by_name_before_anything_changes() -> Result<()> {
    fn check<E: Float>() -> Result<()> {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for (name, mut optimizer) in all() {
                let mut params = ones::<E>()?;
                optimizer.step(&mut params, gradients::<E>(0.5, -0.5)?)?;
                let (before, state) = (params.clone(), optimizer.state()?);
                let refused = optimizer.step(&mut params, gradients::<E>(1.0, bad)?).unwrap_err();
                assert!(matches!(refused, Error::NotFinite { .. }), "{name}: {refused}");
                assert!(refused.to_string().contains("the parameter `b`"), "{name}: {refused}");
                assert_same(&before, &params, name)?;
                assert_same(&state, &optimizer.state()?, name)?;
                optimizer.step(&mut params, gradients::<E>(1.0, 1.0)?)?;
                assert!(params.iter().all(|(_, x)| x.to_vec().unwrap().iter().all(|x| x.is_finite())));
            }
        }
        Ok(())
    }
    check::<f32>()?;
    check::<f64>()
}

#[track_caller]
fn assert_same(a: &Params, b: &Params, of: &str) -> Result<()> {
    assert_eq!(a.len(), b.len(), "{of}");
    for (name, value) in a.iter() {
        let bits = |value: &crate::tensor::AnyVar| -> Result<Vec<u64>> {
            Ok(value.to_vec()?.into_iter().map(f64::to_bits).collect())
        };
        assert_eq!(bits(value)?, bits(b.required(name.as_str())?)?, "{of}: {name}");
    }
    Ok(())
}

#[test]
fn a_step_refused_at_one_parameter_moves_none() -> Result<()> {
    let mut wrong = gradients::<f64>(1.0, 1.0)?;
    wrong.insert("c", Var::<(), f64>::scalar(1.0))?;
    let mut shape = Params::new();
    shape.insert("a", Var::from([1.0f64, 1.0]))?;
    shape.insert("b", Var::from([1.0f64]))?;
    let mut precision = Params::new();
    precision.insert("a", Var::from([1.0f64, 1.0]))?;
    precision.insert("b", Var::from([1.0f32; 3]))?;
    for (gradients, expected) in [(wrong, "`c`"), (shape, "`b`"), (precision, "f32")] {
        for (name, mut optimizer) in all() {
            let mut params = ones::<f64>()?;
            let refused = optimizer.step(&mut params, gradients.clone()).unwrap_err().to_string();
            assert!(refused.contains(expected), "{name}: {refused}");
            assert_same(&ones::<f64>()?, &params, name)?;
        }
    }
    Ok(())
}

#[test]
fn a_gradient_whose_square_overflows_is_refused_and_clipping_brings_it_back() -> Result<()> {
    // 1e20 squared is beyond single precision: the second moment would be infinite, and `a` never move again.
    let mut params = ones::<f32>()?;
    let refused = Adam::new(0.1).step(&mut params, gradients::<f32>(1e20, 1.0)?).unwrap_err().to_string();
    assert!(refused.contains("`a`, 1e20 at its element 0"), "{refused}");
    assert_same(&ones::<f32>()?, &params, "Adam")?;
    // The norm of such gradients is no larger than doubles hold: PyTorch makes zeros of them.
    let mut sgd = Sgd::new(1.0).clip_norm(1.0);
    sgd.step(&mut params, gradients::<f32>(1e20, 0.0)?)?;
    assert!((params.required("a")?.to_vec()?[0] - (1.0 - 0.5f64.sqrt())).abs() < 1e-6);
    let mut params = ones::<f64>()?;
    Sgd::new(1.0).clip_norm(1.0).step(&mut params, gradients::<f64>(1e200, 0.0)?)?;
    assert!((params.required("a")?.to_vec()?[0] - (1.0 - 0.5f64.sqrt())).abs() < 1e-12);
    Adam::new(0.1).clip_norm(1.0).step(&mut params, gradients::<f64>(f64::MAX, f64::MAX)?)?;
    let mut fast = Sgd::new(1e3).momentum(0.99);
    let refused = fast.step(&mut params, gradients::<f64>(1e306, 0.0)?).unwrap_err().to_string();
    assert!(refused.contains("`a`, 1e306"), "{refused}");
    Ok(())
}

#[test]
fn adam_without_epsilon_stays_where_there_is_no_gradient() -> Result<()> {
    let mut params = ones::<f32>()?;
    let mut adam = Adam::new(0.1).eps(0.0);
    for _ in 0..3 {
        adam.step(&mut params, gradients::<f32>(0.0, 2.0)?)?;
    }
    assert_eq!(params.required("a")?.to_vec()?, [1.0, 1.0]);
    assert!((params.required("b")?.to_vec()?[0] - 0.7).abs() < 1e-5);
    Ok(())
}

#[test]
fn an_optimiser_goes_on_from_its_state_bit_for_bit_and_refuses_that_of_another() -> Result<()> {
    let gradient = |step: usize| gradients::<f32>((step as f64).sin(), (step as f64 * 0.7).cos());
    for (at, (name, mut whole)) in all().into_iter().enumerate() {
        let mut params = ones::<f32>()?;
        for step in 0..5 {
            whole.step(&mut params, gradient(step)?)?;
        }
        let mut resumed_params = params.clone();
        let mut resumed = all().swap_remove(at).1;
        resumed.set_state(&whole.state()?)?;
        for step in 5..10 {
            whole.step(&mut params, gradient(step)?)?;
            resumed.step(&mut resumed_params, gradient(step)?)?;
        }
        assert_same(&params, &resumed_params, name)?;
        assert_same(&whole.state()?, &resumed.state()?, name)?;
    }
    let refused = Adam::new(0.1).set_state(&Sgd::new(0.1).state()?).unwrap_err().to_string();
    assert!(refused.contains("another optimiser"), "{refused}");
    Ok(())
}

#[test]
fn steps_that_are_not_finite_are_skipped_if_told_and_not_too_many_in_a_row() -> Result<()> {
    let optimizers: [(&str, Box<dyn Optimizer>); 3] = [
        ("inside", Box::new(Adam::new(0.1).skip_not_finite(2).clip_norm(1.0))),
        ("outside", Box::new(Adam::new(0.1).clip_norm(1.0).skip_not_finite(2))),
        ("groups", Box::new(Groups::new(Adam::new(0.1)).group("b", Sgd::new(0.1)).skip_not_finite(2))),
    ];
    for (name, mut optimizer) in optimizers {
        let mut params = ones::<f64>()?;
        for round in 1..=3 {
            for _ in 0..2 {
                let before = params.clone();
                optimizer.step(&mut params, gradients::<f64>(1.0, f64::NAN)?)?;
                assert_same(&before, &params, name)?;
            }
            let before = params.clone();
            assert!(optimizer.step(&mut params, gradients::<f64>(f64::NAN, 1.0)?).is_err(), "{name}");
            assert_same(&before, &params, name)?;
            optimizer.step(&mut params, gradients::<f64>(1.0, 1.0)?)?;
            assert_eq!(optimizer.num_skipped(), 2 * round, "{name}");
        }
    }
    Ok(())
}

#[test]
fn schedules_are_right_at_their_edges_or_refused() -> Result<()> {
    let out_of_order = Schedule::piecewise(1.0, [(20, 0.1), (10, 0.5)]);
    let rates = [0, 10, 20, 30].map(|step| out_of_order.at(step).unwrap());
    assert_eq!(rates, [1.0, 0.5, 0.1, 0.1]);
    assert_eq!(Schedule::piecewise(1.0, []).at(7)?, 1.0);
    let refused = |schedule: Schedule| schedule.at(0).unwrap_err().to_string();
    assert!(refused(Schedule::cosine(0.1, 0)).contains("`steps` must be at least 1"));
    assert!(refused(Schedule::one_cycle(0.1, 0)).contains("`steps` must be at least 1"));
    assert!(refused(Schedule::exponential(0.1, 0.5, 0)).contains("`steps` must be at least 1"));
    assert!(refused(Schedule::exponential(0.1, -0.5, 3)).contains("`factor` must be finite and positive"));
    assert!(refused(Schedule::piecewise(1.0, [(5, 0.1), (5, 0.2)])).contains("0.1 and 0.2 from step 5 on"));
    assert!(refused(Schedule::cosine(0.1, 0).warm_up(5)).contains("`steps`"));
    for peak in [0.0, 0.1] {
        for steps in 1..6 {
            for step in (0..8).chain([u64::MAX]) {
                for schedule in [Schedule::one_cycle(peak, steps), Schedule::cosine(peak, steps)] {
                    for warm_up in [0, 1, u64::MAX] {
                        let rate = schedule.clone().warm_up(warm_up).at(step)?;
                        assert!(
                            (0.0..=peak * (1.0 + 1e-12)).contains(&rate),
                            "{rate} at {step} of {schedule:?}"
                        );
                    }
                }
            }
        }
    }
    Ok(())
}

#[test]
fn a_pattern_of_no_name_is_refused_with_the_names() -> Result<()> {
    let mut params = ones::<f64>()?;
    let mut groups = Groups::new(Sgd::new(0.1)).group("encoder/*", Sgd::new(0.1));
    let refused = groups.step(&mut params, gradients::<f64>(1.0, 1.0)?).unwrap_err().to_string();
    assert!(refused.contains("`encoder/*`") && refused.contains("`a` and `b`"), "{refused}");
    assert_same(&ones::<f64>()?, &params, "groups")
}
