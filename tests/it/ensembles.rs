//! Members that share a kernel, factors drawn for each example, and dropout that stays on.

use dfdx::shapes::Shape;
use ed::handlers::mean as mean_of;
use ed::layers::estimator::Estimator;
use ed::layers::{average_members, repeat_for_members};
use ed::params::with_params;
use ed::prelude::*;

use crate::estimators::{Images, Row, Sequences, Steps, Vectors};
use crate::support::message;

const MEMBERS: usize = 3;

fn wave<S: Shape>(shape: S, phase: f64) -> Var<S, f64> {
    let numbers = (0..shape.num_elements()).map(|i| 0.3 + (1.1 * i as f64 + phase).sin()).collect();
    Var::from_vec(numbers, shape).unwrap()
}

/// Parameters of all names that a layer makes, none of them equal to another.
fn varied(params: Params) -> Result<Params> {
    let mut varied = Params::new();
    for (at, (name, value)) in params.iter().enumerate() {
        let numbers = wave((value.dims().num_elements(),), at as f64).to_vec()?;
        varied.insert(name, AnyVar::F64(ed::tensor::Value::from_vec(numbers, *value.dims())?))?;
    }
    Ok(varied)
}

/// The output of a deterministic layer with the kernel `w ∘ α ∘ γ` and the bias of a member, from which an ensemble
/// follows as the map is linear in the channels of its kernel.
fn of_member<R: Row>(params: &Params, member: usize, x: &Var<R::In, f64>) -> Result<Vec<f64>> {
    let read = |what: &str| params.required(&format!("{}/{what}", R::NAME));
    let row = |what: &str| -> Result<Vec<f64>> {
        let all = read(what)?.to_vec()?;
        let size = all.len() / MEMBERS;
        Ok(all[member * size..][..size].to_vec())
    };
    let (alpha, gamma) = (row("alpha")?, row("gamma")?);
    let kernel = read("kernel")?;
    let scaled = kernel.to_vec()?.into_iter().enumerate().map(|(i, w)| {
        let (input, output) = (i / gamma.len() % alpha.len(), i % gamma.len());
        w * alpha[input] * gamma[output]
    });
    let mut own = Params::new();
    let scaled = ed::tensor::Value::from_vec(scaled.collect(), *kernel.dims())?;
    own.insert(format!("{}/kernel", R::NAME), AnyVar::F64(scaled))?;
    own.insert(format!("{}/bias", R::NAME), Var::from(row("bias")?))?;
    let layer = R::layer::<Deterministic>().activation(ed::layers::activation::Activation::Tanh);
    with_params(&own, || layer.forward(x))?.to_vec()
}

fn close(got: &[f64], expected: &[f64], what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() < 1e-12, "{what}: {got} for {expected}");
    }
}

/// Runs an ensemble on a batch that is repeated, against a loop over its members.
fn is_a_loop<W: Estimator, R: Row>(
    estimator: W,
    read: impl Fn(&Params) -> Result<(Params, Values)>,
) -> Result<()> {
    let layer = R::layer::<W>().estimator(estimator).activation(ed::layers::activation::Activation::Tanh);
    let x = wave(R::shape(), 0.5);
    let repeated = repeat_for_members(&x, MEMBERS)?;
    let mut params = Params::new();
    seed(0, || layer.init(&mut params, &repeated))?;
    let params = varied(params)?;
    let (of_members, values) = read(&params)?;
    let program = condition(|| layer.forward(&repeated), values);
    let y = seed(1, || with_params(&params, || program.run()))?.to_vec()?;
    let members = (0..MEMBERS).map(|member| of_member::<R>(&of_members, member, &x));
    let expected = members.collect::<Result<Vec<_>>>()?.concat();
    close(&y, &expected, &format!("{} {}", W::NAME, R::NAME));
    Ok(())
}

#[test]
fn a_batch_of_members_is_a_loop_over_them() -> Result<()> {
    fn check<R: Row>() -> Result<()> {
        is_a_loop::<_, R>(BatchEnsemble::of(MEMBERS), |params| Ok((params.clone(), Values::new())))
    }
    check::<Vectors>()?;
    check::<Sequences>()?;
    check::<Steps>()?;
    check::<Images>()
}

