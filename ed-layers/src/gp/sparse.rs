//! [`SparseGaussianProcess`]: Gaussian processes that know their data by inducing points.

use ed_core::distributions::{Distribution, Normal};
use ed_core::ops::{marginal_variance, whiten};
use ed_core::params::any_param;
use ed_core::tensor::{Float, Var};
use ed_core::trace::{fresh_key, full_name, key_for, nested_as};
use ed_core::{Error, RandomVariable, Result, SiteName};

use super::inducing::{self, Outputs};
use super::jitter::Jitter;
use super::kernels::{ExponentiatedQuadratic, Kernel, Points};
use super::kmeans::centres;
use super::mean::{Mean, ZeroMean};
use crate::layer::{Apply, Layer};
use crate::scope::Identity;
use crate::weight::{NormalBelief, Seen, Start};

const NAME: &str = "SparseGaussianProcess";

/// Where the standard deviations of the whitened outputs start, unless said otherwise.
const STARTING_SCALE: f64 = 0.1;

/// How the whitened outputs at the inducing points hang together in the belief.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum InducingCovariance {
    /// Not at all: a standard deviation for each. The step is fastest.
    #[default]
    Diagonal,
    /// In any way: a triangular factor for each unit, at `units · inducing²` parameters.
    Full,
}

/// Independent Gaussian processes, one for each unit, that share a covariance function and inducing points:
/// `[N, features] → [N, units]`, at a cost that grows with `N · inducing²` instead of `N³`.
///
/// At `M` inducing inputs `Z`, which are trained, the values are `u = m(Z) + L v` with `L Lᵀ = K_ZZ`. The random variable
/// `inducing_outputs` is `v`, `[M, units]`: standard normal a priori, so that `u` has the prior of the process, with a
/// belief `q(v) = N(loc, S)`. What it costs, `KL(q(v) ‖ N(0, I)) = KL(q(u) ‖ N(m(Z), K_ZZ))`, goes to
/// [`with_kl`](ed_core::handlers::with_kl).
///
/// The output is a random variable of independent normals: the marginals of the process at each input,
/// with `a = L⁻¹ K_Zx`
/// ```text
/// mean = m(x) + aᵀ loc        variance = k(x, x) - aᵀ a + aᵀ S a
/// ```
/// in which `v` is not drawn. The value is a draw of them, with which a deeper layer goes on: layers one after the other
/// are a deep Gaussian process with doubly stochastic draws. If somebody decides `v` (a sampler, `condition`), the
/// marginals are those given that value.
///
/// # Parameters
/// `inducing_inputs`, `[M, features]`, from the centres of the first inputs (k-means); `inducing_outputs/loc` and
/// `inducing_outputs/raw_scale` (or `raw_factors`); those of the covariance function, `kernel/…`, and of the mean function,
/// `mean/…`.
///
/// # Source
/// Hensman, Matthews and Ghahramani 2015, "Scalable variational Gaussian process classification" (the marginals and the
/// whitening); Salimbeni and Deisenroth 2017, "Doubly stochastic variational inference for deep Gaussian processes".
///
/// # Examples
/// ```
/// use ed::layers::gp::SparseGaussianProcess;
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let net = sequential![SparseGaussianProcess::new(4, 16), SparseGaussianProcess::new(1, 16)];
/// let x: Var<_, f32> = Var::from_vec((0..60).map(|i| i as f32 / 10.0).collect(), (30usize, 2usize))?;
/// let (f, kl): (_, Var<(), f32>) = seed(0, || with_kl(30, || net.forward(&x)))?;
/// assert_eq!(f.distribution().variance()?.shape(), &(30, 1));
/// assert!(kl.item()? > 0.0);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct SparseGaussianProcess<K = ExponentiatedQuadratic, M = ZeroMean> {
    identity: Identity,
    units: usize,
    num_inducing: usize,
    kernel: K,
    mean: M,
    covariance: InducingCovariance,
    scale: f64,
    jitter: Jitter,
}

impl SparseGaussianProcess {
    /// With an exponentiated quadratic covariance, mean 0 and independent whitened outputs.
    pub fn new(units: usize, num_inducing: usize) -> SparseGaussianProcess {
        SparseGaussianProcess {
            identity: Identity::of("sparse_gaussian_process"),
            units,
            num_inducing,
            kernel: ExponentiatedQuadratic::new(),
            mean: ZeroMean,
            covariance: InducingCovariance::default(),
            scale: STARTING_SCALE,
            jitter: Jitter::default(),
        }
    }
}

impl<K: Kernel, M: Mean> SparseGaussianProcess<K, M> {
    /// With a name.
    pub fn named(self, name: impl Into<SiteName>) -> Self {
        SparseGaussianProcess { identity: self.identity.named(name), ..self }
    }

    /// With another covariance function.
    pub fn kernel<L: Kernel>(self, kernel: L) -> SparseGaussianProcess<L, M> {
        let SparseGaussianProcess { identity, units, num_inducing, mean, covariance, scale, jitter, .. } =
            self;
        SparseGaussianProcess { identity, units, num_inducing, kernel, mean, covariance, scale, jitter }
    }

    /// With another mean function.
    pub fn mean<N: Mean>(self, mean: N) -> SparseGaussianProcess<K, N> {
        let SparseGaussianProcess {
            identity, units, num_inducing, kernel, covariance, scale, jitter, ..
        } = self;
        SparseGaussianProcess { identity, units, num_inducing, kernel, mean, covariance, scale, jitter }
    }

    /// With another form of the belief about the whitened outputs.
    pub fn covariance(self, covariance: InducingCovariance) -> Self {
        SparseGaussianProcess { covariance, ..self }
    }

