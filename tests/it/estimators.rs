//! Estimators of uncertain kernels: outputs, gradients and divergences against theory, over all geometries.

use dfdx::shapes::Shape;
use ed::handlers::mean as mean_of;
use ed::layers::estimator::Estimator;
use ed::layers::geometry::{ConvMap, DenseMap, Geometry, TableMap};
use ed::layers::{Kinded, Linear};
use ed::params::{value_and_gradients, with_params};
use ed::prelude::*;
use ed::tensor::{Dims, Value};

/// A geometry with a small kernel, and a batch of two equal examples for it.
pub trait Row {
    type In: Shape;
    type Map: Geometry<Self::In> + Kinded;
    /// The name that the layer has by default.
    const NAME: &'static str;
    fn layer<W: Estimator>() -> Linear<Self::Map, W>;
    fn shape() -> Self::In;
    /// Number `i` of an example.
    fn number(i: usize) -> f64 {
        1.0 + 0.5 * (0.9 * i as f64).sin()
    }
}

/// A batch of vectors.
pub struct Vectors;

impl Row for Vectors {
    type In = (usize, usize);
    type Map = DenseMap;
    const NAME: &'static str = "dense";
    fn layer<W: Estimator>() -> Dense<W> {
        Dense::<W>::new(4)
    }
    fn shape() -> (usize, usize) {
        (2, 5)
    }
}

/// A batch of sequences of vectors.
pub struct Sequences;

impl Row for Sequences {
    type In = (usize, usize, usize);
    type Map = DenseMap;
    const NAME: &'static str = "dense";
    fn layer<W: Estimator>() -> Dense<W> {
        Dense::<W>::new(2)
    }
    fn shape() -> (usize, usize, usize) {
        (2, 2, 3)
    }
}

/// Sequences under a convolution.
pub struct Steps;

impl Row for Steps {
    type In = (usize, usize, usize);
    type Map = ConvMap<1>;
    const NAME: &'static str = "conv1d";
    fn layer<W: Estimator>() -> Conv1d<W> {
        Conv1d::<W>::new(2, 3)
    }
    fn shape() -> (usize, usize, usize) {
        (2, 4, 2)
    }
}

/// Images under a convolution with padding.
pub struct Images;

impl Row for Images {
    type In = (usize, usize, usize, usize);
    type Map = ConvMap<2>;
    const NAME: &'static str = "conv2d";
    fn layer<W: Estimator>() -> Conv2d<W> {
        Conv2d::<W>::new(2, 2).same()
    }
    fn shape() -> (usize, usize, usize, usize) {
        (2, 2, 3, 2)
    }
}

/// Sequences of codes.
pub struct Codes;

impl Row for Codes {
    type In = (usize, usize);
    type Map = TableMap;
    const NAME: &'static str = "embedding";
    fn layer<W: Estimator>() -> Embedding<W> {
        Embedding::<W>::new(3, 2)
    }
    fn shape() -> (usize, usize) {
        (2, 3)
    }
    fn number(i: usize) -> f64 {
        i as f64
    }
}

/// Calls a test with all geometries.
macro_rules! over_geometries {
    ($check:ident $(::<$($estimator:ty),+>)?) => {
        over_geometries!(@each $check [$($($estimator),+)?] Vectors Sequences Steps Images Codes)
    };
    (@each $check:ident $estimators:tt $($row:ident)+) => {
        $(over_geometries!(@call $check $estimators $row)?;)+
    };
    (@call $check:ident [$($estimator:ty),*] $row:ident) => { $check::<$($estimator,)* $row>() };
}

/// A layer's parameters with means, and standard deviations between 0.3 and 0.9 times a factor, that differ from weight
/// to weight.
fn params_of<W: Estimator, R: Row>(factor: f64) -> Result<Params> {
    let mut params = Params::new();
    seed(0, || R::layer::<W>().init(&mut params, &input::<R>()))?;
    let (loc, raw_scale) = (format!("{}/kernel/loc", R::NAME), format!("{}/kernel/raw_scale", R::NAME));
    let dims = *params.required(&loc)?.dims();
    let numbers =
        |f: &dyn Fn(f64) -> f64| (0..dims.num_elements()).map(|i| f(i as f64)).collect::<Vec<f64>>();
    let means = numbers(&|i| (1.7 * i).sin());
    let scales = numbers(&|i| (factor * (0.6 + 0.3 * (2.3 * i).cos())).exp_m1().ln());
    params.set(loc, AnyVar::F64(Value::from_vec(means, dims)?))?;
    params.set(raw_scale, AnyVar::F64(Value::from_vec(scales, dims)?))?;
    Ok(params)
}

