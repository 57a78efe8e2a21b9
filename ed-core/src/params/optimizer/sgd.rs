//! Stochastic gradient descent.

use std::collections::HashMap;

use super::state::{Reader, Writer};
use super::{Optimizer, Schedule, check, require};
use crate::error::Result;
use crate::kernels::optim as kernels;
use crate::params::Params;
use crate::params::store::check_kind;
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
        self.check(params, &gradients)?;
        let rate = self.learning_rate.at(self.steps)?;
        for (name, gradient) in gradients.iter() {
            let velocity = self.velocities.entry(name.clone()).or_insert_with(|| gradient.zeros_like());
            match (params.get_mut(name), velocity, gradient) {
                (Some(AnyVar::F32(x)), AnyVar::F32(v), AnyVar::F32(g)) => {
                    apply(rate, self.momentum, x, v, g)?
                }
                (Some(AnyVar::F64(x)), AnyVar::F64(v), AnyVar::F64(g)) => {
                    apply(rate, self.momentum, x, v, g)?
                }
                _ => unreachable!("parameter, gradient and velocity are of one precision: that was checked"),
            }
        }
        self.steps += 1;
        Ok(())
    }

    fn check(&self, params: &Params, gradients: &Params) -> Result<()> {
        let (momentum, rate) = (self.momentum, self.learning_rate.at(self.steps)?);
        require("Sgd", "momentum", "in [0, 1)", momentum, (0.0..1.0).contains(&momentum))?;
        // Neither the velocity, at most 1 / (1 - μ) of the largest gradient, nor the step along it overflows.
        check::fitting(params, gradients, |max| {
            if rate <= 1.0 && momentum == 0.0 { max } else { 0.5 * (1.0 - momentum) * (max / rate.max(1.0)) }
        })?;
        for (name, gradient) in gradients.iter() {
            if let Some(velocity) = self.velocities.get(name) {
                check_kind(velocity, gradient).map_err(|error| error.at_site(name))?;
            }
        }
        Ok(())
    }

    fn state(&self) -> Result<Params> {
        let mut state = Writer::default();
        state.count("sgd/steps", self.steps)?;
        let mut names: Vec<&SiteName> = self.velocities.keys().collect();
        names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        for name in names {
            state.tensor(format!("{VELOCITY}{name}"), &self.velocities[name])?;
        }
        Ok(state.finish())
    }

    fn set_state(&mut self, state: &Params) -> Result<()> {
        let reader = Reader::new("Sgd", state);
        self.steps = reader.count("sgd/steps")?;
        self.velocities = reader.all(VELOCITY).map(|(name, value)| (name, value.clone())).collect();
        Ok(())
    }
}

/// What the tensors of the state are called, before the parameter's name.
const VELOCITY: &str = "sgd/velocity of ";

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
