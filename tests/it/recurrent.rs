//! Cells: one draw for a sequence, steps and whole sequences alike, gradients on every epoch.

use ed::layers::estimator::Estimator;
use ed::layers::recurrent::{Gates, GruGates, LstmGates, LstmState, Unrolled};
use ed::layers::{Lengths, average_members, repeat_for_members};
use ed::params::{value_and_gradients, with_params};
use ed::prelude::*;

use crate::support::message;

const BATCH: usize = 4;
const STEPS: usize = 5;
const INPUTS: usize = 3;
const UNITS: usize = 2;

type Matrix = Var<(usize, usize), f64>;

fn sequences() -> Result<Var<(usize, usize, usize), f64>> {
    let numbers = (0..BATCH * STEPS * INPUTS).map(|i| (0.7 * i as f64).sin()).collect();
    Var::from_vec(numbers, (BATCH, STEPS, INPUTS))
}

fn step_inputs() -> Result<Vec<Matrix>> {
    let by_time: Var<(usize, usize, usize), f64> = sequences()?.permute(&[1, 0, 2])?;
    (0..STEPS).map(|step| by_time.at(step)).collect()
}

/// The hidden states of a loop over steps, time first.
fn looped<W: Estimator>(cell: &LstmCell<W>) -> Result<Vec<Vec<f64>>> {
    let mut state = cell.zero_state(BATCH);
    let mut hidden = Vec::new();
    for x in step_inputs()? {
        let h;
        (h, state) = cell.step(&x, state)?;
        hidden.push(h.to_vec()?);
    }
    Ok(hidden)
}

fn close(got: f64, expected: f64, what: &str) {
    assert!((got - expected).abs() < 1e-12, "{what}: {got} for {expected}");
}

/// A whole sequence is the loop over its steps, whatever the estimator.
fn unrolls<W: Estimator>() -> Result<()> {
    let (cell, layer) = (LstmCell::<W>::new(UNITS), Lstm::<W>::new(UNITS));
    let mut params = Params::new();
    seed(1, || layer.init(&mut params, sequences()?))?;
    let steps = with_params(&params, || seed(2, || looped(&cell)))?;
    let whole = with_params(&params, || seed(2, || layer.forward(sequences()?)))?.to_vec()?;
    for (place, got) in whole.into_iter().enumerate() {
        let (row, step, unit) = (place / (STEPS * UNITS), place / UNITS % STEPS, place % UNITS);
        close(got, steps[step][row * UNITS + unit], W::NAME);
    }
    Ok(())
}

#[test]
fn a_sequence_in_one_operation_is_the_loop_over_its_steps() -> Result<()> {
    unrolls::<Deterministic>()?;
    unrolls::<Reparameterization>()?;
    unrolls::<Flipout>()?;
    unrolls::<McDropout>()
}

#[test]
fn a_cell_draws_once_for_a_sequence_and_again_for_the_next() -> Result<()> {
    fn check<W: Estimator>() -> Result<()> {
        let cell = LstmCell::<W>::new(UNITS);
        let x = step_inputs()?.remove(0);
        seed(3, || {
            let step = |state: LstmState<W, f64>| cell.step(&x, state);
            let (first, state) = step(cell.zero_state(BATCH))?;
            let (again, _) = step(state.at_zero())?;
            assert_eq!(first.to_vec()?, again.to_vec()?, "{}: one sequence, one draw", W::NAME);
            Ok(())
        })?;
        let draw = |key| seed(key, || Ok(cell.step(&x, cell.zero_state(BATCH))?.0))?.to_vec();
        let mut params = Params::new();
        seed(0, || Lstm::<W>::new(UNITS).init(&mut params, sequences()?))?;
        let same = with_params(&params, || Ok(draw(4)? == draw(5)?))?;
        assert_eq!(same, W::NAME == "Deterministic", "{}", W::NAME);
        Ok(())
    }
    check::<Deterministic>()?;
    check::<Reparameterization>()?;
    check::<Flipout>()
}

