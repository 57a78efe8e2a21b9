//! Processes, likelihoods and losses at the edges of what they are given.

use ed::layers::gp::kernels::{ExponentiatedQuadratic, Kernel, Matern12, Matern32, Matern52, Periodic};
use ed::layers::gp::likelihoods::{
    BernoulliLikelihood, CategoricalLikelihood, GaussianLikelihood, HeteroscedasticGaussian, Likelihood,
    PoissonLikelihood, StudentTLikelihood,
};
use ed::layers::gp::{
    BayesianLinearModel, GaussianProcess, InducingCovariance, Positive, SparseGaussianProcess,
};
use ed::params::{value_and_gradients, with_params};
use ed::prelude::*;

use super::support::message;

type Points<E> = Var<(usize, usize), E>;

fn column<E: ed::tensor::Float>(numbers: &[f64]) -> Points<E> {
    Var::from_vec(numbers.iter().map(|&x| E::from_f64(x)).collect(), (numbers.len(), 1)).unwrap()
}

fn unit() -> ExponentiatedQuadratic {
    ExponentiatedQuadratic::new().lengthscale(Positive::Fixed(1.0)).variance(Positive::Fixed(1.0))
}

/// Twenty points of `sin(1.3 x)` from 0 to 4.75, with the evidence and the variance at 2.5 in sixty digits (mpmath).
#[test]
fn an_exact_process_adds_nothing_to_a_covariance_that_has_a_factor() -> Result<()> {
    fn check<E: ed::tensor::Float>(tolerances: [[f64; 2]; 2]) -> Result<()> {
        let inputs: Vec<f64> = (0..20).map(|i| i as f64 / 4.0).collect();
        let outputs: Vec<f64> = inputs.iter().map(|x| (1.3 * x).sin()).collect();
        let (x, y) = (column::<E>(&inputs), column::<E>(&outputs));
        let expected = [(1e-3, 23.67224315, 3.455116798e-4), (1e-6, 56.96947583, 4.707216733e-7)];
        for ((noise, evidence, variance), [of_evidence, of_variance]) in expected.into_iter().zip(tolerances)
        {
            let gp = GaussianProcess::new(1).kernel(unit()).noise(Positive::Fixed(noise));
            let found = gp.log_marginal_likelihood(&x, &y)?.item()?.to_f64();
            assert!((found - evidence).abs() < of_evidence, "{} {noise}: {found}", E::NAME);
            let f = gp.posterior(&x, &y).at(&column(&[2.5]))?;
            let found = f.variance()?.to_vec()?[0].to_f64();
            assert!((found / variance - 1.0).abs() < of_variance, "{} {noise}: {found}", E::NAME);
            assert_eq!(f.jitter(), 0.0);
        }
        Ok(())
    }
    check::<f64>([[1e-7, 1e-8], [1e-4, 1e-6]])?;
    // The rounding of a covariance of 1 is a tenth of the smaller noise.
    check::<f32>([[5e-3, 5e-3], [0.5, 0.6]])
}

#[test]
fn a_covariance_without_a_factor_gets_the_least_that_makes_one_and_says_how_much() -> Result<()> {
    let x = column::<f32>(&(0..60).map(|i| f64::from(i) / 20.0).collect::<Vec<_>>());
    let f = seed(0, || GaussianProcess::new(1).kernel(unit()).forward(&x))?;
    let jitter = f.distribution().jitter();
    assert!(jitter > 0.0 && jitter < 1e-4, "{jitter}");
    // The moments are those of the process and not of its factor.
    for variance in f.distribution().variance()?.to_vec()? {
        assert!((variance - 1.0).abs() < 1e-6, "{variance}");
    }
    // Two observations at one place without noise: the second says nothing new.
    let (x, y) = (column::<f64>(&[0.0, 0.0, 1.0]), column::<f64>(&[1.0, 1.0, 0.0]));
    let twice = GaussianProcess::new(1).kernel(unit()).noise(Positive::Fixed(1e-30)).posterior(&x, &y);
    let (x, y) = (column::<f64>(&[0.0, 1.0]), column::<f64>(&[1.0, 0.0]));
    let once = GaussianProcess::new(1).kernel(unit()).noise(Positive::Fixed(1e-30)).posterior(&x, &y);
    let at = column(&[0.5, 3.0]);
    let (twice, once) = (twice.at(&at)?, once.at(&at)?);
    for (a, b) in twice.mean()?.to_vec()?.iter().zip(once.mean()?.to_vec()?) {
        assert!((a - b).abs() < 1e-7, "{a} {b}");
    }
    // At the observations nothing is open, and no variance is below 0.
    for at in [column(&[0.0, 1.0, 0.0]), column(&[1e-9, 1.0])] {
        let f =
            GaussianProcess::new(1).kernel(unit()).noise(Positive::Fixed(1e-12)).posterior(&x, &y).at(&at)?;
        assert!(f.variance()?.to_vec()?.iter().all(|v| (0.0..1e-9).contains(v)));
    }
    Ok(())
}

