//! Flows beside their examples: contexts, batches of other sizes, networks with state, data at the edges.

use ed::layers::reversible::Binding;
use ed::params::optimizer::{Adam, Optimizer};
use ed::params::{make_params, value_and_gradients, with_params};
use ed::prelude::*;
use ed::tensor::{Dims, Value};

use crate::support::message;

type Rows = Var<(usize, usize), f64>;

/// A smooth, irregular filling between -1 and 1.
fn wave(rows: usize, columns: usize, phase: f64) -> Rows {
    let numbers = (0..rows * columns).map(|i| (1.37 * i as f64 + phase).sin()).collect();
    Var::from_vec(numbers, (rows, columns)).unwrap()
}

fn standard(rows: usize, columns: usize) -> Result<Normal<(usize, usize), f64>> {
    Normal::standard((rows, columns))
}

/// Parameters with something added to each number, so that no layer is the identity.
fn moved(params: &Params) -> Result<Params> {
    let mut moved = Params::new();
    for (index, (name, value)) in params.iter().enumerate() {
        let mut numbers = value.to_vec()?;
        numbers.iter_mut().enumerate().for_each(|(i, x)| *x += 0.3 * (0.9 * i as f64 + index as f64).cos());
        moved.insert(name, AnyVar::F64(Value::from_vec(numbers, *value.dims())?))?;
    }
    Ok(moved)
}

/// The parameters of a flow of rows given a context, moved.
fn params_given<L: Reversible<f64>>(flow: &L, features: usize, context: &Rows) -> Result<Params> {
    let mut params = Params::new();
    let base = || standard(context.shape().0, features);
    make_params(&mut params, || seed(0, || flow.distribution_given(base()?, context)))?;
    moved(&params)
}

#[test]
fn every_output_of_a_conditional_flow_sees_the_whole_context() -> Result<()> {
    const FEATURES: usize = 4;
    let sees = |name: &str, flow: RealNvp<Made>| -> Result<()> {
        let context = wave(1, 3, 0.4);
        let params = params_given(&flow, FEATURES, &context)?;
        let y = wave(1, FEATURES, 2.0);
        for (output, direction) in (0..FEATURES).flat_map(|output| [(output, true), (output, false)]) {
            let tape = Tape::<f64>::of();
            let watched = tape.watch(&context);
            let bijector = with_params(&params, || {
                flow.bind(&Binding::of(Dims::vector(1).with_last(FEATURES)).given(watched.value()))
            })?;
            let image = match direction {
                true => bijector.forward(y.value())?,
                false => bijector.inverse(y.value())?,
            };
            let image: Rows = Var::from_value(image)?;
            let gradient = image.transpose().at(output)?.sum().backward()?.get(&watched)?.to_vec()?;
            assert!(gradient.iter().all(|g| *g != 0.0), "{name}, output {output}: {gradient:?}");
        }
        Ok(())
    };
    let tanh = |hidden: Vec<usize>| Made::new(hidden).activation(Activation::Tanh);
    sees("one layer", RealNvp::new(tanh(vec![8])))?;
    sees("two layers", RealNvp::new(tanh(vec![12, 9]).order(RightToLeft)))?;
    sees("rectified", RealNvp::new(Made::new([16, 16])))?;
    sees("fewer units than positions", RealNvp::new(tanh(vec![3])))?;
    sees("one unit", RealNvp::new(tanh(vec![1])))?;
    sees("no hidden units", RealNvp::new(Made::new([])))?;
    sees("channels", RealNvp::new(tanh(vec![8]).channels(2).order(Order::Random(Key::new(2)))))?;
    sees("splines", RealNvp::new(tanh(vec![8])).transform(Transform::spline()))?;
    sees("inverse", RealNvp::new(tanh(vec![8])).inverse_autoregressive())
}

