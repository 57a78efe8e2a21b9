//! Recurrent operations against PyTorch (`tests/golden/gen_recurrent.py`), finite differences and each other.

use super::*;
use crate::kernels::dispatch::{Level, with_level};
use crate::kernels::parallel::tests::same_for_all_threads;
use crate::ops::{layout, linalg};
use crate::tensor::{Tape, Var};

fn value<E: Float>(numbers: &[f64], sizes: &[usize]) -> Value<E> {
    let numbers = numbers.iter().map(|&x| E::from_f64(x)).collect();
    Value::from_vec(numbers, sizes.iter().copied().collect()).unwrap()
}

fn wave<E: Float>(sizes: &[usize], phase: f64) -> Value<E> {
    let numbers: Vec<f64> =
        (0..sizes.iter().product()).map(|i| 0.8 * (i as f64 * 0.7 + phase).cos()).collect();
    value(&numbers, sizes)
}

fn numbers<E: Float>(x: &Value<E>) -> Vec<f64> {
    x.as_slice().unwrap().iter().map(|x| x.to_f64()).collect()
}

fn flat<E: Float>(x: &Value<E>) -> Var<(usize,), E> {
    Var::from_value(x.with_dims(Dims::vector(x.dims().num_elements()))).unwrap()
}

/// `Σ cos(0.3 + 0.7 i) x_i`.
fn weighted<E: Float>(x: &Value<E>) -> Var<(), E> {
    let weights: Vec<f64> = (0..x.dims().num_elements()).map(|i| (0.3 + 0.7 * i as f64).cos()).collect();
    (&flat(x) * &flat(&value(&weights, &[weights.len()]))).sum()
}

fn near(what: &str, got: &[f64], expected: &[f64], bound: f64) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (index, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!(
            (got - expected).abs() <= bound * (1.0 + expected.abs()),
            "{what} {index}: {got}, not {expected}"
        );
    }
}

/// The inputs of a network of so many gates: `x`, kernel, recurrent weights, and one bias or two.
fn network<E: Float>([batch, steps, inputs, units]: [usize; 4], gates: usize) -> Vec<Value<E>> {
    let width = gates * units;
    let mut all = vec![
        wave(&[batch, steps, inputs], 0.1),
        wave(&[inputs, width], 0.2),
        wave(&[units, width], 0.3),
        wave(&[width], 0.4),
    ];
    if gates == 3 {
        all.push(wave(&[width], 0.5));
    }
    all
}

/// The hidden states and the last state of one or the other network; `initial` is packed.
fn run<E: Float>(gates: usize, inputs: &[Value<E>], initial: Option<&Value<E>>) -> Result<[Value<E>; 2]> {
    if gates == 4 {
        let weights = LstmWeights { kernel: &inputs[1], recurrent: &inputs[2], bias: &inputs[3] };
        let initial = initial
            .map(|packed| LstmState::new(&layout::at(packed, 0)?, &layout::at(packed, 1)?))
            .transpose()?;
        let (hidden, last) = lstm_sequence_with_state(&inputs[0], weights, initial.as_ref())?;
        return Ok([hidden, last.packed().clone()]);
    }
    let [kernel, recurrent, bias, recurrent_bias] = [&inputs[1], &inputs[2], &inputs[3], &inputs[4]];
    let weights = GruWeights { kernel, recurrent, bias, recurrent_bias };
    let (hidden, last) = gru_sequence_with_state(&inputs[0], weights, initial)?;
    Ok([hidden, last])
}

