//! Whole numbers as continuous ones, and bits per dimension.

use std::f64::consts::LN_2;
use std::sync::Arc;

use dfdx::shapes::Shape;
use ed_core::bijectors::{Bijector, Constraint};
use ed_core::kernels::rng::{self, Key};
use ed_core::tensor::{Float, Value, Var};
use ed_core::{Error, Result};

use super::bind::{Binding, Reversible, reversible_inputs};
use super::flat::{Flat, Rows};
use crate::layer::Layer;

/// Whole numbers with uniform noise from `[0, 1)` on top: uniform dequantisation.
///
/// For a density `p` of these, `E ln p(x + u) ≤ ln P(x)`, where `P(x)` is the probability that it gives to the unit cube
/// above `x`; so the mean of `ln p` over noise is a lower bound of a log-likelihood of the whole numbers themselves, and
/// comparable with that of a discrete model.
///
/// # Errors
/// The error that `x` carries.
///
/// # Source
/// Theis, van den Oord and Bethge 2016, A note on the evaluation of generative models, section 3.1.
///
/// # Examples
/// ```
/// use ed::layers::reversible::dequantize;
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let x = dequantize(&Var::from([0.0f32, 7.0]), Key::new(0))?.to_vec()?;
/// assert!((0.0..1.0).contains(&x[0]) && (7.0..8.0).contains(&x[1]));
/// # Ok(()) }
/// ```
pub fn dequantize<S: Shape, E: Float>(x: &Var<S, E>, key: Key) -> Result<Var<S, E>> {
    let mut noise = vec![E::ZERO; x.dims().num_elements()];
    rng::fill_uniform(key, &mut noise);
    (x + Var::from_vec(noise, *x.shape())?).check()
}

/// Bits for each number, from a log-density (in nats) of `dimensions` whole numbers with noise on top.
///
/// # Examples
/// ```
/// use ed::layers::reversible::bits_per_dim;
/// // Uniform over 256 levels: eight bits.
/// assert!((bits_per_dim(-3.0 * 256f64.ln(), 3) - 8.0).abs() < 1e-12);
/// ```
pub fn bits_per_dim(log_prob: f64, dimensions: usize) -> f64 {
    -log_prob / (dimensions as f64 * LN_2)
}

/// All numbers onto the numbers between 0 and `levels`: `y = levels (σ(x) - α) / (1 - 2α)`, the last layer of a flow on
/// dequantised intensities.
///
/// Its inverse is the logit transform of Dinh et al., with its log-determinant, so that the densities are those of the
/// intensities on their own scale.
///
/// The margin `α`, from 0 to below ½, keeps intensities at the ends away from infinity: 0.05 is usual, 1e-6 for
/// Masked Autoregressive Flow's MNIST.
///
/// # Source
/// Dinh et al. 2017, Real NVP, section 4.1.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let y = Intensities::new(256).forward(&Var::from([[0.0f64]]))?;
/// assert!((y.to_vec()?[0] - 128.0).abs() < 1e-12);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Intensities {
    levels: usize,
    margin: f64,
}

impl Intensities {
    /// For whole numbers from 0 to below `levels`, with a margin of 0.05.
    pub fn new(levels: usize) -> Intensities {
        Intensities { levels, margin: 0.05 }
    }

    /// With another margin.
    pub fn margin(self, margin: f64) -> Intensities {
        Intensities { margin, ..self }
    }
}

impl Layer for Intensities {
    fn kind(&self) -> &'static str {
        "Intensities"
    }
    fn settings(&self) -> String {
        format!("{} levels", self.levels)
    }
}

impl<E: Float> Reversible<E> for Intensities {
    fn bijector(&self, _: &Binding<E>) -> Result<Arc<dyn Bijector<E>>> {
        let setting = |name, must_be, got| Err(Error::Parameter { of: "Intensities", name, must_be, got });
        if self.levels == 0 {
            return setting("levels", "at least 1", "0".into());
        }
        if !(0.0..0.5).contains(&self.margin) {
            return setting("margin", "at least 0 and below one half", self.margin.to_string());
        }
        Ok(Arc::new(Map(*self)))
    }
}

reversible_inputs! { [] Intensities; }

impl Intensities {
    /// `dy/dx` over `σ(x) σ(-x)`.
    fn slope(&self) -> f64 {
        self.levels as f64 / (1.0 - 2.0 * self.margin)
    }

    /// `ln dy/dx`, summed over the features.
    fn log_det<E: Float>(&self, x: &Rows<E>) -> Var<(usize,), E> {
        (x.log_sigmoid() + (-x).log_sigmoid() + self.slope().ln()).sum_last()
    }
}

/// The map itself.
#[derive(Clone, Copy, Debug)]
struct Map(Intensities);

impl<E: Float> Bijector<E> for Map {
    fn event_rank(&self) -> usize {
        1
    }

    fn forward_and_log_det(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let flat = Flat::of(x)?;
        let y = (flat.rows.sigmoid() - self.0.margin) * self.0.slope();
        Ok((flat.back(&y)?, self.0.log_det(&flat.rows).value().reshape(flat.front)?))
    }

    fn inverse_and_log_det(&self, y: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let flat = Flat::of(y)?;
        let p = &flat.rows * (1.0 / self.0.slope()) + self.0.margin;
        let x = p.ln() - (1.0 - &p).ln();
        Ok((flat.back(&x)?, (-self.0.log_det(&x)).value().reshape(flat.front)?))
    }

    fn codomain(&self) -> Option<Constraint<E>> {
        let beyond = self.0.margin * self.0.slope();
        Some(Constraint::between(-beyond, self.0.levels as f64 + beyond))
    }
}
