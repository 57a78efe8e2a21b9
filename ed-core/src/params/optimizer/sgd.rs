//! Stochastic gradient descent.

use std::collections::HashMap;

use super::{Optimizer, Schedule, require, target};
use crate::error::{Error, Result};
use crate::kernels::optim as kernels;
use crate::params::Params;
use crate::tensor::{AnyVar, Float, Value};
use crate::trace::SiteName;

/// Gradient descent, with the momentum of Polyak 1964: `b ← μb + g`, `θ ← θ - ηb`.
#[derive(Clone, Debug)]
pub struct Sgd {
    learning_rate: Schedule,
    momentum: f64,
    steps: u64,
    velocities: HashMap<SiteName, AnyVar>,
}

impl Sgd {
    /// Gradient descent with a learning rate or a [`Schedule`] of them, without momentum.
    pub fn new(learning_rate: impl Into<Schedule>) -> Sgd {
        Sgd { learning_rate: learning_rate.into(), momentum: 0.0, steps: 0, velocities: HashMap::new() }
    }

    /// The momentum `μ`, in `[0, 1)`.
    pub fn momentum(mut self, momentum: f64) -> Sgd {
        self.momentum = momentum;
        self
    }
}

impl Optimizer for Sgd {
    fn step(&mut self, params: &mut Params, gradients: Params) -> Result<()> {
        require("Sgd", "momentum", "in [0, 1)", self.momentum, (0.0..1.0).contains(&self.momentum))?;
        let rate = self.learning_rate.at(self.steps)?;
        for (name, gradient) in gradients.iter() {
            let value = target(params, name, gradient)?;
            let velocity = self.velocities.entry(name.clone()).or_insert_with(|| gradient.zeros_like());
            match (value, velocity, gradient) {
                (AnyVar::F32(x), AnyVar::F32(v), AnyVar::F32(g)) => apply(rate, self.momentum, x, v, g)?,
                (AnyVar::F64(x), AnyVar::F64(v), AnyVar::F64(g)) => apply(rate, self.momentum, x, v, g)?,
                (value, velocity, _) => {
                    let (expected, got) = (velocity.precision(), value.precision());
                    return Err(Error::Precision { of: format!("the parameter `{name}`"), expected, got });
                }
            }
        }
        self.steps += 1;
        Ok(())
    }
}

/// One step on one parameter.
fn apply<E: Float>(
    rate: f64,
    momentum: f64,
    x: &mut Value<E>,
    velocity: &mut Value<E>,
    gradient: &Value<E>,
) -> Result<()> {
    let (learning_rate, momentum) = (E::from_f64(rate), E::from_f64(momentum));
    let kernel = kernels::Sgd { learning_rate, momentum, ..kernels::Sgd::default() };
    kernel.step(gradient.peek()?, x.make_mut(), velocity.make_mut());
    Ok(())
}
