//! [`Invert`]: any reversible layer the other way round.

use std::sync::Arc;

use ed_core::Result;
use ed_core::bijectors::{Bijector, Inverse};
use ed_core::tensor::Float;

use super::bind::{Binding, Reversible, Side, reversible_inputs};
use crate::layer::Layer;
use crate::scope;

/// The inverse of a layer: what it makes of `x`, this undoes.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let places = Permute::to([2, 0, 1]);
/// let x = Var::from([[10.0f32, 20.0, 30.0]]);
/// let back = Invert(places.clone()).forward(&places.forward(&x)?)?;
/// assert_eq!(back.to_vec()?, x.to_vec()?);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Invert<L>(pub L);

impl<L: Layer> Layer for Invert<L> {
    fn kind(&self) -> &'static str {
        "Invert"
    }
    fn children(&self, visit: &mut dyn FnMut(&str, &dyn Layer)) {
        visit("inverse_of", &self.0);
    }
}

impl<E: Float, L: Reversible<E>> Reversible<E> for Invert<L> {
    fn bijector(&self, at: &Binding<E>) -> Result<Arc<dyn Bijector<E>>> {
        // What is this layer's input is the other one's output; no layer of numbers in rows changes their sizes.
        let data = at.data.as_ref().map(|(side, data)| match side {
            Side::Input => (Side::Output, data.clone()),
            Side::Output => (Side::Input, data.clone()),
        });
        let at = Binding { data, ..at.clone() };
        let of = scope::enter(&self.0, || self.0.bijector(&at))?;
        Ok(Arc::new(Inverse::new(of)))
    }
}

reversible_inputs! { [L: Layer,] Invert<L>; }
