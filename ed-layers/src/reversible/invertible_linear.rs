//! [`InvertibleLinear`]: a matrix by its triangular factors.

use std::sync::Arc;

use ed_core::bijectors::{Bijector, Constraint};
use ed_core::kernels::rng::Key;
use ed_core::ops::take_columns;
use ed_core::params::param_as;
use ed_core::tensor::{Dims, Float, Value, Var};
use ed_core::{Error, Result, SiteName};

use super::bind::{Binding, Reversible, reversible_inputs};
use super::flat::{Flat, Rows};
use super::order::shuffled;
use super::permute::places_back;
use crate::layer::Layer;
use crate::scope::Identity;

/// `y = P L (U + diag(eˢ)) x` along the features: a fixed permutation, a unit lower and a strictly upper triangular
/// matrix, and log-scales; `ln |det ∂y/∂x| = Σ s` at every position. For images, the invertible 1 × 1 convolution.
///
/// It starts as its permutation: the identity, unless [`InvertibleLinear::permuted`] says otherwise. Parameters: `lower`
/// and `upper`, `[features, features]`, of which the other triangle is never read, and `log_scale`.
///
/// # Source
/// Kingma and Dhariwal 2018, Glow, section 3.2.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let layer = InvertibleLinear::new().permuted(Key::new(1));
/// let y = seed(0, || layer.forward(&Var::from([[1.0, 2.0, 3.0]])))?;
/// let mut numbers = y.to_vec()?;
/// numbers.sort_by(f64::total_cmp);
/// assert_eq!(numbers, [1.0, 2.0, 3.0]);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct InvertibleLinear {
    identity: Identity,
    key: Option<Key>,
}

impl InvertibleLinear {
    /// The layer, without a permutation.
    #[allow(clippy::new_without_default)]
    pub fn new() -> InvertibleLinear {
        InvertibleLinear { identity: Identity::of("invertible_linear"), key: None }
    }

    /// With a permutation drawn from a key.
    pub fn permuted(self, key: Key) -> InvertibleLinear {
        InvertibleLinear { key: Some(key), ..self }
    }

    /// With a name.
    pub fn named(self, name: impl Into<SiteName>) -> InvertibleLinear {
        InvertibleLinear { identity: self.identity.named(name), ..self }
    }
}

impl Layer for InvertibleLinear {
    fn kind(&self) -> &'static str {
        "InvertibleLinear"
    }
    fn identity(&self) -> Option<&Identity> {
        Some(&self.identity)
    }
}

impl<E: Float> Reversible<E> for InvertibleLinear {
    fn bijector(&self, at: &Binding<E>) -> Result<Arc<dyn Bijector<E>>> {
        let Some(&features) = at.dims.last() else {
            let expected = "with features along the last axis".to_string();
            return Err(Error::Shape { op: "InvertibleLinear", expected, got: at.dims });
        };
        let shape = (features, features);
        let lower: Rows<E> = param_as("lower", || Var::zeros(shape))?;
        let upper: Rows<E> = param_as("upper", || Var::zeros(shape))?;
        let log_scale: Var<(usize,), E> = param_as("log_scale", || Var::zeros((features,)))?;
        let ones = |keep: fn(usize, usize) -> bool| -> Result<Rows<E>> {
            let one = |i: usize| if keep(i / features, i % features) { E::ONE } else { E::ZERO };
            Var::from_vec((0..features * features).map(one).collect(), shape)
        };
        let eye = ones(|row, column| row == column)?;
        let lower = &lower * ones(|row, column| row > column)? + &eye;
        // The transpose of the upper factor, which is lower triangular.
        let upper = (&upper * ones(|row, column| row < column)?).transpose()
            + &eye * log_scale.exp().broadcast_to(shape)?;
        let places = match self.key {
            Some(key) => shuffled(key, features),
            None => (0..features).collect(),
        };
        let order = [places.clone().into(), places_back(&places)];
        Ok(Arc::new(Map { lower: lower.check()?, upper: upper.check()?, log_scale, order }))
    }
}

reversible_inputs! { [] InvertibleLinear; }

#[derive(Clone, Debug)]
struct Map<E: Float> {
    lower: Rows<E>,
    /// Transposed.
    upper: Rows<E>,
    log_scale: Var<(usize,), E>,
    order: [Arc<[usize]>; 2],
}

impl<E: Float> Map<E> {
    fn log_det(&self, front: Dims, sign: f64) -> Result<Value<E>> {
        let sum = (self.log_scale.sum() * sign).broadcast_to((front.num_elements(),))?;
        sum.value().reshape(front)
    }
}

impl<E: Float> Bijector<E> for Map<E> {
    fn event_rank(&self) -> usize {
        1
    }

    fn forward_and_log_det(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let flat = Flat::of(x)?;
        // Rows are features: x Uᵀ Lᵀ.
        let y = flat.rows.dot(&self.upper)?.dot(&self.lower.transpose())?;
        let y = Var::from_value(take_columns(y.value(), &self.order[0])?)?;
        Ok((flat.back(&y)?, self.log_det(flat.front, 1.0)?))
    }

    fn inverse_and_log_det(&self, y: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        let flat = Flat::of(y)?;
        let y: Rows<E> = Var::from_value(take_columns(flat.rows.value(), &self.order[1])?)?;
        let x = self.lower.solve_triangular(&y.transpose())?;
        let x = self.upper.solve_triangular_transposed(&x)?.transpose();
        Ok((flat.back(&x)?, self.log_det(flat.front, -1.0)?))
    }

    fn codomain(&self) -> Option<Constraint<E>> {
        Some(Constraint::Real)
    }

    fn is_affine(&self) -> bool {
        true
    }
}
