//! What is believed about weights: divergences from priors against published numbers, weights as random variables.

use ed::layers::estimator::Estimator;
use ed::layers::weight::{
    CauchyPrior, EmpiricalBayesPrior, LaplacePrior, LogUniformPrior, NormalBelief, NormalPrior, Prior,
    TiedMeanPrior, TrainablePrior, UniformPrior,
};
use ed::params::{value_and_gradients, with_params};
use ed::prelude::*;

use crate::support::message;

/// Means and standard deviations of three weights.
const LOC: [f64; 3] = [0.5, -1.0, 2.0];
const SCALE: [f64; 3] = [0.1, 0.7, 1.5];

/// The parameters of a dense layer of one unit.
fn params_of(loc: &[f64], scale: &[f64]) -> Result<Params> {
    let mut params = Params::new();
    let column = |numbers: Vec<f64>| Var::from_vec(numbers, (loc.len(), 1usize));
    let raw = scale.iter().map(|scale| (scale - 1e-7).exp_m1().ln()).collect();
    params.insert("dense/kernel/loc", column(loc.to_vec())?)?;
    params.insert("dense/kernel/raw_scale", column(raw)?)?;
    Ok(params)
}

fn divergence<W: Estimator>(estimator: W, loc: &[f64], scale: &[f64], key: u64) -> Result<f64> {
    let layer = Dense::new(1).estimator(estimator).without_bias();
    let params = params_of(loc, scale)?;
    let x: Var<_, f64> = Var::ones((1usize, loc.len()));
    let run = || with_params(&params, || with_kl::<_, f64>(1, || layer.forward(&x)));
    seed(key, run)?.1.item()
}

/// Both with a draw of the weight and without one.
fn costs(prior: impl Prior + Clone + 'static, expected: f64) -> Result<()> {
    let drawn = divergence(Reparameterization::default().prior(prior.clone()), &LOC, &SCALE, 0)?;
    let open = divergence(Flipout::default().prior(prior.clone()), &LOC, &SCALE, 0)?;
    for got in [drawn, open] {
        assert!((got - expected).abs() < 2e-6 * expected.abs(), "{prior:?}: {got} for {expected}");
    }
    Ok(())
}

#[test]
fn divergences_are_those_of_published_formulas() -> Result<()> {
    costs(NormalPrior::default(), 4.753794929)?;
    costs(NormalPrior::Fixed { loc: 0.3, scale: 2.0 }, 3.7544865)?;
    costs(TiedMeanPrior::default(), 2.128794925)?;
    costs(UniformPrior, -2.003020671)?;
    costs(EmpiricalBayesPrior::default(), 9.447501779)?;
    costs(LogUniformPrior, 3.663141077)?;
    let half = divergence(
        Reparameterization::default().prior(EmpiricalBayesPrior::default()),
        &[1.0, 2.0, 3.0],
        &[0.5; 3],
        0,
    )?;
    assert!((half - 11.98125476).abs() < 1e-5, "{half}");
    Ok(())
}

#[test]
fn a_weight_at_its_start_costs_what_its_scale_does() -> Result<()> {
    let start = 0.048_587_351_573_741_96;
    let each = divergence(Reparameterization::default(), &[0.0], &[start + 1e-7], 0)?;
    assert!((each - 2.525_572_403).abs() < 1e-5, "{each}");
    Ok(())
}

/// The divergence for `α` = 0.001, 0.1, 1 and 10 from quadrature; the approximation is within 0.006 of it.
#[test]
fn the_log_uniform_prior_favours_noise() -> Result<()> {
    for (alpha, exact) in [(0.001f64, 4.089), (0.1, 1.724), (1.0, 0.427), (10.0, 0.049)] {
        let got = divergence(VariationalDropout::default(), &[1.0], &[alpha.sqrt()], 0)?;
        assert!((got - exact).abs() < 0.006, "α = {alpha}: {got} for {exact}");
    }
    Ok(())
}

/// `∫ q (ln q - ln p)` over ten standard deviations, by Simpson's rule.
fn quadrature(loc: f64, scale: f64, ln_p: impl Fn(f64) -> f64) -> f64 {
    let (n, from) = (4_000, loc - 10.0 * scale);
    let step = 20.0 * scale / n as f64;
    let term = |i: usize| {
        let x = from + i as f64 * step;
        let ln_q = crate::support::ln_normal(x, loc, scale);
        let weight = if i == 0 || i == n { 1.0 } else { 2.0 + 2.0 * (i % 2) as f64 };
        weight * ln_q.exp() * (ln_q - ln_p(x))
    };
    (0..=n).map(term).sum::<f64>() * step / 3.0
}

