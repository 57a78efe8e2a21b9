//! Times of the workloads that other libraries are measured on, one JSON line each.
//!
//! `cargo run --release --example step_times -- W7_nuts/eight`; without a name, it lists them. `benches/peers` runs the
//! same workloads in other libraries and prints the ratios.
//!
//! W7 is the No-U-Turn sampler with one chain of 500 draws after 500 of warm-up: eight schools in `f64`, and a logistic
//! regression on 10,000 × 54 synthetic rows in `f32`; a line for each of three seeds. W9 is throughput: ten million
//! normals, their log-density with and without gradients by location and scale, and a million draws of Gamma and Beta.

use std::time::Instant;

use ed::data::eight_schools;
use ed::diagnostics::{ess_mean, quantile};
use ed::kernels::rng;
use ed::prelude::*;

/// Elements of the normal workloads, and of the others.
const MANY: usize = 10_000_000;
const SOME: usize = 1_000_000;
const WARMUP: u64 = 500;
const DRAWS: u64 = 500;

type Workload = fn(&str) -> Result<()>;

const WORKLOADS: [(&str, Workload); 7] = [
    ("W7_nuts/eight", nuts_eight),
    ("W7_nuts/logistic", nuts_logistic),
    ("W9/normal_sample_1e7", normal_sample),
    ("W9/normal_logprob_1e7", normal_log_prob),
    ("W9/normal_logprob_grad_1e7", normal_log_prob_and_gradient),
    ("W9/gamma0.5_sample_1e6", gamma_sample),
    ("W9/beta_sample_1e6", beta_sample),
];

fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let known = |name: &String| WORKLOADS.iter().any(|(other, _)| other == name);
    if wanted.is_empty() || !wanted.iter().all(known) {
        let names: Vec<&str> = WORKLOADS.iter().map(|(name, _)| *name).collect();
        let why = format!("name one or more of the workloads {}", names.join(", "));
        return Err(Error::Algorithm { of: "step_times", why });
    }
    for name in &wanted {
        for (workload, run) in WORKLOADS {
            if workload == name {
                run(workload)?;
            }
        }
    }
    Ok(())
}

// ---------------------------------------------------------------------------------------------------- NUTS

#[model]
fn schools(standard_errors: &Var<(usize,), f64>) -> Result<RandomVariable<Normal<(usize,), f64>>> {
    let loc = sample(Normal::new(0.0, 5.0)?);
    let scale = sample(HalfCauchy::new(5.0)?);
    let noise = sample(Normal::standard((8usize,))?);
    let effects = sample(Normal::new(&loc + &scale * &noise, standard_errors)?);
    Ok(effects)
}

#[model]
fn logistic_regression(features: &Var<(usize, usize)>) -> Result<RandomVariable<Bernoulli<(usize,)>>> {
    let intercept = sample(Normal::new(0.0, 1.0)?);
    let coeffs = sample(Normal::standard((features.shape().1,))?);
    let outcomes = sample(Bernoulli::from_logits(features.dot(&coeffs)? + &intercept)?);
    Ok(outcomes)
}

fn nuts_eight(name: &str) -> Result<()> {
    let data = eight_schools();
    let standard_errors = Var::from(data.standard_errors);
    let model = condition(|| schools(&standard_errors), values![schools::effects = Var::from(data.effects)]);
    report_nuts(name, &model)
}

/// Standard normal features and outcomes from coefficients of standard deviation ½ and an intercept of 0.2.
fn nuts_logistic(name: &str) -> Result<()> {
    const ROWS: usize = 10_000;
    const COLUMNS: usize = 54;
    let key = Key::new(0);
    let mut features = vec![0f32; ROWS * COLUMNS];
    rng::fill_normal(key.fold_in(0), &mut features);
    let mut coeffs = [0f32; COLUMNS];
    rng::fill_normal(key.fold_in(1), &mut coeffs);
    let mut uniform = vec![0f32; ROWS];
    rng::fill_uniform(key.fold_in(2), &mut uniform);
    let outcome = |(row, u): (&[f32], f32)| {
        let logit: f32 = row.iter().zip(&coeffs).map(|(x, c)| 0.5 * x * c).sum::<f32>() + 0.2;
        f32::from(u8::from(u < 1.0 / (1.0 + (-logit).exp())))
    };
    let outcomes: Vec<f32> = features.chunks(COLUMNS).zip(uniform).map(outcome).collect();
    let features = Var::from_vec(features, (ROWS, COLUMNS))?;
    let model = condition(
        || logistic_regression(&features),
        values![logistic_regression::outcomes = Var::from(outcomes)],
    );
    report_nuts(name, &model)
}