/// A masked network as a layer, with a context: outputs `[position][output]` by the context.
#[test]
fn every_output_of_a_masked_network_sees_the_whole_context() -> Result<()> {
    for hidden in [vec![], vec![7], vec![6, 6]] {
        let made = Made::new(hidden.clone()).activation(Activation::Tanh).outputs(2);
        for place in 0..6 {
            let tape = Tape::<f64>::of();
            let (x, context) = (wave(1, 3, 0.2), tape.watch(&wave(1, 2, 0.7)));
            let y = seed(0, || made.forward((&x, &context)))?;
            let flat: Var<(usize,), f64> = y.reshape((6usize,))?;
            let gradient = flat.at(place)?.backward()?.get(&context)?.to_vec()?;
            assert!(gradient.iter().all(|g| *g != 0.0), "{hidden:?}, {place}: {gradient:?}");
        }
    }
    Ok(())
}

/// `y₁ | c ~ N(2c + 1, ½)`, `y₂ | c ~ N(-c, 1)`: the entropy is `ln(2πe) - ln 2`, about 2.14 nats.
#[test]
fn a_conditional_flow_learns_how_its_first_output_depends_on_the_context() -> Result<()> {
    let data = |key: u64, rows: usize| -> Result<[Rows; 2]> {
        let key = Key::new(key);
        let [of_context, of_noise] = key.split_array();
        let context: Rows = Normal::standard((rows, 1usize))?.sample(of_context)?;
        let noise: Rows = Normal::standard((rows, 2usize))?.sample(of_noise)?;
        let slopes = Var::from_vec(vec![2.0, -1.0], (1usize, 2usize))?;
        let means = context.dot(&slopes)? + Var::from([1.0, 0.0]);
        Ok([(means + noise * Var::from([0.5, 1.0])).check()?, context])
    };
    let flow = RealNvp::new(Made::new([32]));
    let loss = |[y, context]: &[Rows; 2]| {
        let density = flow.distribution_given(standard(y.shape().0, 2)?, context)?;
        Ok(-density.log_prob(y)?.mean())
    };
    let mut params = Params::new();
    let mut optimiser = Adam::new(0.02);
    for step in 0..250 {
        let batch = data(step, 256)?;
        let (_, gradients) = seed(0, || value_and_gradients(&mut params, || loss(&batch)))?;
        optimiser.step(&mut params, gradients)?;
    }
    let nats = with_params(&params, || loss(&data(1000, 4000)?)?.item())?;
    let entropy = (std::f64::consts::TAU * std::f64::consts::E).ln() - 2f64.ln();
    // The standard error of a mean of 4000 rows is √(1 / 4000), as the squares of two normals have variance 2 each.
    assert!((nats - entropy).abs() < 0.05 + 4.0 / 4000f64.sqrt(), "{nats} for {entropy}");
    Ok(())
}

#[test]
fn a_context_has_a_row_for_each_row_or_one_for_all() -> Result<()> {
    let x = wave(3, 4, 0.0);
    fn misfit(flow: &impl Reversible<f64>, x: &Rows) -> String {
        message(seed(0, || flow.distribution_given(standard(3, 4)?, &wave(2, 2, 1.0))?.log_prob(x)))
    }
    let coupling = RealNvp::new(Coupling::new(Dense::new(5).relu()));
    for refused in [misfit(&coupling, &x), misfit(&RealNvp::new(Made::new([8])), &x)] {
        assert!(refused.contains("its context has 2 rows, and there are 3 rows of features"), "{refused}");
        assert!(refused.contains("distribution_given"), "{refused}");
    }
    let one = wave(1, 2, 1.0);
    let params = params_given(&coupling, 4, &one)?;
    let shared = with_params(&params, || coupling.distribution_given(standard(3, 4)?, &one)?.log_prob(&x))?;
    let repeated = one.broadcast_to((3usize, 2usize))?;
    let each =
        with_params(&params, || coupling.distribution_given(standard(3, 4)?, &repeated)?.log_prob(&x))?;
    assert_eq!(shared.to_vec()?, each.to_vec()?);
    Ok(())
}

