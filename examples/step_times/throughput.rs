//! Sampling and log-densities, ten million or a million numbers at a time.

use ed::prelude::*;

use crate::Workload;
use crate::timing::report_steps;

/// Elements of the normal workloads, and of the others.
const MANY: usize = 10_000_000;
const SOME: usize = 1_000_000;

pub const WORKLOADS: &[(&str, Workload)] = &[
    ("W9/normal_sample_1e7", normal_sample),
    ("W9/normal_logprob_1e7", normal_log_prob),
    ("W9/normal_logprob_grad_1e7", normal_log_prob_and_gradient),
    ("W9/gamma0.5_sample_1e6", gamma_sample),
    ("W9/beta_sample_1e6", beta_sample),
];

fn normal_sample(name: &str) -> Result<()> {
    let normal: Normal<_> = Normal::standard((MANY,))?;
    report_steps(name, 12, Some(MANY), None, |step| normal.sample(Key::new(step)).map(|_| ()))
}

fn normals() -> Result<Var<(usize,)>> {
    Normal::standard((MANY,))?.sample(Key::new(0))
}

fn normal_log_prob(name: &str) -> Result<()> {
    let values = normals()?;
    let normal = Normal::new(0.1, 1.1)?.expand((MANY,))?;
    report_steps(name, 12, Some(MANY), None, |_| normal.log_prob_sum(&values)?.item().map(|_| ()))
}

fn normal_log_prob_and_gradient(name: &str) -> Result<()> {
    let values = normals()?;
    report_steps(name, 12, Some(MANY), None, |_| {
        let tape = Tape::new();
        let (loc, scale) = (tape.watch(&Var::scalar(0.1)), tape.watch(&Var::scalar(1.1)));
        let gradients = Normal::new(&loc, &scale)?.expand((MANY,))?.log_prob_sum(&values)?.backward()?;
        gradients.get(&loc)?.item()?;
        gradients.get(&scale)?.item().map(|_| ())
    })
}

fn gamma_sample(name: &str) -> Result<()> {
    let gamma: Gamma<_> = Gamma::new(0.5, 1.0)?.expand((SOME,))?;
    report_steps(name, 12, Some(SOME), None, |step| gamma.sample(Key::new(step)).map(|_| ()))
}

fn beta_sample(name: &str) -> Result<()> {
    let beta: Beta<_> = Beta::new(2.0, 3.0)?.expand((SOME,))?;
    report_steps(name, 12, Some(SOME), None, |step| beta.sample(Key::new(step)).map(|_| ()))
}
