//! What is added to the diagonal of a covariance matrix so that it has a Cholesky factor.

use std::sync::atomic::{AtomicUsize, Ordering};

use ed_core::tensor::{Float, Var};
use ed_core::{Error, Result};

/// The jitter, as a multiple of the mean of the diagonal: 1e-4 in single precision and 1e-8 in double precision, unless
/// said otherwise. Where it does not suffice it is raised tenfold, up to [`Jitter::MOST`], with a warning on standard
/// error the first time.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Jitter {
    /// Where to start; `None` for the default of the precision.
    pub start: Option<f64>,
}

impl Jitter {
    /// More than this multiple of the diagonal would be another model.
    pub const MOST: f64 = 0.1;

    /// Runs what needs a factor of `covariance` with the jitter, more of it while there is no factor.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the start is negative or not finite; [`Error::Algorithm`] if no jitter suffices; the
    /// error of the attempt if it is another one.
    pub fn raise<E: Float, T>(
        self,
        of: &'static str,
        covariance: &Var<(usize, usize), E>,
        attempt: impl Fn(f64) -> Result<T>,
    ) -> Result<T> {
        let least = if E::EPSILON.to_f64() > 1e-10 { 1e-4 } else { 1e-8 };
        let start = self.start.unwrap_or(least);
        if !(start >= 0.0 && start.is_finite()) {
            let got = start.to_string();
            return Err(Error::Parameter { of, name: "jitter", must_be: "finite and not negative", got });
        }
        let order = covariance.shape().0;
        let detached = covariance.detach();
        let numbers = detached.as_slice()?;
        let diagonal = numbers.iter().step_by(order + 1).map(|x| x.to_f64());
        let scale = diagonal.sum::<f64>() / order.max(1) as f64;
        let mut jitter = start;
        loop {
            match attempt(jitter * scale) {
                Err(Error::NotPositiveDefinite { minor, .. }) => {
                    let finite = numbers.iter().all(|x| x.is_finite());
                    if !finite || jitter >= Self::MOST {
                        return Err(refused(of, minor, jitter * scale, finite));
                    }
                    jitter = (10.0 * jitter).max(1e-2 * least).min(Self::MOST);
                }
                Ok(found) => {
                    if jitter > start {
                        warn(of, jitter);
                    }
                    return Ok(found);
                }
                Err(other) => return Err(other),
            }
        }
    }
}

fn refused(of: &'static str, minor: usize, jitter: f64, finite: bool) -> Error {
    let why = if finite {
        format!(
            "the covariance matrix has no Cholesky factor even with {jitter:.1e} on its diagonal (its leading minor of \
             order {minor} is not positive): remove points that lie at one place, shorten the lengthscale, or use `f64`"
        )
    } else {
        "the covariance matrix is not finite: check the points and the numbers of the covariance function for NaN"
            .to_string()
    };
    Error::Algorithm { of, why }
}

/// One warning for each layer kind and size of jitter, as the same matrices come again in every step.
fn warn(of: &'static str, jitter: f64) {
    static WARNED: AtomicUsize = AtomicUsize::new(0);
    let level = 1usize << (-jitter.log10().floor()).clamp(0.0, 30.0) as usize;
    if WARNED.fetch_or(level, Ordering::Relaxed) & level == 0 {
        eprintln!(
            "{of}: a covariance matrix has a Cholesky factor only with {jitter:.0e} of its diagonal added; points may lie \
             too close together for the lengthscale"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ones(order: usize) -> Var<(usize, usize), f64> {
        Var::ones((order, order))
    }

    #[test]
    fn raises_the_jitter_until_there_is_a_factor() -> Result<()> {
        let k = ones(3) * 2.0;
        let needs = |least: f64| {
            move |jitter: f64| match jitter {
                jitter if jitter < least => Err(Error::NotPositiveDefinite { op: "test", minor: 2 }),
                jitter => Ok(jitter),
            }
        };
        assert_eq!(Jitter::default().raise("test", &k, needs(0.0))?, 2e-8);
        let raised = Jitter::default().raise("test", &k, needs(1e-5))?;
        assert!((raised - 2e-5).abs() < 1e-12);
        assert_eq!(Jitter { start: Some(0.0) }.raise("test", &k, needs(0.0))?, 0.0);
        let error = Jitter::default().raise("test", &k, needs(1.0)).unwrap_err().to_string();
        assert!(error.contains("has no Cholesky factor even with 2.0e-1"), "{error}");
        assert!(Jitter { start: Some(-1.0) }.raise("test", &k, needs(0.0)).is_err());
        Ok(())
    }

    #[test]
    fn a_matrix_that_is_not_finite_is_said_to_be_so() {
        let k = ones(2) * f64::NAN;
        let attempt = |_| Err::<(), _>(Error::NotPositiveDefinite { op: "test", minor: 1 });
        let error = Jitter::default().raise("test", &k, attempt).unwrap_err().to_string();
        assert!(error.contains("not finite"), "{error}");
    }
}
