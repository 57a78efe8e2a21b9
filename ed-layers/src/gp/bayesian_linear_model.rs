//! [`BayesianLinearModel`]: linear regression with its exact posterior.

use ed_core::distributions::{Distribution, Normal};
use ed_core::tensor::{Float, Var};
use ed_core::{Error, RandomVariable, Result};

use super::checks::check_finite;
use super::jitter::Jitter;
use super::kernels::{Points, identity};
use crate::layer::{Apply, Layer};

const NAME: &str = "BayesianLinearModel";

/// Linear regression `y = x·w + ε` without an offset, with weights `w ~ N(0, I)` and noise of known variance `s²`.
///
/// Data make it another such model: [`BayesianLinearModel::fit`] takes them up beside those that it has, so that a
/// sequence of updates is the same as one with all rows. The posterior of the weights is `N(w, P⁻¹)` with
/// `P = I + Σ XᵀX/s²` and `w = P⁻¹ Σ Xᵀy/s²`.
///
/// As a layer, it gives the value of the plane at each row, `[N, features] → [N]`, a random variable of independent
/// normals with mean `x·w` and variance `xᵀ P⁻¹ x`; [`BayesianLinearModel::observations`] adds the noise.
///
/// # Source
/// Bishop 2006, "Pattern Recognition and Machine Learning", section 3.3.
///
/// # Examples
/// ```
/// use ed::layers::gp::BayesianLinearModel;
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let x = Var::from_vec(vec![1.0f64, 0.0, 0.0, 1.0, 1.0, 1.0], (3usize, 2usize))?;
/// let model = BayesianLinearModel::new(0.01)?.fit(&x, &Var::from([1.0, 2.0, 3.1]))?;
/// assert!((model.coeffs()?.to_vec()?[0] - 1.033189698).abs() < 1e-9);
/// let plane = model.values(&Var::from_vec(vec![1.0, -1.0], (1usize, 2usize))?)?;
/// assert!((plane.variance()?.to_vec()?[0] - 0.019801980).abs() < 1e-9);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct BayesianLinearModel<E: Float = f32> {
    noise_variance: f64,
    /// `Σ XᵀX` and `Σ Xᵀy`.
    sums: Option<(Points<E>, Var<(usize,), E>)>,
}

impl<E: Float> BayesianLinearModel<E> {
    /// A model without data.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless the variance of the noise is finite and positive.
    pub fn new(noise_variance: f64) -> Result<Self> {
        if !(noise_variance > 0.0 && noise_variance.is_finite()) {
            let got = noise_variance.to_string();
            let must_be = "finite and positive";
            return Err(Error::Parameter { of: NAME, name: "noise_variance", must_be, got });
        }
        Ok(BayesianLinearModel { noise_variance, sums: None })
    }

    /// The model given more observations: `x`, `[N, features]`, and `y`, `[N]`.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Broadcast`] if the rows or the features do not fit, [`Error::Parameter`] for a number
    /// that is not finite, with its place, or the error that the data carry.
    pub fn fit(&self, x: &Points<E>, y: &Var<(usize,), E>) -> Result<Self> {
        check_finite(NAME, "x", x)?;
        check_finite(NAME, "y", y)?;
        let columns = x.transpose();
        let (mut squares, mut products) = (columns.dot(x)?, columns.dot(y)?);
        if let Some((known_squares, known_products)) = &self.sums {
            self.check_features(x)?;
            (squares, products) = ((squares + known_squares).check()?, (products + known_products).check()?);
        }
        Ok(BayesianLinearModel { noise_variance: self.noise_variance, sums: Some((squares, products)) })
    }

    fn check_features(&self, x: &Points<E>) -> Result<()> {
        match &self.sums {
            Some((squares, _)) if squares.shape().0 != x.shape().1 => Err(Error::Shape {
                op: NAME,
                expected: format!("[N, {}], as the rows that it knows", squares.shape().0),
                got: x.dims(),
            }),
            _ => Ok(()),
        }
    }

    /// The Cholesky factor of the weights' precision.
    fn factor(&self, squares: &Points<E>) -> Result<Points<E>> {
        let precision = (squares * (1.0 / self.noise_variance) + identity(squares.shape().0)).check()?;
        Ok(Jitter::default().factor(NAME, &precision, &precision.diagonal()?)?.found)
    }

    /// The mean of the weights, `[features]`.
    ///
    /// # Errors
    /// [`Error::Undefined`] before any data: the model does not know the number of features.
    pub fn coeffs(&self) -> Result<Var<(usize,), E>> {
        let Some((squares, products)) = &self.sums else {
            let (what, instead) = ("weights before any data", "call `fit` first; a priori they are N(0, I)");
            return Err(Error::Undefined { of: NAME, what, instead });
        };
        let l = self.factor(squares)?;
        let scaled = products * (1.0 / self.noise_variance);
        l.solve_triangular_transposed(&l.solve_triangular(&scaled)?)
    }

    /// The distribution of the plane at each row: `[N]`. At a row of zeros the plane is 0, with a variance as small as
    /// numbers of the precision are.
    ///
    /// # Errors
    /// [`Error::Shape`] if the features do not fit, and [`Error::Parameter`] for a number that is not finite.
    pub fn values(&self, x: &Points<E>) -> Result<Normal<(usize,), E>> {
        let (mean, variance) = self.moments(x)?;
        // At a row of zeros the plane is known, and a normal has a scale: the least that there is.
        Normal::new(mean, (variance + E::MIN_POSITIVE.to_f64()).sqrt())
    }

    /// The distribution of an observation at each row, the plane's with the noise: `[N]`.
    ///
    /// # Errors
    /// As [`BayesianLinearModel::values`].
    pub fn observations(&self, x: &Points<E>) -> Result<Normal<(usize,), E>> {
        let (mean, variance) = self.moments(x)?;
        Normal::new(mean, (variance + self.noise_variance).sqrt())
    }

    fn moments(&self, x: &Points<E>) -> Result<(Var<(usize,), E>, Var<(usize,), E>)> {
        check_finite(NAME, "x", x)?;
        self.check_features(x)?;
        let Some((squares, _)) = &self.sums else {
            return Ok((Var::zeros((x.shape().0,)), x.square().sum_last()));
        };
        let spread = self.factor(squares)?.solve_triangular(&x.transpose())?;
        Ok((x.dot(&self.coeffs()?)?, spread.square().transpose().sum_last()))
    }
}

impl<E: Float> Layer for BayesianLinearModel<E> {
    fn kind(&self) -> &'static str {
        NAME
    }

    fn settings(&self) -> String {
        format!("noise variance {}", self.noise_variance)
    }
}

impl<E: Float> Apply<Points<E>> for BayesianLinearModel<E> {
    type Output = RandomVariable<Normal<(usize,), E>>;
    fn apply(&self, x: Points<E>) -> Result<Self::Output> {
        let values = self.values(&x)?;
        // One draw of the weights is one plane; the marginals are what the layer returns.
        let draw = values.sample(ed_core::trace::fresh_key("plane")?)?;
        RandomVariable::of(values, draw)
    }
}
