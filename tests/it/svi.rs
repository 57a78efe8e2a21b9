//! Variational inference against posteriors that are known exactly.

use ed::inference::{Estimator, posterior_predictive};
use ed::params::Params;
use ed::params::optimizer::{Adam, Schedule};
use ed::prelude::*;

const Y: [f64; 5] = [0.8, 1.9, -0.3, 2.2, 1.4];

/// A location with a standard normal prior and five measurements: the posterior is `N(Σy / 6, 1 / √6)`.
#[model]
fn location() -> Result<RandomVariable<Normal<(usize,), f64>>> {
    let x = sample(Normal::new(0.0, 1.0)?);
    let y = sample(Normal::new(x.expand_last(5usize), 1.0)?);
    Ok(y)
}

fn measured() -> impl Model {
    condition(location, values![location::y = Var::from(Y)])
}

/// Two numbers of which the sum is measured: the posterior precision is `[[5, 4], [4, 5]]`.
#[model]
fn pair() -> Result<RandomVariable<Normal<(), f64>>> {
    let a = sample(Normal::new(0.0, 1.0)?);
    let b = sample(Normal::new(0.0, 1.0)?);
    let y = sample(Normal::new(&a + &b, 0.5)?);
    Ok(y)
}

fn summed() -> impl Model {
    condition(pair, values![pair::y = Var::<(), f64>::scalar(0.9)])
}

fn settled(rate: f64, steps: u64) -> Adam {
    Adam::new(Schedule::cosine(rate, steps))
}

fn number(params: &Params, name: &str) -> Result<f64> {
    params.required(name)?.item()
}

fn close(got: f64, exact: f64, tolerance: f64, what: &str) {
    assert!((got - exact).abs() < tolerance, "{what}: {got} for {exact}");
}

