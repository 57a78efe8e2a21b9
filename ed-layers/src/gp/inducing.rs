//! What is believed about the whitened outputs at inducing points, where they may hang together.

use std::sync::{Arc, OnceLock};

use ed_core::bijectors::Constraint;
use ed_core::distributions::erased::AnyDistribution;
use ed_core::distributions::{Distribution, Normal};
use ed_core::kernels::rng::{Key, fill_normal};
use ed_core::params::any_param;
use ed_core::tensor::{AnyVar, Float, Var};
use ed_core::trace::{Belief, Drawn, believe_as, full_name};
use ed_core::{Error, Result, SiteName};

/// Independent multivariate normals, one for each unit: `v_u = m_u + R_u ε`.
///
/// # Shapes
/// `loc`: `[inducing, units]`, `factors`: `[units, inducing, inducing]`, each lower triangular; batch: none; event:
/// `[inducing, units]`.
#[derive(Clone, Debug)]
pub struct InducingOutputs<E: Float> {
    loc: Var<(usize, usize), E>,
    factors: Var<(usize, usize, usize), E>,
}

impl<E: Float> InducingOutputs<E> {
    /// The means.
    pub fn loc(&self) -> &Var<(usize, usize), E> {
        &self.loc
    }

    /// The Cholesky factors of the covariances.
    pub fn factors(&self) -> &Var<(usize, usize, usize), E> {
        &self.factors
    }

    /// `R_u c_u` for a column of each unit: `[inducing, units] → [inducing, units]`.
    fn spread(&self, columns: &Var<(usize, usize), E>) -> Result<Var<(usize, usize), E>> {
        let rows = columns.transpose();
        let each = |unit: usize| self.factors.at(unit)?.dot(&rows.at(unit)?);
        let spread: Vec<Var<(usize,), E>> = (0..self.loc.shape().1).map(each).collect::<Result<_>>()?;
        Var::stack(&spread)?.transpose().check()
    }

    /// `Σ_u ln |det R_u|`.
    fn log_det(&self) -> Result<Var<(), E>> {
        let mut sum = Var::scalar(0.0);
        for unit in 0..self.loc.shape().1 {
            sum = sum + self.factors.at(unit)?.log_det_triangular()?;
        }
        sum.check()
    }

    /// `Σ_u KL(N(m_u, R_u R_uᵀ) ‖ N(0, I))` in nats.
    fn kl_to_standard(&self) -> Result<Var<(), E>> {
        let squares = self.factors.square().sum() + self.loc.square().sum();
        ((squares - self.loc.shape().0 as f64 * self.loc.shape().1 as f64) * 0.5 - self.log_det()?).check()
    }
}

impl<E: Float> Distribution for InducingOutputs<E> {
    type Elem = E;
    type Batch = ();
    type Shape = (usize, usize);
    const NAME: &'static str = "InducingOutputs";
    const PATHWISE: bool = true;

    fn shape(&self) -> (usize, usize) {
        *self.loc.shape()
    }

    fn batch_shape(&self) {}

    fn support(&self) -> Constraint<E> {
        Constraint::Real
    }

    fn sample(&self, key: Key) -> Result<Var<(usize, usize), E>> {
        let mut noise = vec![E::ZERO; self.loc.value().dims().num_elements()];
        fill_normal(key, &mut noise);
        (&self.loc + self.spread(&Var::from_vec(noise, self.shape())?)?).check()
    }

    fn log_prob(&self, value: &Var<(usize, usize), E>) -> Result<Var<(), E>> {
        self.check_shape(value)?;
        let gaps = (value - &self.loc).transpose();
        let constant = 0.5 * std::f64::consts::TAU.ln() * gaps.value().dims().num_elements() as f64;
        let mut log_prob = -self.log_det()? - constant;
        for unit in 0..self.loc.shape().1 {
            let z = self.factors.at(unit)?.solve_triangular(&gaps.at(unit)?)?;
            log_prob = log_prob - z.square().sum() * 0.5;
        }
        log_prob.check()
    }

