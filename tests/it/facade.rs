//! The language as a user meets it: random variables, joint log-densities, and what is said when something is wrong.
//!
//! The first part states the properties that Edward2's own tests assert, in the words of this language.

use std::fmt::Debug;

use ed::bijectors::Constraint;
use ed::prelude::*;

use super::support::{ln_normal, message, pair, scalar, sum};

// --- random variables ---------------------------------------------------------------------------------------------

#[test]
fn a_random_variable_has_the_shape_of_its_distribution() -> Result<()> {
    seed(0, || {
        let number: RandomVariable<Normal<(), f64>> = sample(Normal::new(0.0, 1.0)?)?;
        assert_eq!(number.shape(), &());
        let vector = sample(Bernoulli::from_probs(Var::from([0.1f32, 0.9, 0.5]))?)?;
        assert_eq!(vector.shape(), &(3,));
        let fixed: RandomVariable<Normal<(Const<2>, usize), f32>> =
            sample(Normal::standard((Const::<2>, 3))?)?;
        assert_eq!(fixed.dims().to_vec(), [2, 3]);
        let joint = sample(Independent::all(Normal::<(), f64>::standard((2usize, 3usize))?))?;
        assert_eq!(joint.shape(), &(2, 3));
        Ok(())
    })
}

#[test]
fn operators_work_on_the_value() -> Result<()> {
    let x = seed(3, || sample(Normal::new(Var::from([0.5, -1.5]), 1.0)?))?;
    let v = x.var().clone();
    let same = |a: Var<(usize,), f64>, b: Var<(usize,), f64>| -> Result<()> {
        assert_eq!(a.to_vec()?, b.to_vec()?);
        Ok(())
    };
    same(&x + &v, &v + &v)?;
    same(&x - 2.0, &v - 2.0)?;
    same(2.0 - &x, 2.0 - &v)?;
    same(&x * &x, &v * &v)?;
    same(1.0 / &x, 1.0 / &v)?;
    same(&x / &v, &v / &v)?;
    same(-&x, -&v)?;
    same(x.abs(), v.abs())?;
    same(&v * x, &v * &v)
}

#[test]
fn gradients_flow_through_a_random_variable() -> Result<()> {
    let tape = Tape::<f64>::of();
    let loc = tape.watch(&scalar(1.0));
    let x = seed(0, || sample(Normal::new(&loc, 1.0)?))?;
    assert_eq!((&x * 2.0).backward()?.get(&loc)?.item()?, 2.0);
    Ok(())
}

#[test]
fn a_random_variable_shows_its_name_distribution_and_value() -> Result<()> {
    let x =
        condition(|| sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?), values!["x" => scalar(1.5)]).run()?;
    assert_eq!(x.to_string(), "1.5");
    let shown = format!("{x:?}");
    for part in ["x", "Normal", "1.5", "f64"] {
        assert!(shown.contains(part), "{shown}");
    }
    Ok(())
}

/// A distribution of a user's own, the standard normal, that nobody can draw from.
#[derive(Clone, Debug)]
struct Gaussian;

impl Distribution for Gaussian {
    type Elem = f64;
    type Batch = ();
    type Shape = ();
    const NAME: &'static str = "Gaussian";
    fn shape(&self) {}
    fn batch_shape(&self) {}
    fn support(&self) -> Constraint<f64> {
        Constraint::Real
    }
    fn sample(&self, _: Key) -> Result<Var<(), f64>> {
        Err(Error::Undefined { of: "Gaussian", what: "way to draw", instead: "give it a value" })
    }
    fn log_prob(&self, value: &Var<(), f64>) -> Result<Var<(), f64>> {
        (value.square() * -0.5 - 0.5 * std::f64::consts::TAU.ln()).check()
    }
}

#[test]
fn a_distribution_of_ones_own_counts_as_a_built_in_one_does() -> Result<()> {
    let own = make_log_joint(|| sample_as("x", Gaussian)).at(values!["x" => scalar(0.7)])?;
    approx::assert_relative_eq!(own.item()?, ln_normal(0.7, 0.0, 1.0), epsilon = 1e-15);
    Ok(())
}

#[test]
fn a_distribution_that_cannot_be_drawn_from_says_so_at_its_site() {
    let said = message(seed(0, || sample_as("x", Gaussian)));
    assert_eq!(said, "at the site `x`: Gaussian has no way to draw: give it a value");
}

