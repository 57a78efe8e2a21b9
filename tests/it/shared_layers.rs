//! One layer used several times in a run: one random variable, one site, one divergence.

use ed::layers::estimator::Estimator;
use ed::layers::gp::SparseGaussianProcess;
use ed::params::{make_params, with_params};
use ed::prelude::*;
use ed::trace::{Kind, own};

fn x() -> Var<(usize, usize), f64> {
    let numbers = vec![1.0, -0.5, 2.0, 0.3, 0.7, -1.1];
    Var::from_vec(numbers, (2usize, 3usize)).unwrap_or_else(|_| Var::zeros((2usize, 3usize)))
}

fn steps() -> Var<(usize, usize, usize), f64> {
    Var::full(0.3, (2usize, 4usize, 3usize))
}

/// What the beliefs of a program cost.
fn cost<T>(program: impl Fn() -> Result<T>) -> Result<f64> {
    let (_, kl): (_, Var<(), f64>) = seed(0, || with_kl(1, &program))?;
    kl.item()
}

/// Once and twice cost the same, which is not nothing.
fn costs_once<T>(what: &str, program: impl Fn() -> Result<T>) -> Result<()> {
    let once = cost(&program)?;
    let twice = cost(|| Ok((program()?, program()?)))?;
    assert!(once > 0.0 && once.is_finite(), "{what}: {once}");
    assert_eq!(once, twice, "{what}");
    Ok(())
}

fn dense_costs_once<W: Estimator>() -> Result<()> {
    let layer = Dense::<W>::new(3);
    costs_once(W::NAME, || layer.forward(x()))?;
    let net = sequential![Dense::<W>::new(3), Tanh, Dense::<W>::new(2)];
    costs_once(W::NAME, || net.forward(x()))
}

#[test]
fn a_layer_used_twice_counts_its_divergence_once_whatever_its_estimator() -> Result<()> {
    dense_costs_once::<Reparameterization>()?;
    dense_costs_once::<Flipout>()?;
    dense_costs_once::<LocalReparameterization>()?;
    dense_costs_once::<VariationalDropout>()?;
    dense_costs_once::<Rank1>()?;
    // Nine weights, each ln(1 / σ) + σ² / 2 - ½ + μ² / 2.
    let kl = cost(|| {
        let layer = Dense::<Reparameterization>::new(3).without_bias();
        layer.forward(x())?;
        layer.clone().forward(x())
    })?;
    assert!((kl - 9.0 * 2.53).abs() < 9.0, "{kl}");
    Ok(())
}

#[test]
fn recurrent_layers_embeddings_biases_and_inducing_outputs_count_once() -> Result<()> {
    let lstm = Lstm::<Flipout>::new(2);
    costs_once("LSTM over two sequences", || lstm.forward(steps()))?;
    let gru = Gru::<Reparameterization>::new(2);
    costs_once("GRU", || gru.forward(steps()))?;
    let table = Embedding::<Reparameterization>::new(4, 2);
    costs_once("embedding", || table.forward(Var::from([0.0f64, 3.0])))?;
    let believed = Dense::new(2).bias(Bias::Believed(Default::default()));
    costs_once("bias", || believed.forward(x()))?;
    let process = SparseGaussianProcess::new(1, 2);
    costs_once("sparse process", || process.forward(x()))?;
    let full = SparseGaussianProcess::new(1, 2).covariance(ed::layers::gp::InducingCovariance::Full);
    costs_once("sparse process with a full covariance", || full.forward(x()))
}

#[test]
fn a_layer_used_twice_has_one_weight_and_one_site() -> Result<()> {
    let layer = Dense::<Reparameterization>::new(2).without_bias();
    let siamese = || Ok((layer.forward(x())?, layer.forward(x() * 2.0)?));
    let ((a, b), trace) = seed(1, || tape(&siamese))?;
    assert_eq!(trace.names().map(SiteName::as_str).collect::<Vec<_>>(), ["dense/kernel"]);
    assert_eq!((&a * 2.0).to_vec()?, b.to_vec()?);
    assert_eq!(trace.required("dense/kernel")?.kind, Kind::Latent);
    // The joint density has its prior once.
    let kernel = trace.required("dense/kernel")?.value()?.clone();
    let prior = -0.5 * kernel.to_vec()?.iter().map(|w| w * w + std::f64::consts::TAU.ln()).sum::<f64>();
    let log_joint = make_log_joint(siamese).at(values!["dense/kernel" => kernel.clone()])?.item()?;
    assert!((log_joint - prior).abs() < 1e-12, "{log_joint} {prior}");
    // Conditioned, both uses see the data.
    let ones: AnyVar = Var::<_, f64>::ones((3usize, 2usize)).into();
    let (a, b) = seed(1, || condition(siamese, values!["dense/kernel" => ones]).run())?;
    assert_eq!((a.to_vec()?[0], b.to_vec()?[0]), (2.5, 5.0));
    Ok(())
}