/// Two equal examples.
fn input<R: Row>() -> Var<R::In, f64> {
    let count = R::shape().num_elements();
    let x = (0..count).map(|i| R::number(i % (count / 2))).collect();
    Var::from_vec(x, R::shape()).unwrap()
}

/// The geometry's output with a kernel given.
fn linear<R: Row>(kernel: Vec<f64>, dims: Dims, x: &Var<R::In, f64>) -> Result<Vec<f64>> {
    let mut params = Params::new();
    params.insert(format!("{}/kernel", R::NAME), AnyVar::F64(Value::from_vec(kernel, dims)?))?;
    let layer = R::layer::<Deterministic>().without_bias();
    with_params(&params, || layer.forward(x))?.to_vec()
}

/// Mean and variance of each output in theory: `K(x, μ)` and `K(x², σ²)`.
fn theory<R: Row>(params: &Params) -> Result<(Vec<f64>, Vec<f64>)> {
    let loc = params.required(&format!("{}/kernel/loc", R::NAME))?;
    let raw = params.required(&format!("{}/kernel/raw_scale", R::NAME))?.to_vec()?;
    let variances = raw.iter().map(|raw| (raw.exp().ln_1p() + 1e-7).powi(2)).collect();
    let mean = linear::<R>(loc.to_vec()?, *loc.dims(), &input::<R>())?;
    // A one-hot vector is its own square.
    let square = if <R::Map as Geometry<R::In>>::CODES { input::<R>() } else { input::<R>().square() };
    Ok((mean, linear::<R>(variances, *loc.dims(), &square)?))
}

/// Outputs of many runs: `[runs][outputs]`.
fn outputs<W: Estimator, R: Row>(params: &Params, runs: u64) -> Result<Vec<Vec<f64>>> {
    let layer = R::layer::<W>().without_bias();
    let x = input::<R>();
    let one = |run| seed(run, || with_params(params, || layer.forward(&x)))?.to_vec();
    (0..runs).map(one).collect()
}

fn mean(of: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = of.len() as f64;
    of.sum::<f64>() / n
}

/// Output `at` over the runs: mean and variance.
fn moments(runs: &[Vec<f64>], at: usize) -> (f64, f64) {
    let centre = mean(runs.iter().map(|y| y[at]));
    (centre, mean(runs.iter().map(|y| (y[at] - centre).powi(2))))
}

fn correlation(runs: &[Vec<f64>], a: usize, b: usize) -> f64 {
    let ((mean_a, var_a), (mean_b, var_b)) = (moments(runs, a), moments(runs, b));
    mean(runs.iter().map(|y| (y[a] - mean_a) * (y[b] - mean_b))) / (var_a * var_b).sqrt()
}

const RUNS: u64 = 4_000;

/// Normal outputs: the mean of `n` has a standard error of `√(v/n)`, their variance one of `v √(2/n)`. Five of them are
/// exceeded once in two million times.
fn has_the_moments_of_theory<W: Estimator, R: Row>() -> Result<()> {
    let params = params_of::<W, R>(1.0)?;
    let (means, variances) = theory::<R>(&params)?;
    let runs = outputs::<W, R>(&params, RUNS)?;
    for (at, (&mean, &variance)) in means.iter().zip(&variances).enumerate() {
        let (got_mean, got_variance) = moments(&runs, at);
        let n = RUNS as f64;
        let what = format!("{}, {}, output {at}", W::NAME, R::NAME);
        assert!((got_mean - mean).abs() < 5.0 * (variance / n).sqrt(), "{what}: mean {got_mean} for {mean}");
        let error = 5.0 * variance * (2.0 / n).sqrt();
        assert!((got_variance - variance).abs() < error, "{what}: variance {got_variance} for {variance}");
    }
    Ok(())
}

