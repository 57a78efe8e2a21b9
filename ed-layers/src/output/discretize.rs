//! Levels.

use ed_core::distributions::{Discretizable, Discretized, Grid};
use ed_core::{RandomVariable, Result};

use super::Strict;
use crate::layer::{Apply, Layer};

/// Puts a continuous random variable on levels: each level gets the probability of its bin, and the first and the last
/// one the tails, so that all probabilities sum to one. A random variable in, one out.
///
/// # Examples
/// ```
/// use ed::layers::output::Discretize;
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let x = seed(0, || sample(Logistic::new(Var::from([0.1f64]), 0.3)?))?;
/// let level = Discretize::levels(4).forward(x)?;
/// let probs = (0..4).map(|v| level.distribution().log_prob(&Var::from([f64::from(v)]))?.exp().sum().item());
/// approx::assert_abs_diff_eq!(probs.sum::<Result<f64>>()?, 1.0, epsilon = 1e-12);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Discretize {
    low: f64,
    high: f64,
    levels: usize,
}

impl Discretize {
    /// Levels `0, 1, …, levels - 1` for equally spaced numbers from -1 to 1: the intensities of an image, scaled as
    /// networks take them.
    pub fn levels(levels: usize) -> Discretize {
        Discretize::between(-1.0, 1.0, levels)
    }

    /// Levels for equally spaced numbers from `low` to `high`.
    pub fn between(low: f64, high: f64, levels: usize) -> Discretize {
        Discretize { low, high, levels }
    }
}

impl Layer for Discretize {
    fn kind(&self) -> &'static str {
        "Discretize"
    }
    fn settings(&self) -> String {
        format!("{} levels", self.levels)
    }
}

impl<D: Discretizable> Apply<RandomVariable<D>> for Discretize {
    type Output = RandomVariable<Strict<Discretized<D>>>;

    /// # Errors
    /// [`Error::Parameter`](ed_core::Error::Parameter) for fewer than two levels, or unless `low < high`.
    fn apply(&self, x: RandomVariable<D>) -> Result<Self::Output> {
        let level = Discretized::of_variable(&x, Grid::between(self.low, self.high, self.levels)?)?;
        RandomVariable::of(Strict::new(level.distribution().clone()), level.into_var())
    }
}