/// The same from products and steps.
fn unroll<E: Float>(gates: usize, inputs: &[Value<E>], initial: &Value<E>) -> Result<[Value<E>; 2]> {
    let [batch, steps, _] = **inputs[0].dims() else { unreachable!() };
    let width = inputs[3].dims()[0];
    let of_batch = |bias: &Value<E>| layout::broadcast_to(bias, [batch, width].into_iter().collect());
    let plus = |a: &Value<E>, b: &Value<E>| {
        (&flat(a) + &flat(b)).value().with_dims([batch, width].into_iter().collect())
    };
    let x = layout::permute(&inputs[0], &[1, 0, 2])?;
    let mut outputs = Vec::new();
    let mut lstm = match gates {
        4 => LstmState::new(&layout::at(initial, 0)?, &layout::at(initial, 1)?)?,
        _ => LstmState::zeros(1, 1),
    };
    let mut gru = initial.clone();
    for step in 0..steps {
        let by_inputs = linalg::dot(&layout::at(&x, step)?, &inputs[1])?;
        let by_inputs = plus(&by_inputs, &of_batch(&inputs[3])?);
        if gates == 4 {
            let by_state = linalg::dot(&lstm.hidden(), &inputs[2])?;
            lstm = lstm_step(&plus(&by_inputs, &by_state), &lstm)?;
            outputs.push(lstm.hidden());
        } else {
            let by_state = plus(&linalg::dot(&gru, &inputs[2])?, &of_batch(&inputs[4])?);
            gru = gru_step(&by_inputs, &by_state, &gru)?;
            outputs.push(gru.clone());
        }
    }
    let hidden = layout::stack(&outputs.iter().collect::<Vec<_>>())?;
    let last = if gates == 4 { lstm.packed().clone() } else { gru };
    Ok([layout::permute(&hidden, &[1, 0, 2])?, last])
}

/// The outputs, the loss and the gradients by all inputs, of which the last is the initial state if there is one.
fn differentiate<E: Float>(
    inputs: &[Value<E>],
    program: impl Fn(&[Value<E>]) -> Result<[Value<E>; 2]>,
) -> Vec<Vec<f64>> {
    let tape = Tape::of();
    let watched: Vec<Value<E>> = inputs.iter().map(|x| tape.watch_value(x)).collect();
    let outputs = program(&watched).unwrap();
    let loss = weighted(&outputs[0]) + weighted(&outputs[1]);
    let gradients = loss.backward().unwrap();
    let mut all: Vec<Vec<f64>> = outputs.iter().map(numbers).collect();
    all.extend(watched.iter().map(|x| numbers(&gradients.get_value(x).unwrap())));
    all
}

fn state_sizes(gates: usize, batch: usize, units: usize) -> Vec<usize> {
    if gates == 4 { vec![2, batch, units] } else { vec![batch, units] }
}

fn golden<E: Float>(name: &str, gates: usize, bound: f64) {
    let json: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/golden/recurrent.json")).unwrap();
    let parse = |json: &serde_json::Value| serde_json::from_value::<Vec<f64>>(json.clone()).unwrap();
    let lists = |json: &serde_json::Value| serde_json::from_value::<Vec<Vec<f64>>>(json.clone()).unwrap();
    let [batch, steps, features, units] = [0, 1, 2, 3].map(|i| json["sizes"][i].as_u64().unwrap() as usize);
    let case = &json[name];
    let (weights, d_weights) = (lists(&case["weights"]), lists(&case["d_weights"]));
    let width = gates * units;
    let mut inputs = vec![
        value::<E>(&parse(&case["x"]), &[batch, steps, features]),
        value(&weights[0], &[features, width]),
        value(&weights[1], &[units, width]),
    ];
    let mut gradients = vec![parse(&case["d_x"]), d_weights[0].clone(), d_weights[1].clone()];
    if gates == 4 {
        // Ours has one bias, the sum of the two.
        let bias: Vec<f64> = weights[2].iter().zip(&weights[3]).map(|(a, b)| a + b).collect();
        inputs.push(value(&bias, &[width]));
        gradients.push(d_weights[2].clone());
    } else {
        inputs.extend([value(&weights[2], &[width]), value(&weights[3], &[width])]);
        gradients.extend([d_weights[2].clone(), d_weights[3].clone()]);
    }
    inputs.push(value(&lists(&case["initial"]).concat(), &state_sizes(gates, batch, units)));
    gradients.push(lists(&case["d_initial"]).concat());
    let mut expected = vec![parse(&case["hidden"]), lists(&case["last"]).concat()];
    expected.extend(gradients);
    for level in [Level::Portable, Level::Avx2] {
        let got =
            with_level(level, || differentiate(&inputs, |all| run(gates, &all[..all.len() - 1], all.last())));
        for (index, (got, expected)) in got.iter().zip(&expected).enumerate() {
            near(&format!("{name} {index}"), got, expected, bound);
        }
    }
}

