//! Stochastic output layers: a tensor in, a random variable out.

use ed::layers::output::{self, Discretize};
use ed::params::{Params, with_params};
use ed::prelude::*;

type Batch<E = f32> = Var<(usize, usize), E>;

/// Parameters that make a dense layer of one input give its bias.
fn constant<E: ed::tensor::Float>(layers: &[(&str, &[f64])]) -> Result<Params> {
    let mut params = Params::new();
    for (name, bias) in layers {
        let bias: Vec<E> = bias.iter().map(|&x| E::from_f64(x)).collect();
        params.insert(format!("output/{name}/kernel"), Batch::<E>::zeros((1, bias.len())))?;
        params.insert(format!("output/{name}/bias"), Var::from(bias))?;
    }
    Ok(params)
}

/// The log-probabilities of all levels that a layer gives.
fn levels<E, L, D>(net: &L, params: &Params, count: usize) -> Result<Vec<f64>>
where
    E: ed::tensor::Float,
    D: Distribution<Elem = E, Shape = (usize, usize)>,
    L: Apply<Batch<E>, Output = RandomVariable<D>>,
{
    let x = Batch::<E>::ones((count, 1));
    let all = Var::from_vec((0..count).map(|v| E::from_f64(v as f64)).collect(), (count, 1))?;
    let outcome = with_params(params, || seed(0, || net.forward(&x)))?;
    Ok(outcome.distribution().log_prob(&all)?.to_vec()?.into_iter().map(|p| p.to_f64()).collect())
}

/// Numbers of Edward2's quantised mixture of logistics: weights 0.2, 0.5, 0.3; locations 100, 120, 250; scales 5, 2, 10.
#[test]
fn the_quantised_mixture_has_the_published_numbers() -> Result<()> {
    let row = [0.2f64.ln(), 0.5f64.ln(), 0.3f64.ln(), 100.0, 120.0, 250.0, 5f64.ln(), 2f64.ln(), 10f64.ln()];
    let params = constant::<f64>(&[("params", &row)])?;
    let mixture = output::MixtureLogistic::new(1, 3).named("output");
    let net = sequential![mixture.clone(), Discretize::between(0.0, 255.0, 256)];
    let log_probs = levels::<f64, _, _>(&net, &params, 256)?;
    for (level, expected) in [(0, -21.499869835), (119, -2.824159888), (255, -2.147221750)] {
        approx::assert_relative_eq!(log_probs[level], expected, epsilon = 1e-8);
    }
    let sum: f64 = log_probs.iter().map(|p| p.exp()).sum();
    approx::assert_abs_diff_eq!(sum, 1.0, epsilon = 1e-12);
    let continuous = with_params(&params, || seed(0, || mixture.forward(Batch::<f64>::ones((1, 1)))))?;
    let density = continuous.distribution().log_prob(&Batch::full(119.0, (1, 1)))?.to_vec()?[0];
    approx::assert_relative_eq!(density, -2.819980775, epsilon = 1e-8);
    Ok(())
}

#[test]
fn discretised_outputs_sum_to_one_with_finite_tails_in_single_precision() -> Result<()> {
    let check = |what: &str, log_probs: Vec<f64>| {
        assert!(log_probs.iter().all(|p| p.is_finite()), "{what}: a level is impossible");
        let sum: f64 = log_probs.iter().map(|p| p.exp()).sum();
        assert!((sum - 1.0).abs() < 2e-4, "{what}: the probabilities sum to {sum}");
    };
    // Wide, usual and narrow; inside and far outside of the levels.
    for (loc, raw) in [(0.1, 3.0), (-0.4, -2.0), (0.9, -5.0), (5.0, 0.0), (-3.0, 0.5)] {
        let normal = sequential![output::Normal::new(1).named("output"), Discretize::levels(256)];
        let params = constant::<f32>(&[("loc", &[loc]), ("raw_scale", &[raw])])?;
        check(&format!("normal {loc} {raw}"), levels::<f32, _, _>(&normal, &params, 256)?);
        let logistic =
            sequential![output::MixtureLogistic::new(1, 2).named("output"), Discretize::levels(256)];
        let params = constant::<f32>(&[("params", &[0.3, -0.3, loc, -loc, raw, raw - 1.0])])?;
        check(&format!("logistic {loc} {raw}"), levels::<f32, _, _>(&logistic, &params, 256)?);
    }
    Ok(())
}