/// Mean and standard error.
fn estimate(draws: &[f64]) -> (f64, f64) {
    let n = draws.len() as f64;
    let mean = draws.iter().sum::<f64>() / n;
    let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

#[test]
fn mean_field_finds_a_conjugate_posterior_and_its_evidence() -> Result<()> {
    let model = measured();
    let fit = Svi::new(&model, MeanField::of(&model)?).optimizer(settled(0.05, 2_000)).steps(2_000).run(1)?;
    let total: f64 = Y.iter().sum();
    close(number(fit.params(), "x.loc")?, total / 6.0, 0.02, "posterior mean");
    close(number(fit.params(), "x.log_scale")?.exp(), 1.0 / 6f64.sqrt(), 0.01, "posterior sd");
    // The bound is tight: log N(y; 0, I + 1 1ᵀ), with determinant 6 and inverse I - 1 1ᵀ / 6.
    let squares: f64 = Y.iter().map(|y| y * y).sum();
    let evidence = -0.5 * (squares - total * total / 6.0 + 6f64.ln() + 5.0 * std::f64::consts::TAU.ln());
    let (elbo, error) = estimate(&fit.elbo()[1_500..]);
    close(elbo, evidence, 5.0 * error + 0.01, "evidence");
    close(fit.mean()?.required("x")?.item()?, total / 6.0, 0.02, "centre");
    let row = fit.summary()?.row("x").map(|row| (row.mean, row.sd)).unwrap_or_default();
    close(row.0, total / 6.0, 0.1, "mean of draws");
    close(row.1, 1.0 / 6f64.sqrt(), 0.05, "sd of draws");
    Ok(())
}

/// The covariance of `a` and `b` over draws.
fn covariance<G: Model>(fit: &ed::inference::Fit<G>) -> Result<[f64; 3]> {
    let draws = fit.sample(20_000, 3)?;
    let (a, b) = (draws.required("a")?.numbers(), draws.required("b")?.numbers());
    let n = a.len() as f64;
    let mean = |x: &[f64]| x.iter().sum::<f64>() / n;
    let moment = |x: &[f64], y: &[f64]| {
        let (mx, my) = (mean(x), mean(y));
        x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum::<f64>() / n
    };
    Ok([moment(a, a), moment(a, b), moment(b, b)])
}

#[test]
fn joint_guides_recover_a_covariance_that_mean_field_cannot() -> Result<()> {
    let model = summed();
    let (variance, shared) = (5.0 / 9.0, -4.0 / 9.0);
    let optimizer = || settled(0.03, 4_000);
    let full = Svi::new(&model, FullRank::of(&model)?).optimizer(optimizer()).steps(4_000).run(2)?;
    let low = Svi::new(&model, LowRank::of(&model, 1)?).optimizer(optimizer()).steps(4_000).run(2)?;
    for (guide, [aa, ab, bb]) in [("full", covariance(&full)?), ("low", covariance(&low)?)] {
        close(aa, variance, 0.05, guide);
        close(ab, shared, 0.05, guide);
        close(bb, variance, 0.05, guide);
    }
    // Independent normals match the diagonal of the precision (Bishop 2006, equation 10.12).
    let fit = Svi::new(&model, MeanField::of(&model)?).optimizer(optimizer()).steps(4_000).run(2)?;
    close(number(fit.params(), "a.log_scale")?.exp().powi(2), 0.2, 0.02, "mean-field variance");
    close(number(fit.params(), "b.log_scale")?.exp().powi(2), 0.2, 0.02, "mean-field variance");
    let mean = 0.9 * 4.0 / 9.0;
    for values in [full.mean()?, low.mean()?, fit.mean()?] {
        close(values.required("a")?.item()?, mean, 0.05, "posterior mean");
    }
    Ok(())
}

/// The log-density of two numbers under a normal, written out.
fn dense([aa, ab, bb]: [f64; 3], [x, y]: [f64; 2]) -> f64 {
    let determinant = aa * bb - ab * ab;
    let quadratic = (bb * x * x - 2.0 * ab * x * y + aa * y * y) / determinant;
    -0.5 * (quadratic + determinant.ln()) - std::f64::consts::TAU.ln()
}

#[test]
fn joint_guides_know_their_density() -> Result<()> {
    let model = summed();
    let full = Svi::new(&model, FullRank::of(&model)?).steps(300).run(0)?;
    let low = Svi::new(&model, LowRank::of(&model, 2)?).steps(300).run(0)?;
    let p = full.params();
    let (loc, l) = (p.required("full_rank.loc")?.to_vec()?, p.required("full_rank.scale_tril")?.to_vec()?);
    let (l00, l10, l11) = (l[0].exp(), l[1], l[2].exp());
    let covariance = [l00 * l00, l00 * l10, l10 * l10 + l11 * l11];
    let (values, trace) = seed(5, || tape(&full.posterior()))?;
    let at = [values.required("a")?.item()? - loc[0], values.required("b")?.item()? - loc[1]];
    close(trace.log_prob()?.item()?, dense(covariance, at), 1e-10, "full rank");

    let p = low.params();
    let loc = p.required("low_rank.loc")?.to_vec()?;
    let (w, s) = (p.required("low_rank.factor")?.to_vec()?, p.required("low_rank.log_scale")?.to_vec()?);
    let d = |i: usize| (2.0 * s[i]).exp();
    let dot = |i: usize, j: usize| w[2 * i] * w[2 * j] + w[2 * i + 1] * w[2 * j + 1];
    let covariance = [dot(0, 0) + d(0), dot(0, 1), dot(1, 1) + d(1)];
    let (values, trace) = seed(5, || tape(&low.posterior()))?;
    let at = [values.required("a")?.item()? - loc[0], values.required("b")?.item()? - loc[1]];
    close(trace.log_prob()?.item()?, dense(covariance, at), 1e-10, "low rank");
    Ok(())
}

/// A Gamma prior as a user would add one: support and density.
#[derive(Clone, Debug)]
struct Rate {
    concentration: f64,
    rate: f64,
}

impl Distribution for Rate {
    type Elem = f64;
    type Batch = ();
    type Shape = ();
    const NAME: &'static str = "Rate";
    fn shape(&self) {}
    fn batch_shape(&self) {}
    fn support(&self) -> Constraint<f64> {
        Constraint::Positive
    }
    fn sample(&self, _: Key) -> Result<Var<(), f64>> {
        Ok(Var::scalar(self.concentration / self.rate))
    }
    fn log_prob(&self, value: &Var<(), f64>) -> Result<Var<(), f64>> {
        (value.ln() * (self.concentration - 1.0) - value * self.rate).check()
    }
}

/// Counts given a rate.
#[derive(Clone, Debug)]
struct Counts {
    rate: Var<(), f64>,
}

impl Distribution for Counts {
    type Elem = f64;
    type Batch = (usize,);
    type Shape = (usize,);
    const NAME: &'static str = "Counts";
    const DISCRETE: bool = true;
    fn shape(&self) -> (usize,) {
        (4,)
    }
    fn batch_shape(&self) -> (usize,) {
        (4,)
    }
    fn support(&self) -> Constraint<f64> {
        Constraint::NonNegativeInteger
    }
    fn sample(&self, _: Key) -> Result<Var<(usize,), f64>> {
        Ok(Var::zeros((4,)))
    }
    fn log_prob(&self, value: &Var<(usize,), f64>) -> Result<Var<(usize,), f64>> {
        (value * self.rate.ln() - &self.rate).check()
    }
}

#[model]
fn arrivals() -> Result<RandomVariable<Counts>> {
    let rate = sample(Rate { concentration: 3.0, rate: 2.0 });
    let counts = sample(Counts { rate: rate.var().clone() });
    Ok(counts)
}

fn counted() -> impl Model {
    condition(arrivals, values![arrivals::counts = Var::from([2.0, 4.0, 1.0, 3.0])])
}

#[test]
fn a_pushed_forward_normal_is_the_best_log_normal() -> Result<()> {
    // The posterior is Gamma(13, 6). Of all log-normals the one nearest in divergence has scale 1/√13 and mean 13/6.
    let model = counted();
    let fit = Svi::new(&model, MeanField::of(&model)?).optimizer(settled(0.05, 4_000)).steps(4_000).run(0)?;
    let (loc, scale) = (number(fit.params(), "rate.loc")?, number(fit.params(), "rate.log_scale")?.exp());
    close(scale, 1.0 / 13f64.sqrt(), 0.01, "scale");
    close((loc + scale * scale / 2.0).exp(), 13.0 / 6.0, 0.03, "mean");
    close(fit.mean()?.required("rate")?.item()?, loc.exp(), 1e-12, "median");
    close(fit.sample(20_000, 0)?.mean("rate")?.item()?, 13.0 / 6.0, 0.05, "mean of draws");
    Ok(())
}

#[test]
fn delta_finds_the_mode_of_the_constrained_density() -> Result<()> {
    let model = counted();
    let fit = Svi::new(&model, Delta::of(&model)?).optimizer(settled(0.1, 1_000)).steps(1_000).run(0)?;
    close(fit.values()?.required("rate")?.item()?, 2.0, 1e-6, "mode of Gamma(13, 6)");
    Ok(())
}

/// Zero or one, by log-odds.
#[derive(Clone, Debug)]
struct Coin {
    logit: Var<(), f64>,
}

impl Distribution for Coin {
    type Elem = f64;
    type Batch = ();
    type Shape = ();
    const NAME: &'static str = "Coin";
    const DISCRETE: bool = true;
    fn shape(&self) {}
    fn batch_shape(&self) {}
    fn support(&self) -> Constraint<f64> {
        Constraint::Boolean
    }
    fn sample(&self, key: Key) -> Result<Var<(), f64>> {
        let mut uniform = [0.0];
        ed::kernels::rng::fill_uniform(key, &mut uniform);
        let heads = uniform[0] < self.logit.sigmoid().item()?;
        Ok(Var::scalar(if heads { 1.0 } else { 0.0 }))
    }
    fn log_prob(&self, value: &Var<(), f64>) -> Result<Var<(), f64>> {
        (value * &self.logit - self.logit.softplus()).check()
    }
}

/// A mixture of two normals of which the component is latent.
#[model]
fn mixture() -> Result<RandomVariable<Normal<(), f64>>> {
    let z = sample(Coin { logit: Var::scalar((0.3f64 / 0.7).ln()) });
    let y = sample(Normal::new(&z * 2.0, 1.0)?);
    Ok(y)
}

#[model]
fn coin_guide() -> Result<()> {
    let logit = param_as("logit", || Var::<(), f64>::scalar(0.0))?;
    let z = sample(Coin { logit });
    let _ = z;
    Ok(())
}

#[test]
fn the_score_function_trains_a_discrete_guide() -> Result<()> {
    let model = condition(mixture, values![mixture::y = Var::<(), f64>::scalar(1.2)]);
    let svi = Svi::new(&model, coin_guide).samples(4).optimizer(settled(0.05, 3_000)).steps(3_000);
    let fit = svi.run(0)?;
    let one = 0.3 * (-0.5 * 0.8f64.powi(2)).exp();
    let zero = 0.7 * (-0.5 * 1.2f64.powi(2)).exp();
    let logit = number(fit.params(), "logit")?;
    close(1.0 / (1.0 + (-logit).exp()), one / (one + zero), 0.02, "posterior probability");
    Ok(())
}

/// Many estimates of the gradient by the two parameters of a mean-field guide at its start.
fn gradients<M: Model>(svi: &mut Svi<'_, M, MeanField>, count: u64) -> Result<[Vec<f64>; 2]> {
    let mut all = [Vec::new(), Vec::new()];
    for seed in 0..count {
        let (_, gradients) = svi.gradients(seed)?;
        all[0].push(number(&gradients, "x.loc")?);
        all[1].push(number(&gradients, "x.log_scale")?);
    }
    Ok(all)
}

#[test]
fn every_estimator_has_the_exact_gradient_as_its_mean() -> Result<()> {
    let model = measured();
    let guide =
        MeanField::of(&model)?.init_scale(0.6)?.init_loc(&values!["x" => Var::<(), f64>::scalar(0.4)])?;
    // -ELBO = ½ Σ ((y - m)² + s²) + ½ (m² + s²) - ln s + constants.
    let exact = [Y.iter().map(|y| 0.4 - y).sum::<f64>() + 0.4, 6.0 * 0.36 - 1.0];
    for estimator in [Estimator::Auto, Estimator::Pathwise, Estimator::ScoreFunction] {
        let mut svi = Svi::new(&model, guide.clone()).estimator(estimator);
        for (draws, exact) in gradients(&mut svi, 4_000)?.iter().zip(exact) {
            let (mean, error) = estimate(draws);
            close(mean, exact, 5.0 * error, &format!("{estimator:?}"));
            assert!(error < 0.5, "{estimator:?}: a standard error of {error} tests nothing");
        }
    }
    Ok(())
}

#[test]
fn the_baseline_takes_variance_out_of_the_score_function() -> Result<()> {
    let model = measured();
    let spread = |svi: Svi<'_, _, MeanField>| -> Result<f64> {
        let mut svi = svi.estimator(Estimator::ScoreFunction);
        Ok(estimate(&gradients(&mut svi, 1_000)?[0]).1)
    };
    let without = spread(Svi::new(&model, MeanField::of(&model)?).without_baseline())?;
    let with = spread(Svi::new(&model, MeanField::of(&model)?))?;
    assert!(with < 0.5 * without, "standard errors {with} with, {without} without");
    Ok(())
}

