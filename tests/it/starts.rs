//! Where samplers start, what they refuse to start on, and when they are stuck.

use ed::prelude::*;

use super::support::{message, scalar};

/// `hi ~ HalfNormal(1)` and data from `Uniform(0, hi)`.
fn below(y: &'static [f64]) -> impl Model {
    move || {
        let hi = sample_as("hi", HalfNormal::<(), f64>::new(1.0)?)?;
        observe_as("y", Uniform::new(0.0, &hi)?.expand((y.len(),))?, &Var::from(y))
    }
}

#[test]
fn data_above_a_bound_that_is_latent_move_the_bound() -> Result<()> {
    // p(hi | y) ∝ exp(-hi²/2) hi⁻² on hi > 1.5: the mean is 1.82343845, by quadrature with mpmath.
    let model = below(&[1.0, 1.5]);
    for seed in 0..4 {
        let draws = Nuts::new(&model).chains(2).draws(1_500).target_accept(0.95).quiet().run(seed)?;
        let row = draws.summary()?.row("hi").cloned().unwrap();
        assert!(row.mean > 1.5 && (row.mean - UNIFORM_MEAN).abs() < 6.0 * row.mcse_mean, "{row:?}");
    }
    Ok(())
}

const UNIFORM_MEAN: f64 = 1.823_438_447_757;

#[test]
fn a_start_is_looked_for_further_out_where_neither_origin_nor_prior_has_one() -> Result<()> {
    // Nothing below 9 has a density, which the prior reaches once in 10¹⁸ draws and exp(2) does not.
    let draws = Nuts::new(&below(&[9.0])).chains(1).warmup(200).draws(200).quiet().run(0)?;
    assert!(draws.required("hi")?.numbers().iter().all(|hi| *hi > 9.0));
    Ok(())
}

#[test]
fn data_outside_of_a_fixed_support_are_an_error_that_names_the_datum() {
    let models: [(&str, fn() -> Result<()>); 4] = [
        ("Gamma: the value must be finite and positive, got -1 at [2]", || {
            let x = sample_as("x", HalfNormal::<(), f64>::new(1.0)?)?;
            observe_as("y", Gamma::new(&x, 1.0)?.expand((3usize,))?, &Var::from([1.0, 2.0, -1.0])).map(|_| ())
        }),
        ("Uniform: the value must be strictly between the bounds, got 2 at [1]", || {
            sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?)?;
            observe_as("y", Uniform::new(0.0, 1.0)?.expand((2usize,))?, &Var::from([0.5, 2.0])).map(|_| ())
        }),
        ("Poisson: the value must be one of 0, 1, 2, …, got 0.5 at [0]", || {
            let x = sample_as("x", HalfNormal::<(), f64>::new(1.0)?)?;
            observe_as("y", Poisson::new(&x)?.expand((1usize,))?, &Var::from([0.5])).map(|_| ())
        }),
        // A number that is none is in no support, random or not.
        ("Uniform: the value must be finite, got NaN at [1]", || {
            let x = sample_as("x", HalfNormal::<(), f64>::new(1.0)?)?;
            observe_as("y", Uniform::new(0.0, &x)?.expand((2usize,))?, &Var::from([0.0, f64::NAN]))
                .map(|_| ())
        }),
    ];
    for (expected, model) in models {
        for said in [
            message(Nuts::new(&model).quiet().run(0)),
            message(MeanField::of(&model)),
            message(seed(0, || tape(&model))),
        ] {
            assert!(said.contains("at the site `y`") && said.contains(expected), "{said}");
        }
    }
}

#[test]
fn a_value_outside_of_a_random_support_has_density_minus_infinity() -> Result<()> {
    let model = below(&[1.0, 3.0]);
    let (_, trace) = seed(0, || tape(&substitute(|| model.run(), values!["hi" => scalar(2.0)])))?;
    assert_eq!(trace.log_prob()?.item()?, f64::NEG_INFINITY);
    let (_, trace) = seed(0, || tape(&substitute(|| model.run(), values!["hi" => scalar(4.0)])))?;
    assert!(trace.log_prob()?.item()?.is_finite());
    // Bounds that are computed from it, and bounds from below.
    let shifted = || {
        let low = sample_as("low", Normal::<(), f64>::new(0.0, 1.0)?)?;
        observe_as("y", Uniform::new((&low * 2.0).exp(), 10.0)?, &scalar(1.0))
    };
    let at = |low: f64| {
        seed(0, || tape(&substitute(shifted, values!["low" => scalar(low)])))?.1.log_prob()?.item()
    };
    assert!(at(-1.0)?.is_finite());
    assert_eq!(at(1.0)?, f64::NEG_INFINITY);
    Ok(())
}

