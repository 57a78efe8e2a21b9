//! Laws of the reversible layers, over a table of all of them, and golden masks.

use std::sync::Arc;

use ed::bijectors::Bijector;
use ed::layers::reversible::Binding;
use ed::params::{make_params, value_and_gradients, with_params};
use ed::prelude::*;
use ed::tensor::{Dims, Value};

/// Binds a layer to the parameters in force, for tensors of these sizes.
type Bind<E> = Box<dyn Fn(Dims) -> Result<Arc<dyn Bijector<E>>>>;

/// A layer of the table.
struct Case<E: Float> {
    name: &'static str,
    bind: Bind<E>,
    features: usize,
    /// The order of an autoregressive layer, by the side that its network sees.
    order: Option<(Vec<usize>, ed::layers::reversible::Side)>,
}

fn bound<E: Float, L: Reversible<E> + 'static>(layer: L, context: Option<Value<E>>) -> Bind<E> {
    Box::new(move |dims| {
        let at = Binding { context: context.clone(), ..Binding::of(dims) };
        seed(0, || layer.bind(&at))
    })
}

/// Parameters with something added to each number, so that no layer is the identity.
fn moved<E: Float>(params: &Params, by: f64) -> Result<Params> {
    let mut moved = Params::new();
    for (index, (name, value)) in params.iter().enumerate() {
        let value = value.as_value::<E>()?;
        let noise = wave::<E>(value.dims(), index as f64, -by, 1.1 * by);
        let sum = value.as_slice()?.iter().zip(noise.as_slice()?).map(|(&x, &n)| x + n).collect();
        moved.insert(name, E::into_any(Value::from_vec(sum, *value.dims())?))?;
    }
    Ok(moved)
}

/// A smooth, irregular filling between two bounds.
fn wave<E: Float>(dims: &Dims, phase: f64, low: f64, high: f64) -> Value<E> {
    let at = |i: usize| low + (high - low) * (0.5 + 0.5 * (i as f64 * 1.37 + 2.1 * phase).sin());
    let numbers = (0..dims.num_elements()).map(|i| E::from_f64(at(i))).collect();
    Value::from_vec(numbers, *dims).expect("as many numbers as the dims say")
}