#[test]
fn closed_forms_and_several_samples_take_out_noise_too() -> Result<()> {
    let model = measured();
    let spread = |svi: Svi<'_, _, MeanField>| -> Result<f64> {
        let mut svi = svi;
        Ok(estimate(&gradients(&mut svi, 1_000)?[0]).1)
    };
    let one = spread(Svi::new(&model, MeanField::of(&model)?))?;
    let four = spread(Svi::new(&model, MeanField::of(&model)?).samples(4))?;
    close(four / one, 0.5, 0.08, "ratio of standard errors");
    let path = spread(Svi::new(&model, MeanField::of(&model)?).estimator(Estimator::Pathwise))?;
    assert!(one < path, "{one} for {path}");
    Ok(())
}

#[model]
fn wrong_guide() -> Result<()> {
    let w = sample(Normal::new(param_as("loc", || Var::<(), f64>::scalar(0.0))?, 1.0)?);
    let y = sample(Normal::new(&w, 1.0)?);
    let _ = y;
    Ok(())
}

#[test]
fn a_guide_that_does_not_fit_is_an_error_that_lists_both_sides() {
    let model = condition(pair, values![pair::y = Var::<(), f64>::scalar(0.9)]);
    let error = Svi::new(&model, wrong_guide).run(0).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("sites that the guide lacks: `a` and `b`"), "{error}");
    assert!(error.contains("sites that the model lacks or observes: `w` and `y`"), "{error}");
}

