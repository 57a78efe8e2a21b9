//! Laws of use, over a table of all layers with all estimators: used twice, with other batches, after saving and loading,
//! in the other precision, in training and in prediction, a layer gives what its formula gives, or refuses in a sentence.

use dfdx::shapes::Shape;
use ed::layers::estimator::Estimator;
use ed::layers::output;
use ed::layers::{AvgPool1d, AvgPool2d, Lengths, MaxPool1d};
use ed::params::{make_params, value_and_gradients, with_params};
use ed::prelude::*;
use ed::tensor::{Dims, Value};

use crate::support::message;

/// What a layer does with a batch.
type Run<E> = Box<dyn Fn(&Value<E>) -> Result<Value<E>>>;

/// A layer of the table.
struct Case<E: Float> {
    name: String,
    /// Sizes of one example.
    example: Vec<usize>,
    /// Inputs are codes below so many.
    codes: Option<usize>,
    run: Run<E>,
    nature: Nature,
}

/// What is to be expected of a layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Nature {
    /// The same output for the same input, each example by itself.
    Function,
    /// In training the examples see one another, or some numbers are dropped.
    Trained,
    /// Weights that are random variables: one draw in a run.
    Belief,
    /// Noise at each use, for weights or outputs.
    Noise,
    /// Several members, which share out the examples between them.
    Members,
}

fn case<E: Float, S: Shape, T: Shape, L>(name: &str, nature: Nature, example: &[usize], layer: L) -> Case<E>
where
    L: Apply<Var<S, E>, Output = Var<T, E>> + 'static,
{
    let run: Run<E> =
        Box::new(move |x| Ok(layer.forward(Var::<S, E>::from_value(x.clone())?)?.check()?.into_value()));
    Case { name: name.to_string(), example: example.to_vec(), codes: None, run, nature }
}

type Rows<E> = Var<(usize, usize), E>;
type Steps<E> = Var<(usize, usize, usize), E>;
type Two = (usize, usize);
type Three = (usize, usize, usize);
type Four = (usize, usize, usize, usize);

/// The layers that take an estimator.
fn with_estimator<E: Float, W: Estimator>(nature: Nature) -> Vec<Case<E>> {
    let name = |layer: &str| format!("{layer} {}", W::NAME);
    let mut table = Embedding::<W>::new(5, 2);
    table = table.named("table");
    let mut codes = case::<E, Two, Three, _>(&name("Embedding"), nature, &[3], table);
    codes.codes = Some(5);
    vec![
        case::<E, Two, Two, _>(&name("Dense"), nature, &[3], Dense::<W>::new(4).activation(Activation::Tanh)),
        case::<E, Three, Three, _>(&name("Dense of sequences"), nature, &[2, 3], Dense::<W>::new(4)),
        case::<E, Three, Three, _>(&name("Conv1d"), nature, &[5, 2], Conv1d::<W>::new(3, 2).causal()),
        case::<E, Four, Four, _>(
            &name("Conv2d"),
            nature,
            &[4, 5, 2],
            Conv2d::<W>::new(3, 2).stride(2).same(),
        ),
        case::<E, Four, Four, _>(&name("depthwise"), nature, &[3, 3, 2], Conv2d::<W>::new(2, 2).groups(2)),
        case::<E, Three, Three, _>(&name("Lstm"), nature, &[3, 2], Lstm::<W>::new(4)),
        case::<E, Three, Three, _>(&name("Gru"), nature, &[3, 2], Gru::<W>::new(4)),
        case::<E, Three, Three, _>(&name("attention"), nature, &[4, 6], MultiHeadAttention::<W>::new(2)),
        case::<E, Three, Three, _>(
            &name("local attention"),
            nature,
            &[5, 4],
            LocalAttention1d::<W>::new(2, 2).mask(LocalMask::Right),
        ),
        codes,
    ]
}