fn cases<E: Float>() -> Vec<Case<E>> {
    use ed::layers::reversible::Side;
    let autoregressive = |name, layer: RealNvp<Made>, order: Vec<usize>, side| Case::<E> {
        name,
        features: order.len(),
        bind: bound(layer, None),
        order: Some((order, side)),
    };
    fn any<E: Float, L: Reversible<E> + 'static>(name: &'static str, features: usize, layer: L) -> Case<E> {
        Case { name, features, bind: bound(layer, None), order: None }
    }
    let net = || sequential![Dense::new(12).activation(Activation::Tanh), Dense::new(7).relu()];
    let context: Value<E> = wave(&Dims::vector(3), 0.5, -1.0, 1.0);
    vec![
        autoregressive("maf", RealNvp::new(Made::new([16, 16])), vec![0, 1, 2, 3, 4], Side::Output),
        autoregressive(
            "maf right to left",
            RealNvp::new(Made::new([3]).order(RightToLeft).activation(Activation::Tanh)),
            vec![4, 3, 2, 1, 0],
            Side::Output,
        ),
        autoregressive(
            "maf without hidden units",
            RealNvp::new(Made::new([]).order(Order::Given(vec![2, 3, 1]))),
            vec![2, 0, 1],
            Side::Output,
        ),
        autoregressive("maf of one number", RealNvp::new(Made::new([4])), vec![0], Side::Output),
        autoregressive(
            "iaf",
            RealNvp::new(Made::new([16, 16])).inverse_autoregressive(),
            vec![0, 1, 2, 3],
            Side::Input,
        ),
        autoregressive(
            "additive",
            RealNvp::new(Made::new([8])).transform(Transform::Additive),
            vec![0, 1, 2],
            Side::Output,
        ),
        Case {
            name: "maf of pixels with channels, in random order",
            features: 6,
            bind: bound(RealNvp::new(Made::new([9, 9]).channels(2).order(Order::Random(Key::new(3)))), None),
            order: None,
        },
        Case {
            name: "maf given a context",
            features: 4,
            bind: bound(RealNvp::new(Made::new([8])), Some(context.clone())),
            order: None,
        },
        Case {
            name: "maf without hidden units given a context",
            features: 3,
            bind: bound(RealNvp::new(Made::new([]).order(RightToLeft)), Some(context.clone())),
            order: None,
        },
        Case {
            name: "spline maf of channels given a context",
            features: 6,
            bind: bound(
                RealNvp::new(Made::new([11, 5]).channels(2)).transform(Transform::spline()),
                Some(context.clone()),
            ),
            order: None,
        },
        Case {
            name: "iaf given a context",
            features: 4,
            bind: bound(RealNvp::new(Made::new([2])).inverse_autoregressive(), Some(context.clone())),
            order: None,
        },
        any("coupling", 5, RealNvp::new(Coupling::new(net()))),
        any("coupling of odd places", 4, RealNvp::new(Coupling::new(net()).kept(Kept::Odd))),
        any(
            "additive coupling",
            3,
            RealNvp::new(Coupling::new(net()).kept(Kept::SecondHalf)).transform(Transform::Additive),
        ),
        any(
            "spline coupling",
            4,
            RealNvp::new(Coupling::new(net()).kept(Kept::Given(vec![true, false, false, true])))
                .transform(Transform::spline()),
        ),
        any(
            "coupling that transforms what it keeps by splines",
            3,
            RealNvp::new(Coupling::new(net()).unconditional()).transform(Transform::spline()),
        ),
        autoregressive(
            "autoregressive spline",
            RealNvp::new(Made::new([12])).transform(Transform::Spline { bins: 4, bound: 3.0 }),
            vec![0, 1, 2],
            Side::Output,
        ),
        Case {
            name: "coupling given a context",
            features: 4,
            bind: bound(RealNvp::new(Coupling::new(net())), Some(context.clone())),
            order: None,
        },
        Case {
            name: "coupling that transforms what it keeps, given a context",
            features: 4,
            bind: bound(
                RealNvp::new(Coupling::new(net()).kept(Kept::Even).unconditional()),
                Some(context.clone()),
            ),
            order: None,
        },
        any("actnorm", 4, ActNorm::new()),
        any("invertible linear", 4, InvertibleLinear::new().permuted(Key::new(5))),
        any("permute", 3, Permute::to([2, 0, 1])),
        any("permute at random", 5, Permute::random(Key::new(1))),
        any("reverse", 3, Reverse),
        any("rows as images and back", 4, sequential![Reshape::to([2, 1, 2]), Reshape::to([4])]),
        any("intensities", 3, Intensities::new(17)),
        any("inverse of a layer", 3, Invert(RealNvp::new(Made::new([8])))),
        Case {
            name: "layers one after another",
            features: 3,
            bind: bound(
                sequential![
                    RealNvp::new(Made::new([8])),
                    ActNorm::new(),
                    RealNvp::new(Made::new([8]).order(RightToLeft)),
                    Reverse,
                    InvertibleLinear::new(),
                ],
                None,
            ),
            order: None,
        },
    ]
}

/// A case bound to moved parameters, for `rows` rows.
fn ready<E: Float>(case: &Case<E>, rows: usize) -> Result<(Params, Arc<dyn Bijector<E>>)> {
    let dims = Dims::vector(rows).with_last(case.features);
    let mut params = Params::new();
    make_params(&mut params, || (case.bind)(dims))?;
    let params = moved::<E>(&params, 0.15)?;
    let bijector = with_params(&params, || (case.bind)(dims))?;
    Ok((params, bijector))
}

fn close<E: Float>(name: &str, a: &Value<E>, b: &Value<E>, tolerance: f64) -> Result<()> {
    assert_eq!(a.dims(), b.dims(), "{name}");
    for (a, b) in a.as_slice()?.iter().zip(b.as_slice()?) {
        let (a, b) = (a.to_f64(), b.to_f64());
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{name}: {a} is not {b}");
    }
    Ok(())
}

fn negative<E: Float>(x: &Value<E>) -> Result<Value<E>> {
    Value::from_vec(x.as_slice()?.iter().map(|&x| -x).collect(), *x.dims())
}