/// The network sees features of mean 10 and variance 1; its moving averages follow them, a tenth of the way at each step.
#[test]
fn batch_normalisation_in_a_coupling_has_the_moments_of_the_data() -> Result<()> {
    let flow = RealNvp::new(Coupling::new(sequential![BatchNorm::new().momentum(0.9), Dense::new(6).relu()]));
    let x = (wave(64, 2, 0.0) * 2f64.sqrt() + 10.0).check()?;
    let kept: Vec<f64> = x.to_vec()?.into_iter().step_by(2).collect();
    let mean = kept.iter().sum::<f64>() / 64.0;
    let variance = kept.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 64.0;

    let mut params = Params::new();
    let loss = |x: &Rows| Ok(-flow.distribution(standard(x.shape().0, 2)?)?.log_prob(x)?.mean());
    let step = |params: &mut Params| seed(0, || value_and_gradients(params, || loss(&x)));
    step(&mut params)?;
    let read = |params: &Params, what: &str| params.required(&format!("network/network/0/{what}"))?.to_vec();
    assert!((read(&params, "moving_mean")?[0] - 0.1 * mean).abs() < 1e-12, "one batch, one step");
    assert!((read(&params, "moving_variance")?[0] - (0.9 + 0.1 * variance)).abs() < 1e-12);
    for _ in 0..200 {
        step(&mut params)?;
    }
    assert!((read(&params, "moving_mean")?[0] - mean).abs() < 1e-6);
    assert!((read(&params, "moving_variance")?[0] - variance).abs() < 1e-6);

    // A prediction takes the averages and leaves them alone: each row for itself.
    let params = {
        let mut trained = moved(&params)?;
        for what in ["moving_mean", "moving_variance"] {
            let name = format!("network/network/0/{what}");
            trained.set(name.clone(), params.required(&name)?.clone())?;
        }
        trained
    };
    let density = with_params(&params, || flow.distribution(standard(64, 2)?))?;
    let whole = density.log_prob(&x)?.to_vec()?;
    let first: Rows = x.at(0)?.reshape((1usize, 2usize))?;
    let alone = with_params(&params, || flow.distribution(standard(1, 2)?)?.log_prob(&first))?.to_vec()?;
    assert!((whole[0] - alone[0]).abs() < 1e-12, "{} and {}", whole[0], alone[0]);
    // By the direct formula: batch normalisation, the rectified layer, the readout, an affine map of the other feature.
    let at = |name: &str| params.required(&format!("network/{name}"))?.to_vec();
    let (scale, offset) = (at("network/0/scale")?[0], at("network/0/offset")?[0]);
    let h = (x.to_vec()?[0] - mean) / (variance + 1e-3).sqrt() * scale + offset;
    let (kernel, bias) = (at("network/1/kernel")?, at("network/1/bias")?);
    let hidden = Var::from(kernel.iter().zip(&bias).map(|(w, b)| (w * h + b).max(0.0)).collect::<Vec<_>>());
    let readout: Rows = params.required("network/readout/kernel")?.typed()?;
    let outputs =
        (hidden.reshape((1usize, 6usize))?.dot(&readout)? + Var::from(at("readout/bias")?)).check()?;
    let changed: Rows = Var::from_vec(vec![x.to_vec()?[1]], (1usize, 1usize))?;
    let (z, log_det) =
        Transform::Affine.apply(changed.value(), outputs.value(), ed::ops::Direction::Forward)?;
    let squares = x.to_vec()?[0].powi(2) + z.as_slice()?[0].powi(2);
    let expected = -0.5 * squares - std::f64::consts::TAU.ln() + log_det.as_slice()?[0];
    assert!((whole[0] - expected).abs() < 1e-6 * expected.abs(), "{} for {expected}", whole[0]);
    Ok(())
}

#[test]
fn a_density_that_is_not_trained_changes_no_state() -> Result<()> {
    let flow = RealNvp::new(Coupling::new(sequential![BatchNorm::new(), Dense::new(3)]));
    let x = (wave(5, 2, 0.0) + 10.0).check()?;
    let mut params = Params::new();
    make_params(&mut params, || seed(0, || flow.bind(&Binding::<f64>::of(x.dims()))))?;
    assert_eq!(params.required("network/network/0/moving_mean")?.to_vec()?, [0.0], "a probe changes nothing");
    assert_eq!(params.required("network/network/0/moving_variance")?.to_vec()?, [1.0]);
    let before = params.clone();
    with_params(&params, || flow.distribution(standard(5, 2)?)?.log_prob(&x))?;
    for (name, value) in before.iter() {
        assert_eq!(value.to_vec()?, params.required(name.as_str())?.to_vec()?, "{name}");
    }
    Ok(())
}