/// A line through two points.
fn line() -> impl Model {
    || {
        let a = sample_as("a", Normal::<(), f64>::new(0.0, 10.0)?)?;
        let b = sample_as("b", Normal::<(), f64>::new(0.0, 10.0)?)?;
        let sigma = sample_as("sigma", HalfNormal::<(), f64>::new(1.0)?)?;
        let x = Var::from([0.0f64, 1.0, 2.0]);
        let y = Var::from([1.0, 3.1, 4.9]);
        observe_as("y", Normal::new(a.expand_last(3usize) + x * b.expand_last(3usize), &sigma)?, &y)
    }
}

#[test]
fn some_starting_values_leave_the_others_where_they_would_have_started() -> Result<()> {
    let model = line();
    let some = [values!["a" => scalar(2.0)], values!["sigma" => scalar(0.3), "b" => scalar(1.0)], values![]];
    for given in some {
        let draws = Nuts::new(&model).init(given).chains(2).draws(500).quiet().run(0)?;
        let row = draws.summary()?.row("b").cloned().unwrap();
        assert!((row.mean - 1.95).abs() < 0.3, "{row:?}");
    }
    Ok(())
}

#[test]
fn a_starting_value_that_does_not_fit_names_its_site_and_support() {
    let model = line();
    let said = |given: Values| message(Nuts::new(&model).init(given).quiet().run(0));
    let negative = said(values!["sigma" => scalar(-1.0)]);
    assert!(
        negative.contains("`sigma`") && negative.contains("HalfNormal: the value must be finite"),
        "{negative}"
    );
    let border = said(values!["sigma" => scalar(0.0)]);
    assert!(border.contains("`sigma`") && border.contains("not on its border"), "{border}");
    let shape = said(values!["a" => Var::from([1.0f64, 2.0])]);
    assert!(shape.contains("`a`") && shape.contains("[2]"), "{shape}");
    let stranger = said(values!["c" => scalar(1.0)]);
    assert!(stranger.contains("no site `c`") && stranger.contains("`a`, `b` and `sigma`"), "{stranger}");
    let guide =
        message(MeanField::of(&model).and_then(|guide| guide.init_loc(&values!["sigma" => scalar(-1.0)])));
    assert!(guide.contains("`sigma`") && guide.contains("HalfNormal"), "{guide}");
}

#[test]
fn a_prior_far_from_the_origin_is_found_by_its_draws() -> Result<()> {
    // The density is zero unless the location lies within 50,000 of the prior's.
    let model = || {
        let loc = sample_as("loc", Normal::<(), f64>::new(100_000.0, 25_000.0)?)?;
        observe_as("y", Uniform::new(&loc - 50_000.0, &loc + 50_000.0)?, &scalar(101_000.0))
    };
    let draws = Nuts::new(&model).chains(2).draws(500).quiet().run(0)?;
    let row = draws.summary()?.row("loc").cloned().unwrap();
    assert!((row.mean - 100_000.0).abs() < 8_000.0, "{row:?}");
    Ok(())
}

#[test]
fn an_optimiser_finds_a_start_that_no_guess_finds() -> Result<()> {
    // The factor is defined above 1000 only; the prior is flat, and its likelihood points there.
    let model = || {
        let x = sample_as("x", Flat::<(), f64>::real(())?)?;
        observe_as("y", Normal::new(&x, 10.0)?, &scalar(2_000.0))?;
        factor_as("above", (&*x - 1_000.0).ln())
    };
    let draws = Nuts::new(&model).chains(1).warmup(300).draws(300).quiet().run(0)?;
    let row = draws.summary()?.row("x").cloned().unwrap();
    assert!((row.mean - 2_000.1).abs() < 5.0, "{row:?}");
    Ok(())
}

#[test]
fn a_failed_search_says_what_was_tried_and_what_was_not_finite() {
    let model = || {
        let x = sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?)?;
        let z = sample_as("z", Normal::<(), f64>::new(0.0, 1.0)?)?;
        factor_as("never", (&*x * 0.0 - 1.0).ln())?;
        factor_as("always", z.square())
    };
    let said = message(Nuts::new(&model).chains(1).quiet().run(0));
    for part in
        ["points near the origin", "draws from the prior", "points further out", "steps of an optimiser"]
    {
        assert!(said.contains(part), "{said}");
    }
    assert!(said.contains("not finite at: never)"), "{said}");
}