fn round_trips<E: Float>(tolerance: f64) -> Result<()> {
    for case in cases::<E>() {
        let (_, bijector) = ready(&case, 7)?;
        let x = wave(&Dims::vector(7).with_last(case.features), 0.3, -1.5, 1.5);
        let (y, log_det) = bijector.forward_and_log_det(&x)?;
        let (back, opposite) = bijector.inverse_and_log_det(&y)?;
        close(case.name, &back, &x, tolerance)?;
        close(case.name, &negative(&opposite)?, &log_det, 10.0 * tolerance)?;
        assert_eq!(log_det.dims().to_string(), "[7]", "{}", case.name);
        assert!(log_det.as_slice()?.iter().all(|x| x.is_finite()), "{}", case.name);
    }
    Ok(())
}

#[test]
fn the_inverse_undoes_the_map_and_its_log_determinant_in_single_precision() -> Result<()> {
    round_trips::<f32>(1e-5)
}

#[test]
fn the_inverse_undoes_the_map_and_its_log_determinant_in_double_precision() -> Result<()> {
    round_trips::<f64>(1e-10)
}

/// `∂y_i/∂x_j` by central differences.
fn numerical_jacobian(bijector: &dyn Bijector<f64>, x: &[f64]) -> Result<Vec<Vec<f64>>> {
    let n = x.len();
    let at = |x: &[f64]| bijector.forward(&Value::from_vec(x.to_vec(), Dims::vector(1).with_last(n))?);
    let mut jacobian = vec![vec![0.0; n]; n];
    for j in 0..n {
        let (mut up, mut down) = (x.to_vec(), x.to_vec());
        up[j] += 1e-6;
        down[j] -= 1e-6;
        let (up, down) = (at(&up)?, at(&down)?);
        for i in 0..n {
            jacobian[i][j] = (up.as_slice()?[i] - down.as_slice()?[i]) / 2e-6;
        }
    }
    Ok(jacobian)
}

/// `ln |det|` by elimination with row exchanges.
fn log_abs_det(mut a: Vec<Vec<f64>>) -> f64 {
    let n = a.len();
    let mut sum = 0.0;
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| a[i][k].abs().total_cmp(&a[j][k].abs())).unwrap_or(k);
        a.swap(k, pivot);
        sum += a[k][k].abs().ln();
        for i in k + 1..n {
            let factor = a[i][k] / a[k][k];
            for j in k..n {
                a[i][j] -= factor * a[k][j];
            }
        }
    }
    sum
}

#[test]
fn log_determinants_are_those_of_the_numerical_jacobian() -> Result<()> {
    for case in cases::<f64>() {
        let (_, bijector) = ready(&case, 1)?;
        let x = wave::<f64>(&Dims::vector(1).with_last(case.features), 0.7, -1.2, 1.2);
        let (_, log_det) = bijector.forward_and_log_det(&x)?;
        let expected = log_abs_det(numerical_jacobian(&*bijector, x.as_slice()?)?);
        let got = log_det.as_slice()?[0];
        assert!(
            (got - expected).abs() < 1e-6 * (1.0 + expected.abs()),
            "{}: {got}, not {expected}",
            case.name
        );
    }
    Ok(())
}

#[test]
fn an_autoregressive_jacobian_has_exact_zeros_above_its_diagonal() -> Result<()> {
    use ed::layers::reversible::Side;
    for case in cases::<f64>() {
        let Some((order, side)) = &case.order else { continue };
        let (_, bijector) = ready(&case, 1)?;
        let n = case.features;
        let given = wave::<f64>(&Dims::vector(1).with_last(n), 0.2, -1.0, 1.0);
        for (rank, &out) in order.iter().enumerate() {
            let tape = Tape::<f64>::of();
            let x: Var<(usize, usize), f64> = tape.watch(&Var::from_value(given.clone())?);
            let y = match side {
                Side::Output => bijector.inverse(x.value())?,
                Side::Input => bijector.forward(x.value())?,
            };
            let y: Var<(usize, usize), f64> = Var::from_value(y)?;
            let y = y.transpose().at(out)?.sum();
            let gradient = y.backward()?.get(&x)?.to_vec()?;
            for (later, &input) in order.iter().enumerate() {
                match later.cmp(&rank) {
                    std::cmp::Ordering::Greater => assert_eq!(gradient[input], 0.0, "{}", case.name),
                    std::cmp::Ordering::Equal => assert!(gradient[input] != 0.0, "{}", case.name),
                    std::cmp::Ordering::Less => {}
                }
            }
        }
    }
    Ok(())
}