fn normalisers_and_shapes<E: Float>() -> Vec<Case<E>> {
    use Nature::{Function, Noise, Trained};
    vec![
        case::<E, Two, Two, _>("BatchNorm", Trained, &[3], BatchNorm::new()),
        case::<E, Four, Four, _>("BatchNorm of images", Trained, &[2, 2, 3], BatchNorm::new()),
        case::<E, Two, Two, _>("LayerNorm", Function, &[3], LayerNorm::new()),
        case::<E, Two, Two, _>("Dropout", Trained, &[3], Dropout(0.5)),
        case::<E, Two, Two, _>("AlwaysDropout", Noise, &[3], Dropout(0.5).always()),
        case::<E, Three, Three, _>("MaxPool1d", Function, &[5, 2], MaxPool1d::new(2).same()),
        case::<E, Four, Four, _>("MaxPool2d", Function, &[4, 4, 2], MaxPool2d::new(2)),
        case::<E, Three, Three, _>("AvgPool1d", Function, &[5, 2], AvgPool1d::new(3).stride(1)),
        case::<E, Four, Four, _>("AvgPool2d", Function, &[3, 4, 2], AvgPool2d::new(2).same()),
        case::<E, Three, Two, _>("GlobalAvgPool", Function, &[5, 2], GlobalAvgPool),
        case::<E, Four, Two, _>("GlobalMaxPool", Function, &[3, 2, 2], GlobalMaxPool),
        case::<E, Two, Two, _>("Relu", Function, &[3], Relu),
        case::<E, Two, Two, _>("Tanh", Function, &[3], Tanh),
        case::<E, Two, Two, _>("Sigmoid", Function, &[3], Sigmoid),
        case::<E, Two, Two, _>("Softplus", Function, &[3], Softplus),
        case::<E, Two, Two, _>("Silu", Function, &[3], Silu),
        case::<E, Two, Two, _>("Gelu", Function, &[3], Gelu),
        case::<E, Four, Two, _>("Flatten", Function, &[2, 2, 3], Flatten),
        case::<E, Two, Two, _>(
            "Residual",
            Function,
            &[3],
            Residual(sequential![Dense::new(5), Dense::new(3)]),
        ),
        case::<E, Two, Two, _>(
            "a list",
            Function,
            &[3],
            sequential![(0..2).map(|_| Dense::new(3)).collect::<Vec<_>>()],
        ),
        case::<E, Three, Three, _>("positions", Function, &[4, 6], PositionalEmbedding::new(5)),
        case::<E, Three, Three, _>("sines", Function, &[4, 6], PositionalEmbedding::sinusoidal(4)),
        case::<E, Three, Three, _>("ShiftRight", Function, &[4, 2], ShiftRight),
    ]
}

fn reversible<E: Float>() -> Vec<Case<E>> {
    use Nature::Function;
    let coupling = || RealNvp::new(Coupling::new(Dense::new(5).activation(Activation::Tanh)));
    vec![
        case::<E, Two, Three, _>(
            "Made",
            Function,
            &[3],
            Made::new([7]).activation(Activation::Tanh).outputs(2),
        ),
        case::<E, Two, Two, _>("masked flow", Function, &[3], RealNvp::new(Made::new([7]))),
        case::<E, Two, Two, _>("inverse flow", Function, &[3], {
            RealNvp::new(Made::new([7])).inverse_autoregressive()
        }),
        case::<E, Two, Two, _>("splines", Function, &[3], coupling().transform(Transform::spline())),
        case::<E, Two, Two, _>("coupling", Function, &[4], coupling()),
        case::<E, Two, Two, _>(
            "InvertibleLinear",
            Function,
            &[4],
            InvertibleLinear::new().permuted(Key::new(1)),
        ),
        case::<E, Two, Two, _>("Permute", Function, &[3], Permute::to([2, 0, 1])),
        case::<E, Two, Two, _>("Reverse", Function, &[3], Reverse),
        case::<E, Two, Two, _>("Intensities", Function, &[3], Intensities::new(16)),
        case::<E, Two, Two, _>("Invert", Function, &[3], Invert(coupling())),
        case::<E, Two, Three, _>("Reshape", Function, &[4], Reshape::to([2, 2])),
        case::<E, Two, Two, _>("constant memory", Function, &[4], sequential![coupling()].constant_memory()),
    ]
}

/// Layers whose output is a random variable, by the mean or the entropy of its distribution.
fn outputs<E: Float>() -> Vec<Case<E>> {
    fn of<E: Float, D, L>(name: &str, layer: L, read: fn(&D) -> Result<Value<E>>) -> Case<E>
    where
        D: Distribution<Elem = E>,
        L: Apply<Rows<E>, Output = RandomVariable<D>> + 'static,
    {
        let run: Run<E> =
            Box::new(move |x| read(layer.forward(Rows::<E>::from_value(x.clone())?)?.distribution()));
        Case { name: name.to_string(), example: vec![4], codes: None, run, nature: Nature::Function }
    }
    vec![
        of("output::Normal", output::Normal::new(2), |y| Ok(y.mean()?.into_value())),
        of("output::Bernoulli", output::Bernoulli::new(3), |y| Ok(y.mean()?.into_value())),
        of("output::Categorical", output::Categorical::new(3), |y| Ok(y.entropy()?.into_value())),
    ]
}

