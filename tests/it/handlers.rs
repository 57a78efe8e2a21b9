//! What each handler does to a model, and what it leaves alone; keys and names.

use std::sync::Arc;

use ed::prelude::*;

use super::support::{ln_normal, message, pair, scalar, sum, value};

#[test]
fn a_condition_moves_the_variables_that_depend_on_it() -> Result<()> {
    let close = || {
        let x = sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?)?;
        let y = sample_as("y", Normal::<(), f64>::new(&x, 1e-8)?)?;
        Ok((x, y))
    };
    let (x, y) = seed(0, || condition(close, values!["x" => scalar(5.0)]).run())?;
    assert_eq!(x.item()?, 5.0);
    approx::assert_abs_diff_eq!(y.item()?, 5.0, epsilon = 1e-6);
    Ok(())
}

#[test]
fn a_condition_leaves_the_distribution_and_marks_the_site_observed() -> Result<()> {
    let (_, trace) = seed(0, || tape(&condition(sum, values![sum::x = scalar(5.0)])))?;
    let site = trace.required("x")?;
    assert_eq!(site.kind, Kind::Observed);
    assert_eq!(site.distribution.mean()?.item()?, 0.0);
    approx::assert_relative_eq!(site.log_prob()?.item()?, ln_normal(5.0, 0.0, 1.0));
    assert_eq!(trace.latents().count(), 1);
    Ok(())
}

#[test]
fn a_site_has_one_datum_and_a_second_is_refused() -> Result<()> {
    let inner = condition(sum, values![sum::x = scalar(1.0)]);
    let said = message(seed(0, || tape(&condition(&inner, values![sum::x = scalar(2.0)]))));
    assert!(said.contains("the site `x` is observed already"), "{said}");
    let observes = || observe_as("y", Normal::<(), f64>::new(0.0, 1.0)?, &scalar(1.0));
    let said = message(condition(observes, values!["y" => scalar(2.0)]).run());
    assert!(said.contains("the site `y` is observed already"), "{said}");
    // Intervening is meant to replace a value, and what was forced is no datum.
    let forced = intervene(&inner, values![sum::x = scalar(3.0)]);
    assert_eq!(value(&seed(0, || tape(&forced))?.1, "x")?, 3.0);
    let said = message(seed(0, || condition(&forced, values![sum::x = scalar(2.0)]).run()));
    assert!(said.contains("the site `x` has a value that was forced"), "{said}");
    Ok(())
}

#[test]
fn handlers_take_a_model_and_a_reference_to_one() -> Result<()> {
    let observed = condition(sum, values![sum::x = scalar(1.0)]);
    let centred = mean(&observed);
    assert_eq!(centred.run()?.item()?, 2.0);
    assert_eq!(
        mean(&centred).run()?.item()?,
        substitute(&observed, values![sum::y = scalar(1.0)]).run()?.item()?
    );
    let guide = MeanField::of(&observed)?;
    assert!(seed(0, || condition(&guide, values!["y" => scalar(0.5)]).run())?.get("y").is_some());
    Ok(())
}

#[test]
fn conditions_compose_in_either_order_on_different_names() -> Result<()> {
    let (x, y) = (values![sum::x = scalar(1.0)], values![sum::y = scalar(2.0)]);
    let one = condition(condition(sum, x.clone()), y.clone()).run()?;
    let other = condition(condition(sum, y), x).run()?;
    assert_eq!(one.item()?, 3.0);
    assert_eq!(other.item()?, 3.0);
    Ok(())
}