#[test]
fn rank_one_factors_that_are_given_are_an_ensemble() -> Result<()> {
    /// The means of the factors as given values, and as the factors of members.
    fn means<R: Row>(params: &Params) -> Result<(Params, Values)> {
        let (mut of_members, mut values) = (params.clone(), Values::new());
        for factor in ["alpha", "gamma"] {
            let name = format!("{}/{factor}", R::NAME);
            let mean = params.required(&format!("{name}/loc"))?.clone();
            of_members.insert(name.clone(), mean.clone())?;
            values.insert(name, mean)?;
        }
        Ok((of_members, values))
    }
    is_a_loop::<_, Vectors>(Rank1::of(MEMBERS), means::<Vectors>)?;
    is_a_loop::<_, Sequences>(Rank1::of(MEMBERS), means::<Sequences>)?;
    is_a_loop::<_, Images>(Rank1::of(MEMBERS), means::<Images>)
}

#[test]
fn rank_one_sums_shift_inputs_and_outputs() -> Result<()> {
    let layer = Dense::<Rank1>::new(2).estimator(Rank1::default().additive());
    let x = wave((3usize, 2usize), 0.0);
    let mut params = Params::new();
    seed(0, || layer.init(&mut params, &x))?;
    let params = varied(params)?;
    let y = seed(0, || with_params(&params, || mean_of(&|| layer.forward(&x)).run()))?;
    let read = |name: &str| params.required(&format!("dense/{name}"));
    let alpha: Var<(usize, usize), f64> = read("alpha/loc")?.typed()?;
    let gamma: Var<(usize, usize), f64> = read("gamma/loc")?.typed()?;
    let shifted = (&x + alpha.at(0)?.broadcast_to((3usize, 2usize))?).check()?;
    let kernel: Var<(usize, usize), f64> = read("kernel")?.typed()?;
    let bias: Var<(usize,), f64> = read("bias")?.typed()?;
    let expected = shifted.dot(&kernel)? + (gamma.at(0)? + bias).broadcast_to((3usize, 2usize))?;
    close(&y.to_vec()?, &expected.to_vec()?, "sums");
    Ok(())
}

/// With `γ` given, `y = Σ xᵢ αᵢ wᵢ` has mean `Σ xᵢ μᵢ wᵢ` and variance `Σ (xᵢ σᵢ wᵢ)²`, for each example by itself; with
/// both given, calls agree.
#[test]
fn rank_one_factors_are_drawn_for_each_example() -> Result<()> {
    let layer = Dense::<Rank1>::new(1).estimator(Rank1::default().scale(0.5)).without_bias();
    let x: Var<_, f64> = Var::ones((2usize, 3usize));
    let mut params = Params::new();
    params.insert("dense/kernel", Var::from_vec(vec![1.0f64, -2.0, 0.5], (3usize, 1usize))?)?;
    seed(0, || layer.init(&mut params, &x))?;
    let gamma = || -> Result<Values> {
        let mut values = Values::new();
        values.insert("dense/gamma", Var::<_, f64>::full(2.0, (1usize, 1usize)))?;
        Ok(values)
    };
    let program = condition(|| layer.forward(&x), gamma()?);
    let runs = (0..4_000u64).map(|run| seed(run, || with_params(&params, || program.run()))?.to_vec());
    let runs = runs.collect::<Result<Vec<_>>>()?;
    let n = runs.len() as f64;
    let average = |of: &dyn Fn(&[f64]) -> f64| runs.iter().map(|y| of(y)).sum::<f64>() / n;
    let (mean, variance) = (2.0 * (1.0 - 2.0 + 0.5), 4.0 * 0.25 * (1.0 + 4.0 + 0.25));
    let got = average(&|y| y[0]);
    assert!((got - mean).abs() < 5.0 * (variance / n).sqrt(), "mean {got} for {mean}");
    let got = average(&|y| (y[1] - mean).powi(2));
    assert!((got - variance).abs() < 5.0 * variance * (2.0 / n).sqrt(), "variance {got} for {variance}");
    let correlation = average(&|y| (y[0] - mean) * (y[1] - mean)) / variance;
    assert!(correlation.abs() < 5.0 / n.sqrt(), "correlation {correlation}");

    let mut both = gamma()?;
    both.insert("dense/alpha", wave((1usize, 3usize), 0.0))?;
    let program = condition(|| layer.forward(&x), both);
    let run = |key| seed(key, || with_params(&params, || program.run()))?.to_vec();
    assert_eq!(run(0)?, run(1)?);
    Ok(())
}

