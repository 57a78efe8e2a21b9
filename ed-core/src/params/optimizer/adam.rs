//! Adam.

use std::collections::HashMap;

use super::{Optimizer, Schedule, require, target};
use crate::error::{Error, Result};
use crate::kernels::optim as kernels;
use crate::params::Params;
use crate::tensor::{AnyVar, Float, Value};
use crate::trace::SiteName;

/// Adam (Kingma & Ba 2015, algorithm 1), with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2).
///
/// `m ← β₁m + (1-β₁)g`, `v ← β₂v + (1-β₂)g²`, `θ ← θ - η (m̂ / (√v̂ + ε) + λθ)`, where the hats divide by `1 - βᵗ`.
/// The step `t` is counted for each parameter from its first gradient on.
#[derive(Clone, Debug)]
pub struct Adam {
    learning_rate: Schedule,
    beta1: f64,
    beta2: f64,
    eps: f64,
    weight_decay: f64,
    steps: u64,
    moments: HashMap<SiteName, Moments>,
}

/// Running averages of the gradient and of its square.
#[derive(Clone, Debug)]
struct Moments {
    first: AnyVar,
    second: AnyVar,
    steps: u64,
}

impl Adam {
    /// Adam with a learning rate or a [`Schedule`] of them; `β₁ = 0.9`, `β₂ = 0.999`, `ε = 1e-8`, no weight decay.
    pub fn new(learning_rate: impl Into<Schedule>) -> Adam {
        Adam {
            learning_rate: learning_rate.into(),
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
            steps: 0,
            moments: HashMap::new(),
        }
    }

    /// The decay rates `β₁` and `β₂` of the averages, in `[0, 1)`.
    pub fn betas(mut self, beta1: f64, beta2: f64) -> Adam {
        (self.beta1, self.beta2) = (beta1, beta2);
        self
    }

    /// What is added to the denominator, from 0 on.
    pub fn eps(mut self, eps: f64) -> Adam {
        self.eps = eps;
        self
    }

    /// The decoupled weight decay `λ`, from 0 on.
    pub fn weight_decay(mut self, weight_decay: f64) -> Adam {
        self.weight_decay = weight_decay;
        self
    }

    fn check(&self) -> Result<()> {
        for (name, beta) in [("beta1", self.beta1), ("beta2", self.beta2)] {
            require("Adam", name, "in [0, 1)", beta, (0.0..1.0).contains(&beta))?;
        }
        for (name, x) in [("eps", self.eps), ("weight_decay", self.weight_decay)] {
            require("Adam", name, "finite and at least 0", x, x >= 0.0 && x.is_finite())?;
        }
        Ok(())
    }
}

impl Optimizer for Adam {
    fn step(&mut self, params: &mut Params, gradients: Params) -> Result<()> {
        self.check()?;
        let settings = kernels::Adam {
            learning_rate: self.learning_rate.at(self.steps)?,
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: self.eps,
            weight_decay: self.weight_decay,
            grad_scale: 1.0,
        };
        for (name, gradient) in gradients.iter() {
            let value = target(params, name, gradient)?;
            let moments = self.moments.entry(name.clone()).or_insert_with(|| Moments::zeros(gradient));
            moments.steps += 1;
            let Moments { first, second, steps } = moments;
            match (value, first, second, gradient) {
                (AnyVar::F32(x), AnyVar::F32(m), AnyVar::F32(v), AnyVar::F32(g)) => {
                    apply(settings, *steps, x, m, v, g)?
                }
                (AnyVar::F64(x), AnyVar::F64(m), AnyVar::F64(v), AnyVar::F64(g)) => {
                    apply(settings, *steps, x, m, v, g)?
                }
                (value, first, ..) => {
                    let (expected, got) = (first.precision(), value.precision());
                    return Err(Error::Precision { of: format!("the parameter `{name}`"), expected, got });
                }
            }
        }
        self.steps += 1;
        Ok(())
    }
}

impl Moments {
    fn zeros(like: &AnyVar) -> Moments {
        Moments { first: like.zeros_like(), second: like.zeros_like(), steps: 0 }
    }
}

/// One step on one parameter.
fn apply<E: Float>(
    settings: kernels::Adam<f64>,
    step: u64,
    x: &mut Value<E>,
    mean: &mut Value<E>,
    square: &mut Value<E>,
    gradient: &Value<E>,
) -> Result<()> {
    let kernel = kernels::Adam {
        learning_rate: E::from_f64(settings.learning_rate),
        beta1: E::from_f64(settings.beta1),
        beta2: E::from_f64(settings.beta2),
        epsilon: E::from_f64(settings.epsilon),
        weight_decay: E::from_f64(settings.weight_decay),
        grad_scale: E::ONE,
    };
    kernel.step(step, gradient.peek()?, x.make_mut(), mean.make_mut(), square.make_mut());
    Ok(())
}
