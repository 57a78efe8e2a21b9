//! What is added to the diagonal of a covariance matrix so that it has a Cholesky factor.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use ed_core::bijectors::Constraint;
use ed_core::ops::{covariance_factor, whiten};
use ed_core::tensor::{Float, Value, Var};
use ed_core::{Error, Result};

type Matrix<E> = Var<(usize, usize), E>;

/// The jitter, as a multiple of the mean of the diagonal: none unless said otherwise.
///
/// A covariance that rounding left without a Cholesky factor gets as little as makes one, from one unit of rounding up, and
/// each layer kind says so once for each size on standard error. It is looked for in every evaluation anew, so that one
/// that needed some does not burden the others.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Jitter {
    /// What is added in any case.
    pub start: f64,
}

/// What was found with a jitter, and the number that was added to the diagonal for it.
#[derive(Debug)]
pub(super) struct Jittered<E: Float> {
    pub found: Matrix<E>,
    pub added: f64,
}

impl Jitter {
    /// The Cholesky factor of a covariance, made of covariances with these variances.
    pub fn factor<E: Float>(
        self,
        of: &'static str,
        covariance: &Matrix<E>,
        variances: &Var<(usize,), E>,
    ) -> Result<Jittered<E>> {
        self.run(of, covariance, variances, || {
            covariance_factor(covariance.value(), variances.value(), self.start)
        })
    }

    /// `K_xz L⁻ᵀ`, where `L` is the Cholesky factor of `K_zz`.
    pub fn whiten<E: Float>(
        self,
        of: &'static str,
        k_zz: &Matrix<E>,
        k_xz: &Matrix<E>,
    ) -> Result<Jittered<E>> {
        let variances = k_zz.detach().diagonal()?;
        self.run(of, k_zz, &variances, || whiten(k_zz.value(), k_xz.value(), self.start))
    }

    fn run<E: Float>(
        self,
        of: &'static str,
        covariance: &Matrix<E>,
        variances: &Var<(usize,), E>,
        find: impl FnOnce() -> Result<(Value<E>, f64)>,
    ) -> Result<Jittered<E>> {
        if !(self.start >= 0.0 && self.start.is_finite()) {
            let got = self.start.to_string();
            return Err(Error::Parameter { of, name: "jitter", must_be: "finite and not negative", got });
        }
        let (found, multiple) = match find() {
            Err(Error::NotPositiveDefinite { minor, .. }) => return Err(refused(of, minor, covariance)),
            found => found?,
        };
        if multiple > self.start {
            warn::<E>(of, multiple);
        }
        let added = if multiple == 0.0 { 0.0 } else { multiple * mean(variances)? };
        Ok(Jittered { found: Var::from_value(found)?, added })
    }
}

fn mean<E: Float>(variances: &Var<(usize,), E>) -> Result<f64> {
    Ok(variances.detach().mean().item()?.to_f64())
}

fn refused<E: Float>(of: &'static str, minor: usize, covariance: &Matrix<E>) -> Error {
    if Constraint::Real.check(of, &covariance.value().detach()).is_err() {
        let what = format!("{of}: the covariance matrix");
        return Error::NotFinite {
            what,
            advice: "check the numbers of the covariance function and the points",
        };
    }
    let why = format!(
        "the covariance matrix has no Cholesky factor, whatever is added to its diagonal (its leading minor of order \
         {minor} is not positive): its kernel is no covariance function of these points"
    );
    Error::Algorithm { of, why }
}

/// One warning for each layer kind and power of ten, as the same matrices come again in every step.
fn warn<E: Float>(of: &'static str, jitter: f64) {
    static SAID: Mutex<Option<HashSet<(&'static str, i32)>>> = Mutex::new(None);
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if said.get_or_insert_default().insert((of, jitter.log10().floor() as i32)) {
        let advice = if E::EPSILON.to_f64() > 1e-10 { ", or use `f64`" } else { "" };
        eprintln!(
            "{of}: a covariance matrix has a Cholesky factor only with {jitter:.0e} of its variance added to the diagonal; \
             points lie too close together for the lengthscale: remove some, add noise{advice}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ones<E: Float>(order: usize) -> (Matrix<E>, Var<(usize,), E>) {
        (Var::full(2.0, (order, order)), Var::full(2.0, (order,)))
    }

    #[test]
    fn what_was_added_is_reported_in_the_units_of_the_covariance() -> Result<()> {
        let (k, variances) = ones::<f64>(3);
        let none = Jitter::default().factor(
            "test",
            &(&k + &super::super::kernels::identity(3)).check()?,
            &variances,
        )?;
        assert_eq!(none.added, 0.0);
        let some = Jitter::default().factor("test", &k, &variances)?;
        assert!(some.added > 0.0 && some.added < 1e-13, "{}", some.added);
        assert_eq!(Jitter { start: 1e-3 }.factor("test", &k, &variances)?.added, 2e-3);
        assert!(Jitter { start: -1.0 }.factor("test", &k, &variances).is_err());
        Ok(())
    }

    #[test]
    fn a_matrix_that_is_not_finite_is_said_to_be_so() {
        let (k, variances) = ones::<f32>(2);
        let error = Jitter::default().factor("test", &(k * f64::NAN), &variances).unwrap_err();
        assert!(error.to_string().contains("the covariance matrix is not finite"), "{error}");
        assert!(error.is_recoverable(), "a sampler turns the point down");
    }
}