#[test]
fn outputs_have_the_mean_and_variance_of_theory() -> Result<()> {
    over_geometries!(has_the_moments_of_theory::<Reparameterization>);
    over_geometries!(has_the_moments_of_theory::<Flipout>);
    over_geometries!(has_the_moments_of_theory::<LocalReparameterization>);
    Ok(())
}

/// The correlation of the outputs of two equal examples; an estimate of 0 from `n` runs has a standard error of `1/√n`.
fn correlation_of_examples<W: Estimator, R: Row>() -> Result<Vec<f64>> {
    let runs = outputs::<W, R>(&params_of::<W, R>(1.0)?, RUNS)?;
    let half = runs[0].len() / 2;
    Ok((0..half).map(|at| correlation(&runs, at, at + half)).collect())
}

fn decorrelates_examples<W: Estimator, R: Row>() -> Result<()> {
    for correlation in correlation_of_examples::<W, R>()? {
        assert!(correlation.abs() < 5.0 / (RUNS as f64).sqrt(), "{} {}: {correlation}", W::NAME, R::NAME);
    }
    Ok(())
}

fn draws_one_kernel<R: Row>() -> Result<()> {
    for correlation in correlation_of_examples::<Reparameterization, R>()? {
        assert!((correlation - 1.0).abs() < 1e-9, "{}: {correlation}", R::NAME);
    }
    Ok(())
}

#[test]
fn flipout_and_local_noise_decorrelate_examples_and_one_kernel_does_not() -> Result<()> {
    over_geometries!(draws_one_kernel);
    over_geometries!(decorrelates_examples::<Flipout>);
    over_geometries!(decorrelates_examples::<LocalReparameterization>);
    over_geometries!(decorrelates_examples::<VariationalDropout>);
    Ok(())
}

#[test]
fn five_unit_inputs_under_unit_scales_have_variance_five() -> Result<()> {
    fn variance<W: Estimator>() -> Result<f64> {
        let layer = Dense::<W>::new(1).without_bias();
        let x: Var<_, f64> = Var::ones((2usize, 5usize));
        let mut params = Params::new();
        params.insert("dense/kernel/loc", Var::<_, f64>::ones((5usize, 1usize)))?;
        params.insert("dense/kernel/raw_scale", Var::<_, f64>::full(0.541_324_855, (5usize, 1usize)))?;
        let one = |run| seed(run, || with_params(&params, || layer.forward(&x)))?.to_vec();
        let runs = (0..RUNS).map(one).collect::<Result<Vec<_>>>()?;
        Ok(moments(&runs, 0).1)
    }
    let five = |variance: f64| (variance - 5.0).abs() < 5.0 * 5.0 * (2.0 / RUNS as f64).sqrt();
    assert!(five(variance::<Reparameterization>()?));
    assert!(five(variance::<LocalReparameterization>()?));
    assert!(five(variance::<VariationalDropout>()?));
    // Signs drawn from U(-1, 3) would give 35/3.
    assert!(five(variance::<Flipout>()?));
    Ok(())
}

/// Variance of the gradient of the mean output of a batch of `rows` equal examples by a raw scale, times `rows`.
fn variance_of_gradient<W: Estimator>(rows: usize) -> Result<f64> {
    let layer = Dense::<W>::new(1).without_bias();
    let x: Var<_, f64> = Var::ones((rows, 1usize));
    let mut params = Params::new();
    let gradients = (0..RUNS).map(|run| {
        let loss = || Ok(seed(run, || layer.forward(&x))?.mean());
        let (_, gradients) = value_and_gradients(&mut params, loss)?;
        gradients.required("dense/kernel/raw_scale")?.item()
    });
    let gradients = gradients.collect::<Result<Vec<f64>>>()?;
    Ok(rows as f64 * mean(gradients.iter().map(|gradient| gradient * gradient)))
}

