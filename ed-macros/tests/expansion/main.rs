//! Runs expanded models against a stand-in for `ed` that records the name of each call.

// The models here are written for their syntax.
#![allow(missing_docs, clippy::needless_lifetimes)]

extern crate self as ed;

mod stand_in;

pub use stand_in::*;

use ed::__private::names_of;
use ed_macros::model;
use std::fmt::Display;

#[model]
/// Every word once.
pub fn words(data: &f64) -> Result<f64> {
    let mu = sample(1.0);
    let mut tau: f64 = sample(Ok::<f64, String>(2.0)?)?;
    tau += mu;
    let y = observe(mu, data);
    let theta = deterministic(tau + y);
    let penalty = factor(-0.5 * theta);
    let child = nested(inner(theta));
    let rows = plate(3, |rows| {
        let w = sample(rows as f64);
        Ok(w)
    });
    let batch = subsampled_plate(10, 2, move |batch: usize| -> Result<usize> {
        let v = sample(1.0);
        Ok(batch + v as usize)
    });
    Ok(child + rows + batch as f64)
}

#[model]
fn inner(loc: f64) -> Result<f64> {
    let z = sample(loc);
    Ok(z)
}

#[test]
fn names_every_word_after_its_binding() {
    let (value, names) = names_of(|| words(&4.0));
    assert_eq!(
        names,
        [
            "sample mu",
            "sample tau",
            "observe y",
            "deterministic theta",
            "factor penalty",
            "sample child/z",
            "plate rows",
            "sample w",
            "subsampled_plate batch",
            "sample v",
        ]
    );
    assert_eq!(value, Ok(7.0 + 3.0 + 3.0));
}

#[test]
fn the_names_are_items_beside_the_function() {
    assert_eq!(words::mu, SiteName("mu"));
    assert_eq!(words::y, SiteName("y"));
    assert_eq!(words::theta, SiteName("theta"));
    assert_eq!(words::penalty, SiteName("penalty"));
    assert_eq!(words::child, Scope("child"));
    assert_eq!(words::rows, PlateName("rows"));
    assert_eq!(words::w, SiteName("w"));
    assert_eq!(words::batch, PlateName("batch"));
    assert_eq!(inner::z, SiteName("z"));
}

#[test]
fn an_error_of_a_site_leaves_the_model() {
    #[model]
    fn refused() -> Result<f64> {
        let bad = sample(-1.0);
        let never = sample(bad);
        Ok(never)
    }
    let (value, names) = names_of(refused);
    assert_eq!(value, Err("bad: negative".to_owned()));
    assert_eq!(names, ["sample bad"]);
}

#[test]
fn an_error_among_the_arguments_names_the_site() {
    fn parameter(x: f64) -> Result<f64> {
        if x > 0.0 { Ok(x) } else { Err("not positive".to_owned()) }
    }
    #[model]
    fn plain(x: f64) -> Result<f64> {
        let first = sample(parameter(1.0)?);
        let second = sample(parameter(x)?.sqrt());
        let third = observe(parameter(2.0)?, &parameter(x - 1.0)?);
        Ok(first + second + third)
    }
    assert_eq!(names_of(|| plain(-1.0)).0, Err("at second: not positive".to_owned()));
    assert_eq!(names_of(|| plain(0.5)).0, Err("at third: not positive".to_owned()));
    #[model]
    fn looped(x: &[f64]) -> Result<()> {
        for x in x {
            let z = sample(parameter(*x)?);
        }
        Ok(())
    }
    assert_eq!(names_of(|| looped(&[1.0, 0.0])).0, Err("at z[1]: not positive".to_owned()));
    // An error of another type is converted as it was.
    struct Other;
    impl From<Other> for String {
        fn from(_: Other) -> String {
            "another error".to_owned()
        }
    }
    #[model]
    fn converted() -> Result<f64> {
        let other = sample(Err::<f64, Other>(Other)?);
        Ok(other)
    }
    assert_eq!(names_of(converted).0, Err("another error".to_owned()));
}