#[test]
fn factors_of_a_fresh_layer_do_not_shut_it() -> Result<()> {
    let x = wave((4usize, 6usize), 0.0);
    let output = |members| -> Result<f64> {
        let layer = Dense::<Rank1>::new(5).estimator(Rank1::of(members)).without_bias();
        seed(0, || layer.forward(&x))?.abs().mean().item()
    };
    let plain = seed(0, || Dense::new(5).without_bias().forward(&x))?.abs().mean().item()?;
    for members in [1, 2] {
        assert!(output(members)? > 0.5 * plain, "{members}: {} against {plain}", output(members)?);
    }
    Ok(())
}

#[test]
fn refuses_rows_that_the_members_do_not_divide() -> Result<()> {
    let x: Var<_, f32> = Var::ones((5usize, 4usize));
    let layer = Dense::new(2).estimator(BatchEnsemble::of(2));
    let refused = message(seed(0, || layer.forward(&x)));
    assert!(refused.contains("repeat_for_members(&x, 2)"), "{refused}");
    assert!(message(average_members(&x, 2)).contains("divide"));
    assert!(
        message(seed(0, || Dense::new(2).estimator(Rank1::of(2)).forward(&x))).contains("repeat_for_members")
    );
    assert!(message(repeat_for_members(&x, 0)).contains("at least 1"));
    // Ten rows in all, but five examples.
    let sequences: Var<_, f32> = Var::ones((5usize, 2usize, 4usize));
    assert!(message(seed(0, || layer.forward(&sequences))).contains("repeat_for_members"));
    Ok(())
}

/// A sum of dropped inputs has the mean of the plain one and variance `Σ (xw)² p / (1 - p)`; its fourth moments are
/// below those of a normal.
#[test]
fn dropout_stays_on_and_has_the_moments_of_its_masks() -> Result<()> {
    let rate = 0.25;
    let layer = Dense::new(1).estimator(McDropout { rate }).without_bias();
    let x: Var<_, f64> = Var::ones((2usize, 3usize));
    let mut params = Params::new();
    params.insert("dense/kernel", Var::from_vec(vec![1.0f64, -2.0, 0.5], (3usize, 1usize))?)?;
    let runs = (0..4_000u64).map(|run| seed(run, || with_params(&params, || layer.forward(&x)))?.to_vec());
    let runs = runs.collect::<Result<Vec<_>>>()?;
    let n = runs.len() as f64;
    let average = |of: &dyn Fn(&[f64]) -> f64| runs.iter().map(|y| of(y)).sum::<f64>() / n;
    let (mean, variance) = (-0.5, 5.25 * rate / (1.0 - rate));
    let got = average(&|y| y[0]);
    assert!((got - mean).abs() < 5.0 * (variance / n).sqrt(), "mean {got}");
    let got = average(&|y| (y[0] - mean).powi(2));
    assert!((got - variance).abs() < 5.0 * variance * (2.0 / n).sqrt(), "variance {got} for {variance}");
    let correlation = average(&|y| (y[0] - mean) * (y[1] - mean)) / variance;
    assert!(correlation.abs() < 5.0 / n.sqrt(), "correlation {correlation}");

    let off = Dense::new(1).estimator(McDropout { rate: 0.0 }).without_bias();
    assert_eq!(seed(0, || with_params(&params, || off.forward(&x)))?.to_vec()?, [-0.5, -0.5]);
    let refused = message(seed(0, || Dense::new(1).estimator(McDropout { rate: 1.0 }).forward(&x)));
    assert!(refused.contains("`rate`"), "{refused}");
    Ok(())
}

