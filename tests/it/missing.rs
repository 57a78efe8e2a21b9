//! Data that a mask says are missing, as NaN: values and gradients are those of the data that are there, under all
//! inference, and predictive draws fill the rest.

use ed::inference::{posterior_predictive, prior_predictive};
use ed::params::{Params, param_as, value_and_gradients};
use ed::prelude::*;

use super::support::{message, scalar};

type Vector = Var<(usize,), f64>;

/// The log-density and its slope by the one parameter of a model, masked or not.
fn slope<D: Distribution<Elem = f64>>(
    make: impl Fn(&Var<(), f64>) -> Result<D>,
    y: &Var<D::Shape, f64>,
    kept: Option<&Vector>,
) -> Result<[f64; 2]> {
    let mut params = Params::new();
    let (value, gradients) = value_and_gradients(&mut params, || {
        let s = param_as("s", || scalar(0.7))?;
        let model = || observe_as("y", make(&s)?, y);
        let trace = match kept {
            Some(kept) => tape(&mask(model, kept))?.1,
            None => tape(&model)?.1,
        };
        trace.log_prob()
    })?;
    Ok([value, gradients.required("s")?.item()?])
}

/// Two data of three, and the two alone.
fn same<D: Distribution<Elem = f64, Shape = (usize,)>>(
    family: &str,
    x: f64,
    make: impl Fn(&Var<(), f64>, usize) -> Result<D>,
) -> Result<()> {
    let kept = Var::from([1.0, 0.0, 1.0]);
    let missing = slope(|s| make(s, 3), &Var::from([x, f64::NAN, x]), Some(&kept))?;
    let present = slope(|s| make(s, 2), &Var::from([x, x]), None)?;
    for (got, expected) in missing.into_iter().zip(present) {
        assert!(
            (got - expected).abs() <= 1e-12 * (1.0 + expected.abs()),
            "{family}: {missing:?} for {present:?}"
        );
    }
    assert!(present[1] != 0.0, "{family} does not depend on its parameter");
    Ok(())
}

macro_rules! families {
    ($($name:ident::$new:ident($($param:expr),+) at $x:expr, $s:ident;)+) => {
        #[test]
        fn what_is_missing_costs_no_family_a_finite_gradient() -> Result<()> {
            $(same(stringify!($name), $x, |$s, n| $name::$new($($param),+)?.expand((n,)))?;)+
            Ok(())
        }
    };
}

families! {
    Normal::new(s, 1.0) at 0.3, s;
    LogNormal::new(s, 1.0) at 0.3, s;
    HalfNormal::new(s) at 0.3, s;
    HalfCauchy::new(s) at 0.3, s;
    Cauchy::new(s, 1.0) at 0.3, s;
    StudentT::new(3.0, s, 1.0) at 0.3, s;
    Laplace::new(s, 1.0) at 0.3, s;
    Logistic::new(s, 1.0) at 0.3, s;
    Gumbel::new(s, 1.0) at 0.3, s;
    Gamma::new(s, 1.0) at 0.3, s;
    InverseGamma::new(s, 1.0) at 0.3, s;
    Beta::new(s, 1.5) at 0.3, s;
    Exponential::new(s) at 0.3, s;
    Weibull::new(s, 1.0) at 0.3, s;
    Uniform::new(0.0, s) at 0.3, s;
    Poisson::new(s) at 2.0, s;
    Bernoulli::from_probs(s) at 1.0, s;
    Geometric::from_probs(s) at 2.0, s;
    Binomial::from_probs(3.0, s) at 2.0, s;
    NegativeBinomial::from_probs(s, 0.4) at 2.0, s;
}