#[test]
fn loops_index_the_sites_in_them() {
    #[model]
    fn loops(n: usize) -> Result<f64> {
        let mut total = 0.0;
        for (row, &scale) in [1.0, 2.0].iter().enumerate() {
            let a = sample(scale);
            for _ in 0..n {
                let b = sample(a);
                total += b * row as f64;
            }
            let part = nested(inner(a));
            let rows = plate(n, |_| {
                let inside = sample(part);
                for _ in 0..1 {
                    let deep = sample(inside);
                }
                Ok(())
            });
        }
        Ok(total)
    }
    let (value, names) = names_of(|| loops(2));
    assert_eq!(value, Ok(4.0));
    assert_eq!(
        names,
        [
            "sample a[0]",
            "sample b[0][0]",
            "sample b[0][1]",
            "sample part[0]/z",
            "plate rows[0]",
            "sample inside[0]",
            "sample deep[0][0]",
            "sample a[1]",
            "sample b[1][0]",
            "sample b[1][1]",
            "sample part[1]/z",
            "plate rows[1]",
            "sample inside[1]",
            "sample deep[1][0]",
        ]
    );
    assert_eq!(loops::a, IndexedSite("a"));
    assert_eq!(loops::b, IndexedSite("b"));
    assert_eq!(loops::part, IndexedScope("part"));
    assert_eq!(loops::rows, PlateName("rows"));
}

#[test]
fn a_loop_counts_its_turns_through_continue_and_break() {
    #[model]
    fn turns() -> Result<usize> {
        let mut left = 4;
        #[allow(clippy::never_loop)]
        'outer: while left > 0 {
            left -= 1;
            if left == 2 {
                continue;
            }
            let a = sample(1.0);
            let mut inside = 0;
            let found = loop {
                inside += 1;
                if inside == 1 {
                    continue;
                }
                if left == 0 {
                    continue 'outer;
                }
                let b = sample(a);
                if inside == 3 {
                    break inside;
                }
            };
            assert_eq!(found, 3);
        }
        let mut queue = vec![5.0, 6.0];
        while let Some(next) = queue.pop() {
            let c = sample(next);
        }
        Ok(left)
    }
    let (value, names) = names_of(turns);
    assert_eq!(value, Ok(0));
    assert_eq!(
        names,
        [
            "sample a[0]",
            "sample b[0][1]",
            "sample b[0][2]",
            "sample a[2]",
            "sample b[2][1]",
            "sample b[2][2]",
            "sample a[3]",
            "sample c[0]",
            "sample c[1]",
        ]
    );
}

#[test]
fn a_loop_without_words_is_not_counted() {
    #[model]
    fn around() -> Result<f64> {
        for _ in 0..2 {
            for turn in 0..2 {
                if turn == 0 {
                    continue;
                }
            }
            let a = sample(1.0);
        }
        Ok(0.0)
    }
    assert_eq!(names_of(around).1, ["sample a[0]", "sample a[1]"]);
}

#[test]
fn branches_may_share_a_name() {
    #[model]
    fn branches(which: u8) -> Result<f64> {
        if which == 9 {
            let x = sample(9.0);
            return Ok(x);
        }
        let chosen = match which {
            0 => {
                let x = sample(0.0);
                x
            }
            1 if which > 0 => {
                let x = observe(0.0, &1.0);
                x
            }
            _ => {
                if which == 2 {
                    let x = sample(2.0);
                    x
                } else {
                    // SAFETY: nothing unsafe is done.
                    #[allow(unused_unsafe)]
                    unsafe {
                        let x = sample(3.0);
                        x
                    }
                }
            }
        };
        Ok(chosen)
    }
    for which in [0, 1, 2, 3, 9] {
        let (value, names) = names_of(|| branches(which));
        assert_eq!(value, Ok(f64::from(which)));
        assert_eq!(names, [if which == 1 { "observe x" } else { "sample x" }]);
    }
    assert_eq!(branches::x, SiteName("x"));
}

#[test]
fn statements_of_other_configurations_may_share_a_name() {
    #[model]
    fn configured() -> Result<f64> {
        #[cfg(test)]
        let x = sample(1.0);
        #[cfg(not(test))]
        let x = observe(2.0, &3.0);
        #[cfg(any())]
        let absent = sample(x);
        Ok(0.0)
    }
    assert_eq!(names_of(configured).1, ["sample x"]);
}

#[test]
fn a_return_leaves_the_closure_of_a_plate_and_not_the_model() {
    #[model]
    fn leaves() -> Result<f64> {
        let rows = plate(2, |rows| {
            if rows > 5 {
                return Ok(0.0);
            }
            let Some(scale) = Some(2.0) else {
                let w = sample(0.0);
                return Ok(w);
            };
            let w = sample(scale);
            Ok(w)
        });
        let after = sample(rows);
        Ok(after)
    }
    assert_eq!(
        names_of(leaves),
        (Ok(2.0), ["plate rows", "sample w", "sample after"].map(str::to_owned).to_vec())
    );
}