/// The gradient is `ε sigmoid(ρ)` with one kernel, that times a mean of signs with Flipout, and a mean of independent
/// normals with local noise. The squares have a relative standard deviation of at most √8 (a normal number times a mean
/// of signs), so the ratio of two variances from `n` runs has a standard error of at most `4/√n` of itself.
#[test]
fn the_variance_of_a_mean_gradient_falls_with_the_batch_unless_the_kernel_is_shared() -> Result<()> {
    let tolerance = 5.0 * 4.0 / (RUNS as f64).sqrt();
    let ratio = variance_of_gradient::<Flipout>(16)? / variance_of_gradient::<Flipout>(1)?;
    assert!((ratio - 1.0).abs() < tolerance, "Flipout: {ratio}");
    let one = variance_of_gradient::<LocalReparameterization>(1)?;
    let ratio = variance_of_gradient::<LocalReparameterization>(16)? / one;
    assert!((ratio - 1.0).abs() < tolerance, "local noise: {ratio}");
    let ratio =
        variance_of_gradient::<Reparameterization>(16)? / variance_of_gradient::<Reparameterization>(1)?;
    assert!((ratio - 16.0).abs() < 1e-9, "one kernel: {ratio}");
    Ok(())
}

fn is_deterministic_without_noise<W: Estimator, R: Row>() -> Result<()> {
    let params = params_of::<W, R>(1e-9)?;
    let (means, _) = theory::<R>(&params)?;
    let y = &outputs::<W, R>(&params, 1)?[0];
    for (y, mean) in y.iter().zip(&means) {
        assert!((y - mean).abs() < 1e-5, "{} {}: {y} for {mean}", W::NAME, R::NAME);
    }
    Ok(())
}

#[test]
fn without_noise_each_is_the_deterministic_layer() -> Result<()> {
    over_geometries!(is_deterministic_without_noise::<Reparameterization>);
    over_geometries!(is_deterministic_without_noise::<Flipout>);
    over_geometries!(is_deterministic_without_noise::<LocalReparameterization>);
    Ok(())
}

fn has_its_posterior_mean<W: Estimator, R: Row>() -> Result<()> {
    let params = params_of::<W, R>(1.0)?;
    let layer = R::layer::<W>().without_bias();
    let x = input::<R>();
    let at_mean = seed(0, || with_params(&params, || mean_of(&|| layer.forward(&x)).run()))?.to_vec()?;
    let (means, _) = theory::<R>(&params)?;
    for (y, mean) in at_mean.iter().zip(&means) {
        assert!((y - mean).abs() < 1e-12, "{} {}: {y} for {mean}", W::NAME, R::NAME);
    }
    assert_ne!(at_mean, outputs::<W, R>(&params, 1)?[0]);
    Ok(())
}

#[test]
fn the_mean_handler_gives_the_output_of_the_posterior_means() -> Result<()> {
    over_geometries!(has_its_posterior_mean::<Reparameterization>);
    over_geometries!(has_its_posterior_mean::<Flipout>);
    over_geometries!(has_its_posterior_mean::<LocalReparameterization>);
    over_geometries!(has_its_posterior_mean::<VariationalDropout>);
    Ok(())
}

fn trains_its_belief<W: Estimator, R: Row>() -> Result<()> {
    let layer = R::layer::<W>();
    let x = input::<R>();
    let mut params = Params::new();
    for step in 0..2 {
        let nll = || Ok(seed(step, || layer.forward(&x))?.square().mean());
        let (_, of_nll) = value_and_gradients(&mut params, nll)?;
        let kl = || Ok(seed(step, || with_kl::<_, f64>(7, || layer.forward(&x)))?.1);
        let (_, of_kl) = value_and_gradients(&mut params, kl)?;
        for gradients in [&of_nll, &of_kl] {
            for param in ["kernel/loc", "kernel/raw_scale"] {
                let gradient = gradients.required(&format!("{}/{param}", R::NAME))?.to_vec()?;
                assert!(gradient.iter().all(|g| *g != 0.0), "{} {} {param} {step}", W::NAME, R::NAME);
            }
        }
        assert!(of_kl.get(&format!("{}/bias", R::NAME)).is_none(), "a bias that is a point costs nothing");
    }
    Ok(())
}

#[test]
fn gradients_of_data_and_of_divergence_reach_the_belief_in_each_step() -> Result<()> {
    over_geometries!(trains_its_belief::<Reparameterization>);
    over_geometries!(trains_its_belief::<Flipout>);
    over_geometries!(trains_its_belief::<LocalReparameterization>);
    Ok(())
}

