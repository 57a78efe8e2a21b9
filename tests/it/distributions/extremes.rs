//! Golden values where densities are hard to compute: both tails, very small and very large parameters, counts of 10¹²;
//! exact ones from mpmath (`tests/golden/gen_extremes.py`), at the very inputs of either precision.

use super::subjects::{SUBJECTS, Vector};
use ed::distributions::erased::AnyDistribution;
use ed::prelude::*;

/// How far a result may be from the exact value, relative to that or to one, whichever is larger.
const SINGLE: f64 = 1e-5;
const DOUBLE: f64 = 1e-12;

/// What is allowed more: name of the distribution, precision, a part of the result, the bound. The derivative by the logarithm of a rate or by a logit is a difference between a count and a mean that the logarithm
/// gives to the digits of a double: at counts of 10¹² six of them are left where the two agree.
const EXCEPTIONS: &[(&str, &str, &str, f64)] = &[
    ("Poisson", "f64", "log_rate", 1e-6),
    ("Binomial", "f64", "logits", 1e-6),
    ("NegativeBinomial", "f64", "logits", 1e-6),
];

type Slopes = Vec<Option<f64>>;

/// Makes a distribution from vectors of parameters.
type Make<E> = fn(&[Vector<E>]) -> Result<Box<dyn AnyDistribution>>;

/// One row: parameters, point or ends, value, derivatives by these and by the parameters.
struct Row {
    params: Vec<f64>,
    points: Vec<f64>,
    value: f64,
    slopes: Slopes,
}

/// The rows of one distribution in one precision.
fn rows<E: Float>(file: &str, name: &str, params: usize, points: usize) -> Vec<Row> {
    let row = |line: &str| {
        let mut words = line.split(' ');
        if words.next() != Some(name) || words.next() != Some(E::NAME) {
            return None;
        }
        let row: Slopes = words.map(|word| (word != "-").then(|| word.parse().unwrap())).collect();
        let numbers = |from: usize, len: usize| row[from..from + len].iter().map(|x| x.unwrap()).collect();
        let at = params + points;
        Some(Row {
            params: numbers(0, params),
            points: numbers(params, points),
            value: row[at].unwrap(),
            slopes: row[at + 1..].to_vec(),
        })
    };
    file.lines().filter_map(row).collect()
}

/// The number of the precision that an exact one rounds to.
fn nearest<E: Float>(x: f64) -> f64 {
    E::from_f64(x).to_f64()
}

/// What is wrong with a result, if anything.
fn flaw<E: Float>(
    name: &str,
    what: &str,
    got: f64,
    exact: f64,
    out: &mut Vec<String>,
    at: &dyn Fn() -> String,
) {
    let usual = if E::NAME == "f32" { SINGLE } else { DOUBLE };
    let exception = EXCEPTIONS.iter().find(|e| e.0 == name && e.1 == E::NAME && e.2 == what);
    let bound = exception.map_or(usual, |e| e.3);
    // Numbers beyond the largest one of the precision are infinite in it.
    let exact = nearest::<E>(exact);
    if !(got == exact || (got - exact).abs() <= bound * exact.abs().max(1.0)) {
        let error = (got - exact).abs() / exact.abs().max(1.0);
        out.push(format!(
            "{name} {}: {what} {got:e}, exactly {exact:e}, off by {error:.1e}; {}",
            E::NAME,
            at()
        ));
    }
}

/// Evaluates all rows of one distribution at once and compares.
fn compare<E: Float>(
    name: &str,
    names: &[&str],
    rows: &[Row],
    evaluate: impl Fn(&[Vector<E>], &[Vector<E>]) -> Result<Vector<E>>,
    flaws: &mut Vec<String>,
) -> Result<()> {
    let column =
        |of: &dyn Fn(&Row) -> f64| Var::from(rows.iter().map(|r| E::from_f64(of(r))).collect::<Vec<_>>());
    let tape = Tape::of();
    let params: Vec<Vector<E>> =
        (0..rows[0].params.len()).map(|i| tape.watch(&column(&|row| row.params[i]))).collect();
    let points: Vec<Vector<E>> =
        (0..rows[0].points.len()).map(|i| tape.watch(&column(&|row| row.points[i]))).collect();
    let values = evaluate(&params, &points)?;
    let gradients = values.sum().backward()?;
    let values = values.to_vec()?;
    let slopes: Vec<Vec<E>> = points
        .iter()
        .chain(&params)
        .map(|x| gradients.get(x).and_then(|g| g.to_vec()).unwrap_or_else(|_| vec![E::ZERO; rows.len()]))
        .collect();
    let ends = if rows[0].points.len() == 1 { &["the value"][..] } else { &["low", "high"][..] };
    for (index, row) in rows.iter().enumerate() {
        let at = || format!("parameters {:?} at {:?}", row.params, row.points);
        flaw::<E>(name, "log", values[index].to_f64(), row.value, flaws, &at);
        // Where the density is beyond the precision, so are its slopes.
        if nearest::<E>(row.value).is_infinite() {
            continue;
        }
        for ((slopes, exact), what) in slopes.iter().zip(&row.slopes).zip(ends.iter().chain(names)) {
            if let Some(exact) = exact {
                flaw::<E>(name, what, slopes[index].to_f64(), *exact, flaws, &at);
            }
        }
    }
    Ok(())
}