#[test]
fn the_weights_of_a_cell_are_two_sites_and_two_divergences() -> Result<()> {
    let cell = LstmCellReparameterization::new(UNITS);
    let (_, trace) = seed(0, || tape(&|| looped(&cell)))?;
    let names: Vec<&str> = trace.names().map(SiteName::as_str).collect();
    assert_eq!(names, ["lstm_cell/kernel", "lstm_cell/recurrent_kernel"]);
    let ((_, kl), one): ((_, Var<(), f64>), f64) = seed(0, || {
        let mut one = 0.0;
        let with = with_kl(1, || {
            looped(&cell)?;
            one += 1.0;
            Ok(())
        })?;
        Ok((with, one))
    })?;
    assert_eq!(one, 1.0);
    // 4 · 2 · (3 + 2) weights, each about 2.5 nats from its prior: once for the sequence and not for each step.
    let each = kl.item()? / 40.0;
    assert!((2.4..2.7).contains(&each), "{each} nats for a weight");
    Ok(())
}

#[test]
fn gradients_reach_every_parameter_on_every_epoch() -> Result<()> {
    for cell in [LstmCell::<Reparameterization>::new(UNITS), LstmCell::<Reparameterization>::new(UNITS)] {
        let mut params = Params::new();
        for epoch in 0..2 {
            let (_, gradients) = seed(epoch, || {
                value_and_gradients(&mut params, || {
                    let mut state = cell.zero_state(BATCH);
                    let mut sum: Var<(), f64> = Var::scalar(0.0);
                    for x in step_inputs()? {
                        let h;
                        (h, state) = cell.step(&x, state)?;
                        sum = sum + h.sum();
                    }
                    Ok(sum)
                })
            })?;
            for name in params.names() {
                let gradient = gradients.required(name.as_str())?.to_vec()?;
                assert!(gradient.iter().any(|g| *g != 0.0), "epoch {epoch}: `{name}`");
            }
        }
        assert_eq!(params.len(), 5);
    }
    Ok(())
}

/// Zero weights and a forget bias of 1: `c' = σ(1) c`, `h' = ½ tanh(c')`.
#[test]
fn the_forget_gate_starts_open() -> Result<()> {
    let cell = LstmCell::new(UNITS);
    let mut params = Params::new();
    seed(0, || Lstm::new(UNITS).init(&mut params, sequences()?))?;
    assert_eq!(params.required("lstm_cell/bias")?.to_vec()?, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    let zeros = |rows: usize| Var::<(usize, usize), f64>::zeros((rows, 4 * UNITS));
    params.set("lstm_cell/kernel", zeros(INPUTS))?;
    params.set("lstm_cell/recurrent_kernel", zeros(UNITS))?;
    let hidden = with_params(&params, || looped(&cell))?;
    assert!(hidden.iter().flatten().all(|h| *h == 0.0), "a cell of zeros stays at zero");
    Ok(())
}

/// Each member of an ensemble is a network of its own: what it gives does not depend on the others' rows.
#[test]
fn members_of_a_cell_do_not_meet() -> Result<()> {
    let layer = Lstm::<BatchEnsemble>::new(UNITS);
    let members = 4;
    let x = repeat_for_members(&sequences()?, members)?;
    let mut params = Params::new();
    seed(0, || layer.init(&mut params, &x))?;
    assert_eq!(params.required("lstm_cell/bias")?.dims().to_string(), "[4, 8]");
    let whole = with_params(&params, || seed(0, || layer.forward(&x)))?;
    let mean = average_members(&whole, members)?;
    assert_eq!(mean.shape(), &(BATCH, STEPS, UNITS));
    let disturbed = {
        let mut numbers = x.to_vec()?;
        let last = numbers.len() - BATCH * STEPS * INPUTS;
        numbers[last..].iter_mut().for_each(|x| *x += 1.0);
        Var::from_vec(numbers, *x.shape())?
    };
    let other = with_params(&params, || seed(0, || layer.forward(&disturbed)))?;
    let (whole, other) = (whole.to_vec()?, other.to_vec()?);
    let first_three = 3 * BATCH * STEPS * UNITS;
    assert_eq!(whole[..first_three], other[..first_three]);
    assert_ne!(whole[first_three..], other[first_three..]);
    Ok(())
}

#[test]
fn gated_recurrent_units_unroll_and_draw_alike() -> Result<()> {
    let (cell, layer) = (GruCell::<Reparameterization>::new(UNITS), Gru::<Reparameterization>::new(UNITS));
    let mut params = Params::new();
    seed(1, || layer.init(&mut params, sequences()?))?;
    let whole = with_params(&params, || seed(2, || layer.forward(sequences()?)))?.to_vec()?;
    let last = with_params(&params, || {
        seed(2, || {
            let mut state = cell.zero_state(BATCH);
            let mut last = Vec::new();
            for x in step_inputs()? {
                let h;
                (h, state) = cell.step(&x, state)?;
                last = h.to_vec()?;
            }
            Ok(last)
        })
    })?;
    for (row, expected) in last.chunks(UNITS).enumerate() {
        for (unit, expected) in expected.iter().enumerate() {
            close(whole[(row * STEPS + STEPS - 1) * UNITS + unit], *expected, "GruCell");
        }
    }
    Ok(())
}

#[test]
fn misfits_are_refused() -> Result<()> {
    let cell = LstmCell::new(UNITS);
    let state = cell.zero_state::<f64>(BATCH + 1);
    let error = seed(0, || cell.step(&step_inputs()?[0], state)).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("[5, inputs]") && error.contains("[4, 3]"), "{error}");
    assert!(seed(0, || Lstm::new(0).forward(sequences()?)).is_err());
    Ok(())
}

