//! Distribution functions, grids, mixtures, and PixelCNN++'s likelihood.

use ed::prelude::*;
use serde_json::Value as Json;

use super::golden::{close, number, numbers};

type Erased = dyn ed::distributions::erased::AnyDistribution;
type Vector = Var<(usize,), f64>;

fn file() -> Json {
    serde_json::from_str(include_str!("../../golden/mixtures.json")).unwrap()
}

/// Checks gradients by central differences: `loss` gets the inputs, each a vector.
fn check_gradients(
    what: &str,
    inputs: &[Vec<f64>],
    step: f64,
    loss: impl Fn(&[Vector]) -> Result<Var<(), f64>>,
) -> Result<()> {
    let tape = Tape::of();
    let watched: Vec<Vector> = inputs.iter().map(|x| tape.watch(&Var::from(x.clone()))).collect();
    let gradients = loss(&watched)?.backward()?;
    for (which, input) in inputs.iter().enumerate() {
        let slopes = gradients.get(&watched[which])?.to_vec()?;
        for (at, slope) in slopes.into_iter().enumerate() {
            if !input[at].is_finite() {
                continue;
            }
            let moved = |by: f64| -> Result<f64> {
                let mut inputs = inputs.to_vec();
                inputs[which][at] += by;
                loss(&inputs.into_iter().map(Var::from).collect::<Vec<_>>())?.item()
            };
            let step = step * input[at].abs().max(1e-2);
            let expected = (moved(step)? - moved(-step)?) / (2.0 * step);
            let near = (slope - expected).abs() <= 1e-5 * (1.0 + expected.abs());
            assert!(near, "{what}: input {which}, element {at}: {slope}, differences say {expected}");
        }
    }
    Ok(())
}

/// The three logarithms of a family: of `F(high)`, of `1 - F(low)`, of the difference.
fn functions<D: HasCdf<Shape = (usize,), Batch = (usize,)>>(
    made: Result<D>,
    [low, high]: [&Var<(usize,), D::Elem>; 2],
) -> Result<[Vec<f64>; 3]> {
    let made = made?;
    let wide = |x: Var<(usize,), D::Elem>| AnyVar::from(x).to_vec();
    Ok([wide(made.log_cdf(high)?)?, wide(made.log_survival(low)?)?, wide(made.log_interval(low, high)?)?])
}

fn by_name<E: Float>(
    name: &str,
    params: &[Var<(usize,), E>],
    ends: [&Var<(usize,), E>; 2],
) -> Result<[Vec<f64>; 3]> {
    let (a, b) = (&params[0], params.last().unwrap_or(&params[0]));
    match name {
        "Normal" => functions(Normal::new(a, b), ends),
        "Logistic" => functions(Logistic::new(a, b), ends),
        "Laplace" => functions(Laplace::new(a, b), ends),
        "Gumbel" => functions(Gumbel::new(a, b), ends),
        "Cauchy" => functions(Cauchy::new(a, b), ends),
        "Uniform" => functions(Uniform::new(a, b), ends),
        "Exponential" => functions(Exponential::new(a), ends),
        "Weibull" => functions(Weibull::new(a, b), ends),
        "LogNormal" => functions(LogNormal::new(a, b), ends),
        other => panic!("{other} is not in the table"),
    }
}

/// Inputs of the golden rows of a family: parameters, lower ends, upper ends.
fn inputs(rows: &[Json]) -> (Vec<Vec<f64>>, Vec<f64>, Vec<f64>) {
    let count = rows[0]["params"].as_array().map_or(0, Vec::len);
    let params = (0..count).map(|p| rows.iter().map(|row| number(&row["params"][p])).collect());
    let column = |key: &str| rows.iter().map(|row| number(&row[key])).collect();
    (params.collect(), column("low"), column("high"))
}

