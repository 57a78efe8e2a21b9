//! Times of the workloads that other libraries are measured on, one JSON line each.
//!
//! `cargo run --release --example step_times -- W7_nuts/eight`; without a name, it lists them. `benches/peers` runs the
//! same workloads in other libraries and prints the ratios.
//!
//! W1, W2 and W6 are training steps of Bayesian networks: fresh weights, mean negative log-likelihood and divergence,
//! gradients, Adam; W4 is that of a transformer over pixels; beside each, the time of its bare matrix products. W3 is a
//! training step of a deep Gaussian process, and `W3_growth` the same with other numbers of rows, inducing points and
//! units. W5 is a training step of a flow of three masked autoregressive layers; `maf_64_draws` draws from one, and
//! `stack_memory` is about the memory of deep stacks. W7 is the No-U-Turn sampler with one chain of 500 draws after 500 of
//! warm-up: eight schools in `f64`, and a logistic regression on 10,000 × 54 synthetic rows in `f32`; a line for each of
//! three seeds. W9 is throughput: ten million normals, their log-density with and without gradients by location and
//! scale, and a million draws of Gamma and Beta.

mod flows;
mod gaussian_process;
#[path = "../pixel_transformer/network.rs"]
mod network;
mod networks;
mod nuts;
mod throughput;
mod timing;
mod transformer;

use ed::prelude::*;

/// Runs a workload, which prints its lines under its name.
type Workload = fn(&str) -> Result<()>;

fn main() -> Result<()> {
    let workloads: Vec<(&str, Workload)> = [
        flows::WORKLOADS,
        gaussian_process::WORKLOADS,
        networks::WORKLOADS,
        nuts::WORKLOADS,
        throughput::WORKLOADS,
        transformer::WORKLOADS,
    ]
    .concat();
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let known = |name: &String| workloads.iter().any(|(other, _)| other == name);
    if wanted.is_empty() || !wanted.iter().all(known) {
        let names: Vec<&str> = workloads.iter().map(|(name, _)| *name).collect();
        let why = format!("name one or more of the workloads {}", names.join(", "));
        return Err(Error::Algorithm { of: "step_times", why });
    }
    for name in &wanted {
        for (workload, run) in &workloads {
            if workload == name {
                run(workload)?;
            }
        }
    }
    Ok(())
}