/// The sequences with something in place of what is behind their ends.
fn padded(lengths: &[usize], with: f64) -> Result<Var<(usize, usize, usize), f64>> {
    let mut numbers = sequences()?.to_vec()?;
    for (n, &length) in lengths.iter().enumerate() {
        numbers[(n * STEPS + length) * INPUTS..(n + 1) * STEPS * INPUTS].fill(with);
    }
    Var::from_vec(numbers, (BATCH, STEPS, INPUTS))
}

/// One sequence without its padding.
fn alone(n: usize, length: usize) -> Result<Var<(usize, usize, usize), f64>> {
    let numbers = sequences()?.to_vec()?[n * STEPS * INPUTS..][..length * INPUTS].to_vec();
    Var::from_vec(numbers, (1, length, INPUTS))
}

const LENGTHS: [usize; BATCH] = [5, 2, 0, 3];

#[test]
fn a_padded_sequence_is_the_sequence_alone_in_values_states_and_gradients() -> Result<()> {
    fn check<G: Gates, W: Estimator>() -> Result<()> {
        let layer = <Unrolled<G, W> as WithUnits>::new(UNITS);
        let lengths = Lengths::new(LENGTHS);
        let mut params = Params::new();
        seed(1, || layer.init(&mut params, sequences()?))?;
        let weights = Var::from_vec(
            (0..BATCH * STEPS * UNITS).map(|i| (0.3 * i as f64).cos()).collect(),
            (BATCH, STEPS, UNITS),
        )?;
        let of_batch = |params: &Params, fill: f64| {
            let mut made = params.clone();
            let (mut outputs, mut states) = (Vec::new(), Vec::new());
            let loss = || {
                let x = padded(&LENGTHS, fill)?;
                let y = layer.forward((&x, &lengths))?;
                let (again, state) = layer.forward(((&x, &lengths), layer.zero_state(BATCH)))?;
                for (a, b) in y.detach().to_vec()?.into_iter().zip(again.detach().to_vec()?) {
                    close(a, b, "with a state and without");
                }
                let hidden = state.hidden().transpose()?.unwrap_or_else(|| Var::zeros((BATCH, UNITS)));
                for (a, b) in hidden.detach().to_vec()?.into_iter().zip(lengths.last(&y)?.detach().to_vec()?)
                {
                    close(a, b, "the state is that of the last step");
                }
                (outputs, states) = (y.detach().to_vec()?, hidden.detach().to_vec()?);
                Ok((y * &weights).sum() + hidden.sum())
            };
            let (_, gradients) = seed(2, || value_and_gradients(&mut made, loss))?;
            Ok::<_, Error>((outputs, states, gradients))
        };
        let (outputs, states, gradients) = of_batch(&params, f64::NAN)?;
        assert_eq!(of_batch(&params, 7.0)?.0, outputs, "{}: padding does not count", W::NAME);

        let mut made = params.clone();
        let one_by_one = || {
            let mut sum: Var<(), f64> = Var::scalar(0.0);
            for (n, &length) in LENGTHS.iter().enumerate() {
                let (y, state) = layer.forward((alone(n, length)?, layer.zero_state(1)))?;
                let (own, behind) = outputs[n * STEPS * UNITS..][..STEPS * UNITS].split_at(length * UNITS);
                y.detach().to_vec()?.into_iter().zip(own).for_each(|(a, &b)| close(a, b, W::NAME));
                assert!(behind.iter().all(|y| *y == 0.0), "zeros behind the end");
                let own: Var<(usize, usize), f64> = weights.at(n)?;
                let own = Var::from_vec(own.to_vec()?[..length * UNITS].to_vec(), (1usize, length, UNITS))?;
                sum = sum + (y * own).sum();
                if let Some(hidden) = state.hidden().transpose()? {
                    let expected = &states[n * UNITS..][..UNITS];
                    hidden
                        .detach()
                        .to_vec()?
                        .into_iter()
                        .zip(expected)
                        .for_each(|(a, &b)| close(a, b, "state"));
                    sum = sum + hidden.sum();
                }
            }
            Ok(sum)
        };
        let (_, expected) = seed(2, || value_and_gradients(&mut made, one_by_one))?;
        for (name, gradient) in expected.iter() {
            let got = gradients.required(name.as_str())?.to_vec()?;
            got.into_iter().zip(gradient.to_vec()?).for_each(|(a, b)| close(a, b, name.as_str()));
        }
        Ok(())
    }
    check::<LstmGates, Deterministic>()?;
    check::<LstmGates, Reparameterization>()?;
    check::<GruGates, Deterministic>()?;
    check::<GruGates, Reparameterization>()
}