#[test]
fn a_chain_that_rounding_holds_names_rounding_and_double_precision() -> Result<()> {
    // 400 data of size 1e8 that differ by less than single precision keeps at their mean.
    let single = || {
        let loc = sample_as("loc", Normal::<(), f32>::new(0.0, 1e9)?)?;
        let y: Vec<f32> = (0..400).map(|i| 1e8 + (i % 7) as f32).collect();
        observe_as("y", Normal::new(loc.expand_last(400usize), 1e-3)?, &Var::from(y))
    };
    let said = message(Nuts::new(&single).chains(1).warmup(200).draws(200).max_depth(6).quiet().run(0));
    assert!(said.contains("is stuck") && said.contains("rounding") && said.contains("f64"), "{said}");
    // Data far from the origin that single precision does keep.
    let far = |seed: u64| {
        let model = || {
            let loc = sample_as("loc", Normal::<(), f32>::new(0.0, 1e7)?)?;
            let scale = sample_as("scale", HalfNormal::<(), f32>::new(1e3)?)?;
            let y: Vec<f32> = (0..50).map(|i| 1e6 + 100.0 * (f64::from(i) * 1.7).sin() as f32).collect();
            observe_as("y", Normal::new(loc.expand_last(50usize), &scale)?, &Var::from(y))
        };
        Nuts::new(&model).chains(1).warmup(500).draws(500).quiet().run(seed)
    };
    let row = far(0)?.summary()?.row("loc").cloned().unwrap();
    assert!((row.mean - 1e6).abs() < 30.0 && row.sd > 5.0 && row.sd < 20.0, "{row:?}");
    Ok(())
}

#[test]
fn empty_data_no_steps_and_a_subsampled_plate_are_refused_with_a_word() -> Result<()> {
    let empty = || {
        let x = sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?)?;
        observe_as("y", Normal::new(x.expand_last(0usize), 1.0)?, &Var::from(Vec::<f64>::new()))
    };
    for said in [message(Nuts::new(&empty).quiet().run(0)), message(MeanField::of(&empty))] {
        assert!(said.contains("there are no data: `y`") && said.contains("prior_predictive"), "{said}");
    }
    // One group of two without data is no mistake.
    let group = |data: Vec<f64>| {
        move |x: &RandomVariable<Normal<(), f64>>, name: &'static str| {
            observe_as(name, Normal::new(x.expand_last(data.len()), 1.0)?, &Var::from(data.clone()))
        }
    };
    let groups = || {
        let x = sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?)?;
        group(vec![])(&x, "first")?;
        group(vec![2.0])(&x, "second")
    };
    let draws = Nuts::new(&groups).chains(1).draws(500).quiet().run(0)?;
    assert!((draws.mean("x")?.item()? - 1.0).abs() < 0.2);

    let model = line();
    let none = message(Svi::new(&model, MeanField::of(&model)?).steps(0).quiet().run(0));
    assert!(none.contains("`steps` must be at least 1"), "{none}");

    let part = || {
        let x = sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?)?;
        subsampled_plate_as("rows", 10, 2, |rows| {
            observe_as("y", Normal::new(x.expand_last(rows.len()), 1.0)?, &Var::zeros((rows.len(),)))
        })
    };
    let said = message(Nuts::new(&part).quiet().run(0));
    assert!(
        said.contains("the plate `rows` draws 2 of its 10 rows") && said.contains("write `plate`"),
        "{said}"
    );
    Ok(())
}

#[test]
fn nothing_is_drawn_from_an_improper_prior() -> Result<()> {
    use ed::inference::{posterior_predictive, prior_predictive};
    let model = || {
        let x = sample_as("x", Flat::<_, f64>::on(Constraint::Positive, (2usize,))?)?;
        observe_as("y", Normal::new(&x, 0.1)?, &Var::from([1.0, 2.0]))
    };
    for said in [message(prior_predictive(&model, 3, 0)), message(seed(0, || tape(&model)))] {
        assert!(said.contains("at the site `x`") && said.contains("improper"), "{said}");
    }
    let wrapped = || {
        let flat = Independent::all(Independent::all(Normal::<(), f64>::new(0.0, 1.0)?));
        sample_as("proper", flat)?;
        sample_as("x", Independent::all(Flat::<(), f64>::real(())?))
    };
    assert!(message(prior_predictive(&wrapped, 3, 0)).contains("at the site `x`"));
    // Posteriors are found and predicted from.
    let draws = Nuts::new(&model).chains(1).draws(300).quiet().run(0)?;
    let predicted = posterior_predictive(&model, &draws, 0)?;
    assert!((predicted.mean("y")?.to_vec()?[1] - 2.0).abs() < 0.1);
    let fit = Svi::new(&model, MeanField::of(&model)?).learning_rate(0.05).quiet().run(0)?;
    assert!((fit.sample(500, 0)?.mean("x")?.to_vec()?[0] - 1.0).abs() < 0.1);
    Ok(())
}