fn averages_to<W: Estimator>(estimator: W, expected: f64) -> Result<()> {
    let draws = (0..3_000).map(|key| divergence(estimator.clone(), &LOC, &SCALE, key));
    let draws = draws.collect::<Result<Vec<f64>>>()?;
    let n = draws.len() as f64;
    let mean = draws.iter().sum::<f64>() / n;
    let error = (draws.iter().map(|kl| (kl - mean).powi(2)).sum::<f64>() / (n * (n - 1.0))).sqrt();
    assert!((mean - expected).abs() < 5.0 * error, "{}: {mean} ± {error} for {expected}", W::NAME);
    assert!(error < 0.1, "{error}");
    Ok(())
}

#[test]
fn divergences_by_one_draw_average_to_the_integral() -> Result<()> {
    let over = |ln_p: fn(f64) -> f64| -> f64 {
        LOC.iter().zip(SCALE).map(|(&loc, scale)| quadrature(loc, scale, ln_p)).sum()
    };
    let cauchy = over(|x| -(std::f64::consts::PI * (1.0 + x * x)).ln());
    let prior = CauchyPrior::default();
    averages_to(Reparameterization::default().prior(prior), cauchy)?;
    averages_to(LocalReparameterization::default().prior(prior), cauchy)?;
    let laplace = over(|x| -(x.abs() / 0.5) - 1f64.ln());
    averages_to(Reparameterization::default().prior(LaplacePrior { loc: 0.0, scale: 0.5 }), laplace)
}

/// `∫ N(w; 0, s²) InverseGamma(s²; a, b) ds²` by the midpoint rule in `ln s²`.
#[test]
fn the_law_of_empirical_bayes_has_its_variance_integrated_out() -> Result<()> {
    let prior = EmpiricalBayesPrior { loc: 0.0, concentration: 3.0, scale: 2.0 };
    let layer = Dense::<Reparameterization>::new(1).without_bias();
    let layer = layer.estimator(Reparameterization::default().prior(prior));
    let x: Var<_, f64> = Var::ones((1usize, 2usize));
    let (_, trace) = seed(0, || tape(&|| layer.forward(&x)))?;
    let law = trace.required("dense/kernel")?.distribution.clone();
    let weights = Var::from_vec(vec![0.7f64, -1.9], (2usize, 1usize))?;
    let step = 0.01;
    let terms = (-1_000..1_500).map(|i| {
        let ln_variance: f64 = (f64::from(i) + 0.5) * step;
        let variance = ln_variance.exp();
        let normals = [0.7, -1.9].map(|w| crate::support::ln_normal(w, 0.0, variance.sqrt()));
        // Γ(3) = 2, and one factor s² of the step in the logarithm.
        let inverse_gamma = 3.0 * 2f64.ln() - 2f64.ln() - 3.0 * ln_variance - 2.0 / variance;
        (normals[0] + normals[1] + inverse_gamma).exp() * step
    });
    let expected = terms.sum::<f64>().ln();
    let got = law.log_prob_sum(&weights.into())?.item()?;
    assert!((got - expected).abs() < 1e-6, "{got} for {expected}");
    // Draws have the mean of the variance, b / (a - 1) = 1.
    let squares = (0..2_000).map(|key| law.sample(Key::new(key))?.to_vec().map(|w| w[0] * w[0]));
    let mean = squares.collect::<Result<Vec<f64>>>()?.iter().sum::<f64>() / 2_000.0;
    assert!((mean - 1.0).abs() < 0.3, "{mean}");
    Ok(())
}

#[test]
fn the_best_variance_costs_at_most_what_a_fixed_one_does() -> Result<()> {
    let (loc, scale): (Vec<f64>, Vec<f64>) =
        (0..400).map(|i| (0.8 * (1.3 * f64::from(i)).sin(), 0.3)).unzip();
    let best = divergence(Flipout::default().prior(EmpiricalBayesPrior::default()), &loc, &scale, 0)?;
    for fixed in [0.1, 0.5, 1.0, 2.0] {
        let prior = NormalPrior::Fixed { loc: 0.0, scale: fixed };
        let other = divergence(Flipout::default().prior(prior), &loc, &scale, 0)?;
        // The law of the variance costs a few nats in all.
        assert!(best < other + 10.0, "{best} against {other} at {fixed}");
    }
    Ok(())
}

