//! Distributions: all parameters with all values.

use super::Form;
use super::grid::{Grid, numbers};
use super::subjects::{SUBJECTS, Subject, Support};
use ed::distributions::erased::AnyDistribution;
use ed::prelude::*;
use ed::tensor::AnyVar;

/// Why NaN is the answer where single precision cannot hold what the answer is made of.
const BEYOND: &str = "its terms are beyond the largest f32 and of both signs; f64 has it";

/// The NaNs that have a reason: family, call, and why.
const DOCUMENTED: &[(&str, &str, &str)] = &[
    ("Beta", "entropy f32", BEYOND),
    ("Chi2", "entropy f32", BEYOND),
    ("Gamma", "entropy f32", BEYOND),
    ("Gamma", "log_prob f32", BEYOND),
    ("InverseGamma", "entropy f32", BEYOND),
    ("StudentT", "entropy f32", BEYOND),
    ("Weibull", "entropy f32", BEYOND),
    ("Weibull", "log_prob f32", BEYOND),
    ("Weibull", "variance f32", BEYOND),
    ("LogNormal", "variance f32", BEYOND),
    ("LogNormal", "kl to itself f32", "a scale of 1e-40 has a reciprocal beyond the largest f32"),
    ("Normal", "kl to itself f32", "a scale of 1e-40 has a reciprocal beyond the largest f32"),
    (
        "Geometric",
        "entropy",
        "a probability that rounds to 0 has no finite mean to weigh the entropy of a trial with",
    ),
    (
        "Geometric",
        "entropy f32",
        "a probability that rounds to 0 has no finite mean to weigh the entropy of a trial with",
    ),
    ("Poisson", "log_prob", "an infinite log-rate is an infinite rate, which has no law of counts"),
    ("Poisson", "log_prob f32", "an infinite log-rate is an infinite rate, which has no law of counts"),
    ("StudentT", "mean", "it does not exist for one degree of freedom or fewer"),
    ("StudentT", "mean f32", "it does not exist for one degree of freedom or fewer"),
    ("StudentT", "variance", "it does not exist for one degree of freedom or fewer"),
    ("StudentT", "variance f32", "it does not exist for one degree of freedom or fewer"),
];

fn read(x: &AnyVar) -> Result<Vec<f64>> {
    match x {
        AnyVar::F32(x) => Ok(x.as_slice()?.iter().map(|&x| f64::from(x)).collect()),
        AnyVar::F64(x) => Ok(x.as_slice()?.to_vec()),
    }
}

/// A vector of the precision whose name is given.
fn vector(single: bool, x: &[f64]) -> AnyVar {
    if single {
        Var::from(x.iter().map(|&x| x as f32).collect::<Vec<_>>()).into()
    } else {
        Var::from(x).into()
    }
}

/// Whether a number cannot be a draw of any member of the family.
fn impossible(support: Support, x: f64) -> bool {
    match support {
        Support::Real | Support::Bounded => x.is_infinite(),
        Support::Positive => x < 0.0 || x.is_infinite(),
        Support::Counts => x < 0.0 || x.is_infinite() || x.floor() != x,
    }
}

fn made(
    grid: &mut Grid,
    subject: &Subject,
    single: bool,
    params: &[f64],
    len: usize,
) -> Option<Box<dyn AnyDistribution>> {
    grid.call(subject.name, if single { "new f32" } else { "new" }, params, || {
        if single {
            let params: Vec<_> = params.iter().map(|&x| Var::from(vec![x as f32; len])).collect();
            (subject.vectors32)(&params)
        } else {
            let params: Vec<_> = params.iter().map(|&x| Var::from(vec![x; len])).collect();
            (subject.vectors)(&params)
        }
    })
}

fn row(grid: &mut Grid, subject: &'static Subject, single: bool, params: &[f64], values: &[f64]) {
    let name = subject.name;
    let Some(distribution) = made(grid, subject, single, params, values.len()) else { return };
    let rounded = read(&vector(single, values)).expect("numbers of the grid");
    let what = |double: &'static str, of_single: &'static str| if single { of_single } else { double };

    let density = grid.call(name, what("log_prob", "log_prob f32"), params, || {
        read(&distribution.log_prob(&vector(single, values))?)
    });
    for (&x, p) in rounded.iter().zip(density.into_iter().flatten()) {
        if x.is_nan() {
            if p.is_finite() {
                grid.fault(format!("{p} for NaN"));
            }
        } else if p.is_nan() {
            grid.nan(DOCUMENTED, x);
        } else if impossible(subject.support, x) && p != f64::NEG_INFINITY {
            grid.fault(format!("{p} at {x}, outside of the support"));
        }
    }
    for key in 0..2 {
        let draw = grid
            .call(name, what("sample", "sample f32"), params, || read(&distribution.sample(Key::new(key))?));
        for x in draw.into_iter().flatten() {
            if x.is_nan() || impossible(subject.support, x) {
                grid.fault(format!("a draw of {x}"));
            }
        }
    }
    type Moment = fn(&dyn AnyDistribution) -> Result<AnyVar>;
    let moments: [(&'static str, &'static str, Moment); 3] = [
        ("mean", "mean f32", |d| d.mean()),
        ("variance", "variance f32", |d| d.variance()),
        ("entropy", "entropy f32", |d| d.entropy()),
    ];
    for (double, of_single, moment) in moments {
        let moment = grid.call(name, what(double, of_single), params, || read(&moment(&*distribution)?));
        if moment.is_some_and(|moment| moment.iter().any(|x| x.is_nan())) {
            grid.nan(DOCUMENTED, "its parameters");
        }
    }
    let divergence = grid.call(name, what("kl to itself", "kl to itself f32"), params, || {
        distribution.kl_to(&*distribution).map(|kl| read(&kl?)).transpose()
    });
    if divergence.flatten().is_some_and(|kl| kl.iter().any(|x| x.is_nan())) {
        grid.nan(DOCUMENTED, "its parameters");
    }
}

/// All families in both precisions.
pub fn run(grid: &mut Grid, form: Form) {
    let numbers = numbers(form);
    for subject in SUBJECTS {
        let count = numbers.len().pow(subject.params.len() as u32);
        for index in 0..count {
            let mut rest = index;
            let params: Vec<f64> = subject
                .params
                .iter()
                .map(|_| {
                    let number = numbers[rest % numbers.len()];
                    rest /= numbers.len();
                    number
                })
                .collect();
            // Whole, every density is a call of its own, so that one value cannot hide what another does.
            let together = if form == Form::Whole { 1 } else { numbers.len() };
            for (single, values) in
                [false, true].into_iter().flat_map(|x| numbers.chunks(together).map(move |v| (x, v)))
            {
                row(grid, subject, single, &params, values);
            }
        }
    }
}