#[test]
fn a_missing_row_of_a_multivariate_or_transformed_distribution_counts_nothing() -> Result<()> {
    let rows = |numbers: &[f64]| Var::from_vec(numbers.to_vec(), (numbers.len() / 2, 2usize));
    let normal = |n: usize| {
        move |s: &Var<(), f64>| {
            let tril = Var::from_vec(vec![1.0, 0.0, 0.4, 0.9], (2usize, 2usize))?;
            MultivariateNormal::from_scale_tril(s.expand_last(2usize), tril)?.expand((n, 2usize))
        }
    };
    let kept = Var::from([0.0, 1.0]);
    let missing = slope(normal(2), &rows(&[f64::NAN, 3.0, 0.1, 0.2])?, Some(&kept))?;
    let present = slope(normal(1), &rows(&[0.1, 0.2])?, None)?;
    assert!((0..2).all(|i| (missing[i] - present[i]).abs() < 1e-12), "{missing:?} for {present:?}");

    let logits = |n: usize| {
        move |s: &Var<(), f64>| {
            let row = s.expand_last(3usize) * Var::from([0.0, 1.0, 2.0]);
            Categorical::from_logits(row.broadcast_to((n, 3usize))?)
        }
    };
    let missing = slope(logits(2), &Var::from([f64::NAN, 2.0]), Some(&kept))?;
    let present = slope(logits(1), &Var::from([2.0]), None)?;
    assert!((0..2).all(|i| (missing[i] - present[i]).abs() < 1e-12), "{missing:?} for {present:?}");
    Ok(())
}

/// A location with four data of which two are missing: the posterior is `N(Σ y / 3, 1 / √3)` over those that are there.
#[model]
fn partly() -> Result<()> {
    let x = sample(Normal::new(0.0, 1.0)?);
    let seen = nested(
        mask(
            || {
                observe_as(
                    "y",
                    Normal::new(x.expand_last(4usize), 1.0)?,
                    &Var::from([f64::NAN, 1.2, f64::NAN, 2.4]),
                )
            },
            Var::from([0.0, 1.0, 0.0, 1.0]),
        )
        .run(),
    );
    let _ = seen;
    Ok(())
}

#[test]
fn posteriors_are_those_of_the_data_that_are_there_and_predictions_fill_the_rest() -> Result<()> {
    let (mean, sd) = (1.2, 3f64.sqrt().recip());
    let draws = Nuts::new(&partly).chains(2).draws(1_000).quiet().run(0)?;
    let row = draws.summary()?.row("x").cloned().unwrap();
    assert!((row.mean - mean).abs() < 5.0 * row.mcse_mean && (row.sd - sd).abs() < 0.05, "{row:?}");
    let fit = Svi::new(&partly, MeanField::of(&partly)?).learning_rate(0.02).steps(1_500).quiet().run(0)?;
    assert!((fit.mean()?.required("x")?.item()? - mean).abs() < 0.1);
    let map = Svi::new(&partly, Delta::of(&partly)?).learning_rate(0.05).quiet().run(0)?;
    assert!((map.values()?.required("x")?.item()? - mean).abs() < 1e-3);
    for predicted in [posterior_predictive(&partly, &draws, 0)?, prior_predictive(&partly, 50, 0)?] {
        assert!(predicted.required("seen/y")?.numbers().iter().all(|y| y.is_finite()));
    }
    let centre = posterior_predictive(&partly, &draws, 0)?.mean("seen/y")?.to_vec()?;
    assert!(centre.iter().all(|y| (y - mean).abs() < 0.15), "{centre:?}");
    Ok(())
}

#[test]
fn what_is_there_is_still_checked_and_the_mask_has_to_fit() {
    let model = |y: [f64; 2], kept: Vector| {
        mask(
            move || observe_as("y", Gamma::<(), f64>::new(1.0, 1.0)?.expand((2usize,))?, &Var::from(y)),
            kept,
        )
    };
    let said = message(tape(&model([1.0, -1.0], Var::from([0.0, 1.0]))));
    assert!(said.contains("`y`") && said.contains("got -1 at [1]"), "{said}");
    assert!(tape(&model([1.0, -1.0], Var::from([1.0, 0.0]))).is_ok());
    let said = message(tape(&model([1.0, 1.0], Var::from([1.0, 0.0, 1.0]))));
    assert!(said.contains("`y`") && said.contains("[2] and [3]"), "{said}");
}
