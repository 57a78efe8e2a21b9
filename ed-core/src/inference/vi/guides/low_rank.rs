//! The low-rank guide: one normal with a covariance of low rank plus a diagonal.

use super::joint::JointDraw;
use super::latents::{Latents, from_numbers, full, noise, require_positive};
use crate::error::{Error, Result};
use crate::kernels::cholesky;
use crate::kernels::rng::{Key, fill_normal};
use crate::model::Model;
use crate::ops::{elementwise as ew, linalg};
use crate::params::any_param;
use crate::tensor::tape::apply;
use crate::tensor::{AnyVar, Backward, Dims, Float, Keep, Op, Value};
use crate::trace::{SiteName, Values, key_for};

const LOC: SiteName = SiteName::plain("low_rank.loc");
const FACTOR: SiteName = SiteName::plain("low_rank.factor");
const LOG_SCALE: SiteName = SiteName::plain("low_rank.log_scale");

/// One normal over all unconstrained numbers of a model, with covariance `Σ = W Wᵀ + diag(exp(log_scale))²` and `W` of
/// few columns (Ong, Nott & Smith 2018, section 3): `z = loc + W ε₁ + exp(log_scale) ε₂`.
///
/// Parameters: `low_rank.loc` of shape `[n]`, `low_rank.factor` of shape `[n, rank]`, `low_rank.log_scale` of shape
/// `[n]`. Cost: `n · rank²` a step.
#[derive(Clone, Debug)]
#[must_use = "a guide does nothing until `Svi` trains it"]
pub struct LowRank {
    latents: Latents,
    init: AnyVar,
    rank: usize,
    init_scale: f64,
}

impl LowRank {
    /// A guide for the latent random variables of a model. It starts as [`MeanField`](super::MeanField) does; the
    /// columns start at small random numbers, since zero would be a stationary point.
    ///
    /// # Errors
    /// As [`FullRank::of`](super::FullRank::of), and [`Error::Parameter`] if `rank` is 0.
    pub fn of<M: Model>(model: &M, rank: usize) -> Result<LowRank> {
        if rank == 0 {
            let (of, name) = ("LowRank", "rank");
            return Err(Error::Parameter { of, name, must_be: "at least 1", got: "0".into() });
        }
        let latents = Latents::of(model)?;
        Ok(LowRank { init: latents.flat_start()?, latents, rank, init_scale: 0.1 })
    }

    /// The scale of the unconstrained numbers at the start.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless it is finite and positive.
    pub fn init_scale(mut self, scale: f64) -> Result<LowRank> {
        require_positive("LowRank", "init_scale", scale)?;
        self.init_scale = scale;
        Ok(self)
    }

    /// The values at the start, by name; those that are not named start where they did.
    ///
    /// # Errors
    /// As [`MeanField::init_loc`](super::MeanField::init_loc).
    pub fn init_loc(mut self, values: &Values) -> Result<LowRank> {
        self.latents.start_at(values)?;
        self.init = self.latents.flat_start()?;
        Ok(self)
    }

    fn initial_factor(&self) -> AnyVar {
        let n = self.init.dims()[0];
        let mut factor = vec![0.0f64; n * self.rank];
        fill_normal(Key::new(0).fold_in_str(FACTOR.as_str()), &mut factor);
        let scale = 0.1 * self.init_scale / (self.rank as f64).sqrt();
        factor.iter_mut().for_each(|x| *x *= scale);
        let flat = from_numbers(self.init.precision(), &factor);
        let dims = Dims::vector(n).with_last(self.rank);
        crate::tensor::with_value!(&flat, flat => Float::into_any(flat.with_dims(dims)))
    }
}

by_reference!(LowRank);

impl Model for LowRank {
    type Output = Values;
    fn run(&self) -> Result<Values> {
        let loc = any_param(&LOC, self.init.dims(), || Ok(self.init.clone()))?;
        let factor =
            any_param(&FACTOR, &self.init.dims().with_last(self.rank), || Ok(self.initial_factor()))?;
        let log_scale = any_param(&LOG_SCALE, self.init.dims(), || {
            Ok(full(self.init.precision(), self.init_scale.ln(), *self.init.dims()))
        })?;
        match &loc {
            AnyVar::F32(loc) => draw(loc, factor.as_value()?, log_scale.as_value()?)?.emit(&self.latents),
            AnyVar::F64(loc) => draw(loc, factor.as_value()?, log_scale.as_value()?)?.emit(&self.latents),
        }
    }
}

fn draw<E: Float>(loc: &Value<E>, factor: &Value<E>, log_scale: &Value<E>) -> Result<JointDraw<E>> {
    let rank = factor.dims()[1];
    let [shared, own] = key_for(FACTOR.as_str())?.split_array();
    let shared = linalg::dot(factor, &noise(shared, Dims::vector(rank)))?;
    let own = ew::mul(&ew::exp(log_scale), &noise(own, *loc.dims()));
    let shift = ew::add(&shared, &own);
    let density = LowRankDensity { rank };
    let log_prob = apply(density, &[factor, log_scale, &shift.detach()], Dims::SCALAR);
    Ok(JointDraw { z: ew::add(loc, &shift), loc: loc.clone(), log_prob })
}

