//! What holds for every distribution of the table.

use ed::distributions::erased::AnyDistribution;
use ed::prelude::*;

use super::golden::{Golden, close, goldens};
use super::subjects::{Support, Vector};

const DRAWS: usize = 4000;
/// Statistical bounds, in standard errors.
const ERRORS: f64 = 5.0;

fn mean_and_error(x: &[f64]) -> (f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

fn agrees(x: &[f64], expected: f64) -> bool {
    let (mean, error) = mean_and_error(x);
    (mean - expected).abs() <= ERRORS * error + 1e-9 * expected.abs()
}

/// Calls `f` with every subject and each of its sets of parameters, as a vector of draws.
fn for_each_set(mut f: impl FnMut(&Golden, usize, &dyn AnyDistribution) -> Result<()>) -> Result<()> {
    for golden in goldens() {
        for set in 0..golden.mean.len() {
            f(&golden, set, &*(golden.subject.repeated)(&golden.numbers(set), DRAWS)?)?;
        }
    }
    Ok(())
}

#[test]
fn draws_have_their_shape_and_lie_in_the_support() -> Result<()> {
    for_each_set(|golden, set, made| {
        let name = golden.subject.name;
        assert_eq!(made.name(), name);
        let draws = made.sample(Key::new(1))?;
        assert_eq!(**draws.dims(), [DRAWS]);
        made.check(&draws)?;
        let log_prob = made.log_prob(&draws)?.to_vec()?;
        assert!(log_prob.iter().all(|x| x.is_finite()), "{name}: a draw is impossible");
        assert_eq!(made.is_discrete(), golden.subject.support == Support::Counts);
        // A single-precision draw stays inside, too.
        let params: Vec<Vector<f32>> =
            golden.params.iter().map(|p| Var::from(vec![p[set] as f32; 500])).collect();
        let narrow = (golden.subject.vectors32)(&params)?;
        let log_prob = narrow.log_prob(&narrow.sample(Key::new(1))?)?.to_vec()?;
        assert!(log_prob.iter().all(|x| x.is_finite()), "{name}: a draw in f32 is impossible");
        let matrix = (golden.subject.matrix)(&golden.numbers(set), 2)?;
        assert_eq!(**matrix.sample(Key::new(1))?.dims(), [3, 2]);
        assert_eq!(*matrix.dims(), *matrix.batch_dims());
        Ok(())
    })
}

#[test]
fn the_same_key_gives_the_same_draws_and_element_i_depends_on_i_only() -> Result<()> {
    for_each_set(|golden, set, made| {
        let name = golden.subject.name;
        let draws = made.sample(Key::new(2))?.to_vec()?;
        assert_eq!(draws, made.sample(Key::new(2))?.to_vec()?, "{name}");
        if golden.variance[set] > 0.1 {
            assert_ne!(draws, made.sample(Key::new(3))?.to_vec()?, "{name}");
        }
        let fewer = (golden.subject.repeated)(&golden.numbers(set), 100)?.sample(Key::new(2))?.to_vec()?;
        for (few, many) in fewer.iter().zip(&draws) {
            assert!(close(*few, *many, 1e-14), "{name}: {few} of 100 draws, {many} of {DRAWS}");
        }
        Ok(())
    })
}

#[test]
fn draws_follow_the_distribution_function() -> Result<()> {
    for_each_set(|golden, set, made| {
        let mut draws = made.sample(Key::new(4))?.to_vec()?;
        draws.sort_by(f64::total_cmp);
        let below = |x: f64| draws.partition_point(|&draw| draw <= x) as f64 / DRAWS as f64;
        let terms = golden.grid[set].iter().zip(&golden.cdf[set]);
        let largest = terms.map(|(&x, cdf)| (below(x) - cdf).abs()).fold(0.0, f64::max);
        // Kolmogorov and Smirnov: 2.5/√n is exceeded with a probability of 7e-6.
        let name = golden.subject.name;
        assert!(largest < 2.5 / (DRAWS as f64).sqrt(), "{name}, set {set}: off by {largest}");
        Ok(())
    })
}

#[test]
fn draws_have_the_mean_variance_and_entropy_of_the_closed_forms() -> Result<()> {
    for_each_set(|golden, set, made| {
        let name = golden.subject.name;
        let value = made.sample(Key::new(5))?;
        let draws = value.to_vec()?;
        let (mean, variance) = (golden.mean[set], golden.variance[set]);
        // The error of a variance is not known where the fourth moment is infinite or hard to estimate.
        let tame = !matches!(name, "StudentT" | "LogNormal" | "InverseGamma");
        if mean.is_finite() {
            assert!(agrees(&draws, mean), "{name}: mean {:?}, not {mean}", mean_and_error(&draws));
        }
        if variance.is_finite() && tame {
            let squares: Vec<f64> = draws.iter().map(|x| (x - mean).powi(2)).collect();
            assert!(
                agrees(&squares, variance),
                "{name}: variance {:?}, not {variance}",
                mean_and_error(&squares)
            );
        }
        let surprise: Vec<f64> = made.log_prob(&value)?.to_vec()?.iter().map(|x| -x).collect();
        let entropy = golden.entropy[set];
        assert!(agrees(&surprise, entropy), "{name}: entropy {:?}, not {entropy}", mean_and_error(&surprise));
        Ok(())
    })
}

#[test]
fn probabilities_sum_to_one() -> Result<()> {
    const STEPS: usize = 4001;
    const STEP: f64 = 10.0 / (STEPS - 1) as f64;
    for golden in goldens() {
        for set in 0..golden.mean.len() {
            // The centre and width of the bulk.
            let grid = &golden.grid[set];
            let (low, high) = (grid[0], grid[grid.len() - 1]);
            let middle = grid[grid.len() / 2];
            // Double exponential substitution (Takahasi and Mori 1974): tails of every kind end within t = ±5.
            let nodes: Vec<(f64, f64)> = (0..STEPS)
                .map(|step| {
                    let t = STEP * step as f64 - 5.0;
                    let (s, ds) = (t.sinh() * 1.5, t.cosh() * 1.5);
                    match golden.subject.support {
                        Support::Real => {
                            (middle + (high - low) * 0.2 * s.sinh(), (high - low) * 0.2 * s.cosh() * ds)
                        }
                        Support::Positive => (middle * s.exp(), middle * s.exp() * ds),
                        Support::Bounded => {
                            let (a, b) = bounds(&golden, set);
                            let u = 1.0 / (1.0 + (-s).exp());
                            (a + (b - a) * u, (b - a) * u / (1.0 + s.exp()) * ds)
                        }
                        Support::Counts => (step as f64, 1.0 / STEP),
                    }
                })
                .collect();
            let x = Var::from(nodes.iter().map(|node| node.0).collect::<Vec<_>>());
            let made = (golden.subject.repeated)(&golden.numbers(set), STEPS)?;
            let log_prob = made.log_prob(&x.into())?.to_vec()?;
            let total: f64 = log_prob
                .iter()
                .zip(&nodes)
                .filter(|(log_prob, node)| log_prob.is_finite() && node.1.is_finite())
                .map(|(log_prob, node)| log_prob.exp() * node.1)
                .sum();
            let total = total * STEP;
            let name = golden.subject.name;
            assert!((total - 1.0).abs() < 1e-5, "{name}, set {set}: the probabilities sum to {total}");
        }
    }
    Ok(())
}

/// The ends of a bounded support.
fn bounds(golden: &Golden, set: usize) -> (f64, f64) {
    let param = |name: &str| {
        golden.subject.params.iter().position(|param| *param == name).map(|index| golden.params[index][set])
    };
    (param("low").unwrap_or(0.0), param("high").unwrap_or(1.0))
}

#[test]
fn gradients_are_central_differences() -> Result<()> {
    for golden in goldens() {
        let (name, params) = (golden.subject.name, &golden.params);
        let density = |params: &[Vec<f64>], x: &[f64]| -> Result<Vec<f64>> {
            let params: Vec<_> = params.iter().cloned().map(Var::from).collect();
            (golden.subject.vectors)(&params)?.log_prob(&Var::from(x.to_vec()).into())?.to_vec()
        };
        // Points inside, away from the ends, where a central difference is exact enough.
        for x in &golden.x[1..7] {
            for elementwise in [false, true] {
                let tape = Tape::of();
                let watched: Vec<Vector<f64>> = golden.vectors().iter().map(|p| tape.watch(p)).collect();
                let value = tape.watch(&Var::from(x.clone()));
                let made = (golden.subject.vectors)(&watched)?;
                let any = AnyVar::from(value.clone());
                let loss = if elementwise { made.log_prob(&any)?.sum() } else { made.log_prob_sum(&any)? };
                let gradients = loss.typed::<(), f64>()?.backward()?;
                let by_params = watched.iter().map(|p| gradients.get(p)?.to_vec());
                let by_params = by_params.collect::<Result<Vec<_>>>()?;
                for set in 0..x.len() {
                    let compare = |what: &str, got: f64, at: f64, f: &dyn Fn(f64) -> Result<f64>| {
                        // Richardson's extrapolation of two central differences.
                        let width = 1e-3 * distance(&golden, set, x[set], what, at);
                        let difference = |h: f64| Ok::<f64, Error>((f(at + h)? - f(at - h)?) / (2.0 * h));
                        let expected = (4.0 * difference(width)? - difference(2.0 * width)?) / 3.0;
                        assert!(
                            (got - expected).abs()
                                <= 1e-6 * expected.abs().max(got.abs()) + 1e-7 / at.abs().max(1e-3),
                            "{name} at {x:?}, set {set}: the slope by {what} is {got}, differences say {expected}"
                        );
                        Ok::<(), Error>(())
                    };
                    for (index, param) in golden.subject.params.iter().enumerate() {
                        if *param == "total_count" {
                            continue;
                        }
                        compare(param, by_params[index][set], params[index][set], &|at| {
                            let mut params = params.clone();
                            params[index][set] = at;
                            Ok(density(&params, x)?[set])
                        })?;
                    }
                    if golden.subject.support != Support::Counts {
                        let got = gradients.get(&value)?.to_vec()?[set];
                        compare("the value", got, x[set], &|at| {
                            let mut x = x.clone();
                            x[set] = at;
                            Ok(density(params, &x)?[set])
                        })?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// How far a step may go without leaving the support, the domain or the scale on which the density varies.
fn distance(golden: &Golden, set: usize, x: f64, what: &str, at: f64) -> f64 {
    let grid = &golden.grid[set];
    let scale = grid[grid.len() * 3 / 4] - grid[grid.len() / 4];
    let end = match golden.subject.support {
        Support::Bounded => {
            let (low, high) = bounds(golden, set);
            (x - low).min(high - x)
        }
        Support::Positive => x,
        _ => f64::INFINITY,
    };
    match what {
        "the value" | "low" | "high" => end.min(scale),
        "loc" => scale,
        "logits" | "log_rate" => 1.0,
        _ => at.abs(),
    }
}

#[test]
fn numbers_are_repeated_as_if_written_out() -> Result<()> {
    for golden in goldens() {
        let set = 0;
        let n = golden.x.len();
        let x: Vec<f64> = golden.x.iter().map(|x| x[set]).collect();
        let any = AnyVar::from(Var::from(x.clone()));
        let numbers = (golden.subject.repeated)(&golden.numbers(set), n)?;
        let tables: Vec<_> = golden.params.iter().map(|p| Var::from(vec![p[set]; n])).collect();
        let written = (golden.subject.vectors)(&tables)?;
        for (a, b) in numbers.log_prob(&any)?.to_vec()?.iter().zip(written.log_prob(&any)?.to_vec()?) {
            assert!(close(*a, b, 1e-13), "{}: {a} and {b}", golden.subject.name);
        }
        // The gradient by a repeated number is the sum of the gradients by its copies.
        let inside = AnyVar::from(Var::from(x[1..7].to_vec()));
        let tape = Tape::of();
        let watched: Vec<_> = golden.numbers(set).iter().map(|p| tape.watch(p)).collect();
        let loss = (golden.subject.repeated)(&watched, 6)?.log_prob_sum(&inside)?;
        let gradients = loss.typed::<(), f64>()?.backward()?;
        let other = Tape::of();
        let copies: Vec<_> = golden.params.iter().map(|p| other.watch(&Var::from(vec![p[set]; 6]))).collect();
        let loss = (golden.subject.vectors)(&copies)?.log_prob_sum(&inside)?;
        let by_copy = loss.typed::<(), f64>()?.backward()?;
        for (number, copies) in watched.iter().zip(&copies) {
            let (a, b) = (gradients.get(number)?.item()?, by_copy.get(copies)?.sum().item()?);
            assert!(close(a, b, 1e-12), "{}: {a} and {b}", golden.subject.name);
        }
    }
    Ok(())
}

#[test]
fn bad_parameters_are_refused_by_name() -> Result<()> {
    for golden in goldens() {
        for (index, param) in golden.subject.params.iter().enumerate() {
            let mut bad = vec![f64::NAN];
            if !matches!(*param, "loc" | "low" | "high" | "logits" | "log_rate") {
                bad.extend([-1.0, f64::INFINITY]);
            }
            for bad in bad {
                let mut params = golden.vectors();
                params[index] = Var::from([params[index].to_vec()?[0], bad, 1.0]);
                match (golden.subject.vectors)(&params).err() {
                    Some(Error::Parameter { of, name, .. }) => {
                        assert_eq!((of, name), (golden.subject.name, *param));
                    }
                    other => panic!("{} with {param} = {bad}: {other:?}", golden.subject.name),
                }
            }
        }
        let mut misfit = golden.vectors();
        if misfit.len() > 1 {
            misfit[0] = Var::from([1.0, 1.0]);
            assert!(matches!((golden.subject.vectors)(&misfit).err(), Some(Error::Broadcast { .. })));
        }
        let made = (golden.subject.vectors)(&golden.vectors())?;
        assert!(matches!(made.log_prob(&Var::from([1.0, 1.0]).into()).err(), Some(Error::Shape { .. })));
    }
    Ok(())
}

#[test]
fn divergences_between_two_sets_of_parameters_are_averages() -> Result<()> {
    let mut known = 0;
    for golden in goldens() {
        // Close neighbours, so that the average has a small error.
        let near: Vec<_> = golden
            .params
            .iter()
            .zip(golden.subject.params)
            .map(|(p, name)| Var::scalar(p[0] + if *name == "loc" { 0.3 } else { 0.2 * p[0] }))
            .collect();
        let (q, p) =
            ((golden.subject.repeated)(&golden.numbers(0), DRAWS)?, (golden.subject.repeated)(&near, DRAWS)?);
        let Some(kl) = q.kl_to(&*p) else { continue };
        known += 1;
        let name = golden.subject.name;
        let zero = q.kl_to(&*q).unwrap()?.item()? / DRAWS as f64;
        assert!(zero.abs() < 1e-12, "{name}: KL(q ‖ q) = {zero}");
        let draws = q.sample(Key::new(6))?;
        let (ours, theirs) = (q.log_prob(&draws)?.to_vec()?, p.log_prob(&draws)?.to_vec()?);
        let terms: Vec<f64> = ours.iter().zip(theirs).map(|(q, p)| q - p).collect();
        let kl = kl?.item()? / DRAWS as f64;
        assert!(agrees(&terms, kl), "{name}: KL = {kl}, draws say {:?}", mean_and_error(&terms));
    }
    assert!(known >= 7, "only {known} divergences are known");
    Ok(())
}

#[test]
fn pathwise_gradients_average_to_those_of_the_moments() -> Result<()> {
    const BATCHES: u64 = 40;
    for golden in goldens() {
        let name = golden.subject.name;
        for set in 0..golden.mean.len() {
            let made = (golden.subject.repeated)(&golden.numbers(set), 100)?;
            if !made.is_pathwise() || !golden.mean[set].is_finite() {
                continue;
            }
            // ∂ E[x] / ∂θ from the closed form of the mean.
            let tape = Tape::of();
            let watched: Vec<_> = golden.numbers(set).iter().map(|p| tape.watch(p)).collect();
            let Ok(mean) = (golden.subject.repeated)(&watched, 1)?.mean() else { continue };
            let gradients = mean.sum().typed::<(), f64>()?.backward()?;
            let exact = |p: &Var<(), f64>| gradients.get(p).and_then(|g| g.item()).unwrap_or(0.0);
            let exact: Vec<f64> = watched.iter().map(exact).collect();
            let mut estimates = vec![Vec::new(); watched.len()];
            for batch in 0..BATCHES {
                let tape = Tape::of();
                let watched: Vec<_> = golden.numbers(set).iter().map(|p| tape.watch(p)).collect();
                let made = (golden.subject.repeated)(&watched, 100)?;
                let mean = made.sample(Key::new(7).fold_in(batch))?.sum().scaled(0.01);
                let gradients = mean.typed::<(), f64>()?.backward()?;
                for (estimates, p) in estimates.iter_mut().zip(&watched) {
                    estimates.push(gradients.get(p)?.item()?);
                }
            }
            for ((estimates, exact), param) in estimates.iter().zip(exact).zip(golden.subject.params) {
                assert!(
                    agrees(estimates, exact),
                    "{name}, set {set}: the slope of the mean by {param} is {exact}, draws say {:?}",
                    mean_and_error(estimates)
                );
            }
        }
    }
    Ok(())
}