#[test]
fn constant_memory_counts_a_batch_once_in_the_moving_averages() -> Result<()> {
    let layers = || {
        let net = || sequential![Dense::new(5), BatchNorm::new().momentum(0.5), Tanh];
        sequential![
            RealNvp::new(Coupling::new(net())),
            RealNvp::new(Coupling::new(net()).kept(Kept::SecondHalf)),
        ]
    };
    let (plain, again) = (layers(), layers().constant_memory());
    let x = wave(7, 4, 0.3);
    let mut params = Params::new();
    make_params(&mut params, || seed(0, || plain.bind(&Binding::<f64>::of(x.dims()))))?;
    let params = moved(&params)?;
    let state = |name: &SiteName| name.as_str().contains("moving_");
    let start = {
        // Moved parameters are all trained ones; the averages are state again.
        let mut start = Params::new();
        for (name, value) in params.iter().filter(|(name, _)| !state(name)) {
            start.insert(name, value.clone())?;
        }
        start
    };
    let run = |density: &dyn Fn() -> Result<Var<(usize,), f64>>| -> Result<(f64, Params, Params)> {
        let mut params = start.clone();
        let (value, gradients) = value_and_gradients(&mut params, || Ok(density()?.sum()))?;
        Ok((value, gradients, params))
    };
    let first = run(&|| plain.distribution(standard(7, 4)?)?.log_prob(&x))?;
    let second = run(&|| again.distribution(standard(7, 4)?)?.log_prob(&x))?;
    assert!((first.0 - second.0).abs() < 1e-10);
    for (name, value) in first.2.iter().chain(first.1.iter()) {
        let other = if state(name) { &second.2 } else { &second.1 };
        let Some(other) = other.get(name.as_str()) else { continue };
        let value = if state(name) { value } else { first.1.required(name.as_str())? };
        for (a, b) in value.to_vec()?.iter().zip(other.to_vec()?) {
            assert!((a - b).abs() < 1e-8 * (1.0 + a.abs()), "{name}: {b} for {a}");
        }
    }
    assert_eq!(first.2.iter().filter(|(name, _)| state(name)).count(), 4);
    Ok(())
}

#[test]
fn a_coupling_refuses_a_network_that_draws() -> Result<()> {
    let x = wave(3, 4, 0.0);
    let refused = |error: String| {
        assert!(error.starts_with("Coupling: it needs the same output"), "{error}");
        assert!(error.contains("would be drawn: use deterministic layers"), "{error}");
    };
    macro_rules! refuses {
        ($($network:expr),+ $(,)?) => {$(
            let flow = RealNvp::new(Coupling::new($network));
            let loss = || Ok(flow.distribution(standard(3, 4)?)?.log_prob(&x)?.sum());
            refused(message(seed(0, || value_and_gradients(&mut Params::new(), loss))));
        )+};
    }
    refuses![
        Dense::<Reparameterization>::new(5),
        Dense::<Flipout>::new(5),
        Dense::<LocalReparameterization>::new(5),
        Dense::<McDropout>::new(5),
        Dense::<Rank1>::new(5),
        sequential![Dense::new(5), Dropout(0.5)],
        sequential![Dropout(0.5).always(), Dense::new(5)],
        sequential![Dense::new(5).bias(Bias::Believed(ed::layers::weight::NormalBelief::default()))],
    ];
    // Dropout that never drops draws nothing.
    let plain = RealNvp::new(Coupling::new(sequential![Dropout(0.0), Dense::new(5)]));
    assert!(seed(0, || plain.distribution(standard(3, 4)?)?.log_prob(&x)).is_ok());
    Ok(())
}