#[test]
fn a_prior_with_parameters_is_trained_with_the_weights() -> Result<()> {
    for (shared, count) in [(true, 1), (false, 6)] {
        let prior = TrainablePrior { shared, ..TrainablePrior::default() };
        let layer = Dense::new(2).estimator(Flipout::default().prior(prior));
        let x: Var<_, f64> = Var::ones((4usize, 3usize));
        let mut params = Params::new();
        let loss = || Ok(seed(0, || with_kl::<_, f64>(1, || layer.forward(&x)))?.1);
        let (_, gradients) = value_and_gradients(&mut params, loss)?;
        let read = |params: &Params, name: &str| params.required(&format!("dense/kernel/{name}"))?.to_vec();
        let gradient = read(&gradients, "prior/raw_scale")?;
        assert_eq!(gradient.len(), count);
        // By a standard deviation of 1: 1 - σ² - μ²; and that by its unconstrained number: 1 - 1/e.
        let moments = read(&params, "loc")?.into_iter().zip(read(&params, "raw_scale")?);
        let each = moments.map(|(mu, raw)| 1.0 - (raw.exp().ln_1p() + 1e-7).powi(2) - mu * mu);
        let each: Vec<f64> = each.map(|by_scale| by_scale * (1.0 - (-1f64).exp())).collect();
        let expected = if shared { vec![each.iter().sum()] } else { each };
        for (got, expected) in gradient.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-5, "{got} for {expected}");
        }
    }
    Ok(())
}

#[test]
fn standard_deviations_are_each_weights_own_or_shared_or_fixed() -> Result<()> {
    let made = |belief: NormalBelief| -> Result<Params> {
        let layer = Dense::new(2).estimator(Reparameterization(belief)).without_bias();
        let mut params = Params::new();
        seed(0, || layer.init(&mut params, Var::<_, f64>::ones((4usize, 3usize))))?;
        Ok(params)
    };
    let sizes = |params: &Params| params.num_parameters();
    assert_eq!(sizes(&made(NormalBelief::default())?), 12);
    assert_eq!(sizes(&made(NormalBelief::default().shared_scale())?), 7);
    assert_eq!(sizes(&made(NormalBelief::default().fixed_scale(0.5))?), 6);
    let refused = message(made(NormalBelief::default().fixed_scale(-1.0)));
    assert!(refused.contains("`scale` must be finite and positive, got -1"), "{refused}");
    Ok(())
}

#[test]
fn refuses_priors_out_of_their_domain() {
    let refused = |prior: &'static str, outcome: Result<f64>| {
        let text = message(outcome);
        assert!(text.contains(prior) && text.contains("dense/kernel"), "{text}");
    };
    let with = |prior| divergence(Flipout::default().prior(prior), &LOC, &SCALE, 0);
    refused("NormalPrior", with(NormalPrior::Fixed { loc: 0.0, scale: 0.0 }));
    refused(
        "TiedMeanPrior",
        divergence(Flipout::default().prior(TiedMeanPrior { scale: -1.0 }), &LOC, &SCALE, 0),
    );
    let bad = EmpiricalBayesPrior { concentration: f64::NAN, ..EmpiricalBayesPrior::default() };
    refused("EmpiricalBayesPrior", divergence(Flipout::default().prior(bad), &LOC, &SCALE, 0));
    refused(
        "Laplace",
        divergence(Flipout::default().prior(LaplacePrior { loc: 0.0, scale: -1.0 }), &LOC, &SCALE, 0),
    );
}

#[test]
fn weights_are_random_variables_by_path() -> Result<()> {
    let net = sequential![Dense::<Flipout>::new(3), Relu, Dense::<Reparameterization>::new(1)].named("net");
    let x: Var<_, f32> = Var::ones((4usize, 2usize));
    let (_, trace) = seed(0, || tape(&|| net.forward(&x)))?;
    let names: Vec<String> = trace.names().map(|name| name.to_string()).collect();
    assert_eq!(names, ["net/0/kernel", "net/2/kernel"]);
    Ok(())
}

#[test]
fn two_layers_of_one_name_are_refused_while_trained() {
    let (a, b) = (Dense::<Flipout>::new(2), Dense::<Flipout>::new(2));
    let x: Var<_, f32> = Var::ones((4usize, 2usize));
    let run = || Ok(seed(0, || b.forward(&a.forward(&x)?))?.sum());
    let refused = message(value_and_gradients(&mut Params::new(), run));
    assert!(refused.contains("two layers are called `dense`"), "{refused}");
}

