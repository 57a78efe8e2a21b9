//! Adam.

use std::collections::HashMap;

use super::decay::Decay;
use super::pattern::Pattern;
use super::state::{Reader, Writer};
use super::{Optimizer, Schedule, check, require};
use crate::error::Result;
use crate::kernels::optim as kernels;
use crate::params::Params;
use crate::params::store::check_kind;
use crate::tensor::{AnyVar, Float, Value};
use crate::trace::SiteName;

/// Adam (Kingma & Ba 2015, algorithm 1), with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2).
///
/// `m ← β₁m + (1-β₁)g`, `v ← β₂v + (1-β₂)g²`, `θ ← θ - η (m̂ / (√v̂ + ε) + λθ)`, where the hats divide by `1 - βᵗ`.
/// The step `t` is counted for each parameter from its first gradient on. Where `v̂` and `ε` are both 0, `θ` stays.
#[derive(Clone, Debug)]
pub struct Adam {
    learning_rate: Schedule,
    beta1: f64,
    beta2: f64,
    eps: f64,
    weight_decay: f64,
    decay: Decay,
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
            decay: Decay::default(),
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

    /// The decoupled weight decay `λ`, from 0 on, of weights: kernels, tables, their means, and whatever else has a name
    /// that says nothing. Biases, scales and their logarithms, offsets, the factors of normalisers and of members of
    /// ensembles, and the hyperparameters and inducing points of processes do not decay: zero is no resting place for
    /// them. [`Adam::weight_decay_of`] says otherwise.
    ///
    /// # Examples
    /// ```
    /// use ed::params::{Params, optimizer::{Adam, Optimizer}};
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let mut params = Params::new();
    /// let mut gradients = Params::new();
    /// for name in ["dense/kernel/loc", "dense/kernel/raw_scale", "dense/bias"] {
    ///     params.insert(name, Var::<(), f64>::scalar(-2.0))?;
    ///     gradients.insert(name, Var::<(), f64>::scalar(0.0))?;
    /// }
    /// Adam::new(0.1).weight_decay(0.5).step(&mut params, gradients.clone())?;
    /// let values = |params: &Params| params.iter().map(|(_, x)| x.item()).collect::<Result<Vec<_>>>();
    /// assert_eq!(values(&params)?, [-1.9, -2.0, -2.0]);
    /// Adam::new(0.1).weight_decay(0.5).weight_decay_of("*/bias").step(&mut params, gradients)?;
    /// assert_eq!(values(&params)?, [-1.9, -2.0, -1.9]);
    /// # Ok(()) }
    /// ```
    pub fn weight_decay(mut self, weight_decay: f64) -> Adam {
        self.weight_decay = weight_decay;
        self
    }

    /// Decays the parameters whose names have this pattern, in which `*` stands for any text, and no others; those of any
    /// of them, if it is called several times.
    pub fn weight_decay_of(mut self, pattern: impl Into<String>) -> Adam {
        self.decay.add(Pattern::new(pattern));
        self
    }

    /// The learning rate of the step to come.
    fn rate(&self) -> Result<f64> {
        for (name, beta) in [("beta1", self.beta1), ("beta2", self.beta2)] {
            require("Adam", name, "in [0, 1)", beta, (0.0..1.0).contains(&beta))?;
        }
        for (name, x) in [("eps", self.eps), ("weight_decay", self.weight_decay)] {
            require("Adam", name, "finite and at least 0", x, x >= 0.0 && x.is_finite())?;
        }
        self.learning_rate.at(self.steps)
    }
}

impl Optimizer for Adam {
    fn step(&mut self, params: &mut Params, gradients: Params) -> Result<()> {
        self.check(params, &gradients)?;
        let learning_rate = self.rate()?;
        for (name, gradient) in gradients.iter() {
            let weight_decay = if self.decay.shrinks(name) { self.weight_decay } else { 0.0 };
            let settings = kernels::Adam {
                learning_rate,
                beta1: self.beta1,
                beta2: self.beta2,
                epsilon: self.eps,
                weight_decay,
                grad_scale: 1.0,
            };
            let moments = self.moments.entry(name.clone()).or_insert_with(|| Moments::zeros(gradient));
            moments.steps += 1;
            let Moments { first, second, steps } = moments;
            match (params.get_mut(name), first, second, gradient) {
                (Some(AnyVar::F32(x)), AnyVar::F32(m), AnyVar::F32(v), AnyVar::F32(g)) => {
                    apply(settings, *steps, x, m, v, g)?
                }
                (Some(AnyVar::F64(x)), AnyVar::F64(m), AnyVar::F64(v), AnyVar::F64(g)) => {
                    apply(settings, *steps, x, m, v, g)?
                }
                _ => unreachable!("parameter, gradient and moments are of one precision: that was checked"),
            }
        }
        self.steps += 1;
        Ok(())
    }

    fn check(&self, params: &Params, gradients: &Params) -> Result<()> {
        self.rate()?;
        // The second moment holds the square of a gradient.
        check::fitting(params, gradients, |max| 0.99 * max.sqrt())?;
        for (name, gradient) in gradients.iter() {
            if let Some(moments) = self.moments.get(name) {
                check_kind(&moments.first, gradient).map_err(|error| error.at_site(name))?;
            }
        }
        Ok(())
    }

    fn state(&self) -> Result<Params> {
        let mut state = Writer::default();
        state.count("adam/steps", self.steps)?;
        let mut names: Vec<&SiteName> = self.moments.keys().collect();
        names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        for name in names {
            let Moments { first, second, steps } = &self.moments[name];
            state.count(format!("{STEPS}{name}"), *steps)?;
            state.tensor(format!("{FIRST}{name}"), first)?;
            state.tensor(format!("{SECOND}{name}"), second)?;
        }
        Ok(state.finish())
    }

    fn set_state(&mut self, state: &Params) -> Result<()> {
        let reader = Reader::new("Adam", state);
        let steps = reader.count("adam/steps")?;
        let moments = reader.all(FIRST).map(|(name, first)| {
            let second = reader.tensor(&format!("{SECOND}{name}"))?;
            check_kind(first, second).map_err(|error| error.at_site(&name))?;
            let steps = reader.count(&format!("{STEPS}{name}"))?;
            Ok((name, Moments { first: first.clone(), second: second.clone(), steps }))
        });
        self.moments = moments.collect::<Result<_>>()?;
        self.steps = steps;
        Ok(())
    }
}

/// What the tensors of the state are called, before the parameter's name.
const FIRST: &str = "adam/first moment of ";
const SECOND: &str = "adam/second moment of ";
const STEPS: &str = "adam/steps of ";

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
