//! Eight schools: how well does coaching work, if eight parallel experiments can learn from each other?
//!
//! ```text
//! cargo run --release --example eight_schools
//! ```
//!
//! The effects are written as noise that is scaled and shifted, so that the sampler meets no funnel. Prints the
//! posterior table and the effective draws per second, and draws the effects before and after pooling in
//! `out/eight_schools/effects.png`. A second.

mod common;

use std::process::ExitCode;

use ed::data::{EightSchools, eight_schools as data};
use ed::plot::{DensityPlot, EnergyPlot, Interval, IntervalPlot, RankPlot, TracePlot};
use ed::prelude::*;

/// The effects of coaching, partially pooled: `theta[j] ~ Normal(mu, tau)`.
#[model]
fn eight_schools(standard_errors: &Var<(usize,), f64>) -> Result<RandomVariable<Normal<(usize,), f64>>> {
    let mu = sample(Normal::new(0.0, 5.0)?);
    let tau = sample(HalfCauchy::new(5.0)?);
    let noise = sample(Normal::standard((standard_errors.len(),))?);
    let theta = deterministic(&mu + &tau * &noise);
    let y = sample(Normal::new(&theta, standard_errors)?);
    Ok(y)
}

fn main() -> ExitCode {
    common::run("Eight schools by the No-U-Turn sampler.", |options, report| {
        let schools = data();
        let standard_errors = Var::from(schools.standard_errors);
        let effects = Var::from(schools.effects);
        let posterior = condition(|| eight_schools(&standard_errors), values![eight_schools::y = effects]);

        let num_draws = options.pick(5_000, 500);
        let sampler = Nuts::new(&posterior).draws(num_draws).target_accept(0.95);
        let draws = sampler.run(options.seed)?;
        let summary = draws.summary()?;
        println!("{summary}");

        let ess = summary.rows().iter().map(|row| row.ess_bulk).fold(f64::INFINITY, f64::min);
        let seconds = draws.sampling_time().as_secs_f64();
        println!(
            "{} leapfrog steps in {seconds:.3} s: {:.2} µs each on {} chains; at least {:.0} effective draws a second",
            draws.num_leapfrogs(),
            seconds * 1e6 / draws.num_leapfrogs() as f64,
            draws.num_chains(),
            ess / seconds,
        );

        for row in summary.rows() {
            report.add(format!("{}.mean", row.name), row.mean);
            report.add(format!("{}.sd", row.name), row.sd);
        }
        report.add("ess_min", ess);
        report.add("leapfrogs", draws.num_leapfrogs() as f64);
        report.add("divergences", draws.num_divergences() as f64);
        plot(&schools, &draws)
    })
}

/// Measured and pooled effects side by side.
fn plot(schools: &EightSchools, draws: &McmcDraws) -> Result<()> {
    // 90 % of a normal distribution.
    let half_width = 1.645;
    let measured = |(&effect, &error): (&f64, &f64)| Interval {
        low: effect - half_width * error,
        mid: effect,
        high: effect + half_width * error,
    };
    let measured: Vec<Interval> =
        schools.effects.iter().zip(&schools.standard_errors).map(measured).collect();
    let theta = draws.required(eight_schools::theta)?;
    let pooled: Vec<Interval> =
        (0..measured.len()).map(|school| Interval::of(&theta.scalar_chains(school).concat())).collect();
    IntervalPlot::new("Effect of coaching", "points (median and 90 %)", schools.names)
        .method("measured", &measured)
        .method("pooled", &pooled)
        .reference(0.0)
        .save("out/eight_schools/effects.png")?;
    let spread = draws.only(["mu", "tau"])?;
    TracePlot::of(&spread).save("out/eight_schools/trace.png")?;
    RankPlot::of(&spread, "tau")?.save("out/eight_schools/ranks.png")?;
    DensityPlot::of(&spread, "tau")?.save("out/eight_schools/tau.png")?;
    EnergyPlot::of(draws)?.save("out/eight_schools/energy.png")?;
    println!("out/eight_schools/effects.png shows the effects before and after pooling.");
    Ok(())
}