// --- joint log-densities ------------------------------------------------------------------------------------------

#[model]
fn location() -> Result<RandomVariable<Normal<(usize,), f64>>> {
    let loc = sample(Normal::new(0.0, 1.0)?);
    let x = sample(Normal::new(loc.expand_last(5usize), 0.5)?);
    Ok(x)
}

#[test]
fn a_joint_log_density_adds_up_all_elements_of_all_sites() -> Result<()> {
    let x = [0.1, -0.4, 0.9, 1.3, 0.0];
    let value =
        make_log_joint(location).at(values![location::loc = scalar(0.3), location::x = Var::from(x)])?;
    let by_hand: f64 = ln_normal(0.3, 0.0, 1.0) + x.map(|x| ln_normal(x, 0.3, 0.5)).iter().sum::<f64>();
    approx::assert_relative_eq!(value.item()?, by_hand, epsilon = 1e-12);
    Ok(())
}

#[model]
fn branching(num: usize) -> Result<()> {
    let flip = sample(Bernoulli::from_probs(0.25)?);
    let flip: &Var<(), f64> = &flip;
    if flip.item()? == 1.0 {
        let x = sample(Normal::<(), f64>::standard((num,))?);
        let _ = x;
    } else {
        let x = sample(Poisson::new(Var::from([2.0f64, 3.0, 4.0]))?);
        let _ = x;
    }
    Ok(())
}

#[test]
fn control_flow_may_depend_on_the_values() -> Result<()> {
    let log_joint = make_log_joint(|| branching(5));
    let x = [0.1, -0.4, 0.9, 1.3, 0.0];
    let normal = log_joint.at(values![branching::flip = scalar(1.0), branching::x = Var::from(x)])?;
    let by_hand = 0.25f64.ln() + x.map(|x| ln_normal(x, 0.0, 1.0)).iter().sum::<f64>();
    approx::assert_relative_eq!(normal.item()?, by_hand, epsilon = 1e-12);

    let counts = Var::from([1.0f64, 0.0, 2.0]);
    let poisson = log_joint.at(values![branching::flip = scalar(0.0), branching::x = counts])?;
    let by_hand = 0.75f64.ln() + (2f64.ln() - 2.0) + (-3.0) + (16f64 / 2.0).ln() - 4.0;
    approx::assert_relative_eq!(poisson.item()?, by_hand, epsilon = 1e-12);
    Ok(())
}

#[test]
fn deterministic_quantities_are_recorded_and_factors_counted() -> Result<()> {
    let model = || {
        let x = sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?)?;
        let twice = deterministic_as("twice", &x * 2.0)?;
        factor_as("penalty", &twice * -1.0)
    };
    let log_joint = make_log_joint(model).at(values!["x" => scalar(0.5)])?;
    approx::assert_relative_eq!(log_joint.item()?, ln_normal(0.5, 0.0, 1.0) - 1.0, epsilon = 1e-12);
    let (_, trace) = tape(&substitute(model, values!["x" => scalar(0.5)]))?;
    assert_eq!(trace.required("twice")?.kind, Kind::Deterministic);
    assert_eq!(trace.required("twice")?.value()?.item()?, 1.0);
    Ok(())
}

// --- what is said -------------------------------------------------------------------------------------------------

/// A model with one random variable of two numbers.
fn two() -> Result<RandomVariable<Normal<(usize,), f64>>> {
    sample_as("x", Normal::standard((2usize,))?)
}

fn positive() -> Result<RandomVariable<HalfNormal<(), f64>>> {
    sample_as("scale", HalfNormal::new(1.0)?)
}

#[test]
fn a_value_of_the_wrong_shape_names_the_site_whoever_gives_it() {
    for wrong in [Var::from([1.0f64, 2.0, 3.0]).into(), AnyVar::from(scalar(1.0))] {
        let values = || values!["x" => wrong.clone()];
        let refused = [
            message(condition(two, values()).run()),
            message(substitute(two, values()).run()),
            message(intervene(two, values()).run()),
            message(make_log_joint(two).at(values())),
        ];
        for said in refused {
            assert!(
                said.starts_with("at the site `x`: ") && said.contains(&format!("got {}", wrong.dims())),
                "{said}"
            );
        }
    }
}

