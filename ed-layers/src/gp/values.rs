//! The values of random functions at several points.

use ed_core::Result;
use ed_core::bijectors::Constraint;
use ed_core::distributions::{Distribution, MultivariateNormal};
use ed_core::kernels::rng::Key;
use ed_core::tensor::{Float, Var};

use super::kernels::identity;

/// The values of independent Gaussian processes with one covariance at several points: jointly normal along the points,
/// independent along the units.
///
/// Draws and densities go by the Cholesky factor, which may be that of the covariance with a jitter on its diagonal
/// ([`FunctionValues::jitter`]). The moments are without it.
///
/// # Density
/// `log p(F) = Σ_u log N(f_u | m_u, K)`, for column `f_u` of the values and `K = L Lᵀ`.
///
/// # Shapes
/// `loc`: `[points, units]`, `scale_tril`: `[points, points]`; batch: none; event: `[points, units]`. `log_prob`:
/// `[points, units] → []`.
///
/// # Examples
/// ```
/// use ed::layers::gp::FunctionValues;
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let covariance = Var::from_vec(vec![1.0f64, 0.5, 0.5, 1.0], (2usize, 2usize))?;
/// let values = FunctionValues::from_scale_tril(Var::zeros((2usize, 3usize)), covariance.cholesky()?)?;
/// assert_eq!(seed(0, || sample_as("f", values.clone()))?.shape(), &(2, 3));
/// assert!((values.covariance()?.to_vec()?[1] - 0.5).abs() < 1e-15);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct FunctionValues<E: Float = f32> {
    /// `[units, points]`, each row a draw.
    by_unit: MultivariateNormal<(usize, usize), E>,
    /// What the factor has on its diagonal and the covariance has not.
    jitter: f64,
}

impl<E: Float> FunctionValues<E> {
    /// From the mean of each value, `[points, units]`, and the Cholesky factor of the covariance between the points.
    ///
    /// # Errors
    /// As [`MultivariateNormal::from_scale_tril`].
    pub fn from_scale_tril(
        loc: Var<(usize, usize), E>,
        scale_tril: Var<(usize, usize), E>,
    ) -> Result<FunctionValues<E>> {
        let by_unit = MultivariateNormal::from_scale_tril(loc.transpose(), scale_tril)?;
        Ok(FunctionValues { by_unit, jitter: 0.0 })
    }

    /// The same, of a factor of the covariance with so much added to its diagonal.
    pub(super) fn with_jitter(self, jitter: f64) -> FunctionValues<E> {
        FunctionValues { jitter, ..self }
    }

    /// What was added to the diagonal of the covariance, in its units, so that it has a Cholesky factor: 0 if it has one
    /// as it is.
    pub fn jitter(&self) -> f64 {
        self.jitter
    }

    /// The covariance between the points, `[points, points]`, of every unit.
    ///
    /// # Errors
    /// The error of an operation that failed on the way to it.
    pub fn covariance(&self) -> Result<Var<(usize, usize), E>> {
        let covariance = self.by_unit.covariance()?;
        match self.jitter {
            0.0 => Ok(covariance),
            jitter => (&covariance - identity(covariance.shape().0) * jitter).check(),
        }
    }

    /// The Cholesky factor of the covariance, with the jitter on its diagonal.
    ///
    /// # Errors
    /// As [`FunctionValues::covariance`].
    pub fn scale_tril(&self) -> Result<Var<(usize, usize), E>> {
        self.by_unit.scale_tril()
    }
}

impl<E: Float> Distribution for FunctionValues<E> {
    type Elem = E;
    type Batch = ();
    type Shape = (usize, usize);
    const NAME: &'static str = "FunctionValues";
    const PATHWISE: bool = true;

    fn shape(&self) -> (usize, usize) {
        let (units, points) = self.by_unit.shape();
        (points, units)
    }

    fn batch_shape(&self) {}

    fn support(&self) -> Constraint<E> {
        Constraint::Real
    }

    fn sample(&self, key: Key) -> Result<Var<(usize, usize), E>> {
        self.by_unit.sample(key)?.transpose().check()
    }

    fn log_prob(&self, value: &Var<(usize, usize), E>) -> Result<Var<(), E>> {
        self.check_shape(value)?;
        self.by_unit.log_prob_sum(&value.transpose())
    }

    fn mean(&self) -> Result<Var<(usize, usize), E>> {
        self.by_unit.mean()?.transpose().check()
    }

    fn variance(&self) -> Result<Var<(usize, usize), E>> {
        let variance = self.by_unit.variance()?.transpose();
        // What was added, and no more than rounding left.
        let variance = if self.jitter == 0.0 { variance } else { (variance - self.jitter).relu() };
        variance.check()
    }

    fn entropy(&self) -> Result<Var<(), E>> {
        self.by_unit.entropy()?.sum().check()
    }
}