/// `y = w·a + w·b + N(0, 1)`: a layer applied to two inputs of each row.
fn tied(
    layer: &Dense<Reparameterization>,
) -> Result<(impl Fn() -> Result<Var<(usize, usize), f64>> + '_, Var<(usize, usize), f64>, f64, f64)> {
    let a = Var::from([0.5, -1.0, 0.2, 0.9]).reshape((4usize, 1usize))?;
    let b = Var::from([0.1, 0.4, -0.7, 0.3]).reshape((4usize, 1usize))?;
    let y = Var::from([0.9, -0.2, 0.1, 1.4]).reshape((4usize, 1usize))?;
    let sums: Vec<f64> = (&a + &b).to_vec()?;
    let precision = 1.0 + sums.iter().map(|s| s * s).sum::<f64>();
    let mean = sums.iter().zip(y.to_vec()?).map(|(s, y)| s * y).sum::<f64>() / precision;
    Ok((move || (layer.forward(&a)? + layer.forward(&b)?).check(), y, mean, precision.recip().sqrt()))
}

#[test]
fn a_tied_weight_has_the_posterior_of_the_normal_equations_under_vi_and_nuts() -> Result<()> {
    let layer = Dense::<Reparameterization>::new(1).without_bias();
    let (sum, y, mean, sd) = tied(&layer)?;
    let trained = Train::new(4, |_| Ok(-Normal::new(sum()?, 1.0)?.log_prob(&y)?.mean()))
        .learning_rate(0.02)
        .samples(8)
        .steps(800)
        .quiet()
        .run(3)?;
    let loc = trained.params().required("dense/kernel/loc")?.to_vec()?[0];
    let scale = trained.params().required("dense/kernel/raw_scale")?.to_vec()?[0].exp().ln_1p();
    assert!((loc - mean).abs() < 0.06 && (scale - sd).abs() < 0.05, "{loc} ± {scale}, not {mean} ± {sd}");

    let model = || observe_as("y", Normal::new(sum()?, 1.0)?, &y);
    let draws = Nuts::new(&model).chains(2).draws(1_000).quiet().run(0)?;
    let summary = draws.summary()?;
    let row = summary.row("dense/kernel[0,0]").cloned();
    let row = row.ok_or(Error::UnnamedSite { distribution: "a kernel" })?;
    assert!((row.mean - mean).abs() < 5.0 * row.mcse_mean, "{} {mean}", row.mean);
    assert!((row.sd - sd).abs() < 0.05, "{} {sd}", row.sd);
    Ok(())
}

#[test]
fn flipout_keeps_one_deviation_for_all_uses_in_a_run() -> Result<()> {
    let layer = Dense::<Flipout>::new(2).without_bias();
    let pair = || Ok((layer.forward(x())?, layer.forward(x())?));
    let ((a, b), _): (_, Var<(), f64>) = seed(0, || with_kl(1, pair))?;
    assert_eq!(a.to_vec()?, b.to_vec()?);
    let (a, b) = seed(0, pair)?;
    assert_eq!(a.to_vec()?, b.to_vec()?);
    Ok(())
}

#[test]
fn several_draws_cost_what_one_does_and_differ() -> Result<()> {
    let layer = Dense::<Reparameterization>::new(2);
    let one = cost(|| layer.forward(x()))?;
    let mut params = Params::new();
    seed(0, || layer.init(&mut params, x()))?;
    let many = || with_kl::<_, f64>(1, || draws(5, || layer.forward(x())));
    let (outputs, kl) = seed(0, || with_params(&params, many))?;
    assert!((kl.item()? - one).abs() < 1e-9 * one);
    for (i, a) in outputs.iter().enumerate() {
        for b in &outputs[..i] {
            assert_ne!(a.to_vec()?, b.to_vec()?);
        }
    }
    // A recorder gives each random variable one value.
    assert!(seed(0, || tape(&|| draws(2, || layer.forward(x())))).is_err());
    Ok(())
}

