//! Golden values: SciPy's, from `tests/golden/gen_distributions.py`, and those of Edward2's own distributions.

use ed::prelude::*;
use serde_json::Value as Json;

use super::subjects::{SUBJECTS, Subject, Vector};

/// What SciPy says of one distribution with three sets of parameters.
pub struct Golden {
    pub subject: &'static Subject,
    /// Each parameter's three values.
    pub params: Vec<Vec<f64>>,
    /// Points: one number for each set of parameters.
    pub x: Vec<Vec<f64>>,
    pub log_prob: Vec<Vec<f64>>,
    /// Points for each set of parameters, and the distribution function there.
    pub grid: Vec<Vec<f64>>,
    pub cdf: Vec<Vec<f64>>,
    pub mean: Vec<f64>,
    pub variance: Vec<f64>,
    pub entropy: Vec<f64>,
}

pub fn file() -> Json {
    serde_json::from_str(include_str!("../../golden/distributions.json")).unwrap()
}

pub fn number(json: &Json) -> f64 {
    match json.as_str() {
        Some(word) => word.parse().unwrap(),
        None => json.as_f64().unwrap(),
    }
}

pub fn numbers(json: &Json) -> Vec<f64> {
    json.as_array().unwrap().iter().map(number).collect()
}

pub fn rows(json: &Json) -> Vec<Vec<f64>> {
    json.as_array().unwrap().iter().map(numbers).collect()
}

/// The golden values of every distribution of the table.
pub fn goldens() -> Vec<Golden> {
    let file = file();
    let cases = file["univariate"].as_array().unwrap();
    let of = |subject: &'static Subject| {
        let case = cases.iter().find(|case| case["name"] == subject.name);
        let case = case.unwrap_or_else(|| panic!("{} has no golden values", subject.name));
        Golden {
            subject,
            params: rows(&case["params"]),
            x: rows(&case["x"]),
            log_prob: rows(&case["log_prob"]),
            grid: rows(&case["grid"]),
            cdf: rows(&case["cdf"]),
            mean: numbers(&case["mean"]),
            variance: numbers(&case["variance"]),
            entropy: numbers(&case["entropy"]),
        }
    };
    SUBJECTS.iter().map(of).collect()
}

impl Golden {
    /// The parameters as vectors over the sets.
    pub fn vectors(&self) -> Vec<Vector<f64>> {
        self.params.iter().cloned().map(Var::from).collect()
    }

    /// One set of parameters, as numbers.
    pub fn numbers(&self, set: usize) -> Vec<Var<(), f64>> {
        self.params.iter().map(|values| Var::scalar(values[set])).collect()
    }
}

/// Whether two numbers agree; infinities and NaN with themselves.
pub fn close(a: f64, b: f64, relative: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= relative * (1.0 + b.abs())
}

#[test]
fn log_densities_are_those_of_scipy() -> Result<()> {
    for golden in goldens() {
        let name = golden.subject.name;
        let made = (golden.subject.vectors)(&golden.vectors())?;
        let params: Vec<_> = golden.params.iter().map(|p| vector32(p)).collect();
        let made32 = (golden.subject.vectors32)(&params)?;
        for (x, expected) in golden.x.iter().zip(&golden.log_prob) {
            let value = AnyVar::from(Var::from(x.clone()));
            let got = made.log_prob(&value)?.to_vec()?;
            for (&got, &expected) in got.iter().zip(expected) {
                assert!(close(got, expected, 1e-10), "{name} at {x:?}: {got}, SciPy says {expected}");
            }
            let sum = made.log_prob_sum(&value)?.item()?;
            assert!(close(sum, expected.iter().sum(), 1e-10), "{name} at {x:?}: the sum is {sum}");
            assert_eq!(made.log_prob_sum(&value)?.item()?, sum);
            // Single precision: as the same numbers, rounded, in double precision.
            let (p64, x32) = (params.iter().map(wide).collect::<Result<Vec<_>>>()?, vector32(x));
            let exact = (golden.subject.vectors)(&p64)?.log_prob(&AnyVar::from(wide(&x32)?))?.to_vec()?;
            let got = made32.log_prob(&x32.into())?.to_vec()?;
            for (got, exact) in got.into_iter().zip(exact) {
                assert!(close(got, exact, 2e-4), "{name} at {x:?} in f32: {got}, in f64 {exact}");
            }
        }
    }
    Ok(())
}

