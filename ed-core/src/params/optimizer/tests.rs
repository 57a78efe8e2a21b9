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
