//! Parameters that are made by training and `init` and by nothing else; parts of networks; names and shapes.

use ed::inference::{posterior_predictive, prior_predictive};
use ed::layers::gp::SparseGaussianProcess;
use ed::layers::weight::NormalBelief;
use ed::layers::{Run, Sequential, summary};
use ed::params::{make_params, param_as, state_as, with_params};
use ed::prelude::*;

type Batch = Var<(usize, usize), f32>;

fn x() -> Batch {
    Var::ones((3usize, 4usize))
}

fn made<L: Run<Batch>>(net: &Sequential<L>) -> Result<Params> {
    let mut params = Params::new();
    seed(0, || net.init(&mut params, x()))?;
    Ok(params)
}

fn message<T>(outcome: Result<T>) -> String {
    outcome.err().map(|error| error.to_string()).unwrap_or_default()
}

fn says(outcome: Result<impl Sized>, parts: &[&str]) {
    let message = message(outcome);
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[test]
fn a_prediction_under_other_names_lists_what_is_missing_and_the_nearest_guess() -> Result<()> {
    let net = Dense::new(2);
    let mut params = Params::new();
    seed(0, || net.init(&mut params, x()))?;
    let trained = Trained::from(params);
    let renamed = sequential![Dense::new(2)];
    let names =
        ["`0/kernel` and `0/bias`", "`dense/kernel` and `dense/bias`", "`0/kernel` is its `dense/kernel`"];
    says(trained.predict(1, 0, || renamed.forward(x())), &names);
    says(trained.predict_at_mean(|| renamed.forward(x())), &names);
    says(with_params(trained.params(), || seed(0, || renamed.forward(x()))), &names);
    // Without a key it is the same error, and not one about keys.
    says(
        with_params(trained.params(), || renamed.forward(x())),
        &["`0/kernel`", "the store has: `dense/kernel`"],
    );
    says(
        predict(&Params::new(), 1, 0, || net.forward(x())),
        &["`dense/kernel` and `dense/bias`", "has: none"],
    );
    Ok(())
}

#[test]
fn a_deeper_network_an_encoder_alone_and_another_name_are_refused() -> Result<()> {
    let shallow = sequential![Dense::new(4).relu(), Dense::new(1)];
    let params = made(&shallow)?;
    let deep = sequential![Dense::new(4).relu(), Dense::new(1), Dense::new(1)];
    says(predict(&params, 1, 0, || deep.forward(x())), &["lacks: `2/kernel` and `2/bias`"]);
    let encoder = Dense::new(4).relu();
    let whole = sequential![encoder.clone(), Dense::new(1)];
    says(predict(&params, 1, 0, || encoder.forward(x())), &["`dense/kernel` is its `0/kernel`"]);
    let hidden = predict(&params, 1, 0, || whole.part(&encoder)?.forward(x()))?;
    assert_eq!(hidden[0].shape(), &(3, 4));
    let named = sequential![Dense::new(4).relu(), Dense::new(1)].named("net");
    says(predict(&params, 1, 0, || named.forward(x())), &["`net/0/kernel` is its `0/kernel`"]);
    // A layer of its own for the rectifier moves the places.
    let moved = sequential![Dense::new(4), Relu, Dense::new(1)];
    says(predict(&params, 1, 0, || moved.forward(x())), &["`2/kernel`"]);
    Ok(())
}

#[test]
fn state_that_is_missing_is_missing() -> Result<()> {
    let net = sequential![Dense::new(2), BatchNorm::new()];
    let params = made(&net)?;
    let without = params.renamed(|name| (!name.contains("moving_mean")).then(|| name.into()))?;
    says(predict(&without, 1, 0, || net.forward(x())), &["lacks: `1/moving_mean`;"]);
    assert!(predict(&params, 1, 0, || net.forward(x())).is_ok());
    Ok(())
}

#[test]
fn what_was_not_trained_predicts_nothing() -> Result<()> {
    let net = Dense::<Flipout>::new(1);
    let train = Train::new(3, |_| Ok(net.forward(x())?.square().mean())).quiet();
    says(train.finish().predict(1, 0, || net.forward(x())), &["`dense/kernel/loc`", "`dense/bias`"]);
    Ok(())
}

#[test]
fn without_any_store_parameters_are_where_they_start() -> Result<()> {
    let net = Dense::new(1);
    assert_eq!(seed(0, || net.forward(x()))?.to_vec()?, seed(0, || net.forward(x()))?.to_vec()?);
    says(net.forward(x()), &["the parameter `dense/kernel`", "no store", "`trained.predict(…)`"]);
    Ok(())
}

#[derive(Layer, Debug)]
struct Auto {
    enc: Sequential<(Dense, (Relu, (Dense, ())))>,
    dec: Dense,
}

impl Apply<Batch> for Auto {
    type Output = Batch;
    fn apply(&self, x: Batch) -> Result<Batch> {
        self.dec.forward(self.enc.forward(x)?)
    }
}

#[test]
fn a_part_of_a_trained_network_is_used_alone_under_its_own_name() -> Result<()> {
    let net = Auto { enc: sequential![Dense::new(3), Relu, Dense::new(2)], dec: Dense::new(4) };
    let mut params = Params::new();
    let whole = seed(0, || net.init(&mut params, x()))?;
    let z = predict(&params, 1, 0, || net.part(&net.enc)?.forward(x()))?.remove(0);
    let out = predict(&params, 2, 0, || net.part(&net.dec)?.forward(&z))?;
    assert_eq!(out[0].to_vec()?, whole.to_vec()?);
    assert_eq!(out[0].to_vec()?, out[1].to_vec()?);
    // A part of a part.
    let last = &net.enc.layers().1.1.0;
    assert_eq!(net.part(last)?.name(), "enc/2");
    assert_eq!(net.part(&net.enc.layers().0)?.name(), "enc/0");
    let hidden: Batch = Var::ones((3usize, 3usize));
    assert!(predict(&params, 1, 0, || net.part(last)?.forward(&hidden)).is_ok());
    assert!(predict(&params, 1, 0, || net.part(last)?.run(|layer| layer.forward(&hidden))).is_ok());
    says(net.part(&Dense::new(4)), &["no layer of this Auto", "`enc/0`", "`dec`"]);
    let twice = Dense::new(4);
    says(sequential![twice.clone(), twice.clone()].part(&twice), &["several places", "0, 1"]);
    Ok(())
}

#[test]
fn a_summary_says_what_it_cannot_place() -> Result<()> {
    let net = Auto { enc: sequential![Dense::new(3), Relu, Dense::new(2)], dec: Dense::new(4) };
    let mut params = Params::new();
    seed(0, || net.init(&mut params, x()))?;
    let part = summary(&net.part(&net.dec)?, &params).to_string();
    assert!(part.contains("dec") && part.contains("kernel [2, 4]"), "{part}");
    let alone = summary(&net.dec, &params).to_string();
    assert!(alone.contains("none in this store") && alone.contains("in no layer of this network"), "{alone}");
    assert!(alone.contains("enc/0/kernel [4, 3]"), "{alone}");
    let misnamed = summary(&sequential![Dense::new(2)], &params).to_string();
    assert!(misnamed.contains("none in this store") && misnamed.contains("dec/kernel [2, 4]"), "{misnamed}");
    Ok(())
}

#[test]
fn a_sampler_refuses_a_bias_that_it_does_not_move() -> Result<()> {
    let y = Var::<_, f32>::full(5.0, (3usize, 1usize));
    let refused = ["`dense/bias`", "Bias::Believed", "fix(model, params)"];
    let net = Dense::<Reparameterization>::new(1);
    let model = || observe_as("y", Normal::new(net.forward(x())?, 0.1)?, &y);
    says(Nuts::new(&model).quiet().run(0), &refused);
    says(ed::model::Space::of(&model), &refused);
    says(prior_predictive(&model, 3, 0), &refused);
    let kernel: AnyVar = Var::<_, f32>::zeros((4usize, 1usize)).into();
    says(make_log_joint(model).at(values!["dense/kernel" => kernel]), &refused);
    // Given, it is what it is; believed in, it is sampled.
    let mut params = Params::new();
    params.insert("dense/bias", Var::from([5.0f32]))?;
    let given = fix(model, params.clone());
    let (chains, warmup, draws) = (1, 50, 20);
    let run = Nuts::new(&given).chains(chains).warmup(warmup).draws(draws).quiet().run(0)?;
    assert_eq!(run.names().map(SiteName::as_str).collect::<Vec<_>>(), ["dense/kernel"]);
    let inside =
        with_params(&params, || Nuts::new(&model).chains(chains).warmup(warmup).draws(draws).quiet().run(0))?;
    assert_eq!(inside.mean("dense/kernel")?.to_vec()?, run.mean("dense/kernel")?.to_vec()?);
    assert!(posterior_predictive(&given, &run, 0).is_ok());
    says(posterior_predictive(&model, &run, 0), &refused);
    let believed = Dense::<Reparameterization>::new(1).bias(Bias::Believed(NormalBelief::default()));
    let model = || observe_as("y", Normal::new(believed.forward(x())?, 0.1)?, &y);
    let run = Nuts::new(&model).chains(chains).warmup(warmup).draws(draws).quiet().run(0)?;
    assert!(run.get("dense/bias").is_some());
    // Variational inference trains it.
    let net = Dense::<Reparameterization>::new(1);
    let model = || observe_as("y", Normal::new(net.forward(x())?, 0.1)?, &y);
    let fit = Svi::new(&model, MeanField::of(&model)?).steps(3).run(0)?;
    assert!(fit.params().get("dense/bias").is_some());
    Ok(())
}

#[test]
fn a_stored_tensor_of_another_shape_is_an_error_with_its_name() -> Result<()> {
    let store = |name: &'static str, dims: (usize, usize)| -> Result<Params> {
        let mut params = Params::new();
        params.insert(name, Var::<_, f32>::zeros(dims))?;
        Ok(params)
    };
    let shape = |outcome: Result<Batch>, name: &str| {
        let error = outcome.err().unwrap_or(Error::NotWatched { what: "nothing" });
        assert!(matches!(error.root(), Error::Shape { .. }), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    };
    let dense = Dense::new(10).without_bias();
    shape(
        with_params(&store("dense/kernel", (3, 5))?, || dense.forward(Var::ones((2usize, 3usize)))),
        "`dense/kernel`",
    );
    shape(
        with_params(&store("dense/kernel", (7, 10))?, || dense.forward(Var::ones((2usize, 3usize)))),
        "`dense/kernel`",
    );
    let table = Embedding::new(8, 3);
    let codes = Var::from([1.0f32, 2.0]);
    shape(with_params(&store("embedding/kernel", (5, 2))?, || table.forward(&codes)), "`embedding/kernel`");
    let believed = Dense::<Flipout>::new(2).without_bias();
    let mut params = store("dense/kernel/loc", (4, 3))?;
    params.insert("dense/kernel/raw_scale", Var::<_, f32>::zeros((4usize, 3usize)))?;
    shape(with_params(&params, || seed(0, || believed.forward(x()))), "`dense/kernel/loc`");
    Ok(())
}

#[test]
fn param_as_and_state_as_keep_their_shape_over_any_store() -> Result<()> {
    let mut params = Params::new();
    params.insert("w", Var::from([1.0f64, 2.0, 3.0]))?;
    params.insert_state("s", Var::from([1.0f64, 2.0, 3.0]))?;
    let five = || param_as("w", || Var::<(usize,), f64>::zeros((5usize,)));
    let state = || state_as("s", || Var::<(usize,), f64>::zeros((5usize,)));
    says(with_params(&params, five), &["`w`", "[5]", "[3]"]);
    says(with_params(&params, state), &["`s`", "[5]", "[3]"]);
    says(make_params(&mut params.clone(), five), &["`w`", "[5]", "[3]"]);
    let three = || param_as("w", || Var::<(usize,), f64>::zeros((3usize,)));
    assert_eq!(with_params(&params, three)?.to_vec()?, [1.0, 2.0, 3.0]);
    Ok(())
}

#[test]
fn a_partial_restore_says_what_it_took_left_and_could_not_fit() -> Result<()> {
    let old = made(&sequential![Dense::new(4).relu(), Dense::new(1), Dense::new(1)])?;
    let net = sequential![Dense::new(4).relu(), Dense::new(2)].named("net");
    let mut params = made(&net)?;
    let renamed = old.renamed(|name| Some(format!("net/{name}")))?;
    let done = params.take_from(&renamed)?;
    assert_eq!(done.taken, ["net/0/kernel", "net/0/bias"]);
    assert_eq!(done.left, ["net/2/kernel", "net/2/bias"]);
    assert!(done.kept.is_empty());
    let misfits: Vec<&str> = done.misfits.iter().map(|misfit| misfit.name.as_str()).collect();
    assert_eq!(misfits, ["net/1/kernel", "net/1/bias"]);
    assert!(done.to_string().contains("net/1/bias (f32 [2] here, f32 [1] there)"), "{done}");
    assert_eq!(params.required("net/0/kernel")?.to_vec()?, old.required("0/kernel")?.to_vec()?);
    assert!(params.take_from(&Params::new())?.kept.len() == 4);
    Ok(())
}

#[test]
fn a_misfit_deep_in_a_network_names_its_layer() -> Result<()> {
    let net = sequential![Dense::new(4), sequential![Relu, LayerNorm::new(), Dense::new(3)]].named("net");
    let params = made(&net)?;
    let wide: Batch = Var::ones((3usize, 9usize));
    says(predict(&params, 1, 0, || net.forward(&wide)), &["`net/0/kernel`", "[9, 4]", "[4, 4]"]);
    let pooled = sequential![Dense::new(4), Flatten, Residual(Dense::new(5))].named("net");
    says(seed(0, || pooled.forward(x())), &["in the layer `net/2` (Residual)"]);
    Ok(())
}

#[test]
fn a_kernel_without_numbers_is_refused_with_its_shape() -> Result<()> {
    let none: Batch = Var::ones((2usize, 0usize));
    says(seed(0, || Dense::new(3).forward(&none)), &["in the layer `dense` (Dense)", "[2, 0]"]);
    says(seed(0, || Dense::new(0).forward(x())), &["Dense", "units: 0"]);
    says(seed(0, || Embedding::new(0, 3).forward(Var::<_, f32>::zeros((1usize,)))), &["Embedding"]);
    let image: Var<_, f32> = Var::ones((1usize, 4usize, 4usize, 0usize));
    says(seed(0, || Conv2d::new(2, [3, 3]).forward(&image)), &["Conv2d"]);
    // No rows are no mistake.
    let empty: Batch = Var::ones((0usize, 4usize));
    assert_eq!(seed(0, || Dense::new(3).forward(&empty))?.shape(), &(0, 3));
    Ok(())
}

#[test]
fn layers_that_take_tensors_take_random_variables() -> Result<()> {
    let z = seed(0, || sample(Normal::standard((3usize, 4usize))?))?;
    let _: &Var<_, f32> = &z;
    let layer = Dense::new(2);
    let of_variable = seed(1, || layer.forward(&z))?.to_vec()?;
    assert_eq!(of_variable, seed(1, || layer.forward(z.var()))?.to_vec()?);
    let net = sequential![
        SparseGaussianProcess::new(2, 3),
        Relu,
        LayerNorm::new(),
        Residual(Dense::new(2)),
        Dense::new(1)
    ];
    assert_eq!(seed(0, || net.forward(x()))?.shape(), &(3, 1));
    Ok(())
}

#[test]
fn a_list_of_flows_is_a_flow() -> Result<()> {
    let flows: Vec<_> = (0..3).map(|_| RealNvp::new(Made::new([8]))).collect();
    let net = sequential![flows];
    let data: Var<_, f64> = Var::ones((5usize, 2usize));
    let mut params = Params::new();
    seed(0, || net.init_from(&mut params, &data))?;
    assert!(
        params.get("0/2/0/kernel").is_some() || params.len() > 6,
        "{:?}",
        params.names().collect::<Vec<_>>()
    );
    let density = with_params(&params, || net.distribution(Normal::standard((5usize, 2usize))?))?;
    // A flow starts as the identity.
    let expected = -1.0 - std::f64::consts::TAU.ln();
    assert!((density.log_prob(&data)?.to_vec()?[0] - expected).abs() < 1e-12);
    assert_eq!(with_params(&params, || net.forward(&data))?.to_vec()?, data.to_vec()?);
    Ok(())
}

#[test]
fn a_name_that_goes_on_where_another_ends_is_another_parameter() -> Result<()> {
    let bayesian = Dense::<Flipout>::new(2);
    let mut params = Params::new();
    seed(0, || bayesian.init(&mut params, x()))?;
    let point = Dense::new(2);
    says(predict(&params, 1, 0, || point.forward(x())), &["lacks: `dense/kernel`;", "`dense/kernel/loc`"]);
    let mut own = Params::new();
    seed(0, || point.init(&mut own, x()))?;
    let done = own.take_from(&params)?;
    assert_eq!((done.taken.len(), done.kept.len(), done.left.len()), (1, 1, 2));
    assert_eq!(done.left, ["dense/kernel/loc", "dense/kernel/raw_scale"]);
    Ok(())
}

#[test]
fn the_likelihood_of_a_draw_of_weights_is_that_of_their_formula() -> Result<()> {
    let net = Dense::<Flipout>::new(1).bias(Bias::Believed(NormalBelief::default()));
    let (inputs, targets) = ([-1.0f64, 0.5, 2.0], [0.3f64, 0.9, 1.4]);
    let x = Var::from(inputs).reshape((3usize, 1usize))?;
    let y = Var::from(targets).reshape((3usize, 1usize))?;
    let model = || observe_as("y", Normal::new(net.forward(&x)?, 0.5)?, &y);
    let draws = Nuts::new(&model).chains(1).warmup(50).draws(5).quiet().run(0)?;
    for draw in 0..5 {
        let values = draws.at(0, draw)?;
        let number = |name: &str| values.required(name)?.item();
        let (w, b) = (number("dense/kernel")?, number("dense/bias")?);
        let density = |(x, y): (f64, f64)| {
            -0.5 * ((y - w * x - b) / 0.5).powi(2) - (0.5 * std::f64::consts::TAU.sqrt()).ln()
        };
        let expected: f64 = inputs.into_iter().zip(targets).map(density).sum();
        let (_, trace) = tape(&substitute(model, values.clone()))?;
        let got = trace.required("y")?.log_prob()?.item()?;
        assert!((got - expected).abs() < 1e-12 * expected.abs().max(1.0), "{got} {expected}");
    }
    Ok(())
}

#[test]
fn prior_draws_of_a_bayesian_layer_come_from_its_prior() -> Result<()> {
    let net = Dense::<Reparameterization>::new(1).without_bias();
    let x: Var<_, f64> = Var::ones((1usize, 1usize));
    let draws = prior_predictive(&|| net.forward(&x), 4_000, 0)?;
    // A standard normal: its standard deviation is 1 within 1 / √(2n); the belief starts at 0.05.
    assert!((draws.sd("dense/kernel")?.to_vec()?[0] - 1.0).abs() < 5.0 / 8_000f64.sqrt());
    Ok(())
}