fn cases<E: Float>() -> Vec<Case<E>> {
    let mut all = with_estimator::<E, Deterministic>(Nature::Function);
    all.extend(with_estimator::<E, Reparameterization>(Nature::Belief));
    all.extend(with_estimator::<E, Flipout>(Nature::Noise));
    all.extend(with_estimator::<E, LocalReparameterization>(Nature::Noise));
    all.extend(with_estimator::<E, VariationalDropout>(Nature::Noise));
    all.extend(with_estimator::<E, McDropout>(Nature::Noise));
    all.extend(with_estimator::<E, Rank1>(Nature::Noise));
    all.extend(with_estimator::<E, BatchEnsemble>(Nature::Members));
    all.extend(normalisers_and_shapes());
    all.extend(reversible());
    all.extend(outputs());
    all
}

impl<E: Float> Case<E> {
    /// A batch of so many examples, the first of which are those of a smaller one.
    fn batch(&self, rows: usize) -> Result<Value<E>> {
        let dims: Dims = std::iter::once(rows).chain(self.example.iter().copied()).collect();
        let number = |i: usize| match self.codes {
            Some(codes) => (i * 7 % codes) as f64,
            None => 0.3 + 0.9 * (1.37 * i as f64).sin(),
        };
        Value::from_vec((0..dims.num_elements()).map(|i| E::from_f64(number(i))).collect(), dims)
    }

    /// The parameters after a first run on four examples.
    fn params(&self) -> Result<Params> {
        let mut params = Params::new();
        seed(0, || make_params(&mut params, || (self.run)(&self.batch(4)?)))
            .map_err(|error| error.at_site(SiteName::from(self.name.clone())))?;
        Ok(params)
    }

    fn predict(&self, params: &Params, key: u64, rows: usize) -> Result<Value<E>> {
        seed(key, || with_params(params, || (self.run)(&self.batch(rows)?)))
    }
}

fn numbers<E: Float>(x: &Value<E>) -> Result<Vec<f64>> {
    Ok(x.as_slice()?.iter().map(|x| x.to_f64()).collect())
}

fn near(what: &str, got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() <= tolerance * (1.0 + expected.abs()), "{what}: {got} for {expected}");
    }
}

/// Whether a refusal is a sentence: what was expected, and what was found.
fn is_a_sentence(what: &str, error: &Error) {
    let text = error.to_string();
    assert!(text.len() > 30 && (text.contains("expected") || text.contains("must be")), "{what}: {text}");
}

#[test]
fn examples_of_a_batch_do_not_see_one_another() -> Result<()> {
    for case in cases::<f64>() {
        if !matches!(case.nature, Nature::Function | Nature::Trained | Nature::Belief) {
            continue;
        }
        let params = case.params()?;
        let whole = case.predict(&params, 1, 4)?;
        let whole_numbers = numbers(&whole)?;
        for rows in [1, 2, 3] {
            let part = case.predict(&params, 1, rows)?;
            assert_eq!(part.dims()[0], rows, "{}", case.name);
            let part = numbers(&part)?;
            near(&case.name, &part, &whole_numbers[..part.len()], 1e-10);
        }
    }
    Ok(())
}

#[test]
fn any_number_of_examples_is_taken_or_refused_in_a_sentence() -> Result<()> {
    for case in cases::<f64>() {
        let params = case.params()?;
        for rows in [0, 1, 3, 4, 5] {
            let predicted = case.predict(&params, 2, rows);
            let mut trained = params.clone();
            let loss = || {
                let y = (case.run)(&case.batch(rows)?)?;
                let y: Var<(usize,), f64> =
                    Var::from_value(y.reshape(Dims::vector(y.dims().num_elements()))?)?;
                let zero: Var<(), f64> = param_as("zero", || Var::scalar(0.0))?;
                Ok(y.square().sum() + zero)
            };
            let stepped = seed(2, || value_and_gradients(&mut trained, loss));
            for outcome in [predicted.as_ref().map(|_| ()), stepped.as_ref().map(|_| ())] {
                if let Err(error) = outcome {
                    is_a_sentence(&format!("{} of {rows} rows", case.name), error);
                }
            }
            if let Ok(y) = predicted {
                assert_eq!(y.dims()[0], rows, "{}", case.name);
                assert!(numbers(&y)?.iter().all(|y| y.is_finite()), "{} of {rows} rows", case.name);
            }
            if let Ok((loss, gradients)) = stepped {
                assert!(loss.is_finite(), "{} of {rows} rows: {loss}", case.name);
                for (name, gradient) in gradients.iter() {
                    let finite = gradient.to_vec()?.iter().all(|g| g.is_finite());
                    assert!(finite, "{} of {rows} rows, `{name}`", case.name);
                }
            }
            for (name, value) in trained.iter() {
                let finite = value.to_vec()?.iter().all(|x| x.is_finite());
                assert!(finite, "{} of {rows} rows, `{name}` after a step", case.name);
            }
        }
    }
    Ok(())
}