#[test]
fn handlers_that_touch_nothing_are_the_identity() -> Result<()> {
    let draw = |model: &dyn Fn() -> Result<Var<(), f64>>| -> Result<(f64, f64)> {
        let (output, trace) = seed(4, || tape(&model))?;
        Ok((output.item()?, trace.log_prob()?.item()?))
    };
    let plain = draw(&sum)?;
    let (_, empty) = seed(0, || tape(&|| Ok(())))?;
    let everywhere = Var::from([1.0f64]).reshape(())?;
    let models: [(&str, &dyn Fn() -> Result<Var<(), f64>>); 8] = [
        ("condition", &|| condition(sum, Values::new()).run()),
        ("substitute", &|| substitute(sum, Values::new()).run()),
        ("intervene", &|| intervene(sum, Values::new()).run()),
        ("replay", &|| replay(sum, &empty).run()),
        ("block", &|| block(sum, |_| false).run()),
        ("scale", &|| scale(sum, 1.0)?.run()),
        ("mask", &|| mask(sum, everywhere.clone()).run()),
        ("swap", &|| swap(sum, |_| Ok(None)).run()),
    ];
    for (name, model) in models {
        assert_eq!(draw(model)?, plain, "{name}");
    }
    Ok(())
}

#[test]
fn a_blocked_variable_is_drawn_and_neither_recorded_nor_conditioned() -> Result<()> {
    let blocked = block(sum, |site| site.label() == "x");
    let (output, trace) = seed(0, || tape(&blocked))?;
    assert_eq!(trace.names().map(SiteName::as_str).collect::<Vec<_>>(), ["y"]);
    assert!(output.item()? != value(&trace, "y")?);
    let conditioned = condition(blocked, values![sum::x = scalar(1.0)]);
    assert_eq!(message(seed(0, || conditioned.run())), "the model has no site `x`; its sites are: `y`");
    Ok(())
}

#[test]
fn a_condition_inside_of_a_block_still_holds() -> Result<()> {
    let inside = condition(sum, values![sum::x = scalar(1.0), sum::y = scalar(2.0)]);
    let (output, trace) = tape(&block(inside, |_| true))?;
    assert_eq!(output.item()?, 3.0);
    assert_eq!(trace.sites().len(), 0);
    Ok(())
}

#[test]
fn scales_multiply() -> Result<()> {
    let at = |model: &dyn Fn() -> Result<Var<(), f64>>| make_log_joint(model).at(pair())?.item();
    let plain = at(&sum)?;
    approx::assert_relative_eq!(at(&|| scale(scale(sum, 2.0)?, 1.5)?.run())?, 3.0 * plain);
    for refused in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(message(scale(sum, refused).map(|_| ())).contains("`factor` must be finite and positive"));
    }
    Ok(())
}

#[test]
fn a_mask_leaves_out_what_is_not_a_number() -> Result<()> {
    // A density that is infinite where it is left out must not reach the value or the gradient.
    let tape_of = Tape::<f64>::of();
    let loc = tape_of.watch(&scalar(0.5));
    let data = Var::from([1.0, 1e300, 2.0]);
    let model = || observe_as("x", Normal::new(loc.expand_last(3usize), 1.0)?, &data);
    let (_, trace) = tape(&mask(model, Var::from([1.0f64, 0.0, 1.0])))?;
    let log_prob = trace.log_prob()?;
    approx::assert_relative_eq!(log_prob.item()?, ln_normal(1.0, 0.5, 1.0) + ln_normal(2.0, 0.5, 1.0));
    let gradients = log_prob.backward()?;
    approx::assert_relative_eq!(gradients.get(&loc.into())?.item()?, 0.5 + 1.5);
    Ok(())
}

#[test]
fn masks_meet_and_a_mask_of_another_shape_names_the_site() -> Result<()> {
    let data = Var::from([1.0f64, 2.0]);
    let model = || observe_as("x", Normal::standard((2usize,))?, &data);
    let both = mask(mask(model, Var::from([1.0f64, 0.0])), Var::from([0.0f64, 1.0]));
    assert_eq!(tape(&both)?.1.log_prob()?.item()?, 0.0);
    let said = message(tape(&mask(model, Var::from([1.0f64, 0.0, 1.0]))));
    assert!(said.starts_with("at the site `x`: "), "{said}");
    Ok(())
}

