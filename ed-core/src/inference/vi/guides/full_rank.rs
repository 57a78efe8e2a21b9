//! The full-rank guide: one normal with a dense covariance.

use super::joint::JointDraw;
use super::latents::{Latents, from_numbers, noise, require_positive, standard_log_prob};
use crate::error::Result;
use crate::model::Model;
use crate::ops::{elementwise as ew, layout, reduce};
use crate::params::any_param;
use crate::tensor::tape::apply;
use crate::tensor::{AnyVar, Backward, Dims, Float, Keep, Op, Value};
use crate::trace::{SiteName, Values, key_for};

const LOC: SiteName = SiteName::plain("full_rank.loc");
const SCALE_TRIL: SiteName = SiteName::plain("full_rank.scale_tril");

/// One normal over all unconstrained numbers of a model (Kucukelbir et al. 2017, section 2.4): `z = loc + L ε` with a
/// lower triangular `L` whose diagonal is positive.
///
/// Parameters: `full_rank.loc` of shape `[n]`, and `full_rank.scale_tril`, the rows of `L` behind one another, of shape
/// `[n (n + 1) / 2]`, with the logarithms of the diagonal in its place. Cost: `n²` a step.
///
/// # Examples
/// ```
/// use ed::prelude::*;
///
/// #[model]
/// fn sum() -> Result<RandomVariable<Normal<(), f64>>> {
///     let a = sample(Normal::new(0.0, 1.0)?);
///     let b = sample(Normal::new(0.0, 1.0)?);
///     let y = sample(Normal::new(&a + &b, 0.5)?);
///     Ok(y)
/// }
///
/// # fn main() -> Result<()> {
/// let observed = condition(sum, values![sum::y = Var::<(), f64>::scalar(0.0)]);
/// let fit = Svi::new(&observed, FullRank::of(&observed)?).steps(2_000).learning_rate(0.02).run(0)?;
/// // Only the sum is known: a and b are correlated with coefficient -0.8.
/// let draws = fit.sample(2_000, 1)?;
/// let product = |v: Values| Ok::<_, Error>(v.required("a")?.item()? * v.required("b")?.item()?);
/// let covariance = draws.iter().map(product).sum::<Result<f64>>()? / 2_000.0;
/// assert!((covariance + 4.0 / 9.0).abs() < 0.1);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a guide does nothing until `Svi` trains it"]
pub struct FullRank {
    latents: Latents,
    init: AnyVar,
    init_scale: f64,
}

impl FullRank {
    /// A guide for the latent random variables of a model. It starts as [`MeanField`](super::MeanField) does, without
    /// correlations.
    ///
    /// # Errors
    /// As [`MeanField::of`](super::MeanField::of), and [`Error::Precision`](crate::Error::Precision) if some random
    /// variables are `f32` and others `f64`.
    pub fn of<M: Model>(model: &M) -> Result<FullRank> {
        let latents = Latents::of(model)?;
        Ok(FullRank { init: latents.flat_start()?, latents, init_scale: 0.1 })
    }

    /// The scale of the unconstrained numbers at the start.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) unless it is finite and positive.
    pub fn init_scale(mut self, scale: f64) -> Result<FullRank> {
        require_positive("FullRank", "init_scale", scale)?;
        self.init_scale = scale;
        Ok(self)
    }

    /// The values at the start, by name; those that are not named start where they did.
    ///
    /// # Errors
    /// As [`MeanField::init_loc`](super::MeanField::init_loc).
    pub fn init_loc(mut self, values: &Values) -> Result<FullRank> {
        self.latents.start_at(values)?;
        self.init = self.latents.flat_start()?;
        Ok(self)
    }

    fn initial_tril(&self) -> AnyVar {
        let n = self.init.dims()[0];
        let mut tril = vec![0.0; n * (n + 1) / 2];
        (0..n).for_each(|row| tril[diagonal(row)] = self.init_scale.ln());
        from_numbers(self.init.precision(), &tril)
    }
}

/// Place of the diagonal element of a row among the rows of a lower triangle.
fn diagonal(row: usize) -> usize {
    row * (row + 3) / 2
}

by_reference!(FullRank);

impl Model for FullRank {
    type Output = Values;
    fn run(&self) -> Result<Values> {
        let loc = any_param(&LOC, self.init.dims(), || Ok(self.init.clone()))?;
        let n = self.init.dims()[0];
        let tril = any_param(&SCALE_TRIL, &Dims::vector(n * (n + 1) / 2), || Ok(self.initial_tril()))?;
        match &loc {
            AnyVar::F32(loc) => draw(loc, tril.as_value()?)?.emit(&self.latents),
            AnyVar::F64(loc) => draw(loc, tril.as_value()?)?.emit(&self.latents),
        }
    }
}

/// A draw; with its noise fixed, its log-density depends on the diagonal alone.
fn draw<E: Float>(loc: &Value<E>, tril: &Value<E>) -> Result<JointDraw<E>> {
    let n = loc.dims()[0];
    let noise = noise::<E>(key_for(SCALE_TRIL.as_str())?, *loc.dims());
    let places: Vec<usize> = (0..n).map(diagonal).collect();
    let log_det = reduce::sum(&layout::gather(tril, &places)?);
    let log_prob = ew::affine(&log_det, -1.0, standard_log_prob(noise.peek()?));
    let z = apply(TrilAffine { n }, &[loc, tril, &noise], Dims::vector(n));
    Ok(JointDraw { z, loc: loc.clone(), log_prob })
}

/// `loc + L ε` with the rows of `L` behind one another and the logarithms of its diagonal in its place.
#[derive(Debug)]
struct TrilAffine {
    n: usize,
}

impl<E: Float> Op<E> for TrilAffine {
    fn name(&self) -> &'static str {
        "a draw of a full-rank normal"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        let [loc, tril, noise] = inputs else { return };
        let mut rest = *tril;
        for row in 0..self.n {
            let (below, after) = rest.split_at(row);
            rest = &after[1..];
            let dot: E = below.iter().zip(*noise).map(|(&l, &e)| l * e).sum();
            out[row] = loc[row] + dot + E::from_f64(after[0].to_f64().exp()) * noise[row];
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (grad_out, tril, noise) = (pass.grad_out, pass.inputs[1], pass.inputs[2]);
        if let Some(slot) = pass.grad(0) {
            slot.add().iter_mut().zip(grad_out).for_each(|(grad, &g)| *grad += g);
        }
        if let Some(slot) = pass.grad(1) {
            let mut rest = slot.add();
            for (row, &g) in grad_out.iter().enumerate() {
                let (of_row, after) = rest.split_at_mut(row + 1);
                rest = after;
                let (below, last) = of_row.split_at_mut(row);
                below.iter_mut().zip(noise).for_each(|(grad, &e)| *grad += g * e);
                last[0] += g * noise[row] * E::from_f64(tril[diagonal(row)].to_f64().exp());
            }
        }
        // The noise is never watched.
    }
}