#[test]
fn moments_of_outputs_are_those_of_their_draws() -> Result<()> {
    let params =
        constant::<f64>(&[("logits", &[0.4, -0.4]), ("loc", &[1.0, -1.0]), ("raw_scale", &[0.5, -0.5])])?;
    let rows = 40_000;
    let x = Batch::<f64>::ones((rows, 1));
    let mixture = output::MixtureNormal::new(2).named("output");
    let y = with_params(&params, || seed(3, || mixture.forward(&x)))?;
    assert_eq!(y.shape(), &(rows,));
    let (mean, variance) = (y.distribution().mean()?.to_vec()?[0], y.distribution().variance()?.to_vec()?[0]);
    let draws = y.to_vec()?;
    let (drawn_mean, drawn_variance) = moments(&draws);
    assert!((drawn_mean - mean).abs() < 5.0 * (variance / rows as f64).sqrt(), "{drawn_mean}, not {mean}");
    assert!((drawn_variance / variance - 1.0).abs() < 0.05, "{drawn_variance}, not {variance}");

    let normal = output::Normal::new(2).named("output");
    let y = with_params(&params, || seed(3, || normal.forward(&x)))?;
    assert_eq!(y.shape(), &(rows, 2));
    let first: Vec<f64> = y.to_vec()?.into_iter().step_by(2).collect();
    let stddev = 0.5f64.exp().ln_1p();
    assert!((moments(&first).1.sqrt() / stddev - 1.0).abs() < 0.02);
    Ok(())
}

fn moments(x: &[f64]) -> (f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    (mean, x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n)
}

#[test]
fn a_trained_normal_knows_where_its_data_are_noisy() -> Result<()> {
    let rows = 600;
    let mut noise = vec![0f32; rows];
    ed::kernels::rng::fill_normal(Key::new(5), &mut noise);
    let at = |i: usize| i as f32 / rows as f32 * 2.0 - 1.0;
    let x = Batch::from_vec((0..rows).map(at).collect(), (rows, 1))?;
    let y = |i: usize| 2.0 * at(i) + noise[i] * if at(i) < 0.0 { 0.1 } else { 1.0 };
    let y = Batch::from_vec((0..rows).map(y).collect(), (rows, 1))?;
    let net = sequential![Dense::new(16).relu(), output::Normal::new(1)];
    let trained = Train::new(rows, |_| Ok(-net.forward(&x)?.distribution().log_prob(&y)?.mean()))
        .learning_rate(0.02)
        .steps(500)
        .quiet()
        .run(0)?;
    let ends = Batch::from_vec(vec![-0.7, 0.7], (2, 1))?;
    let outcome = trained.predict_at_mean(|| net.forward(&ends))?;
    let (mean, stddev): (Vec<f32>, Vec<f32>) =
        (outcome.distribution().mean()?.to_vec()?, outcome.distribution().scale()?.to_vec()?);
    assert!((mean[0] + 1.4).abs() < 0.2 && (mean[1] - 1.4).abs() < 0.5, "{mean:?}");
    assert!(stddev[0] < 0.25 && (0.7..1.4).contains(&stddev[1]), "{stddev:?}");
    Ok(())
}

