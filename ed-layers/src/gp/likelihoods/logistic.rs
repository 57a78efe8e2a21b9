//! Expectations of the sigmoid and of its logarithm over normals, narrow and wide.

use ed_core::Result;
use ed_core::distributions::{Distribution, HasCdf};
use ed_core::tensor::{Float, Var};

use super::{Functions, Quadrature};

/// From this standard deviation on a sigmoid is steep beside the normal: a polynomial follows it badly, and twenty nodes are
/// 5e-6 off at 2, 3e-3 at 5 and 0.1 at 100.
const WIDE: f64 = 1.5;

/// Steps over the logistic distribution, and how many of them to each side: what lies beyond weighs less than 1e-10.
const STEP: f64 = 0.75;
const REACH: i32 = 32;

type Matrix<E> = Var<(usize, usize), E>;

/// `E sigmoid(f)`.
pub(super) fn expected_sigmoid<E: Float>(quadrature: &Quadrature, f: &Functions<E>) -> Result<Matrix<E>> {
    let narrow = || quadrature.expect(f, |f| f.sigmoid().check());
    // sigmoid(f) is the chance that a logistic number lies below f.
    by_width(f, narrow, || over_logistic(f, |t| f.log_survival(t)?.exp().check()))
}

/// `E ln sigmoid(f)`.
pub(super) fn expected_log_sigmoid<E: Float>(quadrature: &Quadrature, f: &Functions<E>) -> Result<Matrix<E>> {
    let narrow = || quadrature.expect(f, |f| f.log_sigmoid().check());
    // softplus(-f) = E max(t - f, 0) for a logistic t, and E max(t - f, 0) over the normal is closed.
    let (loc, variance) = (f.loc()?, f.variance()?);
    let excess = |t: &Matrix<E>| -> Result<Matrix<E>> {
        ((t - &loc) * f.log_cdf(t)?.exp() + f.log_prob(t)?.exp() * &variance).check()
    };
    by_width(f, narrow, || (-over_logistic(f, excess)?).check())
}

/// The mean over the standard logistic distribution, by the trapezoidal rule, which is right to 1e-9 for what is as smooth
/// as a normal of [`WIDE`] makes it.
fn over_logistic<E: Float>(
    f: &Functions<E>,
    g: impl Fn(&Matrix<E>) -> Result<Matrix<E>>,
) -> Result<Matrix<E>> {
    let nodes = || (-REACH..=REACH).map(|i| STEP * f64::from(i));
    let density = |t: f64| 0.25 / (0.5 * t).cosh().powi(2);
    let total: f64 = nodes().map(density).sum();
    let mut sum = Var::zeros(f.shape());
    for t in nodes() {
        sum = sum + g(&Var::full(t, f.shape()))? * (density(t) / total);
    }
    sum.check()
}

/// Each element from the rule that suits its standard deviation.
fn by_width<E: Float>(
    f: &Functions<E>,
    narrow: impl FnOnce() -> Result<Matrix<E>>,
    wide: impl FnOnce() -> Result<Matrix<E>>,
) -> Result<Matrix<E>> {
    // Both rules have the same value here, so that no gradient depends on the choice.
    let scales = f.scale()?.detach();
    let chosen: Vec<E> =
        scales.as_slice()?.iter().map(|s| if s.to_f64() < WIDE { E::ZERO } else { E::ONE }).collect();
    match (chosen.contains(&E::ZERO), chosen.contains(&E::ONE)) {
        (_, false) => narrow(),
        (false, true) => wide(),
        (true, true) => {
            let chosen = Var::from_vec(chosen, f.shape())?;
            let narrow = narrow()?;
            (&narrow + (wide()? - &narrow) * chosen).check()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed_core::distributions::Normal;

    /// `E sigmoid(f)` and `E ln sigmoid(f)` by mpmath in forty digits.
    const EXPECTED: [(f64, f64, f64, f64); 8] = [
        (0.3, 0.01, 0.57444069709042, -0.55436746724149),
        (-2.0, 0.5, 0.12900653637722, -2.1403282057761),
        (1.0, 1.25, 0.68354363278859, -0.45558400426524),
        (-1.0, 1.5, 0.32926101533961, -1.5119016020871),
        (4.0, 3.0, 0.87437182141617, -0.22223411466219),
        (-10.0, 10.0, 0.16254661810445, -10.872948468602),
        (20.0, 100.0, 0.57924684903259, -30.695895269995),
        (-50.0, 1000.0, 0.48006122693221, -424.4415097999),
    ];

    fn check<E: Float>(tolerance: f64) -> Result<()> {
        let column = |number: &dyn Fn(&(f64, f64, f64, f64)) -> f64| {
            Var::from_vec(
                EXPECTED.iter().map(|row| E::from_f64(number(row))).collect(),
                (EXPECTED.len(), 1usize),
            )
        };
        let f: Functions<E> = Normal::new(column(&|row| row.0)?, column(&|row| row.1)?)?;
        let (sigmoid, log_sigmoid) = (
            expected_sigmoid(&Quadrature::default(), &f)?,
            expected_log_sigmoid(&Quadrature::default(), &f)?,
        );
        let (sigmoid, log_sigmoid) = (sigmoid.to_vec()?, log_sigmoid.to_vec()?);
        for (i, (_, _, p, log_p)) in EXPECTED.into_iter().enumerate() {
            for (found, expected) in [(sigmoid[i].to_f64(), p), (log_sigmoid[i].to_f64(), log_p)] {
                let off = (found - expected).abs() / (1.0 + expected.abs());
                assert!(off < tolerance, "{} {i}: {found} is not {expected}", E::NAME);
            }
        }
        Ok(())
    }

    #[test]
    fn expectations_are_right_for_functions_that_are_all_but_known_and_for_those_that_are_not_at_all()
    -> Result<()> {
        check::<f64>(1e-7)?;
        check::<f32>(2e-6)
    }
}