#[test]
fn gradients_by_inputs_and_parameters_are_the_slopes_in_both_directions() -> Result<()> {
    for case in cases::<f64>() {
        let dims = Dims::vector(2).with_last(case.features);
        let (params, _) = ready(&case, 2)?;
        for forward in [true, false] {
            let start = wave::<f64>(&dims, 0.9, -1.0, 1.0);
            let start = if forward { start } else { ready(&case, 2)?.1.forward(&start)? };
            let mut all = params.clone();
            all.insert("x", Var::<(usize, usize), f64>::from_value(start)?)?;
            let loss = || -> Result<Var<(), f64>> {
                let x = param_as::<(usize, usize), f64>("x", || Var::zeros((2, case.features)))?;
                // The layer reads its parameters from the run in force.
                let bijector = (case.bind)(dims)?;
                let (y, log_det) = match forward {
                    true => bijector.forward_and_log_det(x.value())?,
                    false => bijector.inverse_and_log_det(x.value())?,
                };
                let y: Var<(usize, usize), f64> = Var::from_value(y)?;
                let log_det: Var<(usize,), f64> = Var::from_value(log_det)?;
                let weights: Var<(usize, usize), f64> = Var::from_value(wave::<f64>(&dims, 0.1, 0.2, 1.0))?;
                let more: Var<(usize,), f64> = Var::from_value(wave::<f64>(&Dims::vector(2), 0.6, 0.5, 1.5))?;
                ((y * weights).sum() + (log_det * more).sum()).check()
            };
            let (_, gradients) = value_and_gradients(&mut all.clone(), loss)?;
            for (name, value) in all.iter() {
                let numbers = value.to_vec()?;
                let gradient = gradients.get(name.as_str()).map(|g| g.to_vec()).transpose()?;
                // A few of the numbers of each parameter.
                for place in (0..numbers.len()).step_by((numbers.len() / 5).max(1)) {
                    let at = |by: f64| -> Result<f64> {
                        let mut moved = numbers.clone();
                        moved[place] += by;
                        let mut there = all.clone();
                        there.set(name.clone(), f64::into_any(Value::from_vec(moved, *value.dims())?))?;
                        with_params(&there, loss)?.item()
                    };
                    let slope = (at(1e-5)? - at(-1e-5)?) / 2e-5;
                    let got = gradient.as_ref().map_or(0.0, |gradient| gradient[place]);
                    assert!(
                        (got - slope).abs() < 1e-6 * (1.0 + slope.abs()),
                        "{}, forward {forward}, {name}[{place}]: {got}, not {slope}",
                        case.name
                    );
                }
            }
        }
    }
    Ok(())
}

#[test]
fn a_density_in_two_dimensions_integrates_to_one() -> Result<()> {
    for order in [Order::LeftToRight, Order::RightToLeft] {
        let flow = RealNvp::new(Made::new([16]).order(order));
        let mut params = Params::new();
        make_params(&mut params, || {
            seed(0, || flow.bind(&Binding::<f64>::of(Dims::vector(1).with_last(2))))
        })?;
        let params = moved::<f64>(&params, 0.15)?;
        const SIDE: usize = 400;
        let step = 24.0 / SIDE as f64;
        let grid: Vec<f64> = (0..SIDE * SIDE)
            .flat_map(|i| [i / SIDE, i % SIDE].map(|k| -12.0 + (k as f64 + 0.5) * step))
            .collect();
        let points = Var::from_vec(grid, (SIDE * SIDE, 2usize))?;
        let log_prob = with_params(&params, || {
            flow.distribution(Normal::standard((SIDE * SIDE, 2usize))?)?.log_prob(&points)
        })?;
        let mass: f64 = log_prob.to_vec()?.iter().map(|x| x.exp()).sum::<f64>() * step * step;
        assert!((mass - 1.0).abs() < 2e-3, "{mass}");
    }
    Ok(())
}