#[test]
fn distribution_functions_and_intervals_are_exact_in_both_tails() -> Result<()> {
    for family in file()["families"].as_array().unwrap() {
        let (name, rows) = (family["name"].as_str().unwrap(), family["rows"].as_array().unwrap());
        let (params, low, high) = inputs(rows);
        let vectors: Vec<Vector> = params.iter().cloned().map(Var::from).collect();
        let (low, high) = (Var::from(low), Var::from(high));
        let got = by_name(name, &vectors, [&low, &high])?;
        for (got, key) in got.iter().zip(["log_cdf", "log_survival", "log_interval"]) {
            for (row, got) in rows.iter().zip(got) {
                let expected = number(&row[key]);
                // A standard coordinate is rounded; in a narrow interval that is a part of its width.
                let ends = [number(&row["low"]), number(&row["high"])];
                let rounding = if key == "log_interval" {
                    let size = ends[0].abs() + number(&row["params"][0]).abs();
                    4e-15 * size / (ends[1] - ends[0])
                } else {
                    0.0
                };
                assert!(close(*got, expected, 1e-11 + rounding), "{name}, {key} at {row}: {got}");
            }
        }
    }
    Ok(())
}

#[test]
fn distribution_functions_keep_their_tails_in_single_precision() -> Result<()> {
    let narrow = |x: &[f64]| Var::from(x.iter().map(|&x| x as f32).collect::<Vec<_>>());
    let wide = |x: &Var<(usize,)>| -> Result<Vector> {
        Ok(Var::from(x.to_vec()?.into_iter().map(f64::from).collect::<Vec<_>>()))
    };
    for family in file()["families"].as_array().unwrap() {
        let name = family["name"].as_str().unwrap();
        let rows = family["rows"].as_array().unwrap();
        let (params, low, high) = inputs(rows);
        let params: Vec<Var<(usize,)>> = params.iter().map(|x| narrow(x)).collect();
        let (low, high) = (narrow(&low), narrow(&high));
        let got = by_name(name, &params, [&low, &high])?;
        let exact: Vec<Vector> = params.iter().map(wide).collect::<Result<_>>()?;
        let exact = by_name(name, &exact, [&wide(&low)?, &wide(&high)?])?;
        for (got, exact) in got[..2].iter().zip(&exact) {
            for (place, (got, exact)) in got.iter().zip(exact).enumerate() {
                // Far below the smallest number of single precision.
                let beyond = *exact < -1e30 && *got == f64::NEG_INFINITY;
                assert!(close(*got, *exact, 2e-4) || beyond, "{name}, row {place}: {got}, in f64 {exact}");
            }
        }
    }
    Ok(())
}

#[test]
fn gradients_of_intervals_are_central_differences() -> Result<()> {
    let low = vec![-0.5, 0.4, 2.0, f64::NEG_INFINITY, 1.0, -6.0];
    let high = vec![0.7, 0.9, 2.3, 1.4, f64::INFINITY, -5.0];
    type Loss = fn(&[Vector]) -> Result<Var<(), f64>>;
    let two: [(&str, Loss); 5] = [
        ("Normal", |x| Normal::new(&x[2], &x[3])?.log_interval(&x[0], &x[1])?.sum().check()),
        ("Logistic", |x| Logistic::new(&x[2], &x[3])?.log_interval(&x[0], &x[1])?.sum().check()),
        ("Laplace", |x| Laplace::new(&x[2], &x[3])?.log_interval(&x[0], &x[1])?.sum().check()),
        ("Gumbel", |x| Gumbel::new(&x[2], &x[3])?.log_interval(&x[0], &x[1])?.sum().check()),
        ("Cauchy", |x| Cauchy::new(&x[2], &x[3])?.log_interval(&x[0], &x[1])?.sum().check()),
    ];
    let scale = vec![0.7, 1.3, 2.0, 0.5, 1.1, 1.7];
    for (name, loss) in two {
        let inputs = [low.clone(), high.clone(), vec![0.1, 0.3, -0.4, 0.8, 1.3, -2.0], scale.clone()];
        check_gradients(name, &inputs, 1e-6, loss)?;
    }
    let positive: [(&str, Loss); 3] = [
        ("Weibull", |x| Weibull::new(&x[2], &x[3])?.log_interval(&x[0], &x[1])?.sum().check()),
        ("LogNormal", |x| LogNormal::new(&x[2], &x[3])?.log_interval(&x[0], &x[1])?.sum().check()),
        ("Exponential", |x| Exponential::new(&x[3])?.log_interval(&x[0], &x[1])?.sum().check()),
    ];
    for (name, loss) in positive {
        let low = vec![-0.5, 0.4, 2.0, f64::NEG_INFINITY, 1.0, 0.01];
        let high = vec![0.7, 0.9, 2.3, 1.4, f64::INFINITY, 6.0];
        let inputs = [low, high, vec![0.9, 1.3, 0.4, 0.8, 1.3, 2.0], scale.clone()];
        check_gradients(name, &inputs, 1e-6, loss)?;
    }
    let inputs = [vec![-3.0, 0.4], vec![0.7, 9.0], vec![-1.0, 0.1], vec![2.0, 1.5]];
    check_gradients("Uniform", &inputs, 1e-6, |x| {
        Uniform::new(&x[2], &x[3])?.log_interval(&x[0], &x[1])?.sum().check()
    })
}