#[test]
fn an_intervention_cuts_a_variable_from_its_causes_and_a_condition_does_not() -> Result<()> {
    let wet = || values![sum::y = scalar(3.0)];
    let joint = |trace: &Trace| trace.log_prob()?.item();
    let (_, done) = seed(0, || tape(&intervene(sum, wet())))?;
    let (_, seen) = seed(0, || tape(&condition(sum, wet())))?;
    let x = value(&done, "x")?;
    assert_eq!(x, value(&seen, "x")?);
    approx::assert_relative_eq!(joint(&done)?, ln_normal(x, 0.0, 1.0));
    approx::assert_relative_eq!(
        joint(&seen)?,
        ln_normal(x, 0.0, 1.0) + ln_normal(3.0, x, 1.0),
        epsilon = 1e-12
    );
    assert_eq!(done.required("y")?.kind, Kind::Intervened);
    Ok(())
}

#[test]
fn a_replayed_model_repeats_the_run_and_draws_the_rest() -> Result<()> {
    let (first, trace) = seed(1, || tape(&sum))?;
    // Without a key: nothing is drawn.
    assert_eq!(replay(sum, &trace).run()?.item()?, first.item()?);
    let (_, part) = seed(2, || tape(&|| sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?)))?;
    let (_, mixed) = seed(3, || tape(&replay(sum, &part)))?;
    assert_eq!(value(&mixed, "x")?, value(&part, "x")?);
    Ok(())
}

#[test]
fn a_substituted_variable_stays_latent_and_an_observed_one_keeps_its_value() -> Result<()> {
    let observed = condition(sum, values![sum::y = scalar(2.0)]);
    let fixed = substitute(observed, values![sum::x = scalar(1.0), sum::y = scalar(9.0)]);
    let (output, trace) = tape(&fixed)?;
    assert_eq!(output.item()?, 3.0);
    assert_eq!(trace.required("x")?.kind, Kind::Latent);
    assert_eq!(trace.required("y")?.kind, Kind::Observed);
    Ok(())
}

#[test]
fn a_swapped_prior_keeps_the_shape_and_the_precision() -> Result<()> {
    let narrow = |site: &Site| match site.label().as_str() {
        "x" => Ok(Some(Arc::new(Normal::<(), f64>::new(9.0, 1e-9)?) as _)),
        _ => Ok(None),
    };
    let (_, trace) = seed(0, || tape(&swap(sum, narrow)))?;
    approx::assert_abs_diff_eq!(value(&trace, "x")?, 9.0, epsilon = 1e-6);
    let long = |_: &Site| Ok(Some(Arc::new(Normal::<(), f64>::standard((2usize,))?) as _));
    assert!(message(seed(0, || swap(sum, long).run())).starts_with("at the site `x`: swap: expected"));
    let single = |_: &Site| Ok(Some(Arc::new(Normal::<(), f32>::new(0.0, 1.0)?) as _));
    let said = message(seed(0, || swap(sum, single).run()));
    assert!(said.starts_with("at the site `x`: ") && said.contains("f64, got f32"), "{said}");
    Ok(())
}

#[test]
fn the_mean_of_a_model_needs_no_key() -> Result<()> {
    let observed = condition(sum, values![sum::x = scalar(2.0)]);
    assert_eq!(mean(observed).run()?.item()?, 4.0);
    Ok(())
}

// --- keys ---------------------------------------------------------------------------------------------------------

#[test]
fn a_draw_depends_on_the_seed_and_the_name_and_not_on_the_order() -> Result<()> {
    let normal =
        |name: &'static str| -> Result<f64> { sample_as(name, Normal::<(), f64>::new(0.0, 1.0)?)?.item() };
    let (a, b) = seed(0, || Ok((normal("a")?, normal("b")?)))?;
    let (late, early) = seed(0, || {
        let (b, _, a) = (normal("b")?, normal("c")?, normal("a")?);
        Ok((a, b))
    })?;
    assert_eq!((a, b), (late, early));
    assert!(a != b);
    assert!(seed(1, || normal("a"))? != a);
    Ok(())
}

#[test]
fn unnamed_variables_are_drawn_apart() -> Result<()> {
    let normal = || -> Result<f64> { sample(Normal::<(), f64>::new(0.0, 1.0)?)?.item() };
    let (first, second) = seed(0, || Ok((normal()?, normal()?)))?;
    assert!(first != second);
    assert_eq!(seed(0, normal)?, first);
    Ok(())
}