/// Golden masks: Edward2's `MADE`, with the hidden units in increasing order of degree.
#[test]
fn masks_are_those_of_edward2() -> Result<()> {
    let written = |made: Made, features| -> Result<Vec<Vec<Vec<u8>>>> {
        let rows = |mask: &Arc<ed::ops::Staircase>| {
            let row = |r| (0..mask.columns()).map(|c| u8::from(mask.sees(r, c))).collect();
            (0..mask.rows()).map(row).collect()
        };
        Ok(made.masks(features)?.iter().map(rows).collect())
    };
    // D = 3, [4], left to right: degrees [1, 2, 1, 2], sorted [1, 1, 2, 2].
    let masks = written(Made::new([4]), 3)?;
    assert_eq!(masks[0], [[1, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0]]);
    assert_eq!(masks[1], [[0, 1, 1], [0, 1, 1], [0, 0, 1], [0, 0, 1]]);
    // D = 3, [4, 3], right to left: rows and columns of positions are in order, so the last position comes first.
    let masks = written(Made::new([4, 3]).order(RightToLeft), 3)?;
    assert_eq!(masks[0], [[1, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0]]);
    assert_eq!(masks[1], [[1, 1, 1], [1, 1, 1], [0, 0, 1], [0, 0, 1]]);
    assert_eq!(masks[2], [[0, 1, 1], [0, 1, 1], [0, 0, 1]]);
    assert_eq!(ed::layers::reversible::hidden_degrees(6, 4), [1, 1, 2, 2, 3, 3]);
    assert_eq!(ed::layers::reversible::hidden_degrees(3, 1), [0, 0, 0]);
    // With fewer units than positions, every position but the last is seen, unlike in Edward2.
    assert_eq!(ed::layers::reversible::hidden_degrees(3, 9), [2, 4, 6]);
    Ok(())
}

#[test]
fn settings_that_make_no_sense_are_refused() -> Result<()> {
    let refused = |made: Made, features: usize| -> String {
        let flow = RealNvp::new(made);
        let base = || seed(0, || flow.distribution(Normal::<_, f64>::standard((2usize, features))?));
        crate::support::message(base())
    };
    assert!(refused(Made::new([0]), 3).contains("`hidden` must be at least 1"));
    assert!(refused(Made::new([4]).order(Order::Given(vec![1, 1, 3])), 3).contains("each once"));
    assert!(refused(Made::new([4]).channels(2), 3).contains("a multiple of 2 numbers"));
    assert!(refused(Made::new([4]).channels(0), 3).contains("`channels` must be at least 1"));
    Ok(())
}

#[test]
fn a_random_variable_keeps_its_value_and_is_counted_once() -> Result<()> {
    let flow = sequential![
        RealNvp::new(Made::new([8])),
        RealNvp::new(Made::new([8]).order(RightToLeft)).inverse_autoregressive(),
    ];
    let program = || -> Result<Var<(usize, usize), f64>> {
        let base = sample_as("base", Normal::standard((4usize, 3usize))?)?;
        let outputs = flow.forward(&base)?;
        assert_eq!(
            outputs.distribution().bijector().inverse(outputs.var().value())?.dims().to_string(),
            "[4, 3]"
        );
        Ok(outputs.into_var())
    };
    let (_, trace) = seed(1, || tape(&program))?;
    assert_eq!(trace.names().count(), 1, "the base alone is a site");
    Ok(())
}

