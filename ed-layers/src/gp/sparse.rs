//! [`SparseGaussianProcess`]: Gaussian processes that know their data by inducing points.

use std::sync::Arc;

use ed_core::distributions::{Distribution, Normal};
use ed_core::ops::marginal_variance;
use ed_core::params::any_param;
use ed_core::tensor::{Dims, Float, Var};
use ed_core::trace::{fresh_key, full_name, key_for, nested_as};
use ed_core::{Error, RandomVariable, Result, SiteName};

use super::checks::check_finite;
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
/// `inducing_inputs`, `[M, features]`, from the centres (k-means) of the first inputs or of
/// [rows of one's own](SparseGaussianProcess::start_from); `inducing_outputs/loc` and
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
    /// Rows that the inducing inputs start from, instead of those of the first batch.
    rows: Option<Rows>,
}

/// Points in either precision, one a row.
#[derive(Clone, Debug)]
struct Rows {
    numbers: Arc<[f64]>,
    features: usize,
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
            rows: None,
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
        let SparseGaussianProcess {
            identity,
            units,
            num_inducing,
            mean,
            covariance,
            scale,
            jitter,
            rows,
            ..
        } = self;
        SparseGaussianProcess { identity, units, num_inducing, kernel, mean, covariance, scale, jitter, rows }
    }

    /// With another mean function.
    pub fn mean<N: Mean>(self, mean: N) -> SparseGaussianProcess<K, N> {
        let SparseGaussianProcess {
            identity,
            units,
            num_inducing,
            kernel,
            covariance,
            scale,
            jitter,
            rows,
            ..
        } = self;
        SparseGaussianProcess { identity, units, num_inducing, kernel, mean, covariance, scale, jitter, rows }
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

    /// With a jitter that is added to the diagonal of the inducing points' covariance in any case, as a multiple of its
    /// mean: none unless said otherwise, and as little as makes a Cholesky factor where there is none
    /// (see [the module](crate::gp#rounding)).
    pub fn jitter(self, jitter: f64) -> Self {
        SparseGaussianProcess { jitter: Jitter { start: jitter }, ..self }
    }

    /// With inducing inputs that start from the centres of these rows, `[rows, features]` (from the rows themselves if there
    /// are as many), and not from those of the first batch, which may be few and all alike.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no row, [`Error::Parameter`] if a number is not finite.
    ///
    /// # Examples
    /// ```
    /// use ed::layers::gp::SparseGaussianProcess;
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let x: Var<_, f32> = Var::from_vec((0..100).map(|i| i as f32 / 50.0 - 1.0).collect(), (100usize, 1usize))?;
    /// let layer = SparseGaussianProcess::new(1, 12).start_from(&x)?;
    /// let mut params = Params::new();
    /// let one = Var::from_vec(vec![0.3f32], (1usize, 1usize))?;
    /// seed(0, || layer.init(&mut params, &one))?;
    /// let z = params.required("sparse_gaussian_process/inducing_inputs")?.to_vec()?;
    /// let (least, most) = z.iter().fold((1f64, -1f64), |(a, b), &z| (a.min(z), b.max(z)));
    /// assert!(least < -0.8 && most > 0.8);
    /// # Ok(()) }
    /// ```
    pub fn start_from<E: Float>(self, rows: &Points<E>) -> Result<Self> {
        check_rows(rows)?;
        let numbers = rows.detach().as_slice()?.iter().map(|x| x.to_f64()).collect();
        Ok(SparseGaussianProcess { rows: Some(Rows { numbers, features: rows.shape().1 }), ..self })
    }

    /// Where the inducing inputs start, as there are none yet.
    fn starting_inputs<E: Float>(&self, x: &Points<E>, name: &SiteName) -> Result<Points<E>> {
        let (key, shape) = (key_for("start of inducing_inputs")?, (self.num_inducing, x.shape().1));
        let centres = match &self.rows {
            Some(Rows { features, .. }) if *features != shape.1 => {
                let expected = format!("[N, {features}], as the rows that `{name}` starts from");
                return Err(Error::Shape { op: NAME, expected, got: x.dims() });
            }
            Some(Rows { numbers, features }) => centres(numbers, *features, shape.0, key),
            None => {
                check_rows(x)?;
                let points = x.detach();
                let points: Vec<f64> = points.as_slice()?.iter().map(|x| x.to_f64()).collect();
                centres(&points, shape.1, shape.0, key)
            }
        };
        if centres.distinct < shape.0 {
            eprintln!(
                "{NAME}: `{name}` starts from {} different rows for {} points, and from noise around them; give it more \
                 with `start_from`, or a first batch of more rows",
                centres.distinct, shape.0
            );
        }
        Var::from_vec(centres.points.into_iter().map(E::from_f64).collect(), shape)
    }

    /// The inducing inputs.
    fn inducing_inputs<E: Float>(&self, x: &Points<E>) -> Result<Points<E>> {
        let name = full_name(&"inducing_inputs".into());
        let shape = (self.num_inducing, x.shape().1);
        let start = || Ok(self.starting_inputs(x, &name)?.into());
        any_param(&name, &Dims::of(&shape), start)?.typed().map_err(|error| error.at_site(&name))
    }

    /// The marginals of the processes at points.
    fn marginals<E: Float>(&self, x: &Points<E>) -> Result<Normal<(usize, usize), E>> {
        if self.num_inducing == 0 || self.units == 0 {
            let name = if self.units == 0 { "units" } else { "num_inducing" };
            return Err(Error::Parameter { of: NAME, name, must_be: "at least 1", got: "0".into() });
        }
        check_finite(NAME, "x", x)?;
        let z = self.inducing_inputs(x)?;
        let (k_zz, k_xz, k) = nested_as("kernel", || {
            Ok((self.kernel.gram(&z)?, self.kernel.matrix(x, &z)?, self.kernel.diag(x)?))
        })?;
        let weights = self.jitter.whiten(NAME, &k_zz, &k_xz)?.found;
        let shape = (self.num_inducing, self.units);
        type Matrix<E> = Var<(usize, usize), E>;
        let marginal = |loc: &Matrix<E>, variances: &Matrix<E>| -> Result<(Matrix<E>, Matrix<E>)> {
            let variance = marginal_variance(weights.value(), variances.value(), k.value())?;
            Ok((weights.dot(loc)?, Var::from_value(variance)?))
        };
        let (loc, variance) = match self.covariance {
            InducingCovariance::Diagonal => {
                let belief = NormalBelief::default().scale(self.scale);
                match belief.look_whole("inducing_outputs", shape, Start::At(0.0))? {
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
        Normal::new(loc, variance.sqrt())
    }
}

/// Refuses rows of which there are none, or that are not finite.
fn check_rows<E: Float>(rows: &Points<E>) -> Result<()> {
    if rows.shape().0 == 0 {
        let expected = "[N, features] with at least one row to start the inducing inputs from".into();
        return Err(Error::Shape { op: NAME, expected, got: rows.dims() });
    }
    check_finite(NAME, "x", rows)
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