#[test]
fn padding_does_not_count_for_estimators_with_noise_for_each_row() -> Result<()> {
    fn check<W: Estimator>() -> Result<()> {
        let layer = Lstm::<W>::new(UNITS);
        let mut params = Params::new();
        seed(1, || layer.init(&mut params, sequences()?))?;
        let run = |fill| {
            let y = || layer.forward((padded(&LENGTHS, fill)?, Lengths::new(LENGTHS)));
            with_params(&params, || seed(2, y))?.to_vec()
        };
        assert_eq!(run(f64::NAN)?, run(1.0)?, "{}", W::NAME);
        Ok(())
    }
    check::<Flipout>()?;
    check::<McDropout>()?;
    check::<LocalReparameterization>()?;
    check::<Rank1>()
}

#[test]
fn lengths_that_do_not_fit_are_refused() -> Result<()> {
    let run = |lengths: Vec<usize>| {
        message(seed(0, || Lstm::new(UNITS).forward((sequences()?, Lengths::new(lengths)))))
    };
    assert!(run(vec![5, 6, 1, 1]).contains("6 for sequence 1 of 5 steps"));
    assert!(run(vec![5, 5]).contains("lengths of 2 sequences"));
    Ok(())
}

#[test]
fn the_last_step_and_the_mean_are_those_of_each_sequence() -> Result<()> {
    let (x, lengths) = (padded(&LENGTHS, f64::NAN)?, Lengths::new(LENGTHS));
    let (last, mean) = (lengths.last(&x)?.to_vec()?, lengths.mean(&x)?.to_vec()?);
    for (n, &length) in LENGTHS.iter().enumerate() {
        let own = alone(n, length)?.to_vec()?;
        for input in 0..INPUTS {
            let column: Vec<f64> = own.iter().skip(input).step_by(INPUTS).copied().collect();
            close(last[n * INPUTS + input], column.last().copied().unwrap_or(0.0), "last");
            let expected = column.iter().sum::<f64>() / length.max(1) as f64;
            close(mean[n * INPUTS + input], expected, "mean");
        }
    }
    Ok(())
}

/// A sequence in two parts is the sequence: the state of the first begins the second, as one operation and in a loop.
#[test]
fn a_sequence_goes_on_from_the_state_of_its_first_part() -> Result<()> {
    fn check<G: Gates, W: Estimator>() -> Result<()> {
        let layer = <Unrolled<G, W> as WithUnits>::new(UNITS);
        let by_time = step_inputs()?;
        let part = |steps: std::ops::Range<usize>| Var::stack(&by_time[steps])?.permute(&[1, 0, 2]);
        let mut params = Params::new();
        seed(1, || layer.init(&mut params, sequences()?))?;
        let (whole, parts) = with_params(&params, || {
            seed(2, || {
                let whole = layer.forward(sequences()?)?;
                let (first, state) = layer.forward((part(0..2)?, layer.zero_state(BATCH)))?;
                let (second, _) = layer.forward((part(2..STEPS)?, state))?;
                Ok((whole, [first, second]))
            })
        })?;
        let whole: Var<(usize, usize, usize), f64> = whole;
        for (n, sequence) in whole.to_vec()?.chunks(STEPS * UNITS).enumerate() {
            let own = |part: &Var<(usize, usize, usize), f64>| part.at(n)?.to_vec();
            let both = [own(&parts[0])?, own(&parts[1])?].concat();
            sequence.iter().zip(both).for_each(|(&a, b)| close(a, b, W::NAME));
        }
        Ok(())
    }
    check::<LstmGates, Deterministic>()?;
    check::<GruGates, Deterministic>()?;
    check::<LstmGates, Reparameterization>()?;
    // Signs and masks for each row are drawn once and travel in the state.
    check::<LstmGates, Flipout>()
}