#[test]
fn given_no_observations_a_process_is_its_prior() -> Result<()> {
    let none = Var::<(usize, usize), f64>::zeros((0, 1));
    let gp = GaussianProcess::new(1).kernel(unit());
    assert_eq!(gp.log_marginal_likelihood(&none, &none)?.item()?, 0.0);
    let at = column(&[0.0, 1.0]);
    let f = seed(0, || gp.posterior(&none, &none).forward(&at))?;
    assert_eq!(f.distribution().mean()?.to_vec()?, [0.0; 2]);
    let (covariance, k) = (f.distribution().covariance()?.to_vec()?, (-0.5f64).exp());
    for (found, expected) in covariance.iter().zip([1.0, k, k, 1.0]) {
        assert!((found - expected).abs() < 1e-14, "{covariance:?}");
    }
    let model = BayesianLinearModel::new(0.1)?.fit(&Var::zeros((0, 2)), &Var::zeros((0,)))?;
    let plane = model.values(&Var::from_vec(vec![3.0, 4.0], (1usize, 2usize))?)?;
    assert!((plane.variance()?.to_vec()?[0] - 25.0f64).abs() < 1e-12);
    let said = message(gp.posterior(&column(&[0.0]), &column(&[1.0])).at(&none));
    assert!(said.contains("with at least one point, got [0, 1]"), "{said}");
    Ok(())
}

#[test]
fn observations_far_away_say_nothing_and_break_nothing() -> Result<()> {
    fn check<K: Kernel>(kernel: K, k: f64) -> Result<()> {
        let gp = GaussianProcess::new(1).kernel(kernel).noise(Positive::Fixed(0.5));
        let (x, y) = (column::<f32>(&[0.0, 1e20, -1e20]), column::<f32>(&[1.0, -5.0, 7.0]));
        let f = gp.posterior(&x, &y).at(&column(&[1.0, 1e19]))?;
        let (mean, variance) = (f.mean()?.to_vec()?, f.variance()?.to_vec()?);
        // Of one observation: k y / (1 + s²).
        assert!((f64::from(mean[0]) - k / 1.5).abs() < 1e-6 && mean[1].abs() < 1e-6, "{mean:?}");
        assert!((f64::from(variance[0]) - (1.0 - k * k / 1.5)).abs() < 1e-6, "{variance:?}");
        assert!((variance[1] - 1.0).abs() < 1e-6, "{variance:?}");
        let mut params = Params::new();
        let (_, gradients) = value_and_gradients(&mut params, || gp.log_marginal_likelihood(&x, &y))?;
        for (name, gradient) in gradients.iter() {
            assert!(gradient.to_vec()?.iter().all(|g| g.is_finite()), "{name}");
        }
        Ok(())
    }
    // Trained numbers, which start here.
    macro_rules! at_distance_one {
        ($kernel:ident, $k:expr) => {
            check($kernel::new().lengthscale(1.0), $k)?
        };
    }
    let r: fn(f64) -> f64 = f64::sqrt;
    at_distance_one!(ExponentiatedQuadratic, (-0.5f64).exp());
    at_distance_one!(Matern12, (-1f64).exp());
    at_distance_one!(Matern32, (1.0 + r(3.0)) * (-r(3.0)).exp());
    at_distance_one!(Matern52, (1.0 + r(5.0) + 5.0 / 3.0) * (-r(5.0)).exp());
    Ok(())
}