fn complain(flaws: &[String]) {
    assert!(flaws.is_empty(), "{} are off:\n{}", flaws.len(), flaws.join("\n"));
}

macro_rules! other_forms {
    ($($name:ident::$new:ident($($param:ident),+);)+) => {
        /// The constructors that take another form of a parameter than the one of the table.
        fn other_form<E: Float>(name: &str) -> Option<(&'static [&'static str], Make<E>)> {
            $(if name == concat!(stringify!($name), "::", stringify!($new)) {
                return Some((&[$(stringify!($param)),+], |params| {
                    let mut params = params.iter();
                    $(let $param = params.next().unwrap();)+
                    Ok(Box::new($name::$new($($param),+)?))
                }));
            })+
            None
        }
    };
}

other_forms! {
    Bernoulli::from_probs(probs);
    Geometric::from_probs(probs);
    Binomial::from_probs(total_count, probs);
    NegativeBinomial::from_probs(total_count, probs);
    Poisson::new(rate);
}

fn densities<E: Float>(
    of_subject: impl Fn(&'static super::subjects::Subject) -> Make<E>,
) -> Result<Vec<String>> {
    let file = include_str!("../../golden/extreme_densities.txt");
    let mut flaws = Vec::new();
    let mut all: Vec<&str> = file.lines().filter_map(|line| line.split(' ').next()).collect();
    all.dedup();
    for name in &all {
        let subject = SUBJECTS.iter().find(|subject| subject.name == *name);
        let (names, make) = match subject {
            Some(subject) => (subject.params, of_subject(subject)),
            None => other_form::<E>(name).unwrap_or_else(|| panic!("nothing makes {name}")),
        };
        let rows = rows::<E>(file, name, names.len(), 1);
        assert!(rows.len() > 2, "{name}");
        let evaluate = |params: &[Vector<E>], x: &[Vector<E>]| {
            make(params)?.log_prob(&AnyVar::from(x[0].clone()))?.typed()
        };
        compare::<E>(name, names, &rows, evaluate, &mut flaws)?;
    }
    for subject in SUBJECTS {
        assert!(all.contains(&subject.name), "{} has no golden values at extremes", subject.name);
    }
    Ok(flaws)
}

#[test]
fn densities_and_their_slopes_are_exact_at_extremes_in_double_precision() -> Result<()> {
    complain(&densities::<f64>(|subject| subject.vectors)?);
    Ok(())
}

#[test]
fn densities_and_their_slopes_are_exact_at_extremes_in_single_precision() -> Result<()> {
    complain(&densities::<f32>(|subject| subject.vectors32)?);
    Ok(())
}

fn masses<E: Float>() -> Result<Vec<String>> {
    let file = include_str!("../../golden/extreme_masses.txt");
    let mut flaws = Vec::new();
    macro_rules! with_cdf {
        ($($name:ident($($param:ident),+);)+) => {$({
            let (name, names) = (stringify!($name), &[$(stringify!($param)),+]);
            let rows = rows::<E>(file, name, names.len(), 2);
            let evaluate = |params: &[Vector<E>], ends: &[Vector<E>]| {
                let mut params = params.iter();
                $(let $param = params.next().unwrap();)+
                $name::new($($param),+)?.log_interval(&ends[0], &ends[1])
            };
            compare::<E>(name, names, &rows, evaluate, &mut flaws)?;
        })+};
    }
    with_cdf! {
        Normal(loc, scale);
        LogNormal(loc, scale);
        Cauchy(loc, scale);
        Laplace(loc, scale);
        Logistic(loc, scale);
        Gumbel(loc, scale);
        Weibull(concentration, scale);
        Exponential(rate);
        Uniform(lower, upper);
    }
    Ok(flaws)
}

#[test]
fn masses_of_intervals_and_their_slopes_are_exact_at_extremes() -> Result<()> {
    complain(&masses::<f64>()?);
    complain(&masses::<f32>()?);
    Ok(())
}