    /// With whitened outputs whose standard deviations start here: 0.1 unless said otherwise. In the inner layers of a
    /// deep process, 1e-3 or less lets the training begin from what the mean function passes on.
    pub fn scale(self, scale: f64) -> Self {
        SparseGaussianProcess { scale, ..self }
    }

    /// With another jitter on the diagonal of the inducing points' covariance, as a multiple of its mean; see [`Jitter`].
    pub fn jitter(self, jitter: f64) -> Self {
        SparseGaussianProcess { jitter: Jitter { start: Some(jitter) }, ..self }
    }

    /// The inducing inputs, made from the centres of `x` if there are none yet.
    fn inducing_inputs<E: Float>(&self, x: &Points<E>) -> Result<Points<E>> {
        let name = full_name(&"inducing_inputs".into());
        let shape = (self.num_inducing, x.shape().1);
        let start = || {
            let key = key_for("start of inducing_inputs")?;
            let points = x.detach();
            Ok(Var::from_vec(centres(points.as_slice()?, shape.1, shape.0, key), shape)?.into())
        };
        let inputs: Points<E> = any_param(&name, start)?.typed().map_err(|error| error.at_site(&name))?;
        if inputs.shape().1 != shape.1 || inputs.shape().0 != shape.0 {
            let expected = format!("[{}, {}] for `{name}`", shape.0, shape.1);
            return Err(Error::Shape { op: NAME, expected, got: inputs.dims() });
        }
        Ok(inputs)
    }

    /// The marginals of the processes at points.
    fn marginals<E: Float>(&self, x: &Points<E>) -> Result<Normal<(usize, usize), E>> {
        if self.num_inducing == 0 || self.units == 0 {
            let name = if self.units == 0 { "units" } else { "num_inducing" };
            return Err(Error::Parameter { of: NAME, name, must_be: "at least 1", got: "0".into() });
        }
        let z = self.inducing_inputs(x)?;
        let (k_zz, k_xz, k) = nested_as("kernel", || {
            Ok((self.kernel.gram(&z)?, self.kernel.matrix(x, &z)?, self.kernel.diag(x)?))
        })?;
        let whitened = |jitter| whiten(k_zz.value(), k_xz.value(), jitter);
        let a = self.jitter.raise(NAME, &k_zz, whitened)?;
        let weights: Var<(usize, usize), E> = Var::from_value(a.clone())?;
        let shape = (self.num_inducing, self.units);
        type Matrix<E> = Var<(usize, usize), E>;
        let marginal = |loc: &Matrix<E>, variances: &Matrix<E>| -> Result<(Matrix<E>, Matrix<E>)> {
            let variance = marginal_variance(&a, variances.value(), k.value())?;
            Ok((weights.dot(loc)?, Var::from_value(variance)?))
        };
        let (loc, variance) = match self.covariance {
            InducingCovariance::Diagonal => {
                let belief = NormalBelief::default().scale(self.scale);
                match belief.look("inducing_outputs", shape, Start::At(0.0))? {
                    Seen::Value(value) => marginal(&value, &Var::zeros(shape))?,
                    Seen::Moments(moments, _) => marginal(&moments.loc()?, &moments.variance()?)?,
                }
            }
            InducingCovariance::Full => match inducing::look("inducing_outputs", shape, self.scale)? {
                Outputs::Value(value) => marginal(&value, &Var::zeros(shape))?,
                Outputs::Belief(belief) => {
                    let (loc, rest) = marginal(belief.loc(), &Var::zeros(shape))?;
                    // `aᵀ R_u` for all units as one product: [N, M] · [M, units · M].
                    let (inducing, units) = shape;
                    let factors: Var<(usize, usize, usize), E> = belief.factors().permute(&[1, 0, 2])?;
                    let spread = weights.dot(&factors.reshape((inducing, units * inducing))?)?;
                    let spread = spread.reshape((x.shape().0, units, inducing))?;
                    (loc, (rest + spread.square().sum_last()).check()?)
                }
            },
        };
        let loc = match self.mean.at(x, self.units)? {
            None => loc,
            Some(mean) => loc + mean,
        };
        // Of the order of rounding: a variance that is all explained has a square root with a gradient.
        let floor = 10.0 * E::EPSILON.to_f64();
        Normal::new(loc, (variance + floor).sqrt())
    }
}

impl<K: Kernel, M: Mean> Layer for SparseGaussianProcess<K, M> {
    fn kind(&self) -> &'static str {
        NAME
    }

    fn identity(&self) -> Option<&Identity> {
        Some(&self.identity)
    }

    fn settings(&self) -> String {
        format!("{} units, {} inducing points, {:?}", self.units, self.num_inducing, self.covariance)
    }
}

impl<K: Kernel, M: Mean, E: Float> Apply<Points<E>> for SparseGaussianProcess<K, M> {
    type Output = RandomVariable<Normal<(usize, usize), E>>;
    fn apply(&self, x: Points<E>) -> Result<Self::Output> {
        let marginals = self.marginals(&x)?;
        let value = marginals.sample(fresh_key("function")?)?;
        RandomVariable::of(marginals, value)
    }
}

impl<K: Kernel, M: Mean, D> Apply<RandomVariable<D>> for SparseGaussianProcess<K, M>
where
    D: Distribution<Shape = (usize, usize)>,
{
    type Output = RandomVariable<Normal<(usize, usize), D::Elem>>;
    fn apply(&self, x: RandomVariable<D>) -> Result<Self::Output> {
        self.apply(x.into_var())
    }
}