#[test]
fn a_periodic_function_is_as_periodic_far_away() -> Result<()> {
    fn check<E: ed::tensor::Float>(far: f64) -> Result<()> {
        let kernel = Periodic::new().lengthscale(Positive::Fixed(1.0)).variance(Positive::Fixed(1.0));
        let k = kernel.matrix(&column::<E>(&[far]), &column(&[far + 0.25, 0.5, -far]))?.to_vec()?;
        for (k, sine) in k.iter().zip([0.5, 1.0, 0.0f64]) {
            let expected = (-2.0 * sine).exp();
            assert!((k.to_f64() - expected).abs() < 1e-6, "{} {far}: {k} is not {expected}", E::NAME);
        }
        Ok(())
    }
    check::<f32>(1e6)?;
    check::<f64>(1e15)
}

#[test]
fn a_row_of_zeros_among_others_leaves_them_their_answers() -> Result<()> {
    fn check<E: ed::tensor::Float>() -> Result<()> {
        let rows = |numbers: &[f64]| -> Result<Points<E>> {
            Var::from_vec(numbers.iter().map(|&x| E::from_f64(x)).collect(), (numbers.len() / 2, 2))
        };
        let x = rows(&[1.0, 0.0, 0.0, 1.0, 1.0, 1.0])?;
        let y = Var::from([1.0, 2.0, 3.1].map(E::from_f64).to_vec());
        let model = BayesianLinearModel::new(0.01)?.fit(&x, &y)?;
        let values = model.values(&rows(&[1.0, -1.0, 0.0, 0.0])?)?;
        let (mean, variance) = (values.mean()?.to_vec()?, values.variance()?.to_vec()?);
        assert!((mean[0].to_f64() + 0.990099010).abs() < 1e-5 && mean[1] == E::ZERO);
        assert!((variance[0].to_f64() - 0.019801980).abs() < 1e-6 && variance[1].to_f64() < 1e-30);
        let prior = BayesianLinearModel::<E>::new(0.01)?.values(&rows(&[0.0, 0.0, 3.0, 4.0])?)?;
        assert!((prior.variance()?.to_vec()?[1].to_f64() - 25.0).abs() < 1e-5);
        Ok(())
    }
    check::<f32>()?;
    check::<f64>()
}

#[test]
fn a_number_that_is_none_is_named_with_its_place() -> Result<()> {
    let (x, mut numbers) = (column::<f64>(&[0.0, 1.0, 2.0, 3.0]), [1.0; 4]);
    numbers[3] = f64::NAN;
    let bad = column::<f64>(&numbers);
    let gp = GaussianProcess::new(1).kernel(unit());
    let said = "GaussianProcess: `y` must be finite, got NaN at [3, 0]";
    assert!(message(gp.log_marginal_likelihood(&x, &bad)).ends_with(said));
    assert!(message(gp.posterior(&x, &bad).at(&x)).ends_with(said));
    let said = "GaussianProcess: `x` must be finite, got NaN at [3, 0]";
    assert!(message(gp.posterior(&bad, &x).at(&x)).ends_with(said));
    assert!(message(gp.posterior(&x, &x).at(&bad)).ends_with(said));
    assert!(message(seed(0, || gp.forward(&bad))).ends_with(said));
    let said = "SparseGaussianProcess: `x` must be finite, got NaN at [3, 0]";
    assert!(message(seed(0, || SparseGaussianProcess::new(1, 2).forward(&bad))).ends_with(said));
    let y = Var::from([1.0, 2.0, f64::INFINITY, 0.0]);
    let model = BayesianLinearModel::new(0.1)?;
    assert_eq!(message(model.fit(&x, &y)), "BayesianLinearModel: `y` must be finite, got inf at [2]");
    assert_eq!(message(model.fit(&bad, &y)), "BayesianLinearModel: `x` must be finite, got NaN at [3, 0]");
    Ok(())
}

