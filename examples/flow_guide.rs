//! A flow as the posterior of variational inference, beside the mean field and the No-U-Turn sampler.
//!
//! ```text
//! cargo run --release --example flow_guide
//! ```
//!
//! Neal's funnel, where the scale of nine numbers is a tenth, and a logistic regression with correlated coefficients.
//! A guide is a program: the flow is a random variable of it, and an inverse autoregressive one knows the density of its
//! own draws without being inverted. Prints evidence lower bounds (the funnel's evidence is 0) and posterior moments, and
//! draws `out/flow_guide/*.png`.

mod common;

use std::process::ExitCode;

use common::{Options, Report};
use ed::data::breast_cancer;
use ed::inference::Draws;
use ed::params::optimizer::{Adam, Schedule};
use ed::plot::HeatMap;
use ed::prelude::*;
use ed::table::{Cell, Table};

type Matrix = Var<(usize, usize), f64>;
type Vector = Var<(usize,), f64>;

const FUNNEL_DIM: usize = 9;

/// Neal (2003), section 8: the scale of the others is `e^{v/2}`.
#[model]
fn funnel() -> Result<RandomVariable<Normal<(usize,), f64>>> {
    let v = sample(Normal::new(Vector::zeros((1,)), 3.0)?);
    let scale = (&v * 0.5).exp().broadcast_to((FUNNEL_DIM,))?;
    let x = sample(Normal::new(Vector::zeros((FUNNEL_DIM,)), scale)?);
    Ok(x)
}

/// The first feature is 1 for every patient.
#[model]
fn regression(features: &Matrix) -> Result<RandomVariable<Bernoulli<(usize,), f64>>> {
    let coeffs = sample(Normal::standard((features.shape().1,))?);
    let outcomes = sample(Bernoulli::from_logits(features.dot(&coeffs)?)?);
    Ok(outcomes)
}

/// The mean of the last fifth of the bounds.
fn elbo(bounds: &[f64]) -> f64 {
    let last = &bounds[bounds.len() - bounds.len().div_ceil(5)..];
    last.iter().sum::<f64>() / last.len() as f64
}

/// The draws of one number.
fn scalar(draws: &Draws, site: &str, element: usize) -> Vec<f64> {
    let site = draws.sites().iter().find(|own| own.name().as_str() == site);
    site.map(|site| site.scalar_chains(element).concat()).unwrap_or_default()
}

fn moments(x: &[f64]) -> (f64, f64) {
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    (mean, (x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64).sqrt())
}

fn neal(options: &Options, report: &mut Report) -> Result<()> {
    let steps = options.pick(4_000, 15);
    let adam = || Adam::new(Schedule::cosine(0.01, steps as u64));
    let seed = options.seed;

    // The guide: a flow for the scale, and one for the others that is conditioned on it.
    let of_scale = ActNorm::new().named("of_scale");
    let of_others = sequential![
        RealNvp::new(Made::new([32]).activation(Activation::Tanh)).inverse_autoregressive(),
        RealNvp::new(Made::new([32]).activation(Activation::Tanh).order(RightToLeft))
            .inverse_autoregressive(),
    ]
    .named("of_others");
    let guide = || {
        let v = sample_as("v", of_scale.distribution(Normal::<_, f64>::standard((1usize,))?)?)?;
        let x = of_others.distribution_given(Normal::standard((FUNNEL_DIM,))?, &*v)?;
        sample_as("x", x)
    };
    let flow = Svi::new(&funnel, guide).samples(8).steps(steps).optimizer(adam()).run(seed)?;
    let mean_field =
        Svi::new(&funnel, MeanField::of(&funnel)?).samples(8).steps(steps).optimizer(adam()).run(seed)?;
    let nuts = Nuts::new(&funnel)
        .chains(options.pick(4, 1))
        .draws(options.pick(2_000, 30))
        .warmup(options.pick(1_000, 30))
        .run(seed)?;

    let num_draws = options.pick(4_000, 100);
    let mut table = Table::new(["Neal's funnel", "evidence bound", "mean of v", "sd of v"]).digits(3);
    table.push(["exact".into(), Cell::from(0.0), Cell::from(0.0), Cell::from(3.0)]);
    for (name, key, bound, draws) in [
        ("mean field", "mean_field", Some(elbo(mean_field.elbo())), mean_field.sample(num_draws, seed)?),
        ("flow", "flow", Some(elbo(flow.elbo())), flow.sample(num_draws, seed)?),
        ("NUTS", "nuts", None, (*nuts).clone()),
    ] {
        let (v, x) = (scalar(&draws, "v", 0), scalar(&draws, "x", 0));
        let (mean, sd) = moments(&v);
        table.push([name.into(), bound.map_or("".into(), Cell::from), Cell::from(mean), Cell::from(sd)]);
        if let Some(bound) = bound {
            report.add(format!("funnel.{key}.elbo"), bound);
        }
        report.add(format!("funnel.{key}.v.mean"), mean);
        report.add(format!("funnel.{key}.v.sd"), sd);
        picture(name, key, options, &v, &x)?;
    }
    println!("{table}");
    Ok(())
}