/// The divergence from the standard normal, written out, and whether a tracer looks or not.
fn costs_its_divergence<W: Estimator, R: Row>() -> Result<()> {
    let params = params_of::<W, R>(1.0)?;
    let loc = params.required(&format!("{}/kernel/loc", R::NAME))?.to_vec()?;
    let raw = params.required(&format!("{}/kernel/raw_scale", R::NAME))?.to_vec()?;
    let each = |(mu, raw): (&f64, &f64)| {
        let sigma = raw.exp().ln_1p() + 1e-7;
        -sigma.ln() + 0.5 * (sigma * sigma + mu * mu - 1.0)
    };
    let expected = loc.iter().zip(&raw).map(each).sum::<f64>() / 50.0;
    let layer = R::layer::<W>();
    let x = input::<R>();
    let program = || Ok(with_kl::<_, f64>(50, || layer.forward(&x))?.1);
    let unseen = seed(3, || with_params(&params, program))?.item()?;
    let (seen, trace) = seed(3, || with_params(&params, || tape(&program)))?;
    for kl in [unseen, seen.item()?] {
        assert!((kl - expected).abs() < 1e-12, "{} {}: {kl} for {expected}", W::NAME, R::NAME);
    }
    assert_eq!(
        trace.names().map(|name| name.to_string()).collect::<Vec<_>>(),
        [format!("{}/kernel", R::NAME)]
    );
    Ok(())
}

#[test]
fn the_divergence_is_that_of_normals_whether_seen_or_not() -> Result<()> {
    over_geometries!(costs_its_divergence::<Reparameterization>);
    over_geometries!(costs_its_divergence::<Flipout>);
    over_geometries!(costs_its_divergence::<LocalReparameterization>);
    Ok(())
}

fn takes_a_given_kernel<W: Estimator, R: Row>() -> Result<()> {
    let params = params_of::<W, R>(1.0)?;
    let kernel = params.required(&format!("{}/kernel/loc", R::NAME))?.scaled(3.0);
    let mut values = Values::new();
    values.insert(format!("{}/kernel", R::NAME), kernel.clone())?;
    let layer = R::layer::<W>().without_bias();
    let x = input::<R>();
    let program = condition(|| layer.forward(&x), values);
    let ((y, kl), expected) = (
        seed(0, || with_kl::<_, f64>(1, || program.run()))?,
        linear::<R>(kernel.to_vec()?, *kernel.dims(), &x)?,
    );
    assert_eq!((y.to_vec()?, kl.item()?), (expected, 0.0), "{} {}", W::NAME, R::NAME);
    Ok(())
}

#[test]
fn a_conditioned_kernel_is_used_as_it_is_and_costs_nothing() -> Result<()> {
    over_geometries!(takes_a_given_kernel::<Reparameterization>);
    over_geometries!(takes_a_given_kernel::<Flipout>);
    over_geometries!(takes_a_given_kernel::<LocalReparameterization>);
    over_geometries!(takes_a_given_kernel::<VariationalDropout>);
    Ok(())
}

fn is_a_function_of_the_key<W: Estimator, R: Row>() -> Result<()> {
    let layer = R::layer::<W>();
    let mut params = Params::new();
    let x = input::<R>();
    seed(0, || layer.init(&mut params, &x))?;
    let run = |key| seed(key, || with_params(&params, || layer.forward(&x)))?.to_vec();
    assert_eq!(run(1)?, run(1)?, "{} {}", W::NAME, R::NAME);
    assert_ne!(run(1)?, run(2)?, "{} {}", W::NAME, R::NAME);
    assert!(with_params(&params, || layer.forward(&x)).is_err(), "unseeded: {} {}", W::NAME, R::NAME);
    Ok(())
}

#[test]
fn one_key_gives_one_output() -> Result<()> {
    over_geometries!(is_a_function_of_the_key::<Reparameterization>);
    over_geometries!(is_a_function_of_the_key::<Flipout>);
    over_geometries!(is_a_function_of_the_key::<LocalReparameterization>);
    over_geometries!(is_a_function_of_the_key::<VariationalDropout>);
    Ok(())
}