#[test]
fn what_cannot_be_observed_is_refused_with_its_place_by_every_likelihood() -> Result<()> {
    fn refuse<L: Likelihood>(
        likelihood: &L,
        functions: usize,
        outputs: usize,
        values: &[(f64, &str)],
    ) -> Result<()> {
        let f = Normal::new(Var::<(usize, usize), f64>::zeros((3, functions)), 0.5)?;
        for (value, said) in values {
            let mut y = vec![0.0; 3 * outputs];
            y[2 * outputs] = *value;
            let y = Var::from_vec(y, (3usize, outputs))?;
            let refused = message(seed(0, || likelihood.expected_log_prob(&f, &y)));
            assert!(refused.contains(&format!("got {said} at [2, 0]")), "{refused}");
        }
        Ok(())
    }
    let (nan, inf) = ((f64::NAN, "NaN"), (f64::INFINITY, "inf"));
    refuse(&BernoulliLikelihood::new(), 1, 1, &[(-1.0, "-1"), (2.0, "2"), (0.5, "0.5"), nan, inf])?;
    refuse(&PoissonLikelihood, 1, 1, &[(2.5, "2.5"), (-1.0, "-1"), nan, inf])?;
    refuse(&CategoricalLikelihood::new(), 3, 1, &[(3.0, "3"), (-1.0, "-1"), (0.5, "0.5"), nan])?;
    refuse(&GaussianLikelihood::new(), 1, 1, &[nan, inf])?;
    refuse(&StudentTLikelihood::new(4.0), 2, 2, &[nan, inf])?;
    refuse(&HeteroscedasticGaussian, 2, 1, &[nan, inf])
}

#[test]
fn counts_of_a_function_that_is_known_have_the_variance_of_their_mean() -> Result<()> {
    fn check<E: ed::tensor::Float>() -> Result<()> {
        let loc = Var::from_vec(vec![E::from_f64(3f64.ln())], (1usize, 1usize))?;
        let counts = PoissonLikelihood.predictive(&Normal::new(loc, 1e-25)?)?;
        for moment in [counts.mean()?, counts.variance()?] {
            let moment = moment.to_vec()?[0].to_f64();
            assert!((moment - 3.0).abs() < 1e-5, "{} {moment}", E::NAME);
        }
        Ok(())
    }
    check::<f32>()?;
    check::<f64>()
}

#[test]
fn a_belief_in_inducing_outputs_is_part_of_a_prediction_at_the_mean() -> Result<()> {
    for covariance in [InducingCovariance::Diagonal, InducingCovariance::Full] {
        let x = column::<f64>(&[-1.0, 0.0, 0.5, 2.0]);
        let layer = SparseGaussianProcess::new(1, 3).covariance(covariance).scale(0.5);
        let y = column::<f64>(&[0.5, 0.0, -0.5, 1.0]);
        let trained = Train::new(4, |_| Ok((layer.forward(&x)?.distribution().mean()? - &y).square().mean()))
            .steps(3)
            .quiet()
            .run(0)?;
        let f = with_params(trained.params(), || seed(0, || layer.forward(&x)))?;
        let at_mean = trained.predict_at_mean(|| layer.forward(&x))?;
        assert_eq!(at_mean.distribution().variance()?.to_vec()?, f.distribution().variance()?.to_vec()?);
        assert_eq!(at_mean.distribution().mean()?.to_vec()?, f.distribution().mean()?.to_vec()?);
        // In a deep process, too: two layers of the believed variances, and of one draw between them.
        let deep = sequential![layer.clone(), SparseGaussianProcess::new(1, 3).covariance(covariance)];
        let mut params = Params::new();
        seed(0, || deep.init(&mut params, &x))?;
        let program = || deep.forward(&x);
        let variances = with_params(&params, || {
            let own = seed(0, program)?.distribution().variance()?.to_vec()?;
            let at_mean =
                seed(0, || ed::handlers::mean(program).run())?.distribution().variance()?.to_vec()?;
            Ok((own, at_mean))
        })?;
        assert_eq!(variances.0, variances.1);
    }
    Ok(())
}

#[test]
fn a_first_batch_of_one_row_spreads_its_inducing_inputs() -> Result<()> {
    let inputs = |layer: &SparseGaussianProcess, first: &Points<f64>| -> Result<Vec<f64>> {
        let mut params = Params::new();
        seed(1, || layer.init(&mut params, first))?;
        let mut z = params.required("sparse_gaussian_process/inducing_inputs")?.to_vec()?;
        z.sort_by(f64::total_cmp);
        Ok(z)
    };
    let one = column::<f64>(&[0.3]);
    let z = inputs(&SparseGaussianProcess::new(1, 12), &one)?;
    assert!(z.windows(2).all(|pair| pair[1] > pair[0]) && z[11] - z[0] > 1.0, "{z:?}");
    // Rows of one's own decide, whatever comes first.
    let rows = column::<f64>(&(0..12).map(f64::from).collect::<Vec<_>>());
    let z = inputs(&SparseGaussianProcess::new(1, 12).start_from(&rows)?, &one)?;
    assert_eq!(z, (0..12).map(f64::from).collect::<Vec<_>>());
    let none = Var::<(usize, usize), f64>::zeros((0, 1));
    let said = message(inputs(&SparseGaussianProcess::new(1, 3), &none));
    assert!(said.contains("at least one row to start the inducing inputs from, got [0, 1]"), "{said}");
    assert!(SparseGaussianProcess::new(1, 3).start_from(&none).is_err());
    let wide = Var::<(usize, usize), f64>::zeros((4, 2));
    let said = message(inputs(&SparseGaussianProcess::new(1, 3).start_from(&wide)?, &one));
    assert!(said.contains("[N, 2], as the rows that"), "{said}");
    Ok(())
}