#[test]
fn an_empty_interval_is_impossible_and_nan_stays() -> Result<()> {
    let normal = Normal::new(Var::from([0.0, 0.0, 0.0]), 1.0)?;
    let (low, high) = (Var::from([1.0, 2.0, f64::NAN]), Var::from([1.0, 1.0, 2.0]));
    let got = normal.log_interval(&low, &high)?.to_vec()?;
    assert_eq!(got[..2], [f64::NEG_INFINITY; 2]);
    assert!(got[2].is_nan());
    assert!(matches!(normal.log_cdf(&Var::from([1.0])).err(), Some(Error::Shape { .. })));
    Ok(())
}

fn logistics() -> Result<Mixture<Logistic<(usize,), f64>>> {
    let components = Logistic::new(Var::from([100.0, 120.0, 250.0]), Var::from([5.0, 2.0, 10.0]))?;
    Mixture::new(Var::from([0.2f64, 0.5, 0.3]).ln(), components)
}

fn repeated_logistics<E: Float>(n: usize) -> Result<Mixture<Logistic<(usize, usize), E>>> {
    let row = |x: [f64; 3]| Var::<(usize,), E>::from(x.map(E::from_f64).to_vec());
    let components = Logistic::new(row([100.0, 120.0, 250.0]), row([5.0, 2.0, 10.0]))?;
    Mixture::new(row([0.2, 0.5, 0.3]).ln(), components.expand((n, 3usize))?)
}

fn levels<E: Float>(n: usize) -> Var<(usize,), E> {
    Var::from((0..n).map(|v| E::from_f64(v as f64)).collect::<Vec<_>>())
}

#[test]
fn quantised_likelihoods_are_those_of_edward2_and_of_mpmath() -> Result<()> {
    let alone = Discretized::new(Logistic::new(100.0, 5.0)?, 256)?;
    for (level, expected) in
        [(0.0, -19.900000002), (99.0, -3.006523706), (100.0, -2.996565121), (255.0, -30.9)]
    {
        let got = alone.log_prob(&Var::<(), f64>::scalar(level))?.item()?;
        assert!((got - expected).abs() < 1e-8, "level {level}: {got}, not {expected}");
    }
    let file = file();
    let mixture = Discretized::new(repeated_logistics::<f64>(256)?, 256)?;
    let got = mixture.log_prob(&levels(256))?.to_vec()?;
    for (level, (got, expected)) in got.iter().zip(numbers(&file["quantized_mixture"])).enumerate() {
        assert!(close(*got, expected, 1e-13), "level {level}: {got}, not {expected}");
    }
    for (level, expected) in [(0, -21.499869835), (119, -2.824159888), (255, -2.147221750)] {
        assert!((got[level] - expected).abs() < 1e-8, "level {level}: {}, not {expected}", got[level]);
    }
    let density = logistics()?.log_prob(&Var::scalar(119.0))?.item()?;
    assert!((density + 2.819980775).abs() < 1e-8, "{density}");
    let (mean, variance) = (number(&file["mixture_mean"]), number(&file["mixture_variance"]));
    assert!(close(logistics()?.mean()?.item()?, mean, 1e-14));
    assert!(close(logistics()?.variance()?.item()?, variance, 1e-13));
    Ok(())
}

/// Whether the probabilities of all levels sum to one, and their logarithms are finite.
fn sums_to_one<D, E: Float>(what: &str, made: Result<D>, n: usize, tolerance: f64) -> Result<()>
where
    D: Discretizable<Shape = (usize,), Batch = (usize,), Elem = E>,
{
    let log_prob = AnyVar::from(Discretized::new(made?, n)?.log_prob(&levels(n))?).to_vec()?;
    assert!(log_prob.iter().all(|x| x.is_finite()), "{what}: {log_prob:?}");
    let total: f64 = log_prob.iter().map(|x| x.exp()).sum();
    assert!((total - 1.0).abs() < tolerance, "{what}: the probabilities sum to {total}");
    Ok(())
}