fn vector32(x: &[f64]) -> Vector<f32> {
    Var::from(x.iter().map(|&x| x as f32).collect::<Vec<_>>())
}

fn wide(x: &Vector<f32>) -> Result<Vector<f64>> {
    Ok(Var::from(x.to_vec()?.into_iter().map(f64::from).collect::<Vec<_>>()))
}

#[test]
fn moments_and_entropies_are_those_of_scipy() -> Result<()> {
    for golden in goldens() {
        let made = (golden.subject.vectors)(&golden.vectors())?;
        let what = [
            ("mean", made.mean(), &golden.mean),
            ("variance", made.variance(), &golden.variance),
            ("entropy", made.entropy(), &golden.entropy),
        ];
        for (what, got, expected) in what {
            match got {
                Ok(got) => {
                    for (got, &expected) in got.to_vec()?.into_iter().zip(expected) {
                        let name = golden.subject.name;
                        assert!(close(got, expected, 1e-9), "{name}: {what} {got}, SciPy says {expected}");
                    }
                }
                Err(error) => assert!(matches!(error, Error::Undefined { .. }), "{error}"),
            }
        }
    }
    Ok(())
}

/// Log-densities of TensorFlow Probability, as Edward2 exports its distributions: arguments, point, log-density.
const EDWARD2: &[(&str, &[f64], f64, f64)] = &[
    ("Normal", &[0.5, 2.0], 1.3, -1.692086),
    ("LogNormal", &[0.5, 2.0], 1.3, -1.881509),
    ("HalfNormal", &[2.0], 1.3, -1.130189),
    ("TruncatedNormal", &[0.5, 2.0, -1.0, 3.0], 1.3, -1.288204),
    ("Cauchy", &[0.5, 2.0], 1.3, -1.986297),
    // Edward2's has a location 0.5 and is taken at 1.3.
    ("HalfCauchy", &[2.0], 0.8, -1.293150),
    ("StudentT", &[3.0, 0.5, 2.0], 1.3, -1.797956),
    ("Laplace", &[0.5, 2.0], 1.3, -1.786294),
    ("Logistic", &[0.5, 2.0], 1.3, -2.119178),
    ("Gumbel", &[0.5, 2.0], 1.3, -1.763467),
    ("Exponential", &[0.7], 1.3, -1.266675),
    ("Gamma", &[2.0, 0.7], 1.3, -1.360986),
    ("InverseGamma", &[2.0, 0.7], 1.3, -2.038904),
    ("Chi2", &[3.0], 1.3, -1.437756),
    ("Weibull", &[1.5, 2.0], 1.3, -1.027120),
    ("Uniform", &[0.5, 2.0], 1.3, -0.405465),
    ("Beta", &[2.0, 0.7], 0.3, -0.923017),
    ("Bernoulli", &[0.5], 1.0, -0.474077),
    ("Binomial", &[5.0, LOGIT_OF_0_3], 2.0, -1.175385),
    ("Geometric", &[LOGIT_OF_0_3], 2.0, -1.917323),
    ("NegativeBinomial", &[3.0, LOGIT_OF_0_3], 2.0, -1.686211),
    ("Poisson", &[LN_0_7], 2.0, -2.106497),
];

const LOGIT_OF_0_3: f64 = -0.8472978603872036;
const LN_0_7: f64 = -0.35667494393873245;

#[test]
fn log_densities_are_those_of_edward2() -> Result<()> {
    for subject in SUBJECTS {
        let row = EDWARD2.iter().find(|row| row.0 == subject.name);
        let (name, params, x, expected) = row.unwrap_or_else(|| panic!("no row for {}", subject.name));
        let params: Vec<_> = params.iter().map(|&p| Var::scalar(p)).collect();
        let made = (subject.repeated)(&params, 1)?;
        let got = made.log_prob(&Var::from([*x]).into())?.item()?;
        assert!((got - expected).abs() < 1e-6, "{name}: {got}, Edward2 says {expected}");
    }
    Ok(())
}