/// Five points of which two pairs all but coincide, far from the origin: NaN in GPflow's Matérn functions
/// (GPflow/GPflow, issue 421).
#[test]
fn rough_functions_of_points_that_all_but_coincide_are_finite_with_their_gradients() -> Result<()> {
    fn check<E: ed::tensor::Float, K: Kernel>(kernel: K) -> Result<()> {
        let x: [f64; 15] = [
            31.5, 31.5, 32.25, 31.500001, 31.5, 32.25, 31.5, 31.5, 32.25, 28.25, 21.75, -29.0, 28.25, 21.75,
            -29.000002,
        ];
        let x: Points<E> = Var::from_vec(x.map(E::from_f64).to_vec(), (5usize, 3usize))?;
        let y = column::<E>(&[1.0, 1.5, 0.5, -1.0, 0.0]);
        let gp = GaussianProcess::new(1).kernel(kernel).noise(0.1);
        let mut params = Params::new();
        let (evidence, gradients) = value_and_gradients(&mut params, || gp.log_marginal_likelihood(&x, &y))?;
        assert!(evidence.is_finite());
        for (name, gradient) in gradients.iter() {
            assert!(gradient.to_vec()?.iter().all(|g| g.is_finite()), "{name}");
        }
        let tape = ed::tensor::Tape::<E>::of();
        let at = tape.watch(&x);
        let mean = with_params(&params, || gp.posterior(&x, &y).at(&at)?.mean())?;
        let gradient = mean.sum().backward()?.get(&at)?.to_vec()?;
        assert!(gradient.iter().all(|g| g.is_finite()), "{gradient:?}");
        Ok(())
    }
    macro_rules! rough {
        ($($kernel:ident)+) => {$(
            check::<f32, _>($kernel::new())?;
            check::<f64, _>($kernel::new().ard())?;
        )+};
    }
    rough!(ExponentiatedQuadratic Matern12 Matern32 Matern52);
    Ok(())
}

/// A tiny lengthscale, duplicates in the data, and many points: the variances of predictions stay at or above 0 (negative in
/// GPflow/GPflow, issue 1813, and scikit-learn/scikit-learn, issue 11663).
#[test]
fn no_variance_of_a_prediction_is_negative() -> Result<()> {
    fn check<E: ed::tensor::Float>() -> Result<()> {
        let inputs: Vec<f64> = (0..40).map(|i| f64::from(i % 20) / 4.0).collect();
        let outputs: Vec<f64> = inputs.iter().map(|x| ((x - 2.5) * (x - 2.5)).sin()).collect();
        let (x, y) = (column::<E>(&inputs), column::<E>(&outputs));
        let grid = column::<E>(&(0..100).map(|i| f64::from(i) / 20.0).collect::<Vec<_>>());
        for noise in [1e-10, 1e-6, 1e-2] {
            for lengthscale in [1e-6, 0.3, 30.0] {
                let kernel = unit().lengthscale(Positive::Fixed(lengthscale));
                let gp = GaussianProcess::new(1).kernel(kernel).noise(Positive::Fixed(noise));
                let variance = gp.posterior(&x, &y).at(&grid)?.variance()?.to_vec()?;
                let rounding = 1.0 + 1e-5;
                assert!(
                    variance.iter().all(|v| (0.0..=rounding).contains(&v.to_f64())),
                    "{noise} {lengthscale}"
                );
            }
        }
        Ok(())
    }
    check::<f32>()?;
    check::<f64>()
}