#[test]
fn probabilities_of_levels_sum_to_one_with_finite_tails() -> Result<()> {
    fn table<E: Float>(tolerance: f64) -> Result<()> {
        let n = 256;
        let at = |x: f64| Var::<(usize,), E>::full(x, (256,));
        for (loc, scale) in [(100.0, 5.0), (-40.0, 12.0), (300.0, 1.0), (128.0, 300.0), (7.3, 0.2)] {
            sums_to_one("Normal", Normal::new(at(loc), at(scale * 2.0)), n, tolerance)?;
            sums_to_one("Logistic", Logistic::new(at(loc), at(scale)), n, tolerance)?;
            sums_to_one("Laplace", Laplace::new(at(loc), at(scale)), n, tolerance)?;
            sums_to_one("Cauchy", Cauchy::new(at(loc), at(scale)), n, tolerance)?;
        }
        sums_to_one("Gumbel", Gumbel::new(at(40.0), at(30.0)), n, tolerance)?;
        sums_to_one("Exponential", Exponential::new(at(0.05)), n, tolerance)?;
        sums_to_one("Weibull", Weibull::new(at(1.5), at(70.0)), n, tolerance)?;
        sums_to_one("LogNormal", LogNormal::new(at(4.0), at(0.5)), n, tolerance)?;
        sums_to_one("a mixture", repeated_logistics::<E>(n), n, tolerance)
    }
    table::<f64>(1e-12)?;
    table::<f32>(2e-5)?;
    // Very far out.
    let far = Discretized::new(Logistic::new(1e6f32, 0.01f32)?, 256)?;
    let log_prob: Var<()> = far.log_prob(&Var::scalar(0.0))?;
    assert!(close(f64::from(log_prob.item()?), -1e8, 1e-4), "{log_prob}");
    Ok(())
}

#[test]
fn a_grid_says_which_number_a_level_stands_for() -> Result<()> {
    let base = || Logistic::new(Var::from([0.1, 0.1, 0.1]), 0.2);
    let made = Discretized::on(base()?, Grid::between(-1.0, 1.0, 256)?);
    let by_hand = base()?.log_interval(
        &Var::from([f64::NEG_INFINITY, 99.5 / 127.5 - 1.0, 254.5 / 127.5 - 1.0]),
        &Var::from([0.5 / 127.5 - 1.0, 100.5 / 127.5 - 1.0, f64::INFINITY]),
    )?;
    let got = made.log_prob(&Var::from([0.0, 100.0, 255.0]))?.to_vec()?;
    assert!(got.iter().zip(by_hand.to_vec()?).all(|(a, b)| close(*a, b, 1e-12)), "{got:?}");
    for outside in [-1.0, 256.0, 3.5, f64::NAN, f64::INFINITY] {
        let got = made.log_prob(&Var::from([outside, 1.0, 2.0]))?.to_vec()?;
        assert!(got[0] == f64::NEG_INFINITY && got[1].is_finite(), "{outside}: {got:?}");
    }
    let erased: &Erased = &made;
    assert!(erased.is_discrete() && !erased.is_pathwise());
    assert!(erased.check(&Var::from([0.0, 256.0, 1.0]).into()).is_err());
    for refused in [
        Grid::new(0.0, 1.0, 0),
        Grid::new(f64::NAN, 1.0, 3),
        Grid::new(0.0, -1.0, 3),
        Grid::between(1.0, -1.0, 3),
        Grid::between(-1.0, 1.0, 1),
    ] {
        assert!(matches!(refused, Err(Error::Parameter { .. })), "{refused:?}");
    }
    Ok(())
}