#[test]
fn a_value_of_the_wrong_precision_names_the_site() {
    let values = || values!["x" => Var::from([1.0f32, 2.0])];
    for said in [
        message(condition(two, values()).run()),
        message(substitute(two, values()).run()),
        message(make_log_joint(two).at(values())),
    ] {
        assert!(said.starts_with("at the site `x`: ") && said.contains("f64, got f32"), "{said}");
    }
}

#[test]
fn a_condition_outside_of_the_support_names_the_site() {
    let said = message(condition(positive, values!["scale" => scalar(-1.0)]).run());
    assert_eq!(said, "at the site `scale`: HalfNormal: the value must be finite and not negative, got -1");
    let said = message(condition(two, values!["x" => Var::from([1.0, f64::NAN])]).run());
    assert!(said.starts_with("at the site `x`: Normal: ") && said.ends_with("got NaN at [1]"), "{said}");
}

#[test]
fn a_joint_log_density_outside_of_the_support_is_minus_infinity() -> Result<()> {
    let value = make_log_joint(positive).at(values!["scale" => scalar(-1.0)])?;
    assert_eq!(value.item()?, f64::NEG_INFINITY);
    Ok(())
}

#[test]
fn a_name_that_does_not_come_up_is_refused_with_those_that_do() {
    let values = || values!["z" => scalar(1.0)];
    let expected = "the model has no site `z`; its sites are: `x` and `y`";
    assert_eq!(message(seed(0, || condition(sum, values()).run())), expected);
    assert_eq!(message(seed(0, || substitute(sum, values()).run())), expected);
    assert_eq!(message(seed(0, || intervene(sum, values()).run())), expected);
    let mut extra = pair();
    extra.set("z", scalar(1.0));
    assert_eq!(message(make_log_joint(sum).at(extra)), expected);
}

#[test]
fn a_missing_value_is_named() {
    let said = message(make_log_joint(sum).at(values![sum::x = scalar(1.0)]));
    assert_eq!(said, "the site `y` needs a value: give one with `values![…]`");
}

#[test]
fn a_name_that_comes_twice_is_refused() {
    let twice = || {
        let first = sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?)?;
        sample_as("x", Normal::<(), f64>::new(first, 1.0)?)
    };
    let expected = "two random variables are named `x` in one run of the model";
    let refused = [
        message(seed(0, || tape(&twice))),
        message(make_log_joint(twice).at(values!["x" => scalar(1.0)])),
        message(Nuts::new(&twice).quiet().run(0)),
        message(MeanField::of(&twice)),
    ];
    for said in refused {
        assert!(said.starts_with(expected), "{said}");
    }
    let mut values = values!["x" => scalar(1.0)];
    assert!(message(values.insert("x", scalar(2.0))).starts_with(expected));
}

#[test]
fn a_variable_without_a_name_is_refused_where_it_needs_one() {
    let unnamed = || sample(Normal::<(), f64>::new(0.0, 1.0)?);
    let expected = "a Normal random variable has no name and a handler needs one";
    for said in [
        message(make_log_joint(unnamed).at(values![])),
        message(Nuts::new(&unnamed).quiet().run(0)),
        message(MeanField::of(&unnamed)),
    ] {
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn a_draw_without_a_key_is_refused() {
    let said = message(sum());
    assert_eq!(
        said,
        "the site `x` has to be drawn and no key is in force: run the model under `seed(0, || …)`"
    );
}

#[test]
fn a_site_that_has_its_value_inside_of_the_model_takes_no_other() {
    let observed = condition(sum, values![sum::y = scalar(1.0)]);
    let said = message(make_log_joint(observed).at(pair()));
    assert!(said.contains("the site `y` has a value inside of the model already"), "{said}");
}

#[test]
fn a_mismatch_inside_of_a_formula_comes_out_at_the_next_call() {
    let model = || {
        let x = sample_as("x", Normal::<(), f64>::standard((2usize,))?)?;
        sample_as("y", Normal::new(x * Var::from([1.0, 2.0, 3.0]), 1.0)?)
    };
    let said = message(seed(0, model));
    assert!(said.contains("[2] and [3] do not fit together"), "{said}");
}

/// Everything that travels between threads does.
#[test]
fn models_and_values_may_be_shared_between_threads() {
    fn shared<T: Send + Sync + Debug>() {}
    shared::<Var<(usize,), f64>>();
    shared::<AnyVar>();
    shared::<Values>();
    shared::<Trace>();
    shared::<RandomVariable<Normal<(usize,), f32>>>();
    shared::<Error>();
}