#[test]
fn constant_memory_gives_the_gradients_of_the_plain_stack_under_the_same_names() -> Result<()> {
    let layers = || {
        let net = || Dense::new(9).activation(Activation::Tanh);
        sequential![
            ActNorm::new(),
            RealNvp::new(Coupling::new(net())),
            InvertibleLinear::new().permuted(Key::new(2)),
            RealNvp::new(Coupling::new(net()).kept(Kept::Odd).unconditional()).transform(Transform::spline()),
            Invert(ActNorm::new()),
        ]
        .named("flow")
    };
    let (plain, recomputed) = (layers(), layers().constant_memory());
    let dims = Dims::vector(6).with_last(4);
    let x: Var<(usize, usize), f64> = Var::from_value(wave(&dims, 0.4, -1.5, 1.5))?;
    let context: Var<(usize, usize), f64> =
        Var::from_value(wave(&Dims::vector(6).with_last(2), 0.8, -1.0, 1.0))?;
    let base = || Normal::standard((6usize, 4usize));
    let mut params = Params::new();
    make_params(&mut params, || seed(0, || plain.distribution_given(base()?, &context)))?;
    let mut params = moved::<f64>(&params, 0.15)?;
    params.insert("context", context)?;
    let loss = |flow: &dyn Fn(&Var<(usize, usize), f64>) -> Result<Var<(usize,), f64>>| {
        let context = param_as::<(usize, usize), f64>("context", || Var::zeros((6, 2)))?;
        Ok(flow(&context)?.sum())
    };
    let run = |constant: bool| {
        value_and_gradients(&mut params.clone(), || {
            loss(&|context| match constant {
                false => plain.distribution_given(base()?, context)?.log_prob(&x),
                true => recomputed.distribution_given(base()?, context)?.log_prob(&x),
            })
        })
    };
    let ((value, gradients), (same, others)) = (run(false)?, run(true)?);
    assert!((value - same).abs() < 1e-10 * value.abs());
    assert_eq!(gradients.len(), others.len());
    assert!(gradients.get("flow/1/network/network/kernel").is_some());
    for (name, gradient) in gradients.iter() {
        let other = others.required(name.as_str())?.to_vec()?;
        for (a, b) in gradient.to_vec()?.iter().zip(other) {
            assert!((a - b).abs() < 1e-8 * (1.0 + a.abs()), "{name}: {b}, not {a}");
        }
    }
    Ok(())
}

#[test]
fn constant_memory_refuses_a_layer_that_is_inverted_in_turn() {
    let flow = sequential![Reverse, RealNvp::new(Made::new([4]))].constant_memory();
    let refused = seed(0, || flow.distribution(Normal::<_, f64>::standard((2usize, 3usize))?));
    assert!(crate::support::message(refused).contains("layer 1 goes through its features in turn"));
}

#[test]
fn actnorm_starts_from_data_on_the_output_side_and_its_log_determinant_counts_positions() -> Result<()> {
    let data = Var::<_, f64>::from_vec(
        wave::<f64>(&Dims::vector(24), 0.2, 3.0, 9.0).as_slice()?.to_vec(),
        (4usize, 3usize, 2usize),
    )?;
    let norm = sequential![ActNorm::new(), Reverse];
    let mut params = Params::new();
    norm.init_from(&mut params, &data)?;
    let bijector = with_params(&params, || norm.bind(&Binding::of(data.dims())))?;
    let x = bijector.inverse(data.value())?;
    for channel in 0..2 {
        let column: Vec<f64> = x.as_slice()?.iter().skip(channel).step_by(2).copied().collect();
        let mean = column.iter().sum::<f64>() / 12.0;
        let variance = column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 12.0;
        assert!(mean.abs() < 1e-9 && (variance - 1.0).abs() < 1e-6, "{mean}, {variance}");
    }
    let scales = params.required("0/log_scale")?.to_vec()?;
    let (_, log_det) = bijector.inverse_and_log_det(data.value())?;
    assert_eq!(log_det.dims().to_string(), "[4, 3]");
    assert!((log_det.as_slice()?[5] + scales.iter().sum::<f64>()).abs() < 1e-12);
    Ok(())
}

/// A flow as the prior of a location.
#[model]
fn located(flow: &RealNvp<Made>) -> Result<RandomVariable<Normal<(usize,), f64>>> {
    let loc = sample(flow.distribution(Normal::<_, f64>::standard((2usize,))?)?);
    let y = sample(Normal::new(&loc, 0.5)?);
    Ok(y)
}

#[test]
fn a_flow_is_a_prior_whose_density_the_joint_counts_once() -> Result<()> {
    let flow = RealNvp::new(Made::new([8]));
    let mut params = Params::new();
    let binding = Binding::<f64>::of(Dims::vector(2));
    make_params(&mut params, || seed(0, || flow.bind(&binding)))?;
    let params = moved::<f64>(&params, 0.3)?;
    let (loc, y) = (Var::from([0.3, -0.8]), Var::from([0.1, 0.2]));
    let joint = with_params(&params, || {
        make_log_joint(|| located(&flow)).at(values![located::loc = &loc, located::y = &y])?.item()
    })?;
    let prior = with_params(&params, || {
        flow.distribution(Normal::<_, f64>::standard((2usize,))?)?.log_prob(&loc)?.item()
    })?;
    let likelihood: f64 =
        loc.to_vec()?.iter().zip(y.to_vec()?).map(|(&loc, y)| crate::support::ln_normal(y, loc, 0.5)).sum();
    assert!((joint - prior - likelihood).abs() < 1e-12);
    Ok(())
}