#[test]
fn two_layers_of_one_name_clash_under_a_store_a_seed_and_a_recorder() -> Result<()> {
    let (a, b) = (Dense::<Reparameterization>::new(2), Dense::<Reparameterization>::new(2));
    let both = || Ok((a.forward(x())?, b.forward(x())?));
    let clash = |outcome: Result<()>| match outcome {
        Err(error) => assert!(error.to_string().contains("two layers are called `dense`"), "{error}"),
        Ok(()) => panic!("two layers shared a name"),
    };
    clash(seed(0, both).map(|_| ()));
    clash(seed(0, || tape(&both)).map(|_| ()));
    clash(seed(0, || with_kl::<_, f64>(1, both)).map(|_| ()));
    clash(seed(0, || make_params(&mut Params::new(), both)).map(|_| ()));
    // Programs of their own have names of their own.
    assert!(seed(0, || a.forward(x())).is_ok() && seed(0, || b.forward(x())).is_ok());
    let (a, b) = (a.named("a"), b.named("b"));
    assert!(seed(0, || Ok((a.forward(x())?, b.forward(x())?))).is_ok());
    Ok(())
}

#[test]
fn two_sites_of_one_name_are_refused_under_a_seed_alone() -> Result<()> {
    let normal = || sample_as("z", Normal::<(), f64>::new(0.0, 1.0)?);
    let twice = || Ok((normal()?, normal()?));
    let named = |outcome: Result<_>| match outcome {
        Err(Error::DuplicateSite { name }) => name,
        _ => "no error".into(),
    };
    assert_eq!(named(seed(0, twice).map(|_| ())), "z");
    assert_eq!(named(seed(0, || with_kl::<_, f64>(1, twice)).map(|_| ())), "z");
    assert_eq!(named(seed(0, || tape(&twice)).map(|_| ())), "z");
    // Two runs under one seed are two runs.
    let (a, b) = seed(0, || Ok((tape(&normal)?.0, tape(&normal)?.0)))?;
    assert_eq!(a.item()?, b.item()?);
    Ok(())
}

/// A layer of one's own with a weight that has a prior only.
fn own_weight(scale: f64) -> Result<RandomVariable<Normal<(), f64>>> {
    let _owning = own(u64::MAX, "a layer")?;
    sample_as("w", Normal::new(0.0, scale)?)
}

#[test]
fn a_layers_own_random_variable_is_one_as_long_as_its_law_is() -> Result<()> {
    let (pair, trace) = seed(0, || tape(&|| Ok((own_weight(2.0)?, own_weight(2.0)?))))?;
    assert_eq!(pair.0.item()?, pair.1.item()?);
    assert_eq!(trace.sites().len(), 1);
    // A law that depends on the input makes another random variable of it.
    for differs in [seed(0, || tape(&|| Ok((own_weight(2.0)?, own_weight(3.0)?)))).map(|_| ()), {
        seed(0, || Ok((own_weight(2.0)?, own_weight(3.0)?))).map(|_| ())
    }] {
        assert!(matches!(differs, Err(Error::DuplicateSite { .. })));
    }
    Ok(())
}

#[test]
fn a_weight_of_another_width_is_refused_by_name() -> Result<()> {
    let layer = Dense::<Reparameterization>::new(2);
    let wider = Var::<_, f64>::ones((2usize, 5usize));
    let error = seed(0, || tape(&|| Ok((layer.forward(x())?, layer.forward(&wider)?)))).unwrap_err();
    assert!(error.to_string().contains("`dense/kernel`"), "{error}");
    assert!(matches!(error.root(), Error::Shape { .. }));
    Ok(())
}

#[test]
fn the_weights_of_a_layer_inside_of_a_subsampled_plate_count_once() -> Result<()> {
    let layer = Dense::<Reparameterization>::new(3);
    let inside = || subsampled_plate_as("rows", 20, 2, |_| layer.forward(x()));
    assert_eq!(cost(inside)?, cost(|| layer.forward(x()))?);
    Ok(())
}
