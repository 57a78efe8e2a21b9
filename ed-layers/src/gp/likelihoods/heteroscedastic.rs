//! Normal noise whose size is a function, too.

use ed_core::bijectors::Constraint;
use ed_core::distributions::{Distribution, Normal};
use ed_core::tensor::{Float, Var};
use ed_core::{Error, Result};

use super::{Functions, Likelihood};
use crate::layer::Layer;

const NAME: &str = "HeteroscedasticGaussian";

/// `y = f + e^g ε`, `ε ~ N(0, 1)`: of twice as many functions as outputs, the first half are the means `f`, and the second
/// the logarithms `g` of the noise's standard deviation.
///
/// For `f ~ N(μ, σ²)` and `g ~ N(m, s²)`,
/// `E log p(y) = -½ ln 2π - m - ½ e^(2s² - 2m) ((y - μ)² + σ²)`. An observation has mean `μ` and variance
/// `σ² + e^(2m + 2s²)`, and the predictive distribution is the normal that has them.
///
/// # Source
/// Lázaro-Gredilla and Titsias 2011, "Variational heteroscedastic Gaussian process regression".
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HeteroscedasticGaussian;

impl Layer for HeteroscedasticGaussian {
    fn kind(&self) -> &'static str {
        NAME
    }
}

/// The moments of both halves: means and variances, each `[N, outputs]`.
struct Halves<E: Float> {
    loc: Var<(usize, usize), E>,
    variance: Var<(usize, usize), E>,
    log_loc: Var<(usize, usize), E>,
    log_variance: Var<(usize, usize), E>,
}

fn halves<E: Float>(f: &Functions<E>) -> Result<Halves<E>> {
    let functions = f.shape().1;
    if functions == 0 || !functions.is_multiple_of(2) {
        let expected = "[N, 2 · outputs]: a mean and the logarithm of the noise for each output".into();
        return Err(Error::Shape { op: NAME, expected, got: f.loc()?.dims() });
    }
    let outputs = functions / 2;
    let split = |x: Var<(usize, usize), E>| -> Result<[Var<(usize, usize), E>; 2]> {
        let columns = x.transpose();
        let part = |from: usize| -> Result<Var<(usize, usize), E>> {
            let places: Vec<usize> = (from..from + outputs).collect();
            let part: Var<(usize, usize), E> = columns.gather(&places)?;
            Ok(part.transpose())
        };
        Ok([part(0)?, part(outputs)?])
    };
    let ([loc, log_loc], [variance, log_variance]) = (split(f.loc()?)?, split(f.variance()?)?);
    Ok(Halves { loc, variance, log_loc, log_variance })
}

impl Likelihood for HeteroscedasticGaussian {
    type Predictive<E: Float> = Normal<(usize, usize), E>;

    fn expected_log_prob<E: Float>(
        &self,
        f: &Functions<E>,
        y: &Var<(usize, usize), E>,
    ) -> Result<Var<(usize,), E>> {
        let Halves { loc, variance, log_loc, log_variance } = halves(f)?;
        if y.shape() != loc.shape() {
            let expected = format!("{}, one for each two functions, for the observations", loc.dims());
            return Err(Error::Shape { op: NAME, expected, got: y.dims() });
        }
        Constraint::Real.check(NAME, y.value())?;
        let square = (y - loc).square() + variance;
        let precision = ((log_variance - &log_loc) * 2.0).exp();
        let constant = 0.5 * std::f64::consts::TAU.ln();
        (square * precision * -0.5 - log_loc - constant).sum_last().check()
    }

    fn predictive<E: Float>(&self, f: &Functions<E>) -> Result<Normal<(usize, usize), E>> {
        let Halves { loc, variance, log_loc, log_variance } = halves(f)?;
        Normal::new(loc, (variance + ((log_loc + log_variance) * 2.0).exp()).sqrt())
    }
}