#[test]
fn the_innermost_seed_is_in_force() -> Result<()> {
    let alone = seed(7, sum)?.item()?;
    assert_eq!(seed(0, || seed(7, sum))?.item()?, alone);
    Ok(())
}

// --- names --------------------------------------------------------------------------------------------------------

#[model]
fn twice() -> Result<Var<(), f64>> {
    let left = nested(sum());
    let right = nested(outer());
    Ok(left + right)
}

#[model]
fn outer() -> Result<Var<(), f64>> {
    let inner = nested(sum());
    Ok(inner)
}

#[model]
fn chain(num_steps: usize) -> Result<Var<(), f64>> {
    let mut last = scalar(0.0);
    for _ in 0..num_steps {
        let z = sample(Normal::new(&last, 1.0)?);
        last = z.into_var();
        let part = nested(sum());
        last = last + part;
    }
    Ok(last)
}

#[test]
fn sub_models_prefix_their_names() -> Result<()> {
    let (_, trace) = seed(0, || tape(&twice))?;
    let names: Vec<&str> = trace.names().map(SiteName::as_str).collect();
    assert_eq!(names, ["left/x", "left/y", "right/inner/x", "right/inner/y"]);
    assert_eq!((twice::left / sum::x).as_str(), "left/x");
    assert_eq!((twice::right / outer::inner / sum::y).as_str(), "right/inner/y");
    let observed = condition(twice, values![twice::right / outer::inner / sum::y => scalar(3.0)]);
    assert_eq!(value(&seed(0, || tape(&observed))?.1, "right/inner/y")?, 3.0);
    Ok(())
}

#[test]
fn loops_index_their_names() -> Result<()> {
    let (_, trace) = seed(0, || tape(&|| chain(2)))?;
    let names: Vec<&str> = trace.names().map(SiteName::as_str).collect();
    assert_eq!(names, ["z[0]", "part[0]/x", "part[0]/y", "z[1]", "part[1]/x", "part[1]/y"]);
    assert_eq!(chain::z.at(1).as_str(), "z[1]");
    assert_eq!((chain::part.at(1) / sum::x).as_str(), "part[1]/x");
    Ok(())
}

#[test]
fn a_subsampled_plate_keeps_the_expectation_of_the_joint_log_density() -> Result<()> {
    let data = Var::from((0..10).map(f64::from).collect::<Vec<_>>());
    let rows = |batch: usize| {
        let data = &data;
        move || {
            subsampled_plate_as("rows", 10, batch, |rows| {
                let part = data.gather(rows.indices())?;
                observe_as("x", Normal::new(part.detach() * 0.0, 10.0)?, &part)
            })
        }
    };
    let full = seed(0, || tape(&rows(10)))?.1.log_prob()?.item()?;
    let num_runs = 2_000;
    let runs: Vec<f64> =
        (0..num_runs).map(|run| seed(run, || tape(&rows(3)))?.1.log_prob()?.item()).collect::<Result<_>>()?;
    let mean = runs.iter().sum::<f64>() / num_runs as f64;
    let variance = runs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (num_runs - 1) as f64;
    let standard_error = (variance / num_runs as f64).sqrt();
    // Five standard errors: a false alarm in two million.
    assert!((mean - full).abs() < 5.0 * standard_error, "{mean} against {full} ± {standard_error}");
    assert!(standard_error < 0.01 * full.abs());
    Ok(())
}

#[test]
fn a_plate_is_refused_a_batch_that_it_does_not_have() {
    for batch in [0, 11] {
        let said = message(seed(0, || subsampled_plate_as("rows", 10, batch, |_| Ok(()))));
        assert!(said.contains("`batch` must be at least 1 and at most its size"), "{said}");
    }
    let unseeded = message(subsampled_plate_as("rows", 10, 3, |_| Ok(())));
    assert!(unseeded.contains("`rows`") && unseeded.contains("no key is in force"), "{unseeded}");
}