#[test]
fn a_recurrent_cell_keeps_its_mask_and_its_factors_for_the_sequence() -> Result<()> {
    fn check<W: Estimator>() -> Result<()> {
        let cell = LstmCell::<W>::new(3);
        let x = wave((4usize, 2usize), 0.0);
        let (first, again, other) = seed(0, || {
            let (first, state) = cell.step(&x, cell.zero_state(4))?;
            let (again, _) = cell.step(&x, state.at_zero())?;
            let other = seed(1, || cell.step(&x, cell.zero_state(4)))?.0;
            Ok((first.to_vec()?, again.to_vec()?, other.to_vec()?))
        })?;
        assert_eq!(first, again, "{}", W::NAME);
        assert_ne!(first, other, "{}", W::NAME);
        Ok(())
    }
    check::<Flipout>()?;
    check::<McDropout>()?;
    check::<Rank1>()
}

/// The bound of a mixture weighs each component by `1 / K`: equal members cost what one does, and others the mean of what
/// they cost.
#[test]
fn the_divergence_of_rank_one_members_is_the_mean_of_theirs() -> Result<()> {
    let cost = |members: usize, params: Option<Params>| -> Result<(f64, Params)> {
        let layer = Dense::<Rank1>::new(3).estimator(Rank1::of(members));
        let x = repeat_for_members(&wave((2usize, 4usize), 0.0), members)?;
        let mut made = params.clone().unwrap_or_default();
        seed(0, || layer.init(&mut made, &x))?;
        let run = || with_params(&made, || with_kl(1, || layer.forward(&x)));
        let (_, kl): (_, Var<(), f64>) = seed(0, run)?;
        Ok((kl.item()?, made))
    };
    // Seven factors at 1 with deviations of softplus(-3), as the prior's mean: ln(1 / σ) - ½ + σ² / 2 each.
    let at_mean = |mean: f64| {
        let sigma = (-3f64).exp().ln_1p() + 1e-7;
        (1.0 / sigma).ln() - 0.5 + 0.5 * (sigma.powi(2) + (mean - 1.0).powi(2))
    };
    assert!((cost(1, None)?.0 - 7.0 * at_mean(1.0)).abs() < 1e-5);
    for members in [2, 8] {
        // Members start at signs: the mean over all of them.
        let (kl, params) = cost(members, None)?;
        let mut expected = 0.0;
        for factor in ["alpha", "gamma"] {
            let means = params.required(&format!("dense/{factor}/loc"))?.to_vec()?;
            expected += means.iter().map(|&mean| at_mean(mean)).sum::<f64>() / members as f64;
        }
        assert!((kl - expected).abs() < 1e-5, "{members}: {kl} for {expected}");
        let mut equal = Params::new();
        for (name, value) in params.iter() {
            let value = if name.as_str().ends_with("/loc") {
                AnyVar::F64(ed::tensor::Value::full(1.0, *value.dims()))
            } else {
                value.clone()
            };
            equal.insert(name, value)?;
        }
        assert!((cost(members, Some(equal))?.0 - 7.0 * at_mean(1.0)).abs() < 1e-5, "{members} equal members");
    }
    Ok(())
}

/// A believed bias for each member is a part of the same mixture.
#[test]
fn believed_biases_of_members_cost_the_mean_of_theirs() -> Result<()> {
    let cost = |members: usize| -> Result<f64> {
        let bias = Bias::Believed(ed::layers::weight::NormalBelief::default());
        let layer = Dense::new(3).estimator(BatchEnsemble::of(members)).bias(bias);
        let x = repeat_for_members(&wave((2usize, 4usize), 0.0), members)?;
        let (_, kl): (_, Var<(), f64>) = seed(0, || with_kl(1, || layer.forward(&x)))?;
        kl.item()
    };
    assert!((cost(4)? - cost(1)?).abs() < 1e-9);
    Ok(())
}