#[test]
fn a_layer_used_twice_is_one_layer() -> Result<()> {
    for case in cases::<f64>() {
        let params = case.params()?;
        let both = || Ok([(case.run)(&case.batch(4)?)?, (case.run)(&case.batch(4)?)?]);
        let [first, second] = seed(3, || with_params(&params, both))?;
        if matches!(case.nature, Nature::Function | Nature::Trained | Nature::Belief | Nature::Members) {
            assert_eq!(numbers(&first)?, numbers(&second)?, "{}", case.name);
        }
        let mut again = Params::new();
        seed(0, || make_params(&mut again, both))?;
        let names = |params: &Params| params.names().map(SiteName::to_string).collect::<Vec<_>>();
        assert_eq!(names(&again), names(&params), "{}", case.name);
    }
    Ok(())
}

#[test]
fn saved_and_loaded_a_layer_gives_the_same_output() -> Result<()> {
    let path = std::env::temp_dir().join(format!("ed-laws-{}.safetensors", std::process::id()));
    for case in cases::<f64>() {
        let params = case.params()?;
        params.save(&path)?;
        let loaded = Params::load(&path)?;
        let [before, after] = [case.predict(&params, 4, 4)?, case.predict(&loaded, 4, 4)?];
        assert_eq!(numbers(&before)?, numbers(&after)?, "{}", case.name);
    }
    std::fs::remove_file(&path).ok();
    Ok(())
}

/// Parameters of double precision in single precision.
fn single(params: &Params) -> Result<Params> {
    let mut single = Params::new();
    for (name, value) in params.iter() {
        let numbers = value.to_vec()?.into_iter().map(|x| x as f32).collect();
        single.insert(name, AnyVar::F32(Value::from_vec(numbers, *value.dims())?))?;
    }
    Ok(single)
}

#[test]
fn both_precisions_agree() -> Result<()> {
    for (double, other) in cases::<f64>().into_iter().zip(cases::<f32>()) {
        if !matches!(double.nature, Nature::Function | Nature::Trained | Nature::Members) {
            continue;
        }
        let params = double.params()?;
        let expected = numbers(&double.predict(&params, 5, 4)?)?;
        let got = numbers(&other.predict(&single(&params)?, 5, 4)?)?;
        near(&double.name, &got, &expected, 1e-4);
    }
    Ok(())
}

/// All but batch normalisation and dropout, which training is about.
#[test]
fn training_and_prediction_agree_where_nothing_says_otherwise() -> Result<()> {
    for case in cases::<f64>() {
        if !matches!(case.nature, Nature::Function | Nature::Belief | Nature::Members) {
            continue;
        }
        let params = case.params()?;
        let predicted = case.predict(&params, 6, 4)?;
        let trained = seed(6, || make_params(&mut params.clone(), || (case.run)(&case.batch(4)?)))?;
        assert_eq!(numbers(&predicted)?, numbers(&trained)?, "{}", case.name);
    }
    Ok(())
}

/// Whoever sets the random variables, a sampler or `condition`, has a plain layer: its output depends on no key.
#[test]
fn a_layer_whose_weights_are_given_is_a_function() -> Result<()> {
    for case in cases::<f64>() {
        if !["Reparameterization", "Flipout", "LocalReparameterization", "VariationalDropout", "Rank1"]
            .iter()
            .any(|estimator| case.name.ends_with(estimator))
        {
            continue;
        }
        let params = case.params()?;
        let program = || (case.run)(&case.batch(4)?);
        let (_, trace) = seed(7, || with_params(&params, || tape(&program)))?;
        let mut values = Values::new();
        for name in trace.names() {
            values.insert(name.clone(), trace.required(name.as_str())?.value()?.clone())?;
        }
        assert!(trace.names().count() > 0, "{} has random variables", case.name);
        let given = condition(program, values);
        let run = |key| numbers(&seed(key, || with_params(&params, || given.run()))?);
        assert_eq!(run(8)?, run(9)?, "{}", case.name);
    }
    Ok(())
}