/// By the formula: with kernels of zero, `c' = σ(1) c` and `h' = ½ tanh(c')`.
#[test]
fn a_state_from_tensors_is_where_a_sequence_begins() -> Result<()> {
    let layer = Lstm::new(UNITS);
    let mut params = Params::new();
    seed(0, || layer.init(&mut params, sequences()?))?;
    for name in ["kernel", "recurrent_kernel"] {
        let name = format!("lstm_cell/{name}");
        let dims = *params.required(&name)?.dims();
        params.set(name, AnyVar::F64(ed::tensor::Value::full(0.0, dims)))?;
    }
    let cell = Matrix::full(0.25, (BATCH, UNITS));
    let (y, last) = with_params(&params, || {
        let state = LstmState::new(Matrix::full(-3.0, (BATCH, UNITS)), cell.clone())?;
        layer.forward((sequences()?, state))
    })?;
    let forget: f64 = 1.0 / (1.0 + (-1f64).exp());
    for step in 0..STEPS {
        let expected = 0.5 * (0.25 * forget.powi(step as i32 + 1)).tanh();
        close(y.at(0)?.at(step)?.to_vec()?[0], expected, "hidden");
    }
    let end = last.cell().transpose()?.map(|cell| cell.to_vec()).transpose()?.unwrap_or_default();
    close(end[0], 0.25 * forget.powi(STEPS as i32), "cell");

    // A gradient goes back through the state to the encoder that it came from.
    let tape = Tape::<f64>::of();
    let watched = tape.watch(&cell);
    let (y, _) = with_params(&params, || {
        layer.forward((sequences()?, LstmState::new(Matrix::zeros((BATCH, UNITS)), watched.clone())?))
    })?;
    let first: Matrix = y.at(0)?;
    let gradient = first.at(0)?.sum().backward()?.get(&watched)?.to_vec()?;
    let slope = 0.5 * forget * (1.0 - (0.25 * forget).tanh().powi(2));
    close(gradient[0], slope, "slope");
    assert_eq!(gradient[UNITS], 0.0, "another sequence");
    Ok(())
}

#[test]
fn a_state_of_another_size_is_refused() -> Result<()> {
    let state = || LstmState::new(Matrix::zeros((BATCH, 3)), Matrix::zeros((BATCH, 3)));
    let refused = message(seed(0, || Lstm::new(UNITS).forward((sequences()?, state()?))));
    assert!(refused.contains("[4, 2], the state of a cell of 2 units"), "{refused}");
    let refused = message(seed(0, || LstmCell::new(UNITS).step(&step_inputs()?[0], state()?)));
    assert!(refused.contains("[4, 2], the state of a cell of 2 units"), "{refused}");
    let few = LstmState::new(Matrix::zeros((3, UNITS)), Matrix::zeros((3, UNITS)))?;
    let refused = message(seed(0, || Lstm::new(UNITS).forward((sequences()?, few))));
    assert!(refused.contains("its state is for 3 examples"), "{refused}");
    assert!(LstmState::<Deterministic, f64>::new(Matrix::zeros((3, 2)), Matrix::zeros((3, 1))).is_err());
    Ok(())
}

#[test]
fn a_sequence_without_steps_or_a_batch_without_rows_has_no_outputs() -> Result<()> {
    fn check<G: Gates, W: Estimator>() -> Result<()> {
        let layer = <Unrolled<G, W> as WithUnits>::new(UNITS);
        for (rows, steps) in [(BATCH, 0), (0, STEPS), (0, 0)] {
            let x = Var::<_, f64>::zeros((rows, steps, INPUTS));
            let y = seed(0, || layer.forward(&x))?;
            assert_eq!(y.shape(), &(rows, steps, UNITS), "{} {}", G::LAYER, W::NAME);
            let (y, state) = seed(0, || layer.forward((&x, layer.zero_state(rows))))?;
            assert_eq!(y.shape(), &(rows, steps, UNITS));
            assert!(state.hidden().is_none(), "the state stays where it was");
        }
        Ok(())
    }
    check::<LstmGates, Deterministic>()?;
    check::<GruGates, Flipout>()?;
    check::<LstmGates, Reparameterization>()?;
    check::<LstmGates, Flipout>()
}