fn started(data: &Var<(usize, usize), impl Float>) -> Result<[Vec<f64>; 2]> {
    let mut params = Params::new();
    ActNorm::new().init_from(&mut params, data)?;
    Ok([params.required("act_norm/shift")?.to_vec()?, params.required("act_norm/log_scale")?.to_vec()?])
}

#[test]
fn actnorm_leaves_the_unit_of_a_constant_column() -> Result<()> {
    for constant in [0.1, 0.998, 1e6 + 0.1, -3e-7, 0.0, 1e300] {
        for rows in [1, 2, 3, 1000] {
            let numbers = (0..rows).flat_map(|row| [constant, (row as f64).sin()]).collect();
            let [shift, log_scale] = started(&Var::from_vec(numbers, (rows, 2usize))?)?;
            assert!((shift[0] - constant).abs() <= 1e-15 * constant.abs(), "{rows} of {constant}: {shift:?}");
            assert_eq!(log_scale[0], 0.0, "{rows} of {constant}");
            assert_eq!(
                log_scale[1] == 0.0,
                rows == 1,
                "the other column has a scale, unless there is one row"
            );
        }
    }
    // Rounding alone: 0.3 and 0.1 + 0.2 in double precision, one unit in the last place in single precision.
    let nearly = started(&Var::from_vec(vec![0.3f64, 0.1 + 0.2, 0.3], (3usize, 1usize))?)?;
    assert_eq!(nearly[1], [0.0]);
    let nearly = started(&Var::from_vec(vec![1e6f32, 1e6 + 0.0625, 1e6], (3usize, 1usize))?)?;
    assert_eq!(nearly[1], [0.0]);
    Ok(())
}

#[test]
fn actnorm_standardises_small_and_large_columns_alike() -> Result<()> {
    // Mean 2, variance 2/3 of the unit's square.
    for unit in [1e-200f64, 1e-12, 1.0, 1e12, 1e200] {
        let [shift, log_scale] =
            started(&Var::from_vec(vec![unit, 2.0 * unit, 3.0 * unit], (3usize, 1usize))?)?;
        let stddev = (2.0f64 / 3.0).sqrt();
        assert!((log_scale[0] - (stddev.ln() + unit.ln())).abs() < 1e-12, "{unit}: {log_scale:?}");
        assert!((shift[0] - 2.0 / stddev).abs() < 1e-12, "{unit}: {shift:?}");
    }
    Ok(())
}

#[test]
fn actnorm_refuses_to_start_from_what_is_not_finite_or_from_nothing() -> Result<()> {
    for bad in [f64::NAN, f64::INFINITY] {
        let refused = message(started(&Var::from_vec(vec![1.0, 2.0, 3.0, bad], (2usize, 2usize))?));
        assert!(refused.contains("row 1 of feature 1") && refused.contains("finite"), "{refused}");
    }
    let refused = message(started(&Rows::zeros((0, 2))));
    assert!(refused.contains("at least one row"), "{refused}");
    Ok(())
}

/// Once it has started, data are data: no batch changes or stops it.
#[test]
fn actnorm_looks_at_data_only_when_it_starts() -> Result<()> {
    let mut params = Params::new();
    let norm = ActNorm::new();
    norm.init_from(&mut params, &wave(5, 2, 0.0))?;
    let empty = with_params(&params, || norm.forward(Rows::zeros((0, 2))))?;
    assert_eq!(empty.shape(), &(0, 2));
    let far = with_params(&params, || norm.forward(Rows::full(f64::INFINITY, (1, 2))))?;
    assert!(far.to_vec()?.iter().all(|x| *x == f64::INFINITY));
    Ok(())
}

