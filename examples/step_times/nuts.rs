//! The No-U-Turn sampler, one chain of 500 draws after 500 of warm-up.

use ed::data::eight_schools;
use ed::diagnostics::ess_mean;
use ed::kernels::rng;
use ed::prelude::*;

use crate::Workload;

const WARMUP: u64 = 500;
const DRAWS: u64 = 500;

pub const WORKLOADS: &[(&str, Workload)] =
    &[("W7_nuts/eight", nuts_eight), ("W7_nuts/logistic", nuts_logistic)];

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
