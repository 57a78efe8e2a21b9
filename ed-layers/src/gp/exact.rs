//! [`GaussianProcess`]: exact Gaussian processes, and what data make of them.

use ed_core::distributions::Distribution;
use ed_core::tensor::{Float, Var};
use ed_core::trace::{nested_as, sample_as};
use ed_core::{Error, RandomVariable, Result, SiteName};

use super::checks::check_finite;
use super::jitter::{Jitter, Jittered};
use super::kernels::{ExponentiatedQuadratic, Kernel, Points, identity};
use super::mean::{Mean, ZeroMean};
use super::positive::Positive;
use super::values::FunctionValues;
use crate::layer::{Apply, Layer};
use crate::scope::{self, Identity};

const NAME: &str = "GaussianProcess";

/// Independent Gaussian processes, one for each unit, with one covariance function: `[N, features] → [N, units]`.
///
/// As a layer it is the prior: a random variable `values` at the inputs, with distribution [`FunctionValues`]. Given
/// data, it is [`GaussianProcess::posterior`]. Its numbers are the covariance function's, `kernel/…`, the mean function's,
/// `mean/…`, and that of the observations' noise, `raw_noise`, which is a variance.
///
/// The cost grows with the cube of the number of points; see
/// [`SparseGaussianProcess`](super::SparseGaussianProcess) for more of them than a few thousand.
///
/// # Source
/// Rasmussen and Williams 2006, "Gaussian Processes for Machine Learning", sections 2.2 and 2.7.
///
/// # Examples
/// ```
/// use ed::layers::gp::{GaussianProcess, kernels::ExponentiatedQuadratic};
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let x = Var::from_vec(vec![0.0f64, 1.0, 2.0], (3usize, 1usize))?;
/// let y = Var::from_vec(vec![0.0, 1.0, 0.0], (3usize, 1usize))?;
/// let gp = GaussianProcess::new(1).kernel(ExponentiatedQuadratic::new().lengthscale(1.0)).noise(1e-7);
/// let between = Var::from_vec(vec![0.5, 1.5], (2usize, 1usize))?;
/// let f = seed(0, || gp.posterior(&x, &y).forward(&between))?;
/// assert!((f.distribution().mean()?.to_vec()?[0] - 0.675107).abs() < 1e-5);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct GaussianProcess<K = ExponentiatedQuadratic, M = ZeroMean> {
    identity: Identity,
    units: usize,
    kernel: K,
    mean: M,
    noise: Positive,
    jitter: Jitter,
}

impl GaussianProcess {
    /// With an exponentiated quadratic covariance, mean 0, and noise of variance 0.1 to be trained.
    pub fn new(units: usize) -> GaussianProcess {
        GaussianProcess {
            identity: Identity::of("gaussian_process"),
            units,
            kernel: ExponentiatedQuadratic::new(),
            mean: ZeroMean,
            noise: Positive::Trained(0.1),
            jitter: Jitter::default(),
        }
    }
}

impl<K: Kernel, M: Mean> GaussianProcess<K, M> {
    /// With a name.
    pub fn named(self, name: impl Into<SiteName>) -> Self {
        GaussianProcess { identity: self.identity.named(name), ..self }
    }

    /// With another covariance function.
    pub fn kernel<L: Kernel>(self, kernel: L) -> GaussianProcess<L, M> {
        let GaussianProcess { identity, units, mean, noise, jitter, .. } = self;
        GaussianProcess { identity, units, kernel, mean, noise, jitter }
    }

    /// With another mean function.
    pub fn mean<N: Mean>(self, mean: N) -> GaussianProcess<K, N> {
        let GaussianProcess { identity, units, kernel, noise, jitter, .. } = self;
        GaussianProcess { identity, units, kernel, mean, noise, jitter }
    }

    /// With another variance of the observations around the function: a number to train it from, or
    /// [`Positive::Fixed`].
    pub fn noise(self, variance: impl Into<Positive>) -> Self {
        GaussianProcess { noise: variance.into(), ..self }
    }

    /// With a jitter that is added to the diagonals of covariances in any case, as a multiple of their mean: none unless
    /// said otherwise, and as little as makes a Cholesky factor where there is none
    /// (see [the module](crate::gp#rounding)).
    pub fn jitter(self, jitter: f64) -> Self {
        GaussianProcess { jitter: Jitter { start: jitter }, ..self }
    }

    /// The same processes given observations `y`, `[N, units]`, of their values at `x`, `[N, features]`, with noise. Its
    /// parameters are those of this layer.
    pub fn posterior<E: Float>(&self, x: &Points<E>, y: &Var<(usize, usize), E>) -> Posterior<K, M, E> {
        Posterior { prior: self.clone(), x: x.clone(), y: y.clone() }
    }

    /// `log p(y)` in nats, summed over the units, for observations `y`, `[N, units]`, at `x`: what the numbers of the
    /// process are trained by. That of no observations is 0.
    ///
    /// # Errors
    /// As [`Layer::forward`]; [`Error::Shape`] if the observations do not fit, and [`Error::Parameter`] if one is not
    /// finite, with its place.
    pub fn log_marginal_likelihood<E: Float>(
        &self,
        x: &Points<E>,
        y: &Var<(usize, usize), E>,
    ) -> Result<Var<(), E>> {
        scope::enter(self, || {
            self.check_observations(x, y)?;
            if x.shape().0 == 0 {
                return Ok(Var::scalar(0.0));
            }
            let evidence = FunctionValues::from_scale_tril(self.means(x)?, self.observed_factor(x)?)?;
            evidence.log_prob(y)
        })
    }