#[test]
fn an_estimator_makes_the_parameters_of_an_output_uncertain() -> Result<()> {
    let net = sequential![Dense::new(4).relu(), output::Categorical::new(3).estimator(Flipout::default())];
    let x = Batch::<f32>::ones((5, 2));
    let mut params = Params::new();
    seed(0, || net.init(&mut params, &x))?;
    let names: Vec<&str> = params.names().map(SiteName::as_str).collect();
    assert_eq!(
        names[2..],
        ["1/logits/kernel/loc", "1/logits/kernel/raw_scale", "1/logits/bias"],
        "in {names:?}"
    );
    let probs = with_params(&params, || seed(0, || net.forward(&x)))?.distribution().probs()?.to_vec()?;
    assert_ne!(probs[..3], probs[3..6], "each row has a kernel of its own");
    let table = ed::layers::summary(&net, &params).to_string();
    assert!(table.contains("Categorical(3 classes, Flipout)"), "{table}");
    Ok(())
}

#[test]
fn labels_that_cannot_come_are_refused_with_their_place() -> Result<()> {
    let x = Batch::<f32>::ones((3, 2));
    let refused = |said: Result<Var<(usize, usize), f32>>| super::support::message(said);
    let classes = seed(0, || output::Categorical::new(10).forward(&x))?;
    for (label, said) in [(10.0, "10"), (-1.0, "-1"), (2.5, "2.5"), (f32::NAN, "NaN")] {
        let error =
            super::support::message(classes.distribution().log_prob(&Var::from(vec![0.0, 9.0, label])));
        assert!(error.contains(&format!("got {said} at [2], largest 9")), "{error}");
    }
    let coins = seed(0, || output::Bernoulli::new(2).forward(&x))?;
    for (label, said) in [(-1.0, "-1"), (2.0, "2"), (f32::NAN, "NaN")] {
        let labels = Batch::from_vec(vec![0.0, 1.0, 0.0, label, 1.0, 1.0], (3, 2))?;
        let error = refused(coins.distribution().log_prob(&labels));
        assert_eq!(error, format!("Bernoulli: the value must be 0 or 1, got {said} at [1, 1]"));
    }
    let net = sequential![output::MixtureLogistic::new(2, 3), Discretize::levels(256)];
    let pixels = seed(0, || net.forward(&x))?;
    for (level, said) in [(256.0, "256"), (-1.0, "-1"), (0.5, "0.5")] {
        let levels = Batch::from_vec(vec![0.0, 255.0, 7.0, level, 1.0, 1.0], (3, 2))?;
        let error = super::support::message(pixels.distribution().log_prob(&levels));
        assert!(error.contains(&format!("got {said} at [1, 1], largest 255")), "{error}");
    }
    // A training says so, too, before anything changes.
    let labels = Var::from(vec![1.0f32, 3.0, 0.0]);
    let program = |_| Ok(-output::Categorical::new(3).forward(&x)?.distribution().log_prob(&labels)?.mean());
    let error = super::support::message(Train::new(3, program).steps(1).quiet().run(0));
    assert!(error.contains("got 3 at [1], largest 2"), "{error}");
    Ok(())
}

#[test]
fn sizes_of_nothing_and_missing_keys_are_refused() {
    let x = Batch::<f32>::ones((5, 2));
    let refused = seed(0, || output::Normal::new(0).forward(&x)).map(|_| ()).unwrap_err();
    assert!(refused.to_string().contains("units"), "{refused}");
    assert!(seed(0, || output::MixtureLogistic::new(1, 0).forward(&x)).is_err());
    let one = sequential![output::Normal::new(1), Discretize::levels(1)];
    assert!(seed(0, || one.forward(&x)).is_err());
    let params = Params::new();
    let missing = with_params(&params, || output::Bernoulli::new(1).forward(&x));
    assert!(matches!(missing.map(|_| ()), Err(Error::MissingParameters { .. })));
    let unseeded = output::Bernoulli::new(1).forward(&x);
    assert!(matches!(unseeded.map(|_| ()), Err(Error::UnmadeParameter { .. })));
}
