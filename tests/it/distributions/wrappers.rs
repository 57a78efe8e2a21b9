//! Distributions over rows, and distributions made of others.

use ed::prelude::*;

use super::golden::{close, file, number, numbers};

#[test]
fn categorical_masses_entropies_and_gradients() -> Result<()> {
    for case in file()["categorical"].as_array().unwrap() {
        let (logits, expected) = (numbers(&case["logits"]), numbers(&case["log_prob"]));
        let k = logits.len();
        // Three rows of the same logits, one observation of each class, and their sum.
        let table = Var::<(usize, usize), f64>::from_vec(logits.repeat(3), (3, k))?;
        let tape = Tape::of();
        let watched = tape.watch(&table);
        let categorical = Categorical::from_logits(&watched)?;
        let classes = Var::from([0.0, 1.0, 2.0]);
        let got = categorical.log_prob(&classes)?.to_vec()?;
        assert!(got.iter().zip(&expected).all(|(a, b)| close(*a, *b, 1e-12)), "{got:?}, not {expected:?}");
        let entropy = categorical.entropy()?.to_vec()?[0];
        assert!(close(entropy, number(&case["entropy"]), 1e-12), "{entropy}");
        let sum = categorical.log_prob_sum(&classes)?;
        assert!(close(sum.item()?, expected.iter().sum(), 1e-12));
        // The gradient by the logits: one at the class, less the probabilities.
        let gradient = sum.backward()?.get(&watched)?.to_vec()?;
        for (row, gradient) in gradient.chunks(k).enumerate() {
            for (class, slope) in gradient.iter().enumerate() {
                let exact = f64::from(u8::from(row == class)) - expected[class].exp();
                assert!(close(*slope, exact, 1e-12), "row {row}, class {class}: {slope}, not {exact}");
            }
        }
        let single = Categorical::from_logits(Var::from(logits))?;
        for outside in [-1.0, 3.0, 0.5, f64::NAN] {
            assert_eq!(single.log_prob(&Var::scalar(outside))?.item()?, f64::NEG_INFINITY, "{outside}");
        }
    }
    Ok(())
}

#[test]
fn categorical_draws_follow_the_probabilities() -> Result<()> {
    let probs = [0.2, 0.3, 0.5];
    let table = Var::<(usize, usize), f64>::from_vec(probs.repeat(10_000), (10_000, 3))?;
    let categorical = Categorical::from_probs(&table)?;
    let draws = categorical.sample(Key::new(1))?.to_vec()?;
    for (class, p) in probs.into_iter().enumerate() {
        let share = draws.iter().filter(|&&draw| draw == class as f64).count() as f64 / 1e4;
        assert!((share - p).abs() < 5.0 * (p * (1.0 - p) / 1e4f64).sqrt(), "class {class}: {share}");
    }
    let error = Categorical::from_probs(Var::from([0.5, -0.5f64])).err().map(|error| error.to_string());
    assert!(error.is_some_and(|message| message.contains("probs")));
    Ok(())
}

#[test]
fn the_divergence_of_categoricals_is_a_sum_over_the_classes() -> Result<()> {
    // SciPy: stats.entropy([0.2, 0.3, 0.5], [0.5, 0.25, 0.25]) and stats.entropy([1, 0, 0], [0.5, 0.25, 0.25]).
    let expected = [0.218011910943328, std::f64::consts::LN_2];
    let probs = Var::from_vec(vec![0.2, 0.3, 0.5, 1.0, 0.0, 0.0], (2usize, 3usize))?;
    let q = Categorical::from_probs(&probs)?;
    let prior = Var::from([0.5, 0.25, 0.25]).broadcast_to((2usize, 3usize))?;
    let p = Categorical::from_probs(&prior)?;
    let kl = q.kl_divergence(&p)?.item()?;
    assert!(close(kl, expected.iter().sum(), 1e-14), "{kl}");
    assert!(p.kl_divergence(&p)?.item()?.abs() < 1e-14);
    // A class that only the left side knows is infinitely surprising to the right one.
    assert_eq!(p.kl_divergence(&q)?.item()?, f64::INFINITY);
    Ok(())
}

