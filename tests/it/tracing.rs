//! Who sees a random variable when, and what is left behind on each way out.
//!
//! The first part states the properties that Edward2's own tests assert, in the words of this language.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use ed::prelude::*;

use super::support::{Double, Set, message, pair, scalar, sum, value};
// --- order --------------------------------------------------------------------------------------------------------

#[test]
fn a_tracer_sets_the_value_of_a_random_variable() -> Result<()> {
    let set = Rc::new(Set::forwarding(values!["rv2" => scalar(2.0)]));
    let rv2 = with_tracer(set, || sample_as("rv2", Normal::<(), f64>::new(0.0, 1.0)?))?;
    assert_eq!(rv2.item()?, 2.0);
    Ok(())
}

#[test]
fn a_tracer_that_only_forwards_changes_nothing() -> Result<()> {
    struct Nothing;
    impl Tracer for Nothing {
        fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
            next.forward(site)
        }
    }
    let plain = make_log_joint(sum).at(pair())?;
    let traced = make_log_joint(|| with_tracer(Rc::new(Nothing), sum)).at(pair())?;
    assert_eq!(plain.item()?, traced.item()?);
    Ok(())
}

#[test]
fn an_inner_tracer_that_forwards_works_on_what_the_outer_ones_return() -> Result<()> {
    let doubled = || with_tracer(Rc::new(Double), sum);
    let z = with_tracer(Rc::new(Set::forwarding(pair())), doubled)?;
    approx::assert_relative_eq!(z.item()?, 2.0 * 1.0 + 2.0 * 0.42);
    Ok(())
}

#[test]
fn an_inner_tracer_that_does_not_forward_hides_its_sites_from_the_outer_ones() -> Result<()> {
    let set = || with_tracer(Rc::new(Set::hiding(pair())), sum);
    assert_eq!(with_tracer(Rc::new(Double), set)?.item()?, 1.42);
    Ok(())
}

#[test]
fn a_tape_outside_of_a_tracer_records_what_goes_into_it() -> Result<()> {
    let doubled = || with_tracer(Rc::new(Double), sum);
    let (output, trace) = seed(0, || tape(&doubled))?;
    let (x, y) = (value(&trace, "x")?, value(&trace, "y")?);
    approx::assert_relative_eq!(output.item()?, 2.0 * x + 2.0 * y);
    Ok(())
}

#[test]
fn a_tape_inside_of_a_tracer_records_what_comes_out_of_it() -> Result<()> {
    let (output, trace) = seed(0, || with_tracer(Rc::new(Double), || tape(&sum)))?;
    let (x, y) = (value(&trace, "x")?, value(&trace, "y")?);
    assert_eq!(output.item()?, x + y);
    Ok(())
}

#[test]
fn a_tape_keeps_names_in_order_and_leaves_out_what_has_none() -> Result<()> {
    let program = || {
        let x = sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?)?;
        let hidden: RandomVariable<Normal<(), f64>> = sample(Normal::new(0.0, 1.0)?)?;
        sample_as("y", Normal::<(), f64>::new(x + hidden, 1.0)?)
    };
    let (_, trace) = seed(0, || tape(&program))?;
    assert_eq!(trace.names().map(SiteName::as_str).collect::<Vec<_>>(), ["x", "y"]);
    assert_eq!(trace.sites().len(), 3);
    assert_eq!(trace.values().len(), 2);
    Ok(())
}

#[test]
fn a_tracer_sees_the_random_variables_of_the_program_and_the_outer_ones_those_of_the_tracer() -> Result<()> {
    /// Draws a random variable of its own for each that comes by.
    struct Noise;
    impl Tracer for Noise {
        fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
            let noise = sample_as(format!("noise_{}", site.label()), Normal::<(), f64>::new(0.0, 1.0)?)?;
            next.forward(site)?;
            site.value = Some(site.value()?.plus(&noise.into())?);
            Ok(())
        }
    }
    // With no tracer outside, a random variable of a tracer is simply drawn.
    seed(0, || with_tracer(Rc::new(Noise), sum))?;
    let (output, trace) = seed(0, || tape(&|| with_tracer(Rc::new(Noise), sum)))?;
    let names: Vec<&str> = trace.names().map(SiteName::as_str).collect();
    assert_eq!(names, ["noise_x", "x", "noise_y", "y"]);
    let total: f64 = trace.names().map(|name| value(&trace, name.as_str())).sum::<Result<f64>>()?;
    approx::assert_relative_eq!(output.item()?, total, epsilon = 1e-12);
    Ok(())
}