    fn means<E: Float>(&self, x: &Points<E>) -> Result<Var<(usize, usize), E>> {
        Ok(self.mean.at(x, self.units)?.unwrap_or_else(|| Var::zeros((x.shape().0, self.units))))
    }

    /// Checks that there is a finite observation of each unit at each point.
    fn check_observations<E: Float>(&self, x: &Points<E>, y: &Var<(usize, usize), E>) -> Result<()> {
        let expected = (x.shape().0, self.units);
        if *y.shape() != expected {
            let expected = format!("[{}, {}], observations by units", expected.0, expected.1);
            return Err(Error::Shape { op: NAME, expected, got: y.dims() });
        }
        check_finite(NAME, "x", x)?;
        check_finite(NAME, "y", y)
    }

    /// The Cholesky factor of the observations' covariance.
    fn observed_factor<E: Float>(&self, x: &Points<E>) -> Result<Var<(usize, usize), E>> {
        let noise: Var<(), E> = self.noise.read(NAME, "noise", ())?;
        let gram = nested_as("kernel", || self.kernel.gram(x))?;
        let covariance = (gram + identity(x.shape().0) * noise).check()?;
        Ok(self.jitter.factor(NAME, &covariance, &covariance.diagonal()?)?.found)
    }

    /// The values at points before any observation.
    fn prior<E: Float>(&self, points: &Points<E>) -> Result<FunctionValues<E>> {
        check_points(points)?;
        let covariance = nested_as("kernel", || self.kernel.gram(points))?;
        let Jittered { found, added } = self.jitter.factor(NAME, &covariance, &covariance.diagonal()?)?;
        Ok(FunctionValues::from_scale_tril(self.means(points)?, found)?.with_jitter(added))
    }
}

/// Refuses points of which there are none, or that are not finite.
fn check_points<E: Float>(points: &Points<E>) -> Result<()> {
    if points.shape().0 == 0 {
        let expected = "[N, features] with at least one point".into();
        return Err(Error::Shape { op: NAME, expected, got: points.dims() });
    }
    check_finite(NAME, "x", points)
}

impl<K: Kernel, M: Mean> Layer for GaussianProcess<K, M> {
    fn kind(&self) -> &'static str {
        NAME
    }

    fn identity(&self) -> Option<&Identity> {
        Some(&self.identity)
    }

    fn settings(&self) -> String {
        format!("{} units, {:?}, {:?}", self.units, self.kernel, self.mean)
    }
}

impl<K: Kernel, M: Mean, E: Float> Apply<Points<E>> for GaussianProcess<K, M> {
    type Output = RandomVariable<FunctionValues<E>>;
    fn apply(&self, x: Points<E>) -> Result<Self::Output> {
        sample_as("values", self.prior(&x)?)
    }
}

impl<K: Kernel, M: Mean, D> Apply<RandomVariable<D>> for GaussianProcess<K, M>
where
    D: Distribution<Shape = (usize, usize)>,
{
    type Output = RandomVariable<FunctionValues<D::Elem>>;
    fn apply(&self, x: RandomVariable<D>) -> Result<Self::Output> {
        self.apply(x.into_var())
    }
}

/// A [`GaussianProcess`] given observations: a layer whose random variable `values` has mean
/// `m(x) + K_xX (K_XX + σ² I)⁻¹ (y - m(X))` and covariance `K_xx - K_xX (K_XX + σ² I)⁻¹ K_Xx`, without the noise of new
/// observations. Given no observations it is the prior.
#[derive(Clone, Debug)]
pub struct Posterior<K, M, E: Float> {
    prior: GaussianProcess<K, M>,
    x: Points<E>,
    y: Var<(usize, usize), E>,
}

impl<K: Kernel, M: Mean, E: Float> Posterior<K, M, E> {
    /// The distribution of the values at points: what [`Layer::forward`] draws from, without a draw.
    ///
    /// # Errors
    /// As [`Layer::forward`].
    pub fn at(&self, points: &Points<E>) -> Result<FunctionValues<E>> {
        scope::enter(self, || self.values(points))
    }

    fn values(&self, points: &Points<E>) -> Result<FunctionValues<E>> {
        let Posterior { prior, x, y } = self;
        prior.check_observations(x, y)?;
        check_points(points)?;
        if x.shape().0 == 0 {
            return prior.prior(points);
        }
        let l = prior.observed_factor(x)?;
        let (cross, own) =
            nested_as("kernel", || Ok((prior.kernel.matrix(x, points)?, prior.kernel.gram(points)?)))?;
        let (cross, rest) = (l.solve_triangular(&cross)?, l.solve_triangular(&(y - prior.means(x)?))?);
        let loc = prior.means(points)? + cross.transpose().dot(&rest)?;
        // Its rounding is that of the variances before conditioning.
        let covariance = (&own - cross.transpose().dot(&cross)?).check()?;
        let Jittered { found, added } = prior.jitter.factor(NAME, &covariance, &own.diagonal()?)?;
        Ok(FunctionValues::from_scale_tril(loc, found)?.with_jitter(added))
    }
}

impl<K: Kernel, M: Mean, E: Float> Layer for Posterior<K, M, E> {
    fn kind(&self) -> &'static str {
        NAME
    }

    fn identity(&self) -> Option<&Identity> {
        Some(&self.prior.identity)
    }

    fn settings(&self) -> String {
        format!("given {} observations; {}", self.x.shape().0, self.prior.settings())
    }
}

impl<K: Kernel, M: Mean, E: Float> Apply<Points<E>> for Posterior<K, M, E> {
    type Output = RandomVariable<FunctionValues<E>>;
    fn apply(&self, points: Points<E>) -> Result<Self::Output> {
        sample_as("values", self.values(&points)?)
    }
}