#[test]
fn the_divergence_of_independent_draws_is_that_of_the_inner_ones() -> Result<()> {
    let q = Normal::new(Var::from([0.5, -1.0]), Var::from([0.1, 0.7]))?;
    let p = Normal::standard((2usize,))?;
    let expected = q.kl_divergence(&p)?.item()?;
    let (whole, prior) = (Independent::all(q), Independent::all(p.clone()));
    let erased: &dyn ed::distributions::erased::AnyDistribution = &whole;
    for (against, other) in
        [("its like", &prior as &dyn ed::distributions::erased::AnyDistribution), ("plain", &p)]
    {
        let kl = erased.kl_to(other).unwrap()?.item()?;
        assert!(close(kl, expected, 1e-14), "against {against}: {kl}, not {expected}");
    }
    assert!(erased.kl_to(erased).unwrap()?.item()?.abs() < 1e-14);
    assert!(erased.kl_to(&Independent::all(Gamma::new(Var::from([1.0, 1.0]), 1.0)?)).is_none());
    Ok(())
}

#[test]
fn independent_sums_over_its_axes() -> Result<()> {
    let loc = Var::<(usize, usize), f64>::from_vec(vec![0.0, 2.0, 1.0, -1.0], (2, 2))?;
    let normal = Normal::new(&loc, Var::from([1.0, 0.5]))?;
    let x = Var::from_vec(vec![1.3, 1.3, 0.0, 0.0], (2usize, 2usize))?;
    let rows = Independent::<_, (usize,)>::last(normal.clone())?;
    let by_row = rows.log_prob(&x)?;
    // Edward2's golden value for the first row.
    assert!((by_row.to_vec()?[0] + 2.969730).abs() < 1e-6);
    let all = Independent::all(normal.clone());
    let total = all.log_prob(&x)?.item()?;
    assert!(close(total, by_row.sum().item()?, 1e-14));
    assert!(close(total, normal.log_prob_sum(&x)?.item()?, 1e-14));
    assert!(close(all.entropy()?.item()?, normal.entropy()?.sum().item()?, 1e-14));
    assert_eq!(all.sample(Key::new(1))?.to_vec()?, normal.sample(Key::new(1))?.to_vec()?);
    Ok(())
}

#[test]
fn a_point_mass_is_certain_of_its_place() -> Result<()> {
    let point = ed::distributions::Deterministic::new(&Var::from([0.5f64, 1.0]));
    assert_eq!(point.log_prob(&Var::from([0.5, 0.0]))?.to_vec()?, [0.0, f64::NEG_INFINITY]);
    assert_eq!(point.sample(Key::new(1))?.to_vec()?, [0.5, 1.0]);
    // KL(δ ‖ p) = -log p(loc).
    let normal = Normal::standard((2usize,))?;
    let erased: &dyn ed::distributions::erased::AnyDistribution = &point;
    let kl = erased.kl_to(&normal).unwrap()?.item()?;
    assert!(close(kl, -normal.log_prob_sum(&Var::from([0.5, 1.0]))?.item()?, 1e-14), "{kl}");
    Ok(())
}

#[test]
fn a_factor_weighs_and_a_flat_prior_does_not() -> Result<()> {
    let factor = Factor::new(&Var::from([1.5f64, -0.25]));
    let draw = factor.sample(Key::new(1))?;
    assert_eq!(factor.log_prob(&draw)?.item()?, 1.25);
    let flat = Flat::on(Constraint::<f64>::Positive, (3usize,))?;
    assert!(flat.sample(Key::new(1)).unwrap_err().to_string().contains("improper prior"));
    assert_eq!(flat.log_prob(&Var::from([0.5, 1.0, 2.0]))?.item()?, 0.0);
    Ok(())
}