#[test]
fn a_sequence_equals_the_one_of_pytorch_with_all_gradients() {
    golden::<f64>("lstm", 4, 1e-13);
    golden::<f32>("lstm", 4, 2e-6);
    golden::<f64>("gru", 3, 1e-13);
    golden::<f32>("gru", 3, 2e-6);
}

#[test]
fn a_sequence_is_a_loop_over_steps_with_all_gradients() {
    // More rows than one chunk has, and units that do not fill their last block.
    for sizes in [[37, 3, 2, 19], [1, 1, 1, 1], [2, 5, 3, 16]] {
        for gates in [3, 4] {
            let mut inputs = network::<f64>(sizes, gates);
            inputs.push(wave(&state_sizes(gates, sizes[0], sizes[3]), 0.6));
            let fused = differentiate(&inputs, |all| run(gates, &all[..all.len() - 1], all.last()));
            let looped =
                differentiate(&inputs, |all| unroll(gates, &all[..all.len() - 1], &all[all.len() - 1]));
            for (index, (fused, looped)) in fused.iter().zip(&looped).enumerate() {
                near(&format!("{sizes:?} {gates} {index}"), fused, looped, 1e-12);
            }
        }
    }
}

#[test]
fn an_absent_initial_state_is_zero() {
    for gates in [3, 4] {
        let mut inputs = network::<f64>([18, 3, 2, 4], gates);
        let absent = differentiate(&inputs, |all| run(gates, all, None));
        inputs.push(value(&vec![0.0; 18 * 4 * (gates - 2)], &state_sizes(gates, 18, 4)));
        let zero = differentiate(&inputs, |all| run(gates, &all[..all.len() - 1], all.last()));
        for (absent, zero) in absent.iter().zip(&zero) {
            near("gradients", absent, zero, 1e-14);
        }
    }
}

#[test]
fn gradients_are_those_of_finite_differences_and_add_up_over_uses() {
    for gates in [3, 4] {
        let inputs = network::<f64>([21, 3, 2, 18], gates);
        // Every input is used twice, so that the second use adds to the gradients of the first.
        let twice = |all: &[Value<f64>]| {
            let [hidden, _] = run(gates, all, None)?;
            let [_, last] = run(gates, all, None)?;
            Ok([hidden, last])
        };
        let gradients = differentiate(&inputs, twice);
        for index in 0..inputs.len() {
            let direction = numbers(&wave::<f64>(inputs[index].dims(), 1.9));
            let moved = |by: f64| {
                let mut all = inputs.clone();
                let pairs = numbers(&all[index]).into_iter().zip(&direction);
                let numbers: Vec<f64> = pairs.map(|(x, d)| x + by * d).collect();
                all[index] = value(&numbers, inputs[index].dims());
                let outputs = twice(&all).unwrap();
                (weighted(&outputs[0]) + weighted(&outputs[1])).item().unwrap()
            };
            let step = 1e-5;
            let difference = (moved(step) - moved(-step)) / (2.0 * step);
            let product: f64 = gradients[2 + index].iter().zip(&direction).map(|(g, d)| g * d).sum();
            near(&format!("{gates} gates, input {index}"), &[product], &[difference], 1e-8);
        }
    }
}

#[test]
fn a_pass_without_gradients_gives_the_same_numbers() {
    for gates in [3, 4] {
        let inputs = network::<f32>([33, 4, 3, 17], gates);
        let plain = run(gates, &inputs, None).unwrap();
        let watched = differentiate(&inputs, |all| run(gates, all, None));
        for (plain, watched) in plain.iter().zip(&watched) {
            assert_eq!(&numbers(plain), watched);
        }
    }
}

#[test]
fn a_batch_is_its_examples_one_by_one() {
    for gates in [3, 4] {
        let inputs = network::<f64>([35, 3, 2, 7], gates);
        let [all, _] = run(gates, &inputs, None).unwrap();
        for (example, expected) in numbers(&all).chunks(3 * 7).enumerate() {
            let mut one = inputs.clone();
            one[0] = layout::at(&inputs[0], example).unwrap().with_dims([1, 3, 2].into_iter().collect());
            let [hidden, _] = run(gates, &one, None).unwrap();
            near("an example", &numbers(&hidden), expected, 1e-13);
        }
    }
}

