//! Logistic regression three ways: the same model by variational inference, by its mode, and by the No-U-Turn sampler.
//!
//! ```text
//! cargo run --release --example logistic_regression
//! ```
//!
//! The data are thirty standardised measurements of cell nuclei of 569 patients; the outcome 1 is a benign tumour.
//! Prints the three posteriors side by side, one row a coefficient, and draws them in
//! `out/logistic_regression/coefficients.png`. A few seconds.
//!
//! In lines: the model takes 7, its log joint 3, its variational inference 4; in the Edward2 documentation they take
//! about 8, 3 and 15.

mod common;

use std::process::ExitCode;

use ed::data::breast_cancer;
use ed::diagnostics::Summary;
use ed::plot::{Interval, IntervalPlot};
use ed::prelude::*;
use ed::table::{Cell, Table};

type Matrix = Var<(usize, usize), f64>;
type Outcomes = RandomVariable<Bernoulli<(usize,), f64>>;

#[model]
fn regression(features: &Matrix) -> Result<Outcomes> {
    let intercept = sample(Normal::new(0.0, 1.0)?);
    let coeffs = sample(Normal::standard((features.shape().1,))?);
    let outcomes = sample(Bernoulli::from_logits(features.dot(&coeffs)? + &intercept)?);
    Ok(outcomes)
}

fn main() -> ExitCode {
    common::run("Logistic regression by SVI, by MAP and by NUTS.", |options, report| {
        let data = breast_cancer();
        let data = data.standardised(&data)?;
        let features = Var::from_vec(data.features.clone(), (data.num_rows, data.num_features))?;
        let observations = Var::from(data.target.clone());
        let model = || regression(&features);
        let seed = options.seed;

        let (zero, zeros) = (Var::<(), f64>::scalar(0.0), Var::<(usize,), f64>::zeros((data.num_features,)));
        let y = observations.clone();

        // The log joint.
        let log_joint = make_log_joint(model);
        let at = values![regression::intercept = zero, regression::coeffs = zeros, regression::outcomes = y];
        println!("log p(outcomes, zeros) = {:.2} nats", log_joint.at(at)?.item()?);

        // Variational inference.
        let observed = condition(model, values![regression::outcomes = observations]);
        let guide = MeanField::of(&observed)?;
        let svi = Svi::new(&observed, guide).steps(options.pick(5_000, 200)).run(seed)?;
        let by_svi = svi.sample(options.pick(4_000, 200), seed)?;

        // The mode.
        let map = Svi::new(&observed, Delta::of(&observed)?).steps(options.pick(5_000, 200)).run(seed)?;
        let mode = map.values()?;

        // The No-U-Turn sampler.
        let by_nuts = Nuts::new(&observed)
            .draws(options.pick(1_000, 100))
            .warmup(options.pick(1_000, 200))
            .run(seed)?;
        println!("{} leapfrog steps, {} divergences\n", by_nuts.num_leapfrogs(), by_nuts.num_divergences());

        let mut names = vec!["intercept".to_owned()];
        names.extend(data.feature_names);
        let mut modes = mode.required("intercept")?.to_vec()?;
        modes.extend(mode.required("coeffs")?.to_vec()?);
        let (svi_rows, nuts_rows) = (by_svi.summary()?, by_nuts.summary()?);
        println!("{}", side_by_side(&names, &svi_rows, &modes, &nuts_rows));
        for ((svi, nuts), mode) in svi_rows.rows().iter().zip(nuts_rows.rows()).zip(&modes) {
            report.add(format!("svi.{}.mean", svi.name), svi.mean);
            report.add(format!("svi.{}.sd", svi.name), svi.sd);
            report.add(format!("map.{}", svi.name), *mode);
            report.add(format!("nuts.{}.mean", nuts.name), nuts.mean);
            report.add(format!("nuts.{}.sd", nuts.name), nuts.sd);
        }

        let point = |&x: &f64| Interval { low: x, mid: x, high: x };
        let modes: Vec<Interval> = modes.iter().map(point).collect();
        IntervalPlot::new(
            "Three posteriors of one model",
            "coefficient per standard deviation of the feature (median and 90 %)",
            names,
        )
        .method("SVI, mean field", &intervals(&by_svi))
        .method("MAP", &modes)
        .method("NUTS", &intervals(&by_nuts))
        .reference(0.0)
        .save("out/logistic_regression/coefficients.png")?;
        println!("out/logistic_regression/coefficients.png shows the same.");
        Ok(())
    })
}

/// One row a coefficient: mean ± standard deviation by each method.
fn side_by_side(names: &[String], svi: &Summary, modes: &[f64], nuts: &Summary) -> Table {
    let with_sd = |mean: f64, sd: f64| Cell::from(format!("{mean:.2} ± {sd:.2}"));
    let mut table = Table::new(["", "SVI", "MAP", "NUTS"]);
    for (((name, svi), mode), nuts) in names.iter().zip(svi.rows()).zip(modes).zip(nuts.rows()) {
        table.push([
            name.as_str().into(),
            with_sd(svi.mean, svi.sd),
            Cell::Fixed(*mode, 2),
            with_sd(nuts.mean, nuts.sd),
        ]);
    }
    table
}

/// The interval of every scalar, in the order of the model.
fn intervals(draws: &Draws) -> Vec<Interval> {
    let scalars = draws.sites().iter().flat_map(|site| {
        (0..site.dims().num_elements()).map(|element| Interval::of(&site.scalar_chains(element).concat()))
    });
    scalars.collect()
}
