//! Cells: one draw for a sequence, steps and whole sequences alike, gradients on every epoch.

use ed::layers::estimator::Estimator;
use ed::layers::recurrent::LstmState;
use ed::layers::{average_members, repeat_for_members};
use ed::params::{value_and_gradients, with_params};
use ed::prelude::*;

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