/// A number that is not finite is found at the output of the example that has it, and of no other.
#[test]
fn a_nan_stays_a_nan_and_in_its_example() -> Result<()> {
    for case in cases::<f64>() {
        if case.nature != Nature::Function || case.codes.is_some() {
            continue;
        }
        let params = case.params()?;
        let clean = numbers(&case.predict(&params, 1, 4)?)?;
        let mut spoilt = numbers(&case.batch(4)?)?;
        let (row, out) = (spoilt.len() / 4, clean.len() / 4);
        spoilt[2 * row..3 * row].fill(f64::NAN);
        let x = Value::from_vec(spoilt, *case.batch(4)?.dims())?;
        match seed(1, || with_params(&params, || (case.run)(&x))) {
            Err(error) => is_a_sentence(&case.name, &error),
            Ok(y) => {
                let y = numbers(&y)?;
                near(&case.name, &y[..2 * out], &clean[..2 * out], 1e-12);
                near(&case.name, &y[3 * out..], &clean[3 * out..], 1e-12);
                let lost = y[2 * out..3 * out].iter().filter(|y| !y.is_nan()).count();
                // The first position after a shift, and what a causal window pads, hold no number of the example.
                let may_stay = if case.name == "ShiftRight" { 2 } else { 0 };
                assert_eq!(lost, may_stay, "{}: {:?}", case.name, &y[2 * out..3 * out]);
            }
        }
    }
    Ok(())
}

/// A batch with a NaN is refused, and the moving averages stay as they were, in a network and in a flow's.
#[test]
fn a_refused_batch_leaves_the_moving_averages_alone() -> Result<()> {
    fn check(loss: impl Fn(&Rows<f64>) -> Result<Var<(), f64>>) -> Result<()> {
        let spoilt = std::cell::Cell::new(false);
        let mut train = Train::new(4, |_| {
            let mut numbers: Vec<f64> = (0..16).map(|i| (1.1 * i as f64).sin()).collect();
            if spoilt.get() {
                numbers[5] = f64::NAN;
            }
            loss(&Var::from_vec(numbers, (4usize, 4usize))?)
        });
        train.step(0)?;
        let state = |trained: Trained| -> Result<Vec<f64>> {
            let moving = trained.params().iter().filter(|(name, _)| name.as_str().contains("moving_"));
            Ok(moving.map(|(_, value)| value.to_vec()).collect::<Result<Vec<_>>>()?.concat())
        };
        spoilt.set(true);
        assert!(train.step(1).is_err(), "the batch is refused");
        let after = state(train.finish())?;
        assert!(!after.is_empty() && after.iter().all(|x| x.is_finite()), "{after:?}");
        let mut once = Train::new(4, |_| {
            loss(&Var::from_vec((0..16).map(|i| (1.1 * i as f64).sin()).collect(), (4usize, 4usize))?)
        });
        once.step(0)?;
        assert_eq!(after, state(once.finish())?, "as after the one step that was taken");
        Ok(())
    }
    let net = sequential![Dense::new(3), BatchNorm::new(), Dense::new(1)];
    check(|x| Ok(net.forward(x)?.square().mean()))?;
    let flow = RealNvp::new(Coupling::new(sequential![BatchNorm::new(), Dense::new(3).relu()]));
    check(|x| Ok(-flow.distribution(Normal::standard((4usize, 4usize))?)?.log_prob(x)?.mean()))
}

#[test]
fn lengths_go_with_recurrent_layers_and_attention() -> Result<()> {
    let x: Steps<f64> = Var::ones((2usize, 3usize, 4usize));
    let refused = message(seed(0, || Gru::new(2).forward((&x, Lengths::new([3])))));
    assert!(refused.contains("lengths of 1 sequences"), "{refused}");
    let y = seed(0, || MultiHeadAttention::new(2).forward((&x, Lengths::new([3, 1]))))?;
    assert_eq!(y.at(1)?.at(1)?.to_vec()?, [0.0; 4]);
    Ok(())
}