/// The exact log-density of the funnel's first two numbers, and draws on top.
fn picture(name: &str, key: &str, options: &Options, v: &[f64], x: &[f64]) -> Result<()> {
    let side = options.pick(120, 24);
    let at = |place: usize, half: f64| half * (2.0 * (place as f64 + 0.5) / side as f64 - 1.0);
    let cell = |cell: usize| {
        let (x, v) = (at(cell % side, 12.0), at(cell / side, 9.0));
        (-0.5 * (v / 3.0).powi(2) - 0.5 * x * x * (-v).exp() - 0.5 * v).max(-8.0)
    };
    let values: Vec<f64> = (0..side * side).map(cell).collect();
    let inside = |&(x, v): &(f64, f64)| x.abs() < 12.0 && v.abs() < 9.0;
    let points: Vec<(f64, f64)> = x.iter().copied().zip(v.iter().copied()).filter(inside).take(400).collect();
    HeatMap::new(format!("Neal's funnel: {name}"), &values, side, -12.0..12.0, -9.0..9.0)
        .labels("x₁", "v")
        .unit("log-density")
        .points(&points)
        .save(format!("out/flow_guide/{key}.png"))?;
    Ok(())
}

fn logistic(options: &Options, report: &mut Report) -> Result<()> {
    let data = breast_cancer();
    let data = data.standardised(&data)?;
    let width = data.num_features + 1;
    let rows = data.features.chunks_exact(data.num_features);
    let rows = rows.flat_map(|row| std::iter::once(1.0).chain(row.iter().copied())).collect();
    let features = Matrix::from_vec(rows, (data.num_rows, width))?;
    let observed = condition(
        || regression(&features),
        values![regression::outcomes = Vector::from(data.target.clone())],
    );
    let steps = options.pick(3_000, 8);
    let adam = || Adam::new(Schedule::cosine(0.01, steps as u64));
    let seed = options.seed;

    let made = || Made::new([64]).activation(Activation::Tanh);
    let posterior = sequential![
        RealNvp::new(made()).inverse_autoregressive(),
        RealNvp::new(made().order(RightToLeft)).inverse_autoregressive(),
    ];
    let guide = || sample_as("coeffs", posterior.distribution(Normal::<_, f64>::standard((width,))?)?);
    let flow = Svi::new(&observed, guide).samples(4).steps(steps).optimizer(adam()).run(seed)?;
    let mean_field =
        Svi::new(&observed, MeanField::of(&observed)?).samples(4).steps(steps).optimizer(adam()).run(seed)?;
    let nuts = Nuts::new(&observed)
        .chains(options.pick(4, 1))
        .draws(options.pick(1_000, 20))
        .warmup(options.pick(1_000, 20))
        .run(seed)?;

    let num_draws = options.pick(4_000, 100);
    let exact: Vec<(f64, f64)> =
        (0..width).map(|element| moments(&scalar(&nuts, "coeffs", element))).collect();
    let mut table =
        Table::new(["logistic regression", "evidence bound", "error of means", "ratio of sds"]).digits(3);
    for (name, key, bound, draws) in [
        ("mean field", "mean_field", elbo(mean_field.elbo()), mean_field.sample(num_draws, seed)?),
        ("flow", "flow", elbo(flow.elbo()), flow.sample(num_draws, seed)?),
    ] {
        let own: Vec<(f64, f64)> =
            (0..width).map(|element| moments(&scalar(&draws, "coeffs", element))).collect();
        let pairs = || own.iter().zip(&exact);
        let error =
            pairs().map(|(own, exact)| ((own.0 - exact.0) / exact.1).abs()).sum::<f64>() / width as f64;
        let ratio = pairs().map(|(own, exact)| own.1 / exact.1).sum::<f64>() / width as f64;
        table.push([name.into(), Cell::from(bound), Cell::from(error), Cell::from(ratio)]);
        report.add(format!("logistic.{key}.elbo"), bound);
        report.add(format!("logistic.{key}.mean_error"), error);
        report.add(format!("logistic.{key}.sd_ratio"), ratio);
    }
    println!(
        "\n{table}\nBeside NUTS: the mean distance of the posterior means, in its standard deviations, and the mean"
    );
    println!("ratio of the standard deviations. Drawn: out/flow_guide/*.png.");
    Ok(())
}

fn main() -> ExitCode {
    common::run("A flow as the posterior of variational inference.", |options, report| {
        neal(options, report)?;
        logistic(options, report)
    })
}