#[test]
fn a_tracer_may_run_a_model_under_tracers_of_its_own() -> Result<()> {
    struct Inner(RefCell<Vec<String>>);
    impl Tracer for Inner {
        fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
            let (_, trace) = tape(&|| sample_as("aside", Normal::<(), f64>::new(0.0, 1.0)?))?;
            self.0.borrow_mut().extend(trace.names().map(SiteName::to_string));
            next.forward(site)
        }
    }
    let inner = Rc::new(Inner(RefCell::default()));
    let (_, outer) = seed(0, || {
        let first = || with_tracer(inner.clone(), || sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?));
        tape(&|| {
            first()?;
            sample_as("y", Normal::<(), f64>::new(0.0, 1.0)?)
        })
    })?;
    assert_eq!(*inner.0.borrow(), ["aside"]);
    assert_eq!(outer.names().map(SiteName::as_str).collect::<Vec<_>>(), ["aside", "x", "y"]);
    Ok(())
}

#[test]
fn a_tracer_that_gives_no_value_is_told_which_site_needs_one() {
    struct Swallow;
    impl Tracer for Swallow {
        fn trace(&self, _: &mut Site, _: Next) -> Result<()> {
            Ok(())
        }
    }
    let said = message(with_tracer(Rc::new(Swallow), sum));
    assert_eq!(said, "the site `x` needs a value: give one with `values![…]`");
}

// --- ways out -----------------------------------------------------------------------------------------------------

/// Nothing is left of any tracer, key or prefix: an unseeded draw fails, a seeded one meets nobody.
fn assert_nothing_is_in_force() {
    let unseeded = message(sum());
    assert!(unseeded.contains("the site `x` has to be drawn and no key is in force"), "{unseeded}");
    let (_, trace) = seed(0, || tape(&sum)).expect("a model runs");
    assert_eq!(trace.names().map(SiteName::as_str).collect::<Vec<_>>(), ["x", "y"]);
}

#[test]
fn a_panic_inside_leaves_no_tracer_no_key_and_no_prefix() {
    let inside = AssertUnwindSafe(|| {
        seed(0, || {
            nested_as("deep", || {
                tape(&|| -> Result<()> {
                    sum()?;
                    panic!("the program fails")
                })
            })
        })
    });
    assert!(catch_unwind(inside).is_err());
    assert_nothing_is_in_force();
}

#[test]
fn an_error_inside_leaves_no_tracer_no_key_and_no_prefix() {
    let refused =
        seed(0, || nested_as("deep", || tape(&|| sample_as("x", Normal::<(), f64>::new(0.0, -1.0)?))));
    assert!(message(refused).contains("`scale` must be finite and positive"));
    assert_nothing_is_in_force();
}

#[test]
fn a_panic_in_a_tracer_leaves_the_outer_tracers_as_they_were() -> Result<()> {
    struct Panic;
    impl Tracer for Panic {
        fn trace(&self, _: &mut Site, _: Next) -> Result<()> {
            panic!("a tracer fails")
        }
    }
    let program = || {
        let inside = AssertUnwindSafe(|| with_tracer(Rc::new(Panic), sum));
        assert!(catch_unwind(inside).is_err());
        sum()
    };
    let (_, trace) = seed(0, || tape(&program))?;
    assert_eq!(trace.names().count(), 2);
    assert_nothing_is_in_force();
    Ok(())
}

#[test]
fn an_error_of_a_tracer_stops_the_program() {
    struct Refuse(Cell<usize>);
    impl Tracer for Refuse {
        fn trace(&self, site: &mut Site, _: Next) -> Result<()> {
            self.0.set(self.0.get() + 1);
            Err(Error::Unconditioned { name: site.label() })
        }
    }
    let refuse = Rc::new(Refuse(Cell::new(0)));
    assert!(with_tracer(refuse.clone(), sum).is_err());
    assert_eq!(refuse.0.get(), 1);
    assert_nothing_is_in_force();
}

#[test]
fn tracers_are_of_one_thread() -> Result<()> {
    let (_, trace) = seed(0, || {
        tape(&|| {
            let elsewhere = std::thread::spawn(|| message(sum())).join().expect("no panic");
            assert!(elsewhere.contains("no key is in force"), "{elsewhere}");
            sum()
        })
    })?;
    assert_eq!(trace.names().count(), 2);
    Ok(())
}

#[model]
fn four_normals(scale: f64) -> Result<Var<(), f64>> {
    let a = sample(Normal::new(0.0, 1.0)?);
    let b = sample(Normal::new(&a, 1.0)?);
    let c = sample(Normal::new(&b, scale)?.expand(())?);
    let d = sample(Normal::new(&c, 1.0)?);
    Ok(d.into_var())
}

#[model]
fn in_a_part(scale: f64) -> Result<Var<(), f64>> {
    let part = nested(four_normals(scale));
    Ok(part)
}

#[test]
fn the_error_of_a_parameter_names_the_random_variable_that_it_belongs_to() {
    let said = message(seed(0, || four_normals(-0.21)));
    assert_eq!(said, "at the site `c`: Normal: `scale` must be finite and positive, got -0.21");
    let said = message(seed(0, || in_a_part(-0.21)));
    assert_eq!(said, "at the site `part/c`: Normal: `scale` must be finite and positive, got -0.21");
}