#[test]
fn errors_name_the_site_and_the_step() -> Result<()> {
    let model = condition(pair, values![pair::y = Var::<(), f64>::scalar(1e200)]);
    let error = Svi::new(&model, MeanField::of(&model)?).run(0).map(|_| ()).unwrap_err().to_string();
    assert!(
        error.starts_with("The term -inf of the ELBO at the site `y`, in step 0, is not finite:"),
        "{error}"
    );
    let model = counted();
    let score = Svi::new(&model, MeanField::of(&model)?).estimator(Estimator::ScoreFunction);
    let error = score.run(0).map(|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("at the site `rate`: a guide's posterior has no score function"), "{error}");
    let model = condition(mixture, values![mixture::y = Var::<(), f64>::scalar(1.2)]);
    let error = MeanField::of(&model).map(|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("at the site `z`: Coin has no map from unconstrained numbers"), "{error}");
    let model = measured();
    let guide = MeanField::of(&model)?;
    let error = guide.clone().init_loc(&values!["z" => Var::<(), f64>::scalar(0.0)]).unwrap_err().to_string();
    assert!(error.contains("no site `z`; its sites are: `x`"), "{error}");
    assert!(guide.init_scale(-1.0).unwrap_err().to_string().contains("`init_scale`"));
    assert!(LowRank::of(&model, 0).unwrap_err().to_string().contains("`rank`"));
    let guide = MeanField::of(&model)?;
    assert!(Svi::new(&model, guide).samples(0).step(0).unwrap_err().to_string().contains("`samples`"));
    let fixed = || sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?);
    assert!(matches!(Svi::new(&model, fixed).step(0), Err(Error::NoParameter)));
    Ok(())
}