#[test]
fn a_context_goes_along_with_the_random_variable() -> Result<()> {
    let flow = sequential![
        RealNvp::new(Made::new([8])),
        RealNvp::new(Coupling::new(Dense::new(6).relu())),
        RealNvp::new(Made::new([8]).order(RightToLeft)),
    ];
    let dims = Dims::vector(5).with_last(3);
    let context: Var<(usize, usize), f64> =
        Var::from_value(wave(&Dims::vector(5).with_last(2), 0.3, -1.0, 1.0))?;
    let base = || Normal::<_, f64>::standard((5usize, 3usize));
    let mut params = Params::new();
    make_params(&mut params, || seed(0, || flow.distribution_given(base()?, &context)))?;
    let params = moved::<f64>(&params, 0.3)?;
    let x: Var<(usize, usize), f64> = Var::from_value(wave(&dims, 0.6, -1.0, 1.0))?;
    let (log_prob, other, moved) = with_params(&params, || {
        let start = RandomVariable::of(base()?, x.clone())?;
        let (outputs, _) = flow.forward((start, &context))?;
        let there = outputs.distribution().log_prob(outputs.var())?.to_vec()?;
        let again = flow.distribution_given(base()?, &context)?.log_prob(outputs.var())?.to_vec()?;
        let elsewhere =
            flow.distribution_given(base()?, &(&context + 1.0))?.log_prob(outputs.var())?.to_vec()?;
        Ok((there, again, elsewhere))
    })?;
    for ((a, b), c) in log_prob.iter().zip(&other).zip(&moved) {
        assert!((a - b).abs() < 1e-9, "{a}, {b}");
        assert!((a - c).abs() > 1e-4, "the context does not matter");
    }
    Ok(())
}

/// Draws go through the positions in turn, and their gradients by parameters and noise are those of the slopes: checked
/// with the others above; here, that they follow the density.
#[test]
fn draws_follow_the_density() -> Result<()> {
    let flow = RealNvp::new(Made::new([8]));
    let mut params = Params::new();
    make_params(&mut params, || seed(0, || flow.bind(&Binding::<f64>::of(Dims::vector(1).with_last(2)))))?;
    let params = moved::<f64>(&params, 0.3)?;
    const N: usize = 20_000;
    let (draws, entropy) = with_params(&params, || {
        let (draws, log_prob) =
            flow.distribution(Normal::<_, f64>::standard((N, 2usize))?)?.sample_with_log_prob(Key::new(3))?;
        Ok((draws.to_vec()?, -log_prob.mean().item()?))
    })?;
    // The mass of a box, by draws and by integration.
    let inside =
        draws.chunks(2).filter(|x| (0.0..1.0).contains(&x[0]) && (-0.5..0.5).contains(&x[1])).count();
    const SIDE: usize = 60;
    let grid = (0..SIDE * SIDE)
        .flat_map(|i| [(i / SIDE) as f64 + 0.5, (i % SIDE) as f64 + 0.5 - SIDE as f64 / 2.0])
        .map(|k| k / SIDE as f64)
        .collect();
    let points = Var::from_vec(grid, (SIDE * SIDE, 2usize))?;
    let log_prob = with_params(&params, || {
        flow.distribution(Normal::standard((SIDE * SIDE, 2usize))?)?.log_prob(&points)?.to_vec()
    })?;
    let mass = log_prob.iter().map(|x| x.exp()).sum::<f64>() / (SIDE * SIDE) as f64;
    let share = inside as f64 / N as f64;
    let error = (mass * (1.0 - mass) / N as f64).sqrt();
    assert!((share - mass).abs() < 4.0 * error, "{share} of the draws, {mass} of the mass");
    assert!(entropy.is_finite());
    Ok(())
}
