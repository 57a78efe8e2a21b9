//! Golden values of mpmath: `tests/golden/special.json`.

use super::*;
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("../../../tests/golden/special.json")).unwrap()
}

/// Asserts `|f(arguments) - value| ≤ bound (|value| + absolute)` over all rows `[arguments…, value]`.
fn close(name: &str, bound: f64, absolute: f64, f: impl Fn(&[f64]) -> f64) {
    let golden = golden();
    let rows = golden[name].as_array().unwrap_or_else(|| panic!("no rows for {name}"));
    assert!(rows.len() >= 10, "{name} has only {} rows", rows.len());
    let mut worst = (0.0, String::new());
    for row in rows {
        let row: Vec<f64> = row.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
        let (arguments, value) = (&row[..row.len() - 1], row[row.len() - 1]);
        let got = f(arguments);
        let error = (got - value).abs() / (value.abs() + absolute);
        assert!(!error.is_nan(), "{name}{arguments:?} gives {got}, not {value}");
        if error > worst.0 {
            worst = (error, format!("{name}{arguments:?} gives {got}, not {value}"));
        }
    }
    println!("{name}: {worst:?}");
    assert!(worst.0 <= bound, "relative error {}: {}", worst.0, worst.1);
}

#[test]
fn gamma_functions_match_mpmath() {
    close("ln_gamma", 2e-15, 0.1, |x| ln_gamma(x[0]));
    close("digamma", 1e-14, 0.1, |x| digamma(x[0]));
    close("trigamma", 1e-14, 0.0, |x| trigamma(x[0]));
}

#[test]
fn incomplete_gamma_functions_match_mpmath() {
    close("gamma_p", 1e-13, 1e-300, |x| gamma_p(x[0], x[1]));
    close("gamma_q", 1e-12, 1e-300, |x| gamma_q(x[0], x[1]));
}

#[test]
fn implicit_gradients_of_gamma_draws_match_mpmath() {
    close("gamma_sample_derivative", 1e-10, 0.0, |x| gamma_sample_derivative(x[0], x[1]));
}

#[test]
fn beta_functions_match_mpmath() {
    close("ln_beta", 1e-14, 0.1, |x| ln_beta(x[0], x[1]));
    close("beta_inc", 1e-12, 1e-300, |x| beta_inc(x[0], x[1], x[2]));
}

#[test]
fn normal_functions_match_mpmath() {
    close("erfcx", 1e-14, 0.0, |x| erfcx(x[0]));
    close("erfinv", 2e-15, 0.0, |x| erfinv(x[0]));
    close("normal_cdf", 1e-14, 1e-300, |x| normal_cdf(x[0]));
    close("normal_log_cdf", 1e-14, 0.0, |x| normal_log_cdf(x[0]));
    close("normal_quantile", 2e-15, 1e-3, |x| normal_quantile(x[0]));
}

#[test]
fn log_sums_match_mpmath() {
    close("log1m_exp", 1e-15, 0.0, |x| log1m_exp(x[0]));
    close("log_add_exp", 2e-15, 0.0, |x| log_add_exp(x[0], x[1]));
}

#[test]
fn the_ends_of_the_domains_are_exact_and_the_outside_is_nan() {
    assert_eq!((gamma_p(2.0, 0.0), gamma_q(2.0, 0.0)), (0.0, 1.0));
    assert_eq!((gamma_p(2.0, f64::INFINITY), gamma_q(2.0, f64::INFINITY)), (1.0, 0.0));
    for (a, x) in [(0.0, 1.0), (-1.0, 1.0), (1.0, -1.0), (f64::NAN, 1.0), (1.0, f64::NAN)] {
        assert!(gamma_p(a, x).is_nan() && gamma_q(a, x).is_nan(), "{a} {x}");
        assert!(gamma_sample_derivative(a, x).is_nan() && gamma_p_derivative(a, x).is_nan());
    }
    assert_eq!((beta_inc(2.0, 3.0, 0.0), beta_inc(2.0, 3.0, 1.0)), (0.0, 1.0));
    assert!(beta_inc(-1.0, 1.0, 0.5).is_nan() && beta_inc(1.0, 1.0, 1.5).is_nan());
    assert_eq!((normal_quantile(0.0), normal_quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
    assert!(normal_quantile(-0.1).is_nan() && normal_quantile(1.1).is_nan() && erfinv(1.5).is_nan());
    assert_eq!((normal_cdf(f64::NEG_INFINITY), normal_cdf(f64::INFINITY)), (0.0, 1.0));
    assert!(digamma(0.0).is_nan() && digamma(-3.0).is_nan() && digamma(f64::NAN).is_nan());
    assert_eq!(log_add_exp(f64::NEG_INFINITY, f64::NEG_INFINITY), f64::NEG_INFINITY);
    assert!(log1m_exp(0.1).is_nan() && log1m_exp(0.0) == f64::NEG_INFINITY);
    assert!(ln_beta(-1.0, 2.0).is_nan() && ln_beta(0.0, 2.0) == f64::INFINITY);
    assert_eq!(ln_factorial(5), 120f64.ln());
}

#[test]
fn the_derivative_of_p_matches_finite_differences() {
    for (a, x) in [(0.5, 0.2), (2.0, 1.5), (3.0, 9.0), (40.0, 41.0)] {
        let h = 1e-5;
        let difference = (gamma_p(a + h, x) - gamma_p(a - h, x)) / (2.0 * h);
        assert!((gamma_p_derivative(a, x) - difference).abs() < 1e-9, "{a} {x}");
    }
}