/// Eight inputs of two numbers, and outputs near `x₀ - 2x₁`.
fn line() -> Result<(Var<(usize, usize), f64>, Var<(usize,), f64>)> {
    let x: Vec<[f64; 2]> = (0..8).map(|i| [(0.9 * f64::from(i)).sin(), (1.7 * f64::from(i)).cos()]).collect();
    let y: Vec<f64> = x.iter().enumerate().map(|(i, x)| x[0] - 2.0 * x[1] + 0.2 * (i as f64).sin()).collect();
    Ok((Var::from_vec(x.concat(), (8usize, 2usize))?, Var::from(y)))
}

/// Mean of a number over the chains, its standard error by the means of batches of 50 draws, and its standard deviation.
fn estimate(draws: &Draws, name: &'static str, element: usize) -> Result<[f64; 3]> {
    let numbers = draws.required(name)?.scalar_chains(element).concat();
    let n = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / n;
    let variance = numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    let batches: Vec<f64> = numbers.chunks(50).map(|batch| batch.iter().sum::<f64>() / 50.0).collect();
    let m = batches.len() as f64;
    let error = (batches.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (m * (m - 1.0))).sqrt();
    Ok([mean, error, variance.sqrt()])
}

/// Bayesian linear regression: the posterior of the weights has precision `I + XᵀX / σ²`.
#[test]
fn nuts_samples_the_weights_of_a_layer() -> Result<()> {
    let (x, y) = line()?;
    let layer = Dense::<Flipout>::new(1).without_bias();
    let model = || {
        let outputs = layer.forward(&x)?.reshape((8usize,))?;
        sample_as("y", Normal::new(outputs, 0.5)?)
    };
    let mut values = Values::new();
    values.insert("y", y.clone())?;
    let draws = Nuts::new(&condition(model, values)).chains(2).quiet().run(1)?;

    let (x, y) = (x.to_vec()?, y.to_vec()?);
    let sum = |a: &dyn Fn(usize) -> f64| (0..8).map(a).sum::<f64>() / 0.25;
    let precision =
        |i: usize, j: usize| sum(&|row| x[2 * row + i] * x[2 * row + j]) + if i == j { 1.0 } else { 0.0 };
    let (a, b, d) = (precision(0, 0), precision(0, 1), precision(1, 1));
    let determinant = a * d - b * b;
    let [u, v] = [0, 1].map(|i| sum(&|row| x[2 * row + i] * y[row]));
    let means = [(d * u - b * v) / determinant, (a * v - b * u) / determinant];
    let deviations = [(d / determinant).sqrt(), (a / determinant).sqrt()];
    for element in 0..2 {
        let [mean, error, deviation] = estimate(&draws, "dense/kernel", element)?;
        assert!((mean - means[element]).abs() < 5.0 * error, "{mean} ± {error} for {}", means[element]);
        assert!((deviation / deviations[element] - 1.0).abs() < 0.15, "{deviation}");
    }
    Ok(())
}

#[test]
fn nuts_samples_all_weights_of_a_network_by_path() -> Result<()> {
    let believed = || Bias::Believed(NormalBelief::default());
    let net = sequential![
        Dense::<Reparameterization>::new(2).bias(believed()),
        Tanh,
        Dense::<LocalReparameterization>::new(1).bias(believed()),
    ];
    let net = net.named("net");
    let (x, y) = line()?;
    let model = || {
        let outputs = net.forward(&x)?.reshape((8usize,))?;
        sample_as("y", Normal::new(outputs, 0.5)?)
    };
    let mut values = Values::new();
    values.insert("y", y.clone())?;
    let draws = Nuts::new(&condition(model, values)).chains(1).warmup(200).draws(200).quiet().run(2)?;
    let names: Vec<String> = draws.names().map(|name| name.to_string()).collect();
    assert_eq!(names, ["net/0/kernel", "net/0/bias", "net/2/kernel", "net/2/bias"]);
    // The same network, with a draw of the sampler for its weights, fits the data that it was conditioned on.
    let weights = draws.at(0, 199)?;
    let fitted = seed(0, || condition(|| net.forward(&x), weights).run())?.reshape((8usize,))?;
    let residual = (fitted - y).square().mean().item()?;
    assert!(residual < 1.0, "{residual}");
    Ok(())
}