#[model]
fn rows(data: &Var<(usize,), f64>, batch: usize) -> Result<()> {
    let x = sample(Normal::new(0.0, 1.0)?);
    let seen = subsampled_plate(data.len(), batch, |rows| {
        let part = data.gather(rows.indices())?;
        let y = observe(Normal::new(x.expand_last(rows.len()), 1.0)?, &part);
        Ok(y)
    });
    let _ = seen;
    Ok(())
}

#[test]
fn minibatches_keep_the_expectation_of_the_elbo_and_of_its_gradient() -> Result<()> {
    let data: Var<(usize,), f64> = Var::from((0..40).map(|i| f64::from(i).sin() * 2.0).collect::<Vec<_>>());
    let (all, some) = (|| rows(&data, 40), || rows(&data, 5));
    let start = values!["x" => Var::<(), f64>::scalar(0.7)];
    let mut full = Svi::new(&all, Delta::of(&all)?.init_loc(&start)?);
    let (elbo, gradients) = full.gradients(0)?;
    let mut part = Svi::new(&some, Delta::of(&some)?.init_loc(&start)?);
    let (mut elbos, mut slopes) = (Vec::new(), Vec::new());
    for seed in 0..2_000 {
        let (elbo, gradients) = part.gradients(seed)?;
        elbos.push(elbo);
        slopes.push(number(&gradients, "x.loc")?);
    }
    let ((mean, error), (slope, slope_error)) = (estimate(&elbos), estimate(&slopes));
    close(mean, elbo, 5.0 * error, "ELBO");
    close(slope, number(&gradients, "x.loc")?, 5.0 * slope_error, "gradient");
    assert!(error > 0.0 && slope_error > 0.0, "the minibatches differ");
    Ok(())
}

#[test]
fn the_same_seed_gives_the_same_fit() -> Result<()> {
    let model = summed();
    let run = |seed: u64| -> Result<Vec<f64>> {
        let fit = Svi::new(&model, LowRank::of(&model, 1)?).steps(50).run(seed)?;
        let mut numbers = fit.losses();
        for (_, value) in fit.params().iter() {
            numbers.extend(value.to_vec()?);
        }
        numbers.extend(fit.sample(3, 1)?.required("a")?.numbers());
        Ok(numbers)
    };
    assert_eq!(run(4)?, run(4)?);
    assert_ne!(run(4)?, run(5)?);
    Ok(())
}

#[test]
fn training_can_be_cut_into_steps_and_stops_when_nothing_changes() -> Result<()> {
    let model = measured();
    let mut svi = Svi::new(&model, Delta::of(&model)?).learning_rate(0.05);
    let by_hand: Result<Vec<f64>> = (0..30).map(|_| svi.step(7)).collect();
    let at_once = Svi::new(&model, Delta::of(&model)?).learning_rate(0.05).steps(30).run(7)?;
    assert_eq!(by_hand?, at_once.elbo());
    assert_eq!(number(svi.finish().params(), "x.loc")?, number(at_once.params(), "x.loc")?);
    let stopped = Svi::new(&model, Delta::of(&model)?).learning_rate(0.05).steps(5_000).until_converged(1e-6);
    let fit = stopped.run(0)?;
    assert!(fit.elbo().len() < 2_000, "{} steps", fit.elbo().len());
    close(fit.values()?.required("x")?.item()?, Y.iter().sum::<f64>() / 6.0, 1e-3, "maximum a posteriori");
    Ok(())
}