#[test]
fn draws_of_levels_follow_their_probabilities_and_moments() -> Result<()> {
    const DRAWS: usize = 20_000;
    let components = Logistic::new(Var::from([1.0, 4.0]), Var::from([0.5, 1.0]))?;
    let made = Discretized::new(
        Mixture::new(Var::from([0.3f64, 0.7]).ln(), components.expand((DRAWS, 2usize))?)?,
        7,
    )?;
    let probs = made.log_prob(&levels(7).gather(&(0..DRAWS).map(|i| i % 7).collect::<Vec<_>>())?)?;
    let probs: Vec<f64> = probs.to_vec()?[..7].iter().map(|p| p.exp()).collect();
    let draws = made.sample(Key::new(1))?.to_vec()?;
    for (level, p) in probs.iter().enumerate() {
        let share = draws.iter().filter(|&&draw| draw == level as f64).count() as f64 / DRAWS as f64;
        assert!((share - p).abs() < 5.0 * (p / DRAWS as f64).sqrt(), "level {level}: {share}, not {p}");
    }
    let mean: f64 = probs.iter().enumerate().map(|(v, p)| v as f64 * p).sum();
    let second: f64 = probs.iter().enumerate().map(|(v, p)| (v * v) as f64 * p).sum();
    assert!(close(made.mean()?.to_vec()?[0], mean, 1e-12));
    assert!(close(made.variance()?.to_vec()?[0], second - mean * mean, 1e-12));
    Ok(())
}

#[test]
fn mixtures_have_the_gradients_of_central_differences() -> Result<()> {
    let inputs = [
        vec![0.3, -2.5, 8.0],
        vec![0.1, -0.7, 0.4],
        vec![0.5, -1.0, 4.0, 0.0, 2.0, -3.0, 1.0, 7.0, 9.0],
        vec![0.7, 1.3, 2.0, 0.5, 1.1, 1.7, 0.9, 0.4, 1.0],
    ];
    check_gradients("density", &inputs, 1e-6, |x| {
        let table = |x: &Vector| x.reshape((3usize, 3usize));
        Mixture::new(&x[1], Normal::new(table(&x[2])?, table(&x[3])?)?)?.log_prob(&x[0])?.sum().check()
    })?;
    check_gradients("levels", &inputs[1..], 1e-6, |x| {
        let table = |x: &Vector| x.reshape((3usize, 3usize));
        let mixture = Mixture::new(&x[0], Logistic::new(table(&x[1])?, table(&x[2])?)?)?;
        let weights = Var::from([1.0, -0.5, 2.0]);
        (Discretized::new(mixture, 9)?.log_prob(&Var::from([0.0, 3.0, 8.0]))? * weights).sum().check()
    })
}

#[test]
fn components_may_be_joint_distributions() -> Result<()> {
    let loc = Var::from_vec(vec![0.0, 0.0, 3.0, -1.0], (2usize, 2usize))?;
    let factor = Var::from_vec(vec![1.0, 0.0, 0.5, 0.7], (2usize, 2usize))?;
    let components = MultivariateNormal::from_scale_tril(&loc, factor)?;
    let (log_weights, x) = (Var::from([0.25f64, 0.75]).ln(), Var::from([1.0, 0.2]));
    let made = Mixture::<_, (usize,)>::typed(&log_weights, components.clone())?;
    let each = components.log_prob(&x.broadcast_to((2usize, 2usize))?)?;
    let expected = (each + log_weights).logsumexp().item()?;
    assert!(close(made.log_prob(&x)?.item()?, expected, 1e-14));
    assert_eq!(made.sample(Key::new(1))?.shape(), &(2,));
    let mean = made.mean()?.to_vec()?;
    assert!(close(mean[0], 2.25, 1e-14) && close(mean[1], -0.75, 1e-14), "{mean:?}");
    Ok(())
}

#[test]
fn mixtures_are_refused_when_they_do_not_fit() -> Result<()> {
    let components = || Normal::new(Var::from([0.0, 1.0, 2.0]), 1.0f64);
    let short = Mixture::new(Var::from([0.1, 0.2]), components()?);
    assert!(matches!(short.err(), Some(Error::Broadcast { .. })));
    let lost = Mixture::new(Var::from([0.1, f64::NAN, 0.2]), components()?);
    assert!(matches!(lost.err(), Some(Error::Parameter { name: "logits", .. })));
    let none = Mixture::new(Var::from([f64::NEG_INFINITY; 3]), components()?)?;
    assert!(matches!(none.sample(Key::new(1)).err(), Some(Error::Parameter { name: "logits", .. })));
    // A component that does not happen changes nothing.
    let some = Mixture::new(Var::from([0.0, f64::NEG_INFINITY, f64::NEG_INFINITY]), components()?)?;
    let alone = Normal::new(0.0, 1.0)?.log_prob(&Var::<(), f64>::scalar(0.4))?.item()?;
    assert!(close(some.log_prob(&Var::scalar(0.4))?.item()?, alone, 1e-15));
    Ok(())
}