    fn mean(&self) -> Result<Var<(usize, usize), E>> {
        Ok(self.loc.clone())
    }

    fn variance(&self) -> Result<Var<(usize, usize), E>> {
        self.factors.square().sum_last().transpose().check()
    }
}

/// A belief of [`InducingOutputs`], with the parameters `inducing_outputs/loc` and `inducing_outputs/raw_factors`: the
/// lower triangles of the factors, with the logarithms of their diagonals.
#[derive(Debug)]
struct Triangular<E: Float> {
    name: SiteName,
    shape: (usize, usize),
    scale: f64,
    found: OnceLock<InducingOutputs<E>>,
}

impl<E: Float> Triangular<E> {
    fn outputs(&self) -> Result<&InducingOutputs<E>> {
        if let Some(found) = self.found.get() {
            return Ok(found);
        }
        if !(self.scale > 0.0 && self.scale.is_finite()) {
            let (of, got) = ("SparseGaussianProcess", self.scale.to_string());
            return Err(Error::Parameter { of, name: "scale", must_be: "finite and positive", got });
        }
        let (inducing, units) = self.shape;
        let cells = (units, inducing, inducing);
        let param = |suffix: &str, init: AnyVar| {
            let name = SiteName::from(format!("{}/{suffix}", self.name));
            any_param(&name, &init.dims().clone(), || Ok(init)).map_err(|error| error.at_site(&name))
        };
        let loc = param("loc", Var::<_, E>::zeros(self.shape).into())?.typed()?;
        let place = |i: usize| (i / inducing % inducing, i % inducing);
        let mask = |kept: fn((usize, usize)) -> bool| -> Result<Var<(usize, usize, usize), E>> {
            let cell = |i: usize| if kept(place(i)) { E::ONE } else { E::ZERO };
            Var::from_vec((0..units * inducing * inducing).map(cell).collect(), cells)
        };
        let diagonal = mask(|(i, j)| i == j)?;
        let raw: Var<_, E> =
            param("raw_factors", (&diagonal * self.scale.ln()).into())?
                .typed::<(usize, usize, usize), E>()?;
        let factors = &raw * mask(|(i, j)| i > j)? + (&raw * &diagonal).exp() * &diagonal;
        Ok(self.found.get_or_init(|| InducingOutputs { loc, factors }))
    }
}

impl<E: Float> Belief for Triangular<E> {
    fn stays_at_mean(&self) -> bool {
        true
    }

    fn posterior(&self) -> Result<Arc<dyn AnyDistribution>> {
        Ok(Arc::new(self.outputs()?.clone()))
    }

    fn draw(&self, key: Key) -> Result<(AnyVar, AnyVar)> {
        let outputs = self.outputs()?;
        Ok((Distribution::sample(outputs, key)?.into(), outputs.kl_to_standard()?.into()))
    }

    fn kl(&self) -> Result<AnyVar> {
        Ok(self.outputs()?.kl_to_standard()?.into())
    }
}

/// The whitened outputs as a layer sees them.
#[derive(Clone, Debug)]
pub(super) enum Outputs<E: Float> {
    /// Their value, decided elsewhere.
    Value(Var<(usize, usize), E>),
    /// What is believed about them.
    Belief(InducingOutputs<E>),
}

/// The random variable `name` of a shape `[inducing, units]`, standard normal a priori: its value if somebody decides it
/// or looks, or else what is believed about it.
pub(super) fn look<E: Float>(name: &'static str, shape: (usize, usize), scale: f64) -> Result<Outputs<E>> {
    let belief = Triangular { name: full_name(&name.into()), shape, scale, found: OnceLock::new() };
    let belief = Arc::new(belief);
    let prior = Arc::new(Normal::<(), E>::standard(shape)?);
    Ok(match believe_as(name, prior, belief.clone(), true)? {
        Drawn::Value(value) => Outputs::Value(value),
        Drawn::Open(..) => Outputs::Belief(belief.outputs()?.clone()),
    })
}