fn report_nuts<M: Model + Sync>(name: &str, model: &M) -> Result<()> {
    let sampler = Nuts::new(model).chains(1).warmup(WARMUP).draws(DRAWS).quiet();
    sampler.run(0)?;
    for seed in 1..=3 {
        let draws = sampler.run(seed)?;
        let seconds = draws.sampling_time().as_secs_f64();
        let leapfrogs = draws.num_leapfrogs();
        let scalars = draws.sites().iter().flat_map(|site| {
            (0..site.dims().num_elements()).map(|element| ess_mean(&site.scalar_chains(element)))
        });
        let ess_min = scalars.fold(f64::INFINITY, f64::min);
        println!(
            "{{\"workload\": \"{name}\", \"peer\": \"ed\", \"seed\": {seed}, \"wall_s\": {seconds:.4}, \
             \"leapfrogs\": {leapfrogs}, \"us_per_leapfrog\": {:.3}, \"ess_min\": {ess_min:.1}, \
             \"ess_min_per_s\": {:.1}, \"divergences\": {}}}",
            seconds / leapfrogs as f64 * 1e6,
            ess_min / seconds,
            draws.num_divergences(),
        );
    }
    Ok(())
}

// ---------------------------------------------------------------------------------------------- throughput

/// Times a step as the peers' scripts do: one untimed, then twelve.
fn report_steps(name: &str, elements: usize, mut step: impl FnMut(u64) -> Result<()>) -> Result<()> {
    const STEPS: u64 = 12;
    step(0)?;
    let mut times = Vec::new();
    for index in 1..=STEPS {
        let start = Instant::now();
        step(index)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let (median, min) = (quantile(&times, 0.5), quantile(&times, 0.0));
    println!(
        "{{\"workload\": \"{name}\", \"peer\": \"ed\", \"step_ms_median\": {median:.3}, \"step_ms_min\": {min:.3}, \
         \"n\": {STEPS}, \"melem_per_s\": {:.1}}}",
        elements as f64 / median / 1e3
    );
    Ok(())
}

fn normal_sample(name: &str) -> Result<()> {
    let normal: Normal<_> = Normal::standard((MANY,))?;
    report_steps(name, MANY, |step| normal.sample(Key::new(step)).map(|_| ()))
}

fn normals() -> Result<Var<(usize,)>> {
    Normal::standard((MANY,))?.sample(Key::new(0))
}

fn normal_log_prob(name: &str) -> Result<()> {
    let values = normals()?;
    let normal = Normal::new(0.1, 1.1)?.expand((MANY,))?;
    report_steps(name, MANY, |_| normal.log_prob_sum(&values)?.item().map(|_| ()))
}

fn normal_log_prob_and_gradient(name: &str) -> Result<()> {
    let values = normals()?;
    report_steps(name, MANY, |_| {
        let tape = Tape::new();
        let (loc, scale) = (tape.watch(&Var::scalar(0.1)), tape.watch(&Var::scalar(1.1)));
        let gradients = Normal::new(&loc, &scale)?.expand((MANY,))?.log_prob_sum(&values)?.backward()?;
        gradients.get(&loc)?.item()?;
        gradients.get(&scale)?.item().map(|_| ())
    })
}

fn gamma_sample(name: &str) -> Result<()> {
    let gamma: Gamma<_> = Gamma::new(0.5, 1.0)?.expand((SOME,))?;
    report_steps(name, SOME, |step| gamma.sample(Key::new(step)).map(|_| ()))
}

fn beta_sample(name: &str) -> Result<()> {
    let beta: Beta<_> = Beta::new(2.0, 3.0)?.expand((SOME,))?;
    report_steps(name, SOME, |step| beta.sample(Key::new(step)).map(|_| ()))
}
