//! Bounds on gradients.

use super::{Optimizer, require};
use crate::error::Result;
use crate::params::Params;
use crate::tensor::{AnyVar, Float, Value};

/// How gradients are bounded.
#[derive(Clone, Copy, Debug)]
pub enum Clip {
    /// Their joint Euclidean norm.
    Norm(f64),
    /// The size of each element.
    Value(f64),
}

/// An optimiser on bounded gradients. See [`Optimizer::clip_norm`] and [`Optimizer::clip_value`].
#[derive(Clone, Debug)]
pub struct Clipped<O> {
    optimizer: O,
    clip: Clip,
}

impl<O: Optimizer> Clipped<O> {
    pub(super) fn new(optimizer: O, clip: Clip) -> Clipped<O> {
        Clipped { optimizer, clip }
    }
}

impl<O: Optimizer> Optimizer for Clipped<O> {
    fn step(&mut self, params: &mut Params, mut gradients: Params) -> Result<()> {
        let (Clip::Norm(bound) | Clip::Value(bound)) = self.clip;
        require("gradient clipping", "bound", "positive", bound, bound > 0.0)?;
        match self.clip {
            Clip::Value(bound) => each(&mut gradients, |x| x.clamp(-bound, bound)),
            Clip::Norm(bound) => {
                let norm = norm(&gradients)?;
                if norm > bound {
                    let factor = bound / norm;
                    each(&mut gradients, |x| x * factor);
                }
            }
        }
        self.optimizer.step(params, gradients)
    }
}

/// The Euclidean norm of all gradients together.
fn norm(gradients: &Params) -> Result<f64> {
    fn squares<E: Float>(value: &Value<E>) -> Result<f64> {
        Ok(value.peek()?.iter().map(|x| x.to_f64() * x.to_f64()).sum())
    }
    let mut total = 0.0;
    for (_, gradient) in gradients.iter() {
        total += match gradient {
            AnyVar::F32(value) => squares(value)?,
            AnyVar::F64(value) => squares(value)?,
        };
    }
    Ok(total.sqrt())
}

fn each(gradients: &mut Params, f: impl Fn(f64) -> f64) {
    fn change<E: Float>(value: &mut Value<E>, f: impl Fn(f64) -> f64) {
        value.make_mut().iter_mut().for_each(|x| *x = E::from_f64(f(x.to_f64())));
    }
    for (_, gradient) in gradients.iter_mut() {
        match gradient {
            AnyVar::F32(value) => change(value, &f),
            AnyVar::F64(value) => change(value, &f),
        }
    }
}