/// The log-density `-½ (δᵀ Σ⁻¹ δ + ln |Σ| + n ln 2π)` at a draw `loc + δ`, by the lemmas of Woodbury and Sylvester.
///
/// The gradient is that of the log-determinant. The quadratic form of a draw is `εᵀε` for some standard normal `ε`: its
/// expectation does not depend on the parameters, so its total gradient, which is noise, is left out.
#[derive(Debug)]
struct LowRankDensity {
    rank: usize,
}

impl LowRankDensity {
    /// `K⁻¹` and `ln |K|` of `K = I + Wᵀ D⁻¹ W`.
    fn capacitance<E: Float>(&self, factor: &[E], log_scale: &[E]) -> (Vec<f64>, f64) {
        let r = self.rank;
        let mut k = vec![0.0; r * r];
        (0..r).for_each(|a| k[a * r + a] = 1.0);
        for (row, s) in factor.chunks_exact(r).zip(log_scale) {
            let precision = (-2.0 * s.to_f64()).exp();
            for a in 0..r {
                let scaled = row[a].to_f64() * precision;
                for b in 0..r {
                    k[a * r + b] += scaled * row[b].to_f64();
                }
            }
        }
        let mut tril = vec![0.0; r * r];
        if cholesky::cholesky(r, &k, &mut tril).is_err() {
            // K is at least the identity: only numbers that are not finite come here.
            return (vec![f64::NAN; r * r], f64::NAN);
        }
        let log_det = (0..r).map(|a| 2.0 * tril[a * r + a].ln()).sum();
        (inverse_from_tril(r, &tril), log_det)
    }
}

/// `(L Lᵀ)⁻¹`, column by column.
fn inverse_from_tril(r: usize, tril: &[f64]) -> Vec<f64> {
    let mut inverse = vec![0.0; r * r];
    for column in 0..r {
        let mut x = vec![0.0; r];
        x[column] = 1.0;
        for row in 0..r {
            let known: f64 = (0..row).map(|k| tril[row * r + k] * x[k]).sum();
            x[row] = (x[row] - known) / tril[row * r + row];
        }
        for row in (0..r).rev() {
            let known: f64 = (row + 1..r).map(|k| tril[k * r + row] * x[k]).sum();
            x[row] = (x[row] - known) / tril[row * r + row];
        }
        (0..r).for_each(|row| inverse[row * r + column] = x[row]);
    }
    inverse
}

impl<E: Float> Op<E> for LowRankDensity {
    fn name(&self) -> &'static str {
        "the density of a low-rank normal"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], mut keep: Keep<'_, E>) {
        let [factor, log_scale, shift] = inputs else { return };
        let r = self.rank;
        let (inverse, mut log_det) = self.capacitance(factor, log_scale);
        let mut projected = vec![0.0; r];
        let mut quadratic = 0.0;
        for ((row, s), d) in factor.chunks_exact(r).zip(*log_scale).zip(*shift) {
            let (s, d) = (s.to_f64(), d.to_f64());
            let weighted = d * (-2.0 * s).exp();
            log_det += 2.0 * s;
            quadratic += d * weighted;
            projected.iter_mut().zip(row).for_each(|(sum, w)| *sum += w.to_f64() * weighted);
        }
        for (a, row) in inverse.chunks_exact(r).enumerate() {
            quadratic -= projected[a] * row.iter().zip(&projected).map(|(k, p)| k * p).sum::<f64>();
        }
        let normaliser = log_scale.len() as f64 * std::f64::consts::TAU.ln();
        out[0] = E::from_f64(-0.5 * (quadratic + log_det + normaliser));
        if keep.wants_any() {
            keep.saved().extend(inverse.iter().map(|&x| E::from_f64(x)));
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (factor, log_scale, inverse, g) = (pass.inputs[0], pass.inputs[1], pass.saved, pass.grad_out[0]);
        let r = self.rank;
        // W K⁻¹, of which both gradients are made: Σ⁻¹ W = D⁻¹ W K⁻¹.
        let solved = |row: &[E], a: usize| -> E {
            row.iter().zip(&inverse[a * r..(a + 1) * r]).map(|(&w, &k)| w * k).sum()
        };
        if let Some(slot) = pass.grad(0) {
            let rows = slot.add().chunks_exact_mut(r).zip(factor.chunks_exact(r)).zip(log_scale);
            for ((grad, row), s) in rows {
                let precision = E::from_f64((-2.0 * s.to_f64()).exp());
                (0..r).for_each(|a| grad[a] += -(g * precision * solved(row, a)));
            }
        }
        if let Some(slot) = pass.grad(1) {
            for ((grad, row), s) in slot.add().iter_mut().zip(factor.chunks_exact(r)).zip(log_scale) {
                let precision = E::from_f64((-2.0 * s.to_f64()).exp());
                let explained: E = (0..r).map(|a| row[a] * solved(row, a)).sum();
                *grad += -(g * (E::ONE - precision * explained));
            }
        }
    }
}