#[test]
fn a_nan_in_a_flows_data_is_an_error_that_says_where() -> Result<()> {
    let mut numbers = wave(3, 4, 0.0).to_vec()?;
    numbers[6] = f64::NAN;
    let x = Var::from_vec(numbers, (3usize, 4usize))?;
    let net = || Dense::new(5).relu();
    fn refused(flow: &impl Reversible<f64>, x: &Rows, name: &str) {
        let one = message(seed(0, || flow.distribution(standard(3, 4)?)?.log_prob(x)));
        let sum = message(seed(0, || flow.distribution(standard(3, 4)?)?.log_prob_sum(x)));
        for error in [one, sum] {
            assert!(error.contains("finite") && error.contains("NaN at [1, 2]"), "{name}: {error}");
        }
    }
    refused(&RealNvp::new(Made::new([8])), &x, "maf");
    refused(&RealNvp::new(Made::new([8])).inverse_autoregressive(), &x, "iaf");
    refused(&RealNvp::new(Made::new([8])).transform(Transform::spline()), &x, "spline");
    refused(&RealNvp::new(Made::new([8])).transform(Transform::Additive), &x, "additive");
    refused(&RealNvp::new(Coupling::new(net())), &x, "coupling");
    refused(&RealNvp::new(Coupling::new(net()).kept(Kept::Odd)), &x, "coupling, the other half");
    refused(
        &RealNvp::new(Coupling::new(net()).unconditional()).transform(Transform::spline()),
        &x,
        "splines",
    );
    refused(&ActNorm::new(), &x, "actnorm");
    refused(&InvertibleLinear::new(), &x, "linear");
    refused(&Reverse, &x, "reverse");
    refused(&sequential![Reverse, RealNvp::new(Made::new([4]))], &x, "a stack");
    refused(&sequential![RealNvp::new(Coupling::new(net()))].constant_memory(), &x, "constant memory");
    Ok(())
}

#[test]
fn one_density_serves_batches_of_any_size() -> Result<()> {
    let net = || Dense::new(6).relu();
    fn serves(flow: &impl Reversible<f64>, name: &str) -> Result<()> {
        let mut params = Params::new();
        make_params(&mut params, || {
            seed(0, || flow.bind(&Binding::<f64>::of(Dims::vector(4).with_last(2))))
        })?;
        let params = moved(&params)?;
        let density = with_params(&params, || flow.distribution(standard(4, 2)?))?;
        let x = wave(4, 2, 0.5);
        let whole = density.log_prob(&x)?.to_vec()?;
        for rows in [3, 1, 0, 4] {
            let part: Rows = Var::from_vec(x.to_vec()?[..2 * rows].to_vec(), (rows, 2usize))?;
            let log_prob = density.log_prob(&part)?.to_vec()?;
            assert_eq!(log_prob.len(), rows, "{name}");
            for (a, b) in log_prob.iter().zip(&whole) {
                assert!((a - b).abs() < 1e-12, "{name}: {a} for {b}");
            }
            let sum = density.log_prob_sum(&part)?.item()?;
            assert!((sum - log_prob.iter().sum::<f64>()).abs() < 1e-12, "{name}");
        }
        assert!(message(density.log_prob(&wave(4, 3, 0.0))).contains("[4, 2]"), "features are no rows");
        Ok(())
    }
    serves(&RealNvp::new(Made::new([8])), "maf")?;
    serves(&RealNvp::new(Coupling::new(net())), "coupling")?;
    serves(&sequential![ActNorm::new(), InvertibleLinear::new(), Reverse], "a stack")?;
    let vec_of_flows: Vec<_> = (0..3).map(|_| RealNvp::new(Coupling::new(net()))).collect();
    serves(&Sequential::of(vec_of_flows), "a list")?;
    serves(&sequential![RealNvp::new(Coupling::new(net()))].constant_memory(), "constant memory")?;
    // A base with rows of its own has no more rows.
    let of_rows = Normal::new(wave(4, 2, 0.0), 1.0)?;
    let density = seed(0, || Reverse.distribution(of_rows))?;
    let refused = message(density.log_prob(&wave(3, 2, 0.0)));
    assert!(refused.contains("parameters of its own for each row"), "{refused}");
    // One with a location for each feature does.
    let shared = Normal::new(Var::from([1.0, -1.0]), 1.0)?.expand((4usize, 2usize))?;
    let density = seed(0, || Reverse.distribution(shared))?;
    assert_eq!(density.log_prob(&wave(3, 2, 0.0))?.shape(), &(3,));
    Ok(())
}