#[test]
fn a_path_that_breaks_may_share_a_name_with_the_rest_of_the_turn() {
    #[model]
    fn early() -> Result<()> {
        for turn in 0..3 {
            if turn == 1 {
                let z = sample(1.0);
                continue;
            }
            let z = sample(2.0);
        }
        Ok(())
    }
    assert_eq!(names_of(early).1, ["sample z[0]", "sample z[1]", "sample z[2]"]);
}

/// Items without documentation are refused here, so that the generated ones must have it.
#[deny(missing_docs)]
pub mod signatures {
    use super::*;

    /// Keeps lifetimes, types, constants, bounds and `impl Trait`.
    #[model]
    #[must_use = "the value is the point"]
    pub fn generic<'a, T, const N: usize>(
        items: &'a [T; N],
        shown: impl Display,
        (left, _): (f64, f64),
    ) -> Result<(&'a T, String)>
    where
        T: Copy + Into<f64>,
    {
        for &item in items {
            let x = sample(item.into());
        }
        let r#type = sample(left);
        Ok((&items[0], format!("{shown} {type}", type = r#type)))
    }

    #[model]
    /// Keeps `unsafe`, the ABI and the visibility.
    ///
    /// # Safety
    /// There is no precondition.
    #[allow(improper_ctypes_definitions)]
    pub unsafe extern "C" fn foreign(loc: f64) -> Result<f64> {
        let x = sample(loc);
        Ok(x)
    }

    /// Takes its names along.
    #[model]
    #[cfg(any())]
    pub fn absent() -> Result<f64> {
        let x = sample(no_such_name);
        Ok(x)
    }

    /// Keeps a raw name, and the names of variables as they are.
    #[model]
    #[allow(non_snake_case)]
    pub fn r#fn() -> Result<impl Display> {
        let X = sample(1.0);
        Ok(X)
    }
}

#[test]
fn keeps_the_signature() {
    let items = [1.0f32, 2.0];
    let (value, names) = names_of(|| signatures::generic(&items, 'c', (3.0, 0.0)));
    assert_eq!(value, Ok((&1.0f32, "c 3".to_owned())));
    assert_eq!(names, ["sample x[0]", "sample x[1]", "sample type"]);
    assert_eq!(signatures::generic::r#type, SiteName("type"));

    // SAFETY: the function has no precondition.
    let (value, _) = names_of(|| unsafe { signatures::foreign(2.0) });
    assert_eq!(value, Ok(2.0));

    assert!(signatures::r#fn().is_ok_and(|shown| shown.to_string() == "1"));
    assert_eq!(signatures::r#fn::X, SiteName("X"));
}

#[test]
fn only_bare_calls_are_words() {
    struct Source;
    impl Source {
        fn sample(&self, value: f64) -> f64 {
            value
        }
    }
    mod other {
        pub fn sample(value: f64) -> f64 {
            value
        }
    }
    #[model]
    fn bare() -> Result<f64> {
        fn helper() -> f64 {
            fn sample(value: f64) -> f64 {
                value
            }
            sample(4.0)
        }
        let factor = 0.5;
        let total = Source.sample(1.0) + other::sample(2.0) + helper();
        assert!(Source.sample(1.0) < other::sample(2.0));
        let x = sample(total);
        Ok(x * factor)
    }
    let (value, names) = names_of(bare);
    assert_eq!(value, Ok(3.5));
    assert_eq!(names, ["sample x"]);
}

#[test]
fn a_model_may_have_no_site() {
    #[model]
    fn empty() -> Result<u8> {
        Ok(1)
    }
    assert_eq!(names_of(empty), (Ok(1), Vec::new()));
}

#[test]
fn generated_variables_do_not_meet_the_users() {
    #[model]
    fn hygienic() -> Result<usize> {
        let __ed_index_0 = 7;
        let mut __ed_counter_0 = 1;
        while __ed_counter_0 < 3 {
            __ed_counter_0 += 1;
            let a = sample(1.0);
        }
        Ok(__ed_index_0 + __ed_counter_0)
    }
    let (value, names) = names_of(hygienic);
    assert_eq!(value, Ok(10));
    assert_eq!(names, ["sample a[0]", "sample a[1]"]);
}

macro_rules! model_of {
    ($name:ident, $distribution:expr) => {
        #[model]
        fn $name() -> Result<f64> {
            let x = sample($distribution);
            Ok(x)
        }
    };
}
model_of!(from_a_macro, 1.0 + 1.0);

#[test]
fn a_macro_may_write_a_model() {
    assert_eq!(names_of(from_a_macro), (Ok(2.0), vec!["sample x".to_owned()]));
}
