//! [`Permute`] and [`Reverse`]: features in another order.

use std::sync::Arc;

use ed_core::bijectors::{Bijector, Constraint};
use ed_core::kernels::rng::Key;
use ed_core::ops::take_columns;
use ed_core::tensor::{Dims, Float, Value};
use ed_core::{Error, Result};

use super::bind::{Binding, Reversible, reversible_inputs};
use super::order::shuffled;
use crate::layer::Layer;

/// The features in another order: `y[i] = x[places[i]]`. It keeps volumes.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let y = Permute::to([2, 0, 1]).forward(&Var::from([[10.0f32, 20.0, 30.0]]))?;
/// assert_eq!(y.to_vec()?, [30.0, 10.0, 20.0]);
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Permute {
    places: Places,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Places {
    Given(Vec<usize>),
    Random(Key),
}

impl Permute {
    /// The feature at `places[i]` comes to place `i`.
    pub fn to(places: impl Into<Vec<usize>>) -> Permute {
        Permute { places: Places::Given(places.into()) }
    }

    /// An order drawn from a key.
    pub fn random(key: Key) -> Permute {
        Permute { places: Places::Random(key) }
    }
}

/// The features in the opposite order.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let y = Reverse.forward(&Var::from([[10.0f32, 20.0, 30.0]]))?;
/// assert_eq!(y.to_vec()?, [30.0, 20.0, 10.0]);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reverse;

impl Layer for Permute {
    fn kind(&self) -> &'static str {
        "Permute"
    }
}

impl Layer for Reverse {
    fn kind(&self) -> &'static str {
        "Reverse"
    }
}

fn features<E: Float>(at: &Binding<E>) -> Result<usize> {
    at.dims.last().copied().ok_or_else(|| {
        let expected = "with features along the last axis".to_string();
        Error::Shape { op: "Permute", expected, got: at.dims }
    })
}

impl<E: Float> Reversible<E> for Permute {
    fn bijector(&self, at: &Binding<E>) -> Result<Arc<dyn Bijector<E>>> {
        let features = features(at)?;
        let places = match &self.places {
            Places::Random(key) => shuffled(*key, features),
            Places::Given(places) => {
                let mut sorted = places.clone();
                sorted.sort_unstable();
                if !sorted.into_iter().eq(0..features) {
                    let must_be = "the places from 0 to the number of features, each once";
                    let got = format!("{places:?} for {features} features");
                    return Err(Error::Parameter { of: "Permute", name: "places", must_be, got });
                }
                places.clone()
            }
        };
        Ok(Arc::new(Map::of(places)))
    }
}

impl<E: Float> Reversible<E> for Reverse {
    fn bijector(&self, at: &Binding<E>) -> Result<Arc<dyn Bijector<E>>> {
        Ok(Arc::new(Map::of((0..features(at)?).rev().collect())))
    }
}

reversible_inputs! { [] Permute; [] Reverse; }

/// Where each of the permuted places came from.
pub(crate) fn places_back(places: &[usize]) -> Arc<[usize]> {
    let mut back = vec![0; places.len()];
    places.iter().enumerate().for_each(|(to, &from)| back[from] = to);
    back.into()
}

#[derive(Clone, Debug)]
struct Map {
    places: Arc<[usize]>,
    back: Arc<[usize]>,
}

impl Map {
    fn of(places: Vec<usize>) -> Map {
        Map { back: places_back(&places), places: places.into() }
    }
}

fn zeros<E: Float>(x: &Value<E>) -> Value<E> {
    let front: Dims = x.dims()[..x.dims().rank().saturating_sub(1)].iter().copied().collect();
    Value::full(E::ZERO, front)
}

impl<E: Float> Bijector<E> for Map {
    fn event_rank(&self) -> usize {
        1
    }

    fn forward_and_log_det(&self, x: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        Ok((take_columns(x, &self.places)?, zeros(x)))
    }

    fn inverse_and_log_det(&self, y: &Value<E>) -> Result<(Value<E>, Value<E>)> {
        Ok((take_columns(y, &self.back)?, zeros(y)))
    }

    fn codomain(&self) -> Option<Constraint<E>> {
        Some(Constraint::Real)
    }

    fn is_affine(&self) -> bool {
        true
    }
}