#[test]
fn model_parameters_are_trained_with_the_guide() -> Result<()> {
    // Empirical Bayes: with y ~ N(x, 1) and x ~ N(m, 1), the likelihood of m is N(m, 2), so m goes to the data's mean.
    let model = || {
        let m = param_as("m", || Var::<(), f64>::scalar(0.0))?;
        let x = sample_as("x", Normal::new(&m, 1.0)?)?;
        observe_as("y", Normal::new(&x, 1.0)?, &Var::scalar(3.0))
    };
    let fit = Svi::new(&model, MeanField::of(&model)?).optimizer(settled(0.1, 2_000)).steps(2_000).run(0)?;
    close(number(fit.params(), "m")?, 3.0, 0.05, "prior mean");
    Ok(())
}

#[test]
fn predictions_carry_the_noise_of_posterior_and_data() -> Result<()> {
    let model = measured();
    let fit = Svi::new(&model, MeanField::of(&model)?).optimizer(settled(0.05, 2_000)).steps(2_000).run(1)?;
    let draws = fit.sample(4_000, 0)?;
    let predicted = posterior_predictive(&model, &draws, 1)?;
    assert_eq!(predicted.required("x")?.numbers(), draws.required("x")?.numbers());
    let sd = predicted.sd("y")?.to_vec()?;
    sd.iter().for_each(|sd| close(*sd, (1.0f64 + 1.0 / 6.0).sqrt(), 0.06, "sd of a prediction"));
    let strangers = posterior_predictive(&summed(), &draws, 1).map(|_| ()).unwrap_err().to_string();
    assert!(strangers.contains("no site `x`"), "{strangers}");
    Ok(())
}

#[test]
fn the_divergence_between_normals_has_the_gradient_of_its_formula() -> Result<()> {
    let numbers =
        |shift: f64, n: usize| -> Vec<f64> { (0..n).map(|i| (i as f64 * 1.7 + shift).sin()).collect() };
    let table = |shift: f64| Var::<(usize, usize), f64>::from_vec(numbers(shift, 12), (3, 4));
    for case in 0..4 {
        let tape = Tape::<f64>::of();
        let (loc_q, scale_q) = (tape.watch(&table(0.1)?), tape.watch(&(table(0.7)? * 0.5 + 1.0)));
        let (loc_p, scale_p) = (tape.watch(&table(0.3)?), tape.watch(&(table(0.9)? * 0.4 + 1.1)));
        let (one_loc, one_scale) = (tape.watch(&Var::scalar(0.4)), tape.watch(&Var::scalar(1.3)));
        let row = tape.watch(&Var::from(numbers(0.5, 4)));
        let q = Normal::new(&loc_q, &scale_q)?;
        let p = match case {
            0 => Normal::new(&loc_p, &scale_p)?,
            1 => Normal::new(&one_loc, &scale_p)?,
            2 => Normal::new(&loc_p, &one_scale)?,
            _ => Normal::new(&row, &scale_p)?,
        };
        let (loc, scale) = (p.loc()?, p.scale()?);
        let ratio = (&scale_q / &scale).square();
        let shift = ((&loc_q - &loc) / &scale).square();
        let formula = (0.5 * (&ratio + shift - 1.0 - ratio.ln())).sum();
        let kl = kl_divergence(&q, &p)?;
        close(kl.item()?, formula.item()?, 1e-12, "divergence");
        // The difference is zero everywhere, so all of its gradients are.
        let gradients = (kl * 3.0 - formula * 3.0).backward()?;
        for x in [&loc_q, &scale_q, &loc_p, &scale_p] {
            gradients.get(x)?.to_vec()?.iter().for_each(|g| close(*g, 0.0, 1e-11, "gradient"));
        }
        gradients.get(&row)?.to_vec()?.iter().for_each(|g| close(*g, 0.0, 1e-11, "gradient of a row"));
        for x in [&one_loc, &one_scale] {
            close(gradients.get(x)?.item()?, 0.0, 1e-11, "gradient of a number");
        }
    }
    Ok(())
}
