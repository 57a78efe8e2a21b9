//! Positive numbers with a name, trained or fixed: lengthscales, variances, noise.

use dfdx::shapes::Shape;
use ed_core::params::param_as;
use ed_core::tensor::{Float, Var};
use ed_core::{Error, Result};

/// A positive hyperparameter.
///
/// A trained one is `softplus` of a parameter called `raw_…`; a plain number stands for one that is trained from there.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Positive {
    /// Trained, from this number.
    Trained(f64),
    /// This number, always.
    Fixed(f64),
}

impl From<f64> for Positive {
    fn from(start: f64) -> Positive {
        Positive::Trained(start)
    }
}

impl Positive {
    /// The number, repeated to a shape; if it is trained, a parameter for each element.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless it is finite and positive, and the error of reading a parameter.
    pub fn read<S: Shape, E: Float>(
        self,
        of: &'static str,
        name: &'static str,
        shape: S,
    ) -> Result<Var<S, E>> {
        let (Positive::Trained(number) | Positive::Fixed(number)) = self;
        if !(number > 0.0 && number.is_finite()) {
            return Err(Error::Parameter {
                of,
                name,
                must_be: "finite and positive",
                got: number.to_string(),
            });
        }
        match self {
            Positive::Fixed(_) => Ok(Var::full(number, shape)),
            Positive::Trained(_) => {
                let raw = number + (-(-number).exp_m1()).ln();
                param_as(format!("raw_{name}"), || Var::full(raw, shape))?.softplus().check()
            }
        }
    }

    /// The same number, not trained.
    pub fn fixed(self) -> Positive {
        let (Positive::Trained(number) | Positive::Fixed(number)) = self;
        Positive::Fixed(number)
    }
}
