//! One of several classes.

use ed_core::bijectors::Constraint;
use ed_core::distributions::{Categorical, Distribution};
use ed_core::tensor::{Float, Var};
use ed_core::trace::fresh_key;
use ed_core::{Error, Result};

use super::{Functions, Likelihood};
use crate::layer::Layer;

const NAME: &str = "CategoricalLikelihood";

/// `y ~ Categorical(softmax(f))`, with a function for each class and the class of each row in `y`, `[N, 1]`.
///
/// Both expectations are means over draws of the functions; the gradients flow through the draws.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CategoricalLikelihood {
    num_samples: usize,
}

impl Default for CategoricalLikelihood {
    fn default() -> Self {
        CategoricalLikelihood { num_samples: 8 }
    }
}

impl CategoricalLikelihood {
    /// With eight draws.
    pub fn new() -> Self {
        CategoricalLikelihood::default()
    }

    /// With another number of draws.
    pub fn samples(self, num_samples: usize) -> Self {
        CategoricalLikelihood { num_samples }
    }

    /// The mean over draws of what `g` makes of one.
    fn average<E: Float, S: dfdx::shapes::Shape>(
        &self,
        f: &Functions<E>,
        g: impl Fn(Var<(usize, usize), E>) -> Result<Var<S, E>>,
    ) -> Result<Var<S, E>> {
        if self.num_samples == 0 {
            let got = "0".into();
            return Err(Error::Parameter { of: NAME, name: "samples", must_be: "at least 1", got });
        }
        let mut sum = g(f.sample(fresh_key("functions")?)?)?;
        for _ in 1..self.num_samples {
            sum = sum + g(f.sample(fresh_key("functions")?)?)?;
        }
        (sum * (1.0 / self.num_samples as f64)).check()
    }
}

impl Layer for CategoricalLikelihood {
    fn kind(&self) -> &'static str {
        NAME
    }
}

impl Likelihood for CategoricalLikelihood {
    type Predictive<E: Float> = Categorical<(usize, usize), E>;

    fn expected_log_prob<E: Float>(
        &self,
        f: &Functions<E>,
        y: &Var<(usize, usize), E>,
    ) -> Result<Var<(usize,), E>> {
        let rows = f.shape().0;
        if *y.shape() != (rows, 1) {
            let expected = format!("[{rows}, 1], the class of each row, for the observations");
            return Err(Error::Shape { op: NAME, expected, got: y.dims() });
        }
        Constraint::IntegerUpTo(f.shape().1.saturating_sub(1)).check(NAME, y.value())?;
        let classes = y.reshape((rows,))?;
        self.average(f, |logits| Categorical::from_logits(logits)?.log_prob(&classes))
    }

    fn predictive<E: Float>(&self, f: &Functions<E>) -> Result<Categorical<(usize, usize), E>> {
        Categorical::from_probs(self.average(f, |logits| logits.softmax().check())?)
    }
}
