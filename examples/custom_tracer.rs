//! Tracers of one's own: one prints every random variable, one makes a model robust without touching it.
//!
//! `cargo run --release --example custom_tracer`, about a second. The mean of eight measurements, one of them wrong:
//! the normal model is drawn towards it; the same model with heavier tails, swapped in on the way, is not.

mod common;

use std::process::ExitCode;
use std::{rc::Rc, sync::Arc};

use ed::prelude::*;

const MEASUREMENTS: [f64; 8] = [9.8, 10.3, 10.1, 9.6, 10.4, 9.9, 10.2, 19.5];

#[model]
fn measurements(num_repeats: usize) -> Result<RandomVariable<Normal<(usize,), f64>>> {
    let loc = sample(Normal::new(0.0, 20.0)?);
    let y = sample(Normal::new(loc.expand_last(num_repeats), 0.5)?);
    Ok(y)
}

/// Prints a line for each random variable, as it comes back with its value.
#[derive(Clone, Copy)]
struct Print;

impl Tracer for Print {
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        next.forward(site)?;
        let (kind, distribution) = (format!("{:?}", site.kind), site.distribution.name());
        println!("{:>6}  {kind:<8}  {distribution:<8}  {:>10.3}", site.label(), site.log_prob()?.item()?);
        Ok(())
    }
}

/// Turns every observed normal random variable into a Student's t of the same location and scale.
#[derive(Clone, Copy)]
struct HeavyTails {
    df: f64,
}

impl Tracer for HeavyTails {
    fn trace(&self, site: &mut Site, next: Next) -> Result<()> {
        if site.kind == Kind::Observed
            && let Some(normal) = site.distribution.as_any().downcast_ref::<Normal<(usize,), f64>>()
        {
            site.distribution = Arc::new(StudentT::new(self.df, normal.loc()?, normal.scale()?)?);
        }
        next.forward(site)
    }
}

/// With this a tracer makes one model of another: `Handled::new(model, HeavyTails { df: 2.0 })`.
impl Handler for HeavyTails {
    fn tracer(&self) -> Rc<dyn Tracer> {
        Rc::new(*self)
    }
}

fn main() -> ExitCode {
    common::run(
        "Two tracers: one prints every random variable, one makes a model robust.",
        |options, report| {
            let data = Var::from(MEASUREMENTS);
            let model = || measurements(MEASUREMENTS.len());
            let observed = condition(model, values![measurements::y = data]);
            // The innermost handler sees a random variable first: `HeavyTails` has to find it observed.
            let robust = Handled::new(observed.clone(), HeavyTails { df: 2.0 });

            println!("  site  kind      density     log-prob");
            with_tracer(Rc::new(Print), || seed(options.seed, || robust.run()))?;

            let draws = options.pick(1_000, 100);
            println!("\nposterior of the location   mean     sd");
            for (name, posterior) in [
                ("normal", Nuts::new(&observed).draws(draws).run(options.seed)?),
                ("student_t", Nuts::new(&robust).draws(draws).run(options.seed)?),
            ] {
                let (mean, sd) =
                    (posterior.mean(measurements::loc)?.item()?, posterior.sd(measurements::loc)?.item()?);
                println!("{name:>25} {mean:>6.2} {sd:>6.2}");
                report.add(format!("{name}.mean"), mean);
                report.add(format!("{name}.sd"), sd);
            }
            Ok(())
        },
    )
}