#[test]
fn threads_do_not_change_a_bit_of_a_sequence_or_its_gradients() {
    for gates in [3, 4] {
        let inputs = network::<f32>([40, 3, 5, 132], gates);
        same_for_all_threads(|| differentiate(&inputs, |all| run(gates, all, None)));
    }
}

#[test]
fn zero_weights_and_a_forget_bias_of_one_give_the_known_state() {
    // edward2's cell with h = σ(0) tanh(σ(1) c), c = 0.25.
    let (hidden, cell) = (value::<f64>(&[0.0], &[1, 1]), value(&[0.25], &[1, 1]));
    let state = LstmState::new(&hidden, &cell).unwrap();
    let weights = LstmWeights {
        kernel: &value(&[0.0; 4], &[1, 4]),
        recurrent: &value(&[0.0; 4], &[1, 4]),
        bias: &value(&[0.0, 1.0, 0.0, 0.0], &[4]),
    };
    let h = lstm_sequence(&value(&[5.0], &[1, 1, 1]), weights, Some(&state)).unwrap();
    near("h", &numbers(&h), &[0.090378257], 1e-9);
}

#[test]
fn saturated_gates_have_finite_values_and_gradients() {
    for gates in [3, 4] {
        let mut inputs = network::<f32>([2, 3, 2, 5], gates);
        inputs[1] = value(&vec![1e30; 2 * 5 * gates], &[2, 5 * gates]);
        let all = differentiate(&inputs, |all| run(gates, all, None));
        assert!(all.iter().flatten().all(|x| x.is_finite()));
    }
}

#[test]
fn refuses_shapes_that_do_not_fit() {
    let good = network::<f32>([2, 3, 4, 5], 4);
    for (index, sizes) in [
        (0, vec![2, 3]),
        (0, vec![2, 3, 5]),
        (0, vec![0, 3, 4]),
        (0, vec![2, 0, 4]),
        (1, vec![4, 15]),
        (2, vec![5, 21]),
        (2, vec![0, 0]),
        (3, vec![5]),
    ] {
        let mut bad = good.clone();
        bad[index] = wave(&sizes, 0.0);
        let error = run(4, &bad, None).unwrap_err();
        assert!(matches!(error, Error::Shape { op: "lstm_sequence", .. }), "{index} {sizes:?}: {error}");
    }
    let state = wave(&[2, 3, 5], 0.0);
    assert!(run(4, &good, Some(&state)).is_err());
    let message = run(4, &good, Some(&state)).unwrap_err().to_string();
    assert!(message.contains("the initial state, [2, batch, units]"), "{message}");

    let good = network::<f32>([2, 3, 4, 5], 3);
    for (index, sizes) in [(0, vec![4]), (1, vec![4, 20]), (2, vec![5, 14]), (3, vec![14]), (4, vec![16])] {
        let mut bad = good.clone();
        bad[index] = wave(&sizes, 0.0);
        assert!(run(3, &bad, None).is_err(), "{index} {sizes:?}");
    }
    assert!(run(3, &good, Some(&wave(&[2, 4], 0.0))).is_err());

    let state = LstmState::<f32>::zeros(2, 5);
    assert!(lstm_step(&wave(&[2, 19], 0.0), &state).is_err());
    assert!(lstm_step(&wave(&[3, 20], 0.0), &state).is_err());
    assert!(LstmState::new(&wave::<f32>(&[2, 5], 0.0), &wave(&[2, 4], 0.0)).is_err());
    assert!(LstmState::new(&wave::<f32>(&[5], 0.0), &wave(&[5], 0.0)).is_err());
    assert!(gru_step(&wave(&[2, 15], 0.0), &wave(&[2, 14], 0.0), &wave::<f32>(&[2, 5], 0.0)).is_err());
    assert!(gru_step(&wave(&[15], 0.0), &wave(&[15], 0.0), &wave::<f32>(&[5], 0.0)).is_err());
}
