//! Bounds on gradients.

use super::{Optimizer, check, require};
use crate::error::{Error, Result};
use crate::params::Params;
use crate::tensor::{Float, Value, with_value};

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
        if let Err(refused) = self.check(params, &gradients) {
            return match refused {
                Error::NotFinite { .. } => self.optimizer.on_not_finite(refused),
                other => Err(other),
            };
        }
        match self.clip {
            Clip::Value(bound) => each(&mut gradients, |x| x.clamp(-bound, bound)),
            Clip::Norm(bound) => {
                let (norm, unit) = norm(&gradients)?;
                if norm > bound / unit {
                    each(&mut gradients, |x| x / unit * (bound / norm));
                }
            }
        }
        self.optimizer.step(params, gradients)
    }

    fn check(&self, params: &Params, gradients: &Params) -> Result<()> {
        let (Clip::Norm(bound) | Clip::Value(bound)) = self.clip;
        require("gradient clipping", "bound", "positive", bound, bound > 0.0)?;
        // Gradients that are too large as they are may fit once they are clipped.
        self.optimizer.check(params, &Params::new())?;
        check::finite(gradients)
    }

    fn state(&self) -> Result<Params> {
        self.optimizer.state()
    }
    fn set_state(&mut self, state: &Params) -> Result<()> {
        self.optimizer.set_state(state)
    }
    fn on_not_finite(&mut self, refused: Error) -> Result<()> {
        self.optimizer.on_not_finite(refused)
    }
    fn num_skipped(&self) -> u64 {
        self.optimizer.num_skipped()
    }
}

/// The Euclidean norm of all gradients together, in a unit in which it does not overflow.
fn norm(gradients: &Params) -> Result<(f64, f64)> {
    fn squares<E: Float>(value: &Value<E>, unit: f64) -> Result<f64> {
        Ok(value.peek()?.iter().map(|x| (x.to_f64() / unit).powi(2)).sum())
    }
    let in_units_of = |unit: f64| -> Result<(f64, f64)> {
        let mut total = 0.0;
        for (_, gradient) in gradients.iter() {
            total += with_value!(gradient, value => squares(value, unit)?);
        }
        Ok((total.sqrt(), unit))
    };
    let (norm, unit) = in_units_of(1.0)?;
    // Squares of doubles beyond 1e154 overflow.
    if norm.is_finite() { Ok((norm, unit)) } else { in_units_of(HUGE) }
}

/// Two to the power of 600.
const HUGE: f64 = f64::from_bits((1023 + 600) << 52);

fn each(gradients: &mut Params, f: impl Fn(f64) -> f64) {
    fn change<E: Float>(value: &mut Value<E>, f: impl Fn(f64) -> f64) {
        value.make_mut().iter_mut().for_each(|x| *x = E::from_f64(f(x.to_f64())));
    }
    for (_, gradient) in gradients.iter_mut() {
        with_value!(gradient, value => change(value, &f));
    }
}
