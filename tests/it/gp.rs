//! Gaussian processes against scikit-learn, SciPy and published numbers, and against one another.

use ed::layers::gp::kernels::{
    ExponentiatedQuadratic, Kernel, Linear, Matern12, Matern32, Matern52, Periodic, RationalQuadratic, White,
};
use ed::layers::gp::likelihoods::{
    BernoulliLikelihood, CategoricalLikelihood, GaussianLikelihood, HeteroscedasticGaussian, Likelihood,
    PoissonLikelihood, StudentTLikelihood,
};
use ed::layers::gp::{
    BayesianLinearModel, ConstantMean, GaussianProcess, InducingCovariance, LinearMean, Positive,
    ProjectionMean, SparseGaussianProcess,
};
use ed::params::{make_params, value_and_gradients, with_params};
use ed::prelude::*;
use serde_json::Value as Json;

type Matrix = Var<(usize, usize), f64>;

fn matrix(rows: usize, columns: usize, numbers: &[f64]) -> Matrix {
    Var::from_vec(numbers.to_vec(), (rows, columns)).unwrap()
}

fn golden() -> Json {
    serde_json::from_str(include_str!("../golden/gp.json")).unwrap()
}

fn numbers(json: &Json) -> Vec<f64> {
    json.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn assert_near(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (place, (x, y)) in found.iter().zip(expected).enumerate() {
        assert!((x - y).abs() <= tolerance * (1.0 + y.abs()), "{what}, place {place}: {x} is not {y}");
    }
}

/// As in the generator.
fn wave(rows: usize, columns: usize, phase: f64) -> Matrix {
    let number = |i: usize| 1.5 * (1.37 * i as f64 + phase).sin();
    matrix(rows, columns, &(0..rows * columns).map(number).collect::<Vec<_>>())
}

fn observations(x: &Matrix) -> Matrix {
    let rows = x.to_vec().unwrap();
    let y = rows.chunks(2).flat_map(|r| [r[0].sin() + 0.3 * r[1], (r[0] + r[1]).cos()]);
    matrix(rows.len() / 2, 2, &y.collect::<Vec<_>>())
}

const NOISE: f64 = 0.04;

/// A lengthscale for each feature, as parameters.
fn params_with(numbers: &[(&'static str, Var<(usize,), f64>)]) -> Params {
    let mut params = Params::new();
    for (name, value) in numbers {
        // softplus⁻¹
        let raw = value.expm1().ln();
        params.insert(*name, raw).unwrap();
    }
    params
}

fn equals_scikit_learn(name: &str, kernel: impl Kernel, params: &Params, features: usize) -> Result<()> {
    let golden = golden();
    let golden = if name == "periodic" { &golden["periodic"] } else { &golden["kernels"][name] };
    let cut = |x: Matrix| -> Result<Matrix> {
        let places: Vec<usize> = (0..features).collect();
        let columns: Matrix = x.transpose().gather(&places)?;
        Ok(columns.transpose())
    };
    let y = observations(&wave(12, 2, 0.3));
    let (x, x_new) = (cut(wave(12, 2, 0.3))?, cut(wave(5, 2, 1.9))?);
    with_params(params, || {
        let tolerance = 1e-12;
        let (gram, cross) = ed::trace::nested_as("gaussian_process/kernel", || {
            Ok((kernel.gram(&x)?, kernel.matrix(&x, &x_new)?))
        })?;
        assert_near(&gram.to_vec()?, &numbers(&golden["gram"]), tolerance, name);
        assert_near(&cross.to_vec()?, &numbers(&golden["cross"]), tolerance, name);
        let diagonal = ed::trace::nested_as("gaussian_process/kernel", || kernel.diag(&x))?;
        assert_near(&diagonal.to_vec()?, &gram.diagonal()?.to_vec()?, tolerance, name);

        let gp = GaussianProcess::new(2).kernel(kernel).noise(Positive::Fixed(NOISE)).jitter(0.0);
        let posterior = gp.posterior(&x, &y).at(&x_new)?;
        assert_near(&posterior.mean()?.to_vec()?, &numbers(&golden["mean"]), 1e-8, name);
        assert_near(&posterior.covariance()?.to_vec()?, &numbers(&golden["covariance"]), 1e-8, name);
        let evidence = gp.log_marginal_likelihood(&x, &y)?.item()?;
        assert_near(&[evidence], &[golden["log_marginal_likelihood"].as_f64().unwrap()], 1e-8, name);
        Ok(())
    })
}

fn fixed(number: f64) -> Positive {
    Positive::Fixed(number)
}

#[test]
fn covariances_posteriors_and_evidence_are_those_of_scikit_learn() -> Result<()> {
    let none = Params::new();
    let two = |a: f64, b: f64| params_with(&[("gaussian_process/kernel/raw_lengthscale", Var::from([a, b]))]);
    let eq = || ExponentiatedQuadratic::new().variance(fixed(1.7));
    equals_scikit_learn("exponentiated_quadratic", eq().ard(), &two(0.8, 1.9), 2)?;
    let half = || Matern12::new().lengthscale(fixed(1.2));
    equals_scikit_learn("matern12", half().variance(fixed(0.6)), &none, 2)?;
    equals_scikit_learn("matern32", Matern32::new().variance(fixed(1.3)).ard(), &two(0.7, 1.1), 2)?;
    let five = Matern52::new().lengthscale(fixed(0.9)).variance(fixed(2.1));
    equals_scikit_learn("matern52", five, &none, 2)?;
    let rational = RationalQuadratic::new().lengthscale(fixed(1.1)).alpha(fixed(0.7)).variance(fixed(1.4));
    equals_scikit_learn("rational_quadratic", rational, &none, 2)?;
    equals_scikit_learn("linear", Linear::new().variance(fixed(0.5)).bias(fixed(0.3)), &none, 2)?;
    let eq = || eq().lengthscale(fixed(0.8));
    equals_scikit_learn("sum", eq() + White::new().variance(fixed(0.2)), &none, 2)?;
    equals_scikit_learn("product", eq() * half().variance(fixed(1.0)), &none, 2)?;
    let periodic = Periodic::new().period(fixed(0.8)).lengthscale(fixed(1.3)).variance(fixed(0.9));
    equals_scikit_learn("periodic", periodic, &none, 1)
}

fn three() -> (Matrix, Matrix, Matrix) {
    (matrix(3, 1, &[0.0, 1.0, 2.0]), matrix(3, 1, &[0.0, 1.0, 0.0]), matrix(2, 1, &[0.5, 1.5]))
}

fn unit() -> ExponentiatedQuadratic {
    ExponentiatedQuadratic::new().lengthscale(fixed(1.0)).variance(fixed(1.0))
}

#[test]
fn the_posterior_without_noise_has_the_published_numbers() -> Result<()> {
    let (x, y, between) = three();
    let gp = GaussianProcess::new(1).kernel(unit()).noise(fixed(1e-7)).jitter(1e-7);
    let f = gp.jitter(0.0).posterior(&x, &y).at(&between)?;
    assert_near(&f.mean()?.to_vec()?, &[0.675106715; 2], 1e-7, "mean");
    let covariance = [0.017892546, -0.015679732, -0.015679732, 0.017892546];
    assert_near(&f.covariance()?.to_vec()?, &covariance, 1e-6, "covariance");
    let log_prob = f.log_prob(&matrix(2, 1, &[0.5, 0.5]))?.item()?;
    assert!((log_prob + 10.940834).abs() < 2e-3, "{log_prob}");
    Ok(())
}

/// A sparse process with inducing points at `[0, 1, 2]` whose outputs are `N([.1, .9, -.2], diag[.01, .04, .09])`.
fn sparse(covariance: InducingCovariance) -> Result<(SparseGaussianProcess<ExponentiatedQuadratic>, Params)> {
    let layer = SparseGaussianProcess::new(1, 3).kernel(unit()).covariance(covariance).jitter(1e-7);
    let (z, _, _) = three();
    let factor =
        (unit().gram(&z)? + matrix(3, 3, &[1e-7, 0.0, 0.0, 0.0, 1e-7, 0.0, 0.0, 0.0, 1e-7])).cholesky()?;
    let loc = factor.solve_triangular(&matrix(3, 1, &[0.1, 0.9, -0.2]))?;
    // Whitened: S = L⁻¹ diag L⁻ᵀ.
    let half = factor.solve_triangular(&matrix(3, 3, &[0.1, 0.0, 0.0, 0.0, 0.2, 0.0, 0.0, 0.0, 0.3]))?;
    let root = half.dot(&half.transpose())?.cholesky()?;
    let mut raw = root.to_vec()?;
    (0..3).for_each(|i| raw[4 * i] = raw[4 * i].ln());
    let mut params = Params::new();
    let name = |end: &str| format!("sparse_gaussian_process/{end}");
    params.insert(name("inducing_inputs"), z)?;
    params.insert(name("inducing_outputs/loc"), loc)?;
    params.insert(name("inducing_outputs/raw_factors"), Var::from_vec(raw, (1usize, 3usize, 3usize))?)?;
    Ok((layer, params))
}

#[test]
fn the_sparse_divergence_and_marginals_are_those_of_the_true_prior() -> Result<()> {
    let (layer, params) = sparse(InducingCovariance::Full)?;
    let (_, _, between) = three();
    let run = || seed(0, || with_kl::<_, f64>(1, || layer.forward(&between)));
    let (f, kl) = with_params(&params, run)?;
    // Not the 4.115995810 of a divergence from N(0, I).
    assert_near(&[kl.item()?], &[4.552557711], 1e-6, "divergence");
    let f = f.distribution();
    assert_near(&f.mean()?.to_vec()?, &[0.687273146, 0.493726089], 1e-6, "mean");
    assert_near(&f.variance()?.to_vec()?, &[0.04062787, 0.058275671], 1e-6, "variance");
    Ok(())
}

#[test]
fn outputs_that_are_decided_elsewhere_are_conditioned_on() -> Result<()> {
    for covariance in [InducingCovariance::Diagonal, InducingCovariance::Full] {
        let (layer, mut params) = sparse(covariance)?;
        params = match covariance {
            InducingCovariance::Full => params,
            InducingCovariance::Diagonal => {
                let mut own = Params::new();
                for name in ["inducing_inputs", "inducing_outputs/loc"] {
                    let name = format!("sparse_gaussian_process/{name}");
                    own.insert(name.clone(), params.required(&name)?.clone())?;
                }
                own
            }
        };
        let (z, _, _) = three();
        let value = matrix(3, 1, &[0.3, -0.4, 1.1]);
        let program = || layer.forward(&z);
        let site = "sparse_gaussian_process/inducing_outputs";
        let run = || seed(0, || with_kl::<_, f64>(1, || condition(program, values![site => &value]).run()));
        let (f, kl) = with_params(&params, run)?;
        assert_eq!(kl.item()?, 0.0);
        // At the inducing points, given their values, nothing is open: f = L v.
        let expected = unit().gram(&z)?.cholesky()?.dot(&value)?.to_vec()?;
        assert_near(&f.distribution().mean()?.to_vec()?, &expected, 1e-5, "mean");
        assert!(f.distribution().variance()?.to_vec()?.iter().all(|&v| v < 1e-5));
    }
    Ok(())
}

#[test]
fn inducing_points_at_the_data_with_the_best_belief_give_the_exact_process() -> Result<()> {
    let (x, x_new) = (wave(12, 2, 0.3), wave(5, 2, 1.9));
    let y = observations(&x);
    let kernel = ExponentiatedQuadratic::new().lengthscale(fixed(0.9)).variance(fixed(1.4));
    let exact = GaussianProcess::new(2).kernel(kernel.clone()).noise(fixed(NOISE)).jitter(0.0);
    // Of u at the data: K (K + s²)⁻¹ y and K - K (K + s²)⁻¹ K; whitened: I - LᵀC⁻¹L.
    let at_data = exact.posterior(&x, &y).at(&x)?;
    let l = kernel.gram(&x)?.cholesky()?;
    let loc = l.solve_triangular(&at_data.mean()?)?;
    let half = l.solve_triangular(&at_data.scale_tril()?)?;
    let root = half.dot(&half.transpose())?.cholesky()?;
    let mut raw = root.to_vec()?;
    (0..12).for_each(|i| raw[13 * i] = raw[13 * i].ln());
    let both: Vec<f64> = raw.iter().chain(&raw).copied().collect();
    let layer = SparseGaussianProcess::new(2, 12)
        .kernel(kernel)
        .covariance(InducingCovariance::Full)
        .jitter(0.0)
        .named("sparse");
    let mut params = Params::new();
    params.insert("sparse/inducing_inputs", x.clone())?;
    params.insert("sparse/inducing_outputs/loc", loc)?;
    params.insert("sparse/inducing_outputs/raw_factors", Var::from_vec(both, (2usize, 12usize, 12usize))?)?;
    with_params(&params, || {
        let f = seed(0, || layer.forward(&x_new))?;
        let expected = exact.posterior(&x, &y).at(&x_new)?;
        assert_near(&f.distribution().mean()?.to_vec()?, &expected.mean()?.to_vec()?, 1e-6, "mean");
        assert_near(
            &f.distribution().variance()?.to_vec()?,
            &expected.variance()?.to_vec()?,
            1e-6,
            "variance",
        );
        // The bound meets the evidence (Titsias 2009).
        let noise = GaussianLikelihood::new().noise(fixed(NOISE));
        let (fit, kl) = seed(0, || {
            with_kl::<_, f64>(1, || {
                let f = layer.forward(&x)?;
                Ok(noise.expected_log_prob(f.distribution(), &y)?.sum())
            })
        })?;
        let evidence = exact.log_marginal_likelihood(&x, &y)?.item()?;
        assert_near(&[fit.item()? - kl.item()?], &[evidence], 1e-6, "evidence");
        Ok(())
    })
}

/// Slopes of a loss by some elements of every parameter, against small steps.
fn assert_slopes(params: &Params, loss: impl Fn() -> Result<Var<(), f64>>, tolerance: f64) -> Result<()> {
    let mut made = params.clone();
    let (_, gradients) = value_and_gradients(&mut made, &loss)?;
    assert!(gradients.len() >= 4, "{:?}", gradients.names().collect::<Vec<_>>());
    for (name, gradient) in gradients.iter() {
        let (gradient, at) = (gradient.to_vec()?, made.required(name.as_str())?.clone());
        let (numbers, dims) = (at.to_vec()?, *at.dims());
        for place in (0..numbers.len()).step_by(numbers.len().div_ceil(5)) {
            let moved = |by: f64| -> Result<f64> {
                let mut numbers = numbers.clone();
                numbers[place] += by;
                let mut moved = made.clone();
                moved.set(name.clone(), AnyVar::F64(ed::tensor::Value::from_vec(numbers, dims)?))?;
                with_params(&moved, || loss()?.item())
            };
            let slope = (moved(1e-5)? - moved(-1e-5)?) / 2e-5;
            let found = gradient[place];
            assert!(
                (found - slope).abs() < tolerance * (1.0 + slope.abs()),
                "{name}[{place}]: {found}, not {slope}"
            );
        }
    }
    Ok(())
}

#[test]
fn every_parameter_of_a_deep_process_has_its_slope() -> Result<()> {
    let x = wave(9, 2, 0.3);
    let y = observations(&x);
    for covariance in [InducingCovariance::Diagonal, InducingCovariance::Full] {
        let net = sequential![
            SparseGaussianProcess::new(2, 4)
                .kernel(ExponentiatedQuadratic::new().ard())
                .mean(ProjectionMean)
                .covariance(covariance),
            SparseGaussianProcess::new(2, 5).kernel(Matern52::new()).mean(LinearMean).covariance(covariance),
        ];
        let noise = GaussianLikelihood::new();
        let loss = || {
            let ((), nll, kl) = seed(3, || {
                let (nll, kl) = with_kl::<_, f64>(9, || {
                    let f = net.forward(&x)?;
                    Ok(-noise.expected_log_prob(f.distribution(), &y)?.mean())
                })?;
                Ok(((), nll, kl))
            })?;
            (nll + kl).check()
        };
        assert_slopes(&Params::new(), loss, 1e-5)?;
    }
    Ok(())
}

#[test]
fn every_number_of_the_evidence_has_its_slope() -> Result<()> {
    let x = wave(8, 2, 0.3);
    let y = observations(&x);
    let kernel = ExponentiatedQuadratic::new().ard() * Periodic::new().on(&[1])
        + RationalQuadratic::new()
        + Linear::new().scaled(0.5)
        + White::new();
    let gp = GaussianProcess::new(2).kernel(kernel).mean(ConstantMean);
    assert_slopes(&Params::new(), || gp.log_marginal_likelihood(&x, &y), 1e-6)
}

#[test]
fn the_prior_is_a_random_variable_with_one_density_for_all_values() -> Result<()> {
    let x: Var<_, f32> = Var::from_vec((0..10).map(|i| i as f32).collect(), (5usize, 2usize))?;
    let gp = GaussianProcess::new(3);
    let (f, trace) = seed(0, || tape(&|| gp.forward(&x)))?;
    assert_eq!((f.shape(), f.distribution().shape()), (&(5, 3), (5, 3)));
    let site = trace.required("gaussian_process/values")?;
    assert_eq!(site.log_prob()?.item()?, f64::from(f.distribution().log_prob(f.var())?.item()?));
    let deep = sequential![GaussianProcess::new(2), GaussianProcess::new(1)];
    assert_eq!(seed(0, || deep.forward(&x))?.shape(), &(5, 1));
    Ok(())
}

#[test]
fn draws_of_a_posterior_have_its_moments() -> Result<()> {
    let (x, y, between) = three();
    let gp = GaussianProcess::new(1).kernel(unit()).noise(fixed(0.1));
    let f = gp.posterior(&x, &y).at(&between)?;
    let draws: Vec<Vec<f64>> = (0..4000).map(|i| f.sample(Key::new(i))?.to_vec()).collect::<Result<_>>()?;
    let (mean, covariance) = (f.mean()?.to_vec()?, f.covariance()?.to_vec()?);
    let average = |g: &dyn Fn(&[f64]) -> f64| draws.iter().map(|d| g(d)).sum::<f64>() / 4000.0;
    let own = average(&|d| d[0]);
    assert!((own - mean[0]).abs() < 5.0 * (covariance[0] / 4000.0).sqrt());
    let cross = average(&|d| (d[0] - mean[0]) * (d[1] - mean[1]));
    let error = ((covariance[0] * covariance[3] + covariance[1].powi(2)) / 4000.0).sqrt();
    assert!((cross - covariance[1]).abs() < 5.0 * error, "{cross} {}", covariance[1]);
    Ok(())
}

#[test]
fn training_finds_a_function_and_its_noise() -> Result<()> {
    let n = 120usize;
    let inputs: Vec<f32> = (0..n).map(|i| 6.0 * i as f32 / n as f32 - 3.0).collect();
    let mut noise = vec![0f32; n];
    ed::kernels::rng::fill_normal(Key::new(5), &mut noise);
    let targets: Vec<f32> = inputs.iter().zip(&noise).map(|(x, e)| (2.0 * x).sin() + 0.1 * e).collect();
    let (x, y) = (Var::from_vec(inputs.clone(), (n, 1usize))?, Var::from_vec(targets, (n, 1usize))?);
    let layer = SparseGaussianProcess::new(1, 16);
    let likelihood = GaussianLikelihood::new();
    let trained = Train::new(n, |_| {
        let f = layer.forward(&x)?;
        Ok(-likelihood.expected_log_prob(f.distribution(), &y)?.mean())
    })
    .learning_rate(0.03)
    .steps(600)
    .quiet()
    .run(0)?;
    let (f, variance) = with_params(trained.params(), || {
        seed(1, || Ok((layer.forward(&x)?.distribution().clone(), likelihood.variance::<f32>()?)))
    })?;
    let error = (f.mean()? - Var::from_vec(inputs.iter().map(|x| (2.0 * x).sin()).collect(), (n, 1usize))?)
        .square()
        .mean()
        .item()?;
    assert!(error < 0.05 * 0.05, "{error}");
    assert!((variance.item()?.sqrt() - 0.1).abs() < 0.03, "{variance}");
    // Far from all data it is as uncertain as before.
    let far = with_params(trained.params(), || {
        seed(1, || layer.forward(&Var::from_vec(vec![60.0f32], (1usize, 1usize))?))
    })?;
    let prior = with_params(trained.params(), || {
        ed::trace::nested_as("sparse_gaussian_process/kernel", || {
            ExponentiatedQuadratic::new().diag(&Var::<_, f32>::zeros((1usize, 1usize)))
        })
    })?;
    assert!((far.distribution().variance()?.to_vec()?[0] / prior.to_vec()?[0] - 1.0).abs() < 1e-3);
    Ok(())
}

#[test]
fn a_linear_model_has_the_published_numbers_and_takes_data_in_parts() -> Result<()> {
    let x = matrix(3, 2, &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    let at = matrix(1, 2, &[1.0, -1.0]);
    let empty = BayesianLinearModel::new(0.01)?;
    assert_near(&empty.values(&at)?.variance()?.to_vec()?, &[2.0], 1e-12, "prior");
    assert!(empty.coeffs().unwrap_err().to_string().contains("call `fit` first"));
    let all = empty.fit(&x, &Var::from([1.0, 2.0, 3.1]))?;
    let parts = empty
        .fit(&matrix(1, 2, &[1.0, 0.0]), &Var::from([1.0]))?
        .fit(&matrix(2, 2, &[0.0, 1.0, 1.0, 1.0]), &Var::from([2.0, 3.1]))?;
    for model in [all, parts] {
        assert_near(&model.coeffs()?.to_vec()?, &[1.033189698, 2.023288708], 1e-9, "weights");
        let values = model.values(&at)?;
        assert_near(&values.mean()?.to_vec()?, &[-0.990099010], 1e-9, "mean");
        assert_near(&values.variance()?.to_vec()?, &[0.019801980], 1e-9, "variance");
        let seen = model.observations(&at)?.variance()?.to_vec()?;
        assert_near(&seen, &[0.029801980], 1e-9, "variance with noise");
        assert!(model.fit(&matrix(1, 1, &[1.0]), &Var::from([1.0])).is_err());
    }
    assert!(BayesianLinearModel::<f64>::new(-1.0).is_err());
    Ok(())
}

#[test]
fn a_linear_model_recovers_the_weights_of_a_plane() -> Result<()> {
    let x = matrix(5, 3, &(0..15).map(|i| (i as f64 * 1.7).sin()).collect::<Vec<_>>());
    let y = x.dot(&Var::from([0.0, 1.0, 2.0]))?;
    let model = BayesianLinearModel::new(0.01)?.fit(&x, &y)?;
    let values = seed(0, || model.forward(&x))?;
    let gaps = values.distribution().mean()? - &y;
    assert!(gaps.to_vec()?.iter().all(|gap| gap.abs() < 0.1));
    assert!(values.distribution().variance()?.to_vec()?.iter().all(|&v| v <= 0.01));
    Ok(())
}

fn moments() -> [(f64, f64); 3] {
    [(0.3, 0.8), (-1.2, 0.1), (0.9, 1.5)]
}

fn functions() -> Result<Normal<(usize, usize), f64>> {
    let (loc, scale): (Vec<f64>, Vec<f64>) = moments().into_iter().unzip();
    Normal::new(matrix(3, 1, &loc), matrix(3, 1, &scale))
}

#[test]
fn expected_log_densities_are_those_of_quadrature_by_scipy() -> Result<()> {
    let (f, golden) = (functions()?, golden());
    let expected = |name: &str| numbers(&golden["likelihoods"][name]);
    let gaussian = GaussianLikelihood::new().noise(fixed(0.3));
    let found = gaussian.expected_log_prob(&f, &matrix(3, 1, &[0.5, -1.0, 2.0]))?;
    assert_near(&found.to_vec()?, &expected("gaussian"), 1e-10, "gaussian");
    let found = BernoulliLikelihood::new().expected_log_prob(&f, &matrix(3, 1, &[1.0, 0.0, 1.0]))?;
    assert_near(&found.to_vec()?, &expected("bernoulli"), 1e-6, "bernoulli");
    let found = PoissonLikelihood.expected_log_prob(&f, &matrix(3, 1, &[2.0, 0.0, 5.0]))?;
    assert_near(&found.to_vec()?, &expected("poisson"), 1e-10, "poisson");
    let student = StudentTLikelihood::new(4.0).scale(fixed(0.7));
    let found = student.expected_log_prob(&f, &matrix(3, 1, &[0.5, -1.0, 2.0]))?;
    assert_near(&found.to_vec()?, &expected("student_t"), 1e-3, "Student t");
    let pair = Normal::new(matrix(1, 2, &[0.3, -0.4]), matrix(1, 2, &[0.8, 0.5]))?;
    let found = HeteroscedasticGaussian.expected_log_prob(&pair, &matrix(1, 1, &[0.5]))?;
    let heteroscedastic = golden["heteroscedastic"].as_f64().unwrap();
    assert_near(&found.to_vec()?, &[heteroscedastic], 1e-7, "heteroscedastic");
    let probs = BernoulliLikelihood::new().predictive(&f)?.mean()?.to_vec()?;
    assert_near(&probs, &numbers(&golden["bernoulli_predictive"]), 1e-7, "probabilities");
    Ok(())
}

#[test]
fn predictive_distributions_have_the_moments_of_observations() -> Result<()> {
    let f = functions()?;
    let counts = PoissonLikelihood.predictive(&f)?;
    for (place, (loc, scale)) in moments().into_iter().enumerate() {
        let mean = (loc + 0.5 * scale * scale).exp();
        assert!((counts.mean()?.to_vec()?[place] / mean - 1.0).abs() < 1e-9);
        let variance = mean + mean * mean * (scale * scale).exp_m1();
        assert!((counts.variance()?.to_vec()?[place] / variance - 1.0).abs() < 1e-9);
    }
    let student = StudentTLikelihood::new(4.0).scale(fixed(0.7)).predictive(&f)?;
    assert_near(&student.variance()?.to_vec()?[..1], &[0.64 + 0.49 * 2.0], 1e-12, "Student t");
    assert!(StudentTLikelihood::new(2.0).predictive(&f).is_err());
    // e^(2m + 2s²) for the noise.
    let pair = Normal::new(matrix(1, 2, &[0.3, -0.4]), matrix(1, 2, &[0.8, 0.5]))?;
    let noisy = HeteroscedasticGaussian.predictive(&pair)?.variance()?.to_vec()?;
    assert_near(&noisy, &[0.64 + (-0.8f64 + 0.5).exp()], 1e-12, "heteroscedastic");
    assert!(HeteroscedasticGaussian.predictive(&f).is_err());
    // Three classes, all alike.
    let logits = Normal::new(matrix(2, 3, &[0.0; 6]), 0.5)?;
    let classes = CategoricalLikelihood::new().samples(2000);
    let probs = seed(0, || classes.predictive(&logits))?.probs()?.to_vec()?;
    assert!(probs.iter().all(|p| (p - 1.0 / 3.0).abs() < 0.02), "{probs:?}");
    let expected = seed(0, || classes.expected_log_prob(&logits, &matrix(2, 1, &[0.0, 2.0])))?.to_vec()?;
    assert!(expected.iter().all(|x| (-1.35..-1.09).contains(x)), "{expected:?}");
    assert!(seed(0, || classes.expected_log_prob(&logits, &matrix(2, 3, &[0.0; 6]))).is_err());
    Ok(())
}

#[test]
fn faults_are_sentences() -> Result<()> {
    let x: Var<_, f32> = Var::ones((4usize, 2usize));
    let say = |refused: Result<()>| super::support::message(refused);
    let run = |layer: SparseGaussianProcess| seed(0, || layer.forward(&x).map(|_| ()));
    assert_eq!(
        say(run(SparseGaussianProcess::new(1, 0))),
        "in the layer `sparse_gaussian_process` (SparseGaussianProcess): SparseGaussianProcess: `num_inducing` must be at \
         least 1, got 0"
    );
    assert!(
        say(run(SparseGaussianProcess::new(1, 3).scale(-1.0)))
            .contains("`scale` must be finite and positive")
    );
    let nan: Var<_, f32> = Var::full(f64::NAN, (4usize, 2usize));
    let refused = seed(0, || SparseGaussianProcess::new(1, 3).forward(&nan).map(|_| ()));
    assert!(say(refused).contains("`x` must be finite, got NaN at [0, 0]"));
    let kernel = ExponentiatedQuadratic::new().on(&[7]);
    let refused = seed(0, || GaussianProcess::new(1).kernel(kernel).forward(&x).map(|_| ()));
    assert!(say(refused).contains("places of features that the points have, got 7 for points of 2 features"));
    let kernel = ExponentiatedQuadratic::new().lengthscale(-1.0);
    let refused = seed(0, || GaussianProcess::new(1).kernel(kernel).forward(&x).map(|_| ()));
    assert!(
        say(refused).contains("ExponentiatedQuadratic: `lengthscale` must be finite and positive, got -1")
    );
    // All points at one place: the jitter makes a factor.
    let mut params = Params::new();
    make_params(&mut params, || run(SparseGaussianProcess::new(1, 8)))?;
    let gp = GaussianProcess::new(1);
    let y: Var<_, f32> = Var::ones((3usize, 1usize));
    assert!(say(gp.posterior(&x, &y).at(&x).map(|_| ())).contains("[4, 1], observations by units"));
    Ok(())
}
