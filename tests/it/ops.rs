//! Every operation against a slow, obvious version of itself, and its gradient against finite differences.

use ed::kernels::Real;
use ed::prelude::*;
use ed::tensor::{Dims, Operand, Value};

type Matrix<E = f64> = Var<(usize, usize), E>;
type Vector<E = f64> = Var<(usize,), E>;

/// Lengths around the width of a vector register, and one beyond which loops run on several cores.
const LENGTHS: [usize; 7] = [0, 1, 7, 16, 17, 1000, (1 << 17) + 3];

/// Numbers without a pattern that loops could hide behind, between -1 and 1.
fn noise(len: usize, seed: usize) -> Vec<f64> {
    (0..len)
        .map(|at| ((at * 7919 + seed * 104_729) as f64 * 0.618_033_988_749_895).fract() * 2.0 - 1.0)
        .collect()
}

fn cast<E: Float>(x: &[f64]) -> Vec<E> {
    x.iter().map(|&x| E::from_f64(x)).collect()
}

fn uncast<T: Operand>(x: &T) -> Result<Vec<f64>> {
    Ok(x.operand().as_slice()?.iter().map(|x| (*x).to_f64()).collect())
}

#[track_caller]
fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}: lengths");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let near = (found - expected).abs() <= tolerance * (1.0 + expected.abs());
        assert!(near, "{what}: {found} instead of {expected} at {index} of a few");
    }
}

/// Compares the gradient of `Σ w f(x)` by every input with central differences of fourth order.
fn check_gradient(
    what: &str,
    inputs: &[(Vec<f64>, &[usize])],
    f: &dyn Fn(&[Value<f64>]) -> Result<Value<f64>>,
) -> Result<()> {
    let constants: Vec<Value<f64>> = inputs
        .iter()
        .map(|(data, dims)| Value::from_vec(data.clone(), dims.iter().copied().collect()))
        .collect::<Result<_>>()?;
    let weighted = |y: &Value<f64>| -> Result<Vec<f64>> {
        let y = y.as_slice()?;
        Ok(y.iter().zip(noise(y.len(), 5)).map(|(y, w)| y * w).collect())
    };
    for (which, (data, dims)) in inputs.iter().enumerate() {
        let tape = Tape::<f64>::of();
        let leaf = tape.watch(&Vector::from(data.clone()));
        let mut watched = constants.clone();
        watched[which] = reshaped(&leaf, dims)?;
        let y = flat(&f(&watched)?)?;
        let loss = (&y * Vector::from(noise(y.len(), 5))).sum();
        let gradient = loss.backward()?.get(&leaf)?.to_vec()?;
        let mut expected = Vec::new();
        for at in 0..data.len() {
            let step = 1e-3 * data[at].abs().max(0.1);
            let loss = |by: f64| -> Result<f64> {
                let mut moved = data.clone();
                moved[at] += by * step;
                let mut inputs = constants.clone();
                inputs[which] = Value::from_vec(moved, dims.iter().copied().collect())?;
                Ok(weighted(&f(&inputs)?)?.iter().sum())
            };
            expected.push((loss(-2.0)? - 8.0 * loss(-1.0)? + 8.0 * loss(1.0)? - loss(2.0)?) / (12.0 * step));
        }
        assert_close(&format!("{what}: gradient by input {which}"), &gradient, &expected, 1e-7);
    }
    Ok(())
}

fn reshaped(x: &Vector, dims: &[usize]) -> Result<Value<f64>> {
    Ok(match *dims {
        [] => x.reshape(())?.into_value(),
        [_] => x.value().clone(),
        [a, b] => x.reshape((a, b))?.into_value(),
        [a, b, c] => x.reshape((a, b, c))?.into_value(),
        _ => panic!("the tests use at most three axes"),
    })
}

fn flat(x: &Value<f64>) -> Result<Vector> {
    let len = x.dims().num_elements();
    match x.dims().rank() {
        0 => Var::<(), f64>::from_value(x.clone())?.reshape((len,)),
        1 => Var::from_value(x.clone()),
        2 => Matrix::from_value(x.clone())?.reshape((len,)),
        _ => Var::<(usize, usize, usize), f64>::from_value(x.clone())?.reshape((len,)),
    }
}

fn matrix(x: &Value<f64>) -> Result<Matrix> {
    Var::from_value(x.clone())
}

fn vector(x: &Value<f64>) -> Result<Vector> {
    Var::from_value(x.clone())
}

// --- elementwise ----------------------------------------------------------------------------------------------------

/// A function, what it should be, and an affine map from (-1, 1) into its domain.
struct Unary<E: Float> {
    name: &'static str,
    f: fn(&Vector<E>) -> Vector<E>,
    reference: fn(f64) -> f64,
    domain: (f64, f64),
}

fn unary<E: Float>() -> Vec<Unary<E>> {
    let row = |name, f, reference, domain| Unary { name, f, reference, domain };
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    vec![
        row("exp", |x| x.exp(), f64::exp, (0.0, 5.0)),
        row("expm1", |x| x.expm1(), f64::exp_m1, (0.0, 2.0)),
        row("ln", |x| x.ln(), f64::ln, (3.0, 2.9)),
        row("ln_1p", |x| x.ln_1p(), f64::ln_1p, (2.0, 2.9)),
        row("tanh", |x| x.tanh(), f64::tanh, (0.0, 3.0)),
        row("sigmoid", |x| x.sigmoid(), sigmoid, (0.0, 6.0)),
        row("softplus", |x| x.softplus(), |x| x.exp().ln_1p(), (0.0, 6.0)),
        row("log_sigmoid", |x| x.log_sigmoid(), |x| -(-x).exp().ln_1p(), (0.0, 6.0)),
        row("relu", |x| x.relu(), |x| x.max(0.0), (0.0, 1.0)),
        row("sqrt", |x| x.sqrt(), f64::sqrt, (3.0, 2.9)),
        row("square", |x| x.square(), |x| x * x, (0.0, 3.0)),
        row("recip", |x| x.recip(), |x| 1.0 / x, (3.0, 2.5)),
        row("abs", |x| x.abs(), f64::abs, (0.0, 1.0)),
        row("sin", |x| x.sin(), f64::sin, (0.0, 6.0)),
        row("cos", |x| x.cos(), f64::cos, (0.0, 6.0)),
        row("powf", |x| x.powf(1.7), |x| x.powf(1.7), (3.0, 2.5)),
        row("negative", |x| -x, |x| -x, (0.0, 1.0)),
        row("affine", |x| 2.0 - x * 3.0, |x| 2.0 - 3.0 * x, (0.0, 1.0)),
        row("number over", |x| 2.0 / x, |x| 2.0 / x, (3.0, 2.5)),
    ]
}

fn unary_values<E: Float>(tolerance: f64) -> Result<()> {
    for Unary { name, f, reference, domain: (centre, width) } in unary::<E>() {
        for len in LENGTHS {
            let x: Vec<f64> = noise(len, 1).iter().map(|x| centre + width * x).collect();
            // The reference sees the number that the precision can hold.
            let held: Vec<f64> = uncast(&Vector::<E>::from(cast::<E>(&x)))?;
            let expected: Vec<f64> = held.iter().map(|&x| reference(x)).collect();
            let y = f(&Vector::from(cast::<E>(&x)));
            assert_close(&format!("{name} of {len} {}", E::NAME), &uncast(&y)?, &expected, tolerance);
        }
    }
    Ok(())
}

#[test]
fn functions_of_one_number_are_right_at_every_length() -> Result<()> {
    unary_values::<f64>(1e-13)?;
    unary_values::<f32>(1e-5)
}

#[test]
fn slopes_of_functions_of_one_number_are_right_at_every_length() -> Result<()> {
    for Unary { name, f, reference, domain: (centre, width) } in unary::<f64>() {
        for len in LENGTHS {
            let x: Vec<f64> = noise(len, 1).iter().map(|x| centre + width * x).collect();
            let tape = Tape::<f64>::of();
            let leaf = tape.watch(&Vector::from(x.clone()));
            // A second use tells whether gradients add up.
            let loss = f(&leaf).sum() + (&leaf * 3.0).sum();
            let gradient = loss.backward()?.get(&leaf)?.to_vec()?;
            let kinked = |x: f64| (name == "abs" || name == "relu") && x.abs() < 1e-3;
            let (gradient, expected): (Vec<f64>, Vec<f64>) = x
                .iter()
                .zip(gradient)
                .filter(|(x, _)| !kinked(**x))
                .map(|(&x, gradient)| {
                    let f = |by: f64| reference(x + by * 1e-4);
                    (gradient, 3.0 + (f(-2.0) - 8.0 * f(-1.0) + 8.0 * f(1.0) - f(2.0)) / 12e-4)
                })
                .unzip();
            assert_close(&format!("slope of {name} of {len}"), &gradient, &expected, 1e-8);
        }
    }
    Ok(())
}

#[test]
fn special_functions_have_their_slopes() -> Result<()> {
    let x = vec![0.3, 1.0, 2.5, 7.0];
    check_gradient("ln_gamma", &[(x.clone(), &[4])], &|x| Ok(vector(&x[0])?.ln_gamma().into_value()))?;
    check_gradient("erf", &[(noise(9, 2), &[9])], &|x| Ok(vector(&x[0])?.erf().into_value()))?;
    // Abramowitz and Stegun 1972, table 7.1, and ln Γ(5) = ln 24.
    assert_close(
        "erf",
        &uncast(&Vector::from([0.5, 1.0]).erf())?,
        &[0.520_499_877_8, 0.842_700_792_9],
        1e-10,
    );
    assert_close("ln_gamma", &uncast(&Vector::from([5.0, 1.0]).ln_gamma())?, &[24f64.ln(), 0.0], 1e-14);
    Ok(())
}

type Binary<E> = (&'static str, fn(&Matrix<E>, &Matrix<E>) -> Matrix<E>, fn(f64, f64) -> f64);

fn operators<E: Float>() -> [Binary<E>; 4] {
    [
        ("add", |a, b| a + b, |a, b| a + b),
        ("sub", |a, b| a - b, |a, b| a - b),
        ("mul", |a, b| a * b, |a, b| a * b),
        ("div", |a, b| a / b, |a, b| a / b),
    ]
}

/// One operator on operands of three kinds, by the name of each: all of its typed forms.
fn combine(name: &str, a: &Value<f64>, b: &Value<f64>) -> Result<Value<f64>> {
    macro_rules! run {
        ($a:expr, $b:expr) => {{
            let (a, b) = ($a, $b);
            match name {
                "add" => (a + b).into_value(),
                "sub" => (a - b).into_value(),
                "mul" => (a * b).into_value(),
                _ => (a / b).into_value(),
            }
        }};
    }
    let number = |x: &Value<f64>| Var::<(), f64>::from_value(x.clone());
    Ok(match (a.dims().rank(), b.dims().rank()) {
        (0, 0) => run!(number(a)?, number(b)?),
        (0, 1) => run!(number(a)?, vector(b)?),
        (0, _) => run!(number(a)?, matrix(b)?),
        (1, 0) => run!(vector(a)?, number(b)?),
        (1, 1) => run!(vector(a)?, vector(b)?),
        (1, _) => run!(vector(a)?, matrix(b)?),
        (_, 0) => run!(matrix(a)?, number(b)?),
        (_, 1) => run!(matrix(a)?, vector(b)?),
        _ => run!(matrix(a)?, matrix(b)?),
    })
}

#[test]
fn operators_repeat_numbers_and_rows() -> Result<()> {
    for (name, _, reference) in operators::<f64>() {
        for (rows, columns) in [(1, 1), (1, 7), (7, 1), (3, 7), (5, 16), (4, 17), (8193, 17)] {
            let operand = |kind: usize, seed| -> Result<Value<f64>> {
                let dims: Dims = [rows, columns][2 - kind..].iter().copied().collect();
                let data = noise(dims.num_elements(), seed).iter().map(|x| 3.0 + 2.5 * x).collect();
                Value::from_vec(data, dims)
            };
            for (left, right) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)] {
                let (a, b) = (operand(left, 1)?, operand(right, 2)?);
                let y = combine(name, &a, &b)?;
                let (a, b) = (a.as_slice()?, b.as_slice()?);
                let expected: Vec<f64> =
                    (0..a.len().max(b.len())).map(|at| reference(a[at % a.len()], b[at % b.len()])).collect();
                assert_close(
                    &format!("{name} {left} {right} {rows}x{columns}"),
                    y.as_slice()?,
                    &expected,
                    1e-15,
                );
            }
        }
    }
    Ok(())
}

#[test]
fn gradients_of_operators_are_summed_over_what_was_repeated() -> Result<()> {
    for (name, _, _) in operators::<f64>() {
        for (left, right) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)] {
            let all = [3, 5];
            let (left, right) = (&all[2 - left..], &all[2 - right..]);
            let operand = |dims: &[usize], seed| -> Vec<f64> {
                noise(dims.iter().product(), seed).iter().map(|x| 3.0 + 2.5 * x).collect()
            };
            let inputs = [(operand(left, 1), left), (operand(right, 2), right)];
            check_gradient(&format!("{name} {left:?} {right:?}"), &inputs, &|x| combine(name, &x[0], &x[1]))?;
        }
    }
    Ok(())
}

#[test]
fn long_operands_have_the_gradients_of_short_ones() -> Result<()> {
    // The gradient of Σ a b by each operand is the other one, repeated or summed.
    for (rows, columns) in [(8193, 17), (3, 70_001)] {
        let tape = Tape::<f64>::of();
        let data = noise(rows * columns, 1);
        let full = tape.watch(&Matrix::from_vec(data.clone(), (rows, columns))?);
        let row = tape.watch(&Vector::from(noise(columns, 2)));
        let number = tape.watch(&Var::<(), f64>::scalar(0.7));
        let gradients = ((&full * &row) * &number + &full * &full).sum().backward()?;
        let weights = noise(columns, 2);
        let by_full: Vec<f64> =
            data.iter().enumerate().map(|(at, x)| weights[at % columns] * 0.7 + 2.0 * x).collect();
        assert_close("full", &uncast(&gradients.get(&full)?)?, &by_full, 1e-12);
        let mut by_row = vec![0.0; columns];
        data.iter().enumerate().for_each(|(at, x)| by_row[at % columns] += 0.7 * x);
        assert_close("row", &uncast(&gradients.get(&row)?)?, &by_row, 1e-11);
        let by_number: f64 = data.iter().enumerate().map(|(at, x)| x * weights[at % columns]).sum();
        assert_close("number", &uncast(&gradients.get(&number)?)?, &[by_number], 1e-11);
    }
    Ok(())
}

#[test]
fn operators_agree_in_both_precisions() -> Result<()> {
    for ((name, double, _), (_, single, _)) in operators::<f64>().into_iter().zip(operators::<f32>()) {
        let (a, b) = (noise(60, 1), noise(60, 2).iter().map(|x| x + 2.0).collect::<Vec<_>>());
        let wide = double(&Matrix::from_vec(a.clone(), (6, 10))?, &Matrix::from_vec(b.clone(), (6, 10))?);
        let narrow = single(&Matrix::from_vec(cast(&a), (6, 10))?, &Matrix::from_vec(cast(&b), (6, 10))?);
        assert_close(name, &uncast(&narrow)?, &uncast(&wide)?, 1e-6);
    }
    Ok(())
}

#[test]
fn empty_operands_give_empty_results() -> Result<()> {
    let empty = Matrix::<f64>::zeros((0, 3));
    let tape = Tape::<f64>::of();
    let row = tape.watch(&Vector::from([1.0, 2.0, 3.0]));
    let y = &empty * &row + 1.0;
    assert!(y.as_slice()?.is_empty());
    assert_eq!(y.sum().backward()?.get(&row)?.to_vec()?, [0.0; 3]);
    assert!((Matrix::<f64>::zeros((3, 0)) * Vector::zeros((0,))).as_slice()?.is_empty());
    assert!((Matrix::<f64>::zeros((3, 0)) * Var::<(), f64>::scalar(2.0)).as_slice()?.is_empty());
    Ok(())
}

// --- reductions -----------------------------------------------------------------------------------------------------

#[test]
fn sums_are_right_at_every_length() -> Result<()> {
    for len in LENGTHS {
        let x = noise(len, 3);
        let expected: f64 = x.iter().sum();
        assert_close("sum", &[Vector::from(x.clone()).sum().item()?], &[expected], 1e-11);
        let single = Vector::<f32>::from(cast::<f32>(&x)).sum().item()?;
        assert_close("sum of f32", &[f64::from(single)], &[expected], 1e-5 * (1.0 + (len as f64).sqrt()));
    }
    Ok(())
}

#[test]
fn sums_over_axes_drop_them() -> Result<()> {
    let x = Var::<(usize, usize, usize), f64>::from_vec((0..24).map(f64::from).collect(), (2, 3, 4))?;
    let sum = |keep: fn(usize, usize, usize) -> usize, len: usize| {
        let mut out = vec![0.0; len];
        for at in 0..24 {
            out[keep(at / 12, at / 4 % 3, at % 4)] += at as f64;
        }
        out
    };
    assert_eq!(x.sum_axis::<Axis<0>>().to_vec()?, sum(|_, j, k| j * 4 + k, 12));
    assert_eq!(x.sum_axis::<Axis<1>>().to_vec()?, sum(|i, _, k| i * 4 + k, 8));
    assert_eq!(x.sum_axis::<Axis<2>>().to_vec()?, sum(|i, j, _| i * 3 + j, 6));
    assert_eq!(x.sum_last().to_vec()?, sum(|i, j, _| i * 3 + j, 6));
    let data = (noise(24, 1), &[2usize, 3, 4][..]);
    let cube = |x: &Value<f64>| Var::<(usize, usize, usize), f64>::from_value(x.clone());
    check_gradient("axis 0", std::slice::from_ref(&data), &|x| {
        Ok(cube(&x[0])?.sum_axis::<Axis<0>>().into_value())
    })?;
    check_gradient("axis 1", std::slice::from_ref(&data), &|x| {
        Ok(cube(&x[0])?.sum_axis::<Axis<1>>().into_value())
    })?;
    check_gradient("axis 2", std::slice::from_ref(&data), &|x| {
        Ok(cube(&x[0])?.sum_axis::<Axis<2>>().into_value())
    })?;
    check_gradient("mean", &[data], &|x| Ok(cube(&x[0])?.mean().into_value()))
}

#[test]
fn sums_over_empty_axes_are_zero() -> Result<()> {
    let x = Matrix::<f64>::zeros((3, 0));
    assert_eq!(x.sum_last().to_vec()?, [0.0; 3]);
    assert_eq!(x.sum().item()?, 0.0);
    assert!(x.sum_axis::<Axis<0>>().to_vec()?.is_empty());
    assert_eq!(Matrix::<f64>::zeros((0, 3)).sum_axis::<Axis<0>>().to_vec()?, [0.0; 3]);
    assert_eq!(x.logsumexp().to_vec()?, [f64::NEG_INFINITY; 3]);
    assert!(x.log_softmax().to_vec()?.is_empty());
    Ok(())
}

#[test]
fn log_sum_exp_and_softmax_are_right_at_every_row_length() -> Result<()> {
    for columns in [1, 2, 7, 8, 16, 17, 1000] {
        let data: Vec<f64> = noise(3 * columns, 4).iter().map(|x| 20.0 * x).collect();
        let x = Matrix::from_vec(data.clone(), (3, columns))?;
        let normalisers: Vec<f64> =
            data.chunks(columns).map(|row| row.iter().map(|x| x.exp()).sum::<f64>().ln()).collect();
        assert_close("logsumexp", &uncast(&x.logsumexp())?, &normalisers, 1e-13);
        let log_probs: Vec<f64> =
            data.iter().enumerate().map(|(at, x)| x - normalisers[at / columns]).collect();
        assert_close("log_softmax", &uncast(&x.log_softmax())?, &log_probs, 1e-13);
        let probs: Vec<f64> = log_probs.iter().map(|x| x.exp()).collect();
        assert_close("softmax", &uncast(&x.softmax())?, &probs, 1e-13);
    }
    for columns in [1, 5, 17] {
        let x = [(noise(2 * columns, 4), &[2, columns][..])];
        check_gradient("logsumexp", &x, &|x| Ok(matrix(&x[0])?.logsumexp().into_value()))?;
        check_gradient("log_softmax", &x, &|x| Ok(matrix(&x[0])?.log_softmax().into_value()))?;
        check_gradient("softmax", &x, &|x| Ok(matrix(&x[0])?.softmax().into_value()))?;
    }
    Ok(())
}

#[test]
fn log_sum_exp_knows_infinities_and_keeps_nan() -> Result<()> {
    let inf = f64::INFINITY;
    let x = Matrix::from_vec(vec![-inf, -inf, 1.0, inf, f64::NAN, 0.0, 1e4, 1e4], (4, 2))?;
    let y = x.logsumexp().to_vec()?;
    assert_eq!((y[0], y[1]), (-inf, inf));
    assert!(y[2].is_nan());
    assert_eq!(y[3], 1e4 + 2f64.ln());
    Ok(())
}

// --- layout ---------------------------------------------------------------------------------------------------------

#[test]
fn layouts_move_numbers_and_their_gradients_back() -> Result<()> {
    let x = Matrix::from_vec((0..6).map(f64::from).collect(), (2, 3))?;
    assert_eq!(x.transpose().to_vec()?, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    assert_eq!(x.at(1)?.to_vec()?, [3.0, 4.0, 5.0]);
    assert_eq!(x.gather(&[1, 0, 1])?.to_vec()?, [3.0, 4.0, 5.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(x.at(0)?.expand_last(2usize).to_vec()?, [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]);
    let column = Matrix::from_vec(vec![1.0, 2.0], (2, 1))?;
    assert_eq!(column.broadcast_to((2, 3))?.to_vec()?, [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
    assert_eq!(Vector::stack(&[x.at(1)?, x.at(0)?])?.to_vec()?, [3.0, 4.0, 5.0, 0.0, 1.0, 2.0]);
    let cube: Var<(usize, usize, usize), f64> = Var::from_vec((0..24).map(f64::from).collect(), (2, 3, 4))?;
    let turned: Var<(usize, usize, usize), f64> = cube.permute(&[2, 0, 1])?;
    let expected: Vec<f64> = (0..24).map(|at| f64::from((at / 3 % 2) * 12 + (at % 3) * 4 + at / 6)).collect();
    assert_eq!(turned.to_vec()?, expected);

    let table = [(noise(6, 1), &[2usize, 3][..])];
    check_gradient("transpose", &table, &|x| Ok(matrix(&x[0])?.transpose().into_value()))?;
    check_gradient("at", &table, &|x| Ok(matrix(&x[0])?.at(1)?.into_value()))?;
    check_gradient("gather", &table, &|x| Ok(matrix(&x[0])?.gather(&[1, 0, 1])?.into_value()))?;
    check_gradient("expand_last", &table, &|x| Ok(matrix(&x[0])?.expand_last(4usize).into_value()))?;
    let broadcast = |x: &[Value<f64>]| -> Result<Value<f64>> {
        let x: Var<(usize, usize, usize), f64> = Var::from_value(x[0].clone())?;
        Ok(x.broadcast_to((2usize, 3usize, 4usize))?.into_value())
    };
    check_gradient("broadcast_to, inner axis", &[(noise(8, 1), &[2, 1, 4])], &broadcast)?;
    check_gradient("broadcast_to, outer axes", &[(noise(4, 1), &[1, 1, 4])], &broadcast)?;
    check_gradient("broadcast_to, last axis", &[(noise(6, 1), &[2, 3, 1])], &broadcast)?;
    check_gradient("permute", &[(noise(24, 1), &[2, 3, 4])], &|x| {
        let cube: Var<(usize, usize, usize), f64> = Var::from_value(x[0].clone())?;
        Ok(cube.permute::<(usize, usize, usize)>(&[2, 0, 1])?.into_value())
    })?;
    check_gradient("stack", &[(noise(3, 1), &[3]), (noise(3, 2), &[3])], &|x| {
        Ok(Vector::stack(&[vector(&x[0])?, vector(&x[1])?, vector(&x[0])?])?.into_value())
    })
}

#[test]
fn operations_on_moved_numbers_have_the_right_gradients() -> Result<()> {
    let inputs = [(noise(12, 1), &[3usize, 4][..]), (noise(4, 2), &[4][..])];
    check_gradient("through transposes and repetitions", &inputs, &|x| {
        let (a, b) = (matrix(&x[0])?, vector(&x[1])?);
        let repeated = b.broadcast_to((3usize, 4usize))?;
        Ok(((a.transpose().exp() * 0.5).transpose() * &repeated + &b * &a).tanh().into_value())
    })
}

#[test]
fn layouts_refuse_what_is_not_there() {
    let x = Matrix::<f64>::zeros((2, 3));
    assert!(x.at(2).is_err());
    assert!(x.gather(&[0, 2]).is_err());
    assert!(x.reshape((7usize,)).is_err());
    assert!(x.permute::<(usize, usize)>(&[0, 0]).is_err());
    assert!(x.permute::<(usize, usize)>(&[0]).is_err());
    assert!(x.broadcast_to((2usize, 4usize)).is_err());
    assert!(x.broadcast_to((3usize,)).is_err());
    assert!(Matrix::<f64>::stack(&[]).is_err());
    assert!(Matrix::<f64>::stack(&[x.clone(), Matrix::zeros((3, 2))]).is_err());
    assert!(Matrix::<f64>::zeros((0, 3)).at(0).is_err());
}

#[test]
fn layouts_of_nothing_are_nothing() -> Result<()> {
    for shape in [(0, 3), (3, 0), (0, 0)] {
        let x = Matrix::<f64>::zeros(shape);
        assert!(x.transpose().to_vec()?.is_empty());
        assert!(x.gather(&[])?.to_vec()?.is_empty());
        assert!(x.expand_last(2usize).to_vec()?.is_empty());
        assert!(x.reshape((0usize,))?.to_vec()?.is_empty());
        assert!(x.broadcast_to((2usize, shape.0, shape.1))?.to_vec()?.is_empty());
    }
    assert!(Vector::<f64>::from([1.0]).broadcast_to((0usize,))?.to_vec()?.is_empty());
    assert!(Vector::<f64>::from([1.0, 2.0]).expand_last(0usize).to_vec()?.is_empty());
    assert!(Matrix::<f64>::zeros((2, 0)).at(1)?.to_vec()?.is_empty());
    Ok(())
}

// --- linear algebra -------------------------------------------------------------------------------------------------

fn slow_product(a: &[f64], b: &[f64], [rows, inner, columns]: [usize; 3]) -> Vec<f64> {
    let cell = |i: usize, j: usize| (0..inner).map(|p| a[i * inner + p] * b[p * columns + j]).sum();
    (0..rows * columns).map(|at| cell(at / columns, at % columns)).collect()
}

#[test]
fn products_are_right_at_every_size() -> Result<()> {
    for sizes in
        [[0, 2, 3], [2, 0, 3], [2, 3, 0], [1, 1, 1], [3, 1, 5], [1, 7, 5], [7, 16, 17], [160, 170, 180]]
    {
        let [rows, inner, columns] = sizes;
        let (a, b) = (noise(rows * inner, 1), noise(inner * columns, 2));
        let expected = slow_product(&a, &b, sizes);
        let left = Matrix::from_vec(a.clone(), (rows, inner))?;
        let right = Matrix::from_vec(b.clone(), (inner, columns))?;
        assert_close(&format!("{sizes:?}"), &uncast(&left.dot(&right)?)?, &expected, 1e-12);
        let single: Matrix<f32> = Matrix::from_vec(cast(&a), (rows, inner))?;
        let product = single.dot(&Matrix::<f32>::from_vec(cast(&b), (inner, columns))?)?;
        assert_close(&format!("{sizes:?} in f32"), &uncast(&product)?, &expected, 1e-4);
        if columns > 0 {
            let expected = slow_product(&a, &b[..inner], [rows, inner, 1]);
            let column = Vector::from(b[..inner].to_vec());
            assert_close(&format!("{sizes:?} vector"), &uncast(&left.dot(&column)?)?, &expected, 1e-12);
            assert_close("inner", &[column.dot(&column)?.item()?], &[column.square().sum().item()?], 1e-12);
        }
        if rows > 0 {
            let expected = slow_product(&a[..inner], &b, [1, inner, columns]);
            let row = Vector::from(a[..inner].to_vec());
            assert_close(&format!("vector {sizes:?}"), &uncast(&row.dot(&right)?)?, &expected, 1e-12);
        }
    }
    Ok(())
}

#[test]
fn products_of_all_kinds_have_their_gradients() -> Result<()> {
    for [rows, inner, columns] in [[1, 1, 1], [2, 3, 4], [1, 3, 4], [3, 1, 4], [2, 3, 1]] {
        let (a, b) = (noise(rows * inner, 1), noise(inner * columns, 2));
        let (left, right, middle) = ([rows, inner], [inner, columns], [inner]);
        let what = format!("{rows} {inner} {columns}");
        // Twice, so that the second product adds to gradients that the first one left.
        check_gradient(&what, &[(a.clone(), &left), (b.clone(), &right)], &|x| {
            let (a, b) = (matrix(&x[0])?, matrix(&x[1])?);
            Ok((a.dot(&b)? + (&a * 2.0).dot(&b)? + a.dot(&b)? * a.dot(&b)?).into_value())
        })?;
        check_gradient(&what, &[(a.clone(), &left), (b[..inner].to_vec(), &middle)], &|x| {
            let (a, b) = (matrix(&x[0])?, vector(&x[1])?);
            Ok((a.dot(&b)? + a.dot(&b)? * 2.0).into_value())
        })?;
        check_gradient(&what, &[(a[..inner].to_vec(), &middle), (b.clone(), &right)], &|x| {
            let (a, b) = (vector(&x[0])?, matrix(&x[1])?);
            Ok((a.dot(&b)? + a.dot(&b)? * 2.0).into_value())
        })?;
    }
    check_gradient("vector·vector", &[(noise(5, 1), &[5]), (noise(5, 2), &[5])], &|x| {
        Ok(vector(&x[0])?.dot(&vector(&x[1])?)?.into_value())
    })?;
    check_gradient("a vector with itself", &[(noise(5, 1), &[5])], &|x| {
        Ok(vector(&x[0])?.dot(&vector(&x[0])?)?.into_value())
    })?;
    check_gradient("outer", &[(noise(3, 1), &[3]), (noise(4, 2), &[4])], &|x| {
        Ok(vector(&x[0])?.outer(&vector(&x[1])?).into_value())
    })
}

#[test]
fn products_that_do_not_fit_are_refused() {
    let message = Matrix::<f64>::zeros((2, 3)).dot(Matrix::zeros((4, 2))).err().map(|e| e.to_string());
    assert!(message.is_some_and(|message| message.contains("[2, 3] and [4, 2]")));
    assert!(Vector::<f64>::zeros((2,)).dot(Vector::zeros((3,))).is_err());
}

/// A symmetric positive definite matrix.
fn positive_definite(order: usize) -> Vec<f64> {
    let a = noise(order * order, 9);
    let mut out = vec![0.0; order * order];
    for i in 0..order {
        for j in 0..order {
            out[i * order + j] = (0..order).map(|p| a[i * order + p] * a[j * order + p]).sum();
        }
        out[i * order + i] += 0.5;
    }
    out
}

#[test]
fn cholesky_factors_multiply_back() -> Result<()> {
    for order in [0, 1, 2, 7, 17, 65] {
        let data = positive_definite(order);
        let l = Matrix::from_vec(data.clone(), (order, order))?.cholesky()?;
        assert_close("L Lᵀ", &uncast(&l.dot(&l.transpose())?)?, &data, 1e-12);
        let factor = l.to_vec()?;
        assert!((0..order * order).all(|at| at % order <= at / order || factor[at] == 0.0));
        let rhs = noise(order, 3);
        let x = l.solve_triangular_transposed(l.solve_triangular(Vector::from(rhs.clone()))?)?;
        let back = Matrix::from_vec(data, (order, order))?.dot(&x)?;
        assert_close("solve", &uncast(&back)?, &rhs, 1e-9);
        let by_diagonal: f64 = l.diagonal()?.to_vec()?.iter().map(|x| x.ln()).sum();
        assert_close("log-determinant", &[l.log_det_triangular()?.item()?], &[by_diagonal], 1e-12);
    }
    Ok(())
}

#[test]
fn gradients_of_factors_and_systems_are_right() -> Result<()> {
    let data = positive_definite(4);
    // The input is made symmetric, so that a difference in one cell is one in its mirror image as well.
    check_gradient("cholesky", &[(data.clone(), &[4, 4])], &|x| {
        let a = matrix(&x[0])?;
        Ok(((&a + a.transpose()) * 0.5).cholesky()?.into_value())
    })?;
    let factor = Matrix::from_vec(data, (4, 4))?.cholesky()?.to_vec()?;
    let systems = [(factor.clone(), &[4usize, 4][..]), (noise(8, 1), &[4usize, 2][..])];
    check_gradient("solve", &systems, &|x| {
        Ok(matrix(&x[0])?.solve_triangular(matrix(&x[1])?)?.into_value())
    })?;
    check_gradient("transposed solve", &systems, &|x| {
        Ok(matrix(&x[0])?.solve_triangular_transposed(matrix(&x[1])?)?.into_value())
    })?;
    check_gradient("solve for a vector", &[(factor.clone(), &[4, 4]), (noise(4, 1), &[4])], &|x| {
        Ok(matrix(&x[0])?.solve_triangular(vector(&x[1])?)?.into_value())
    })?;
    check_gradient("diagonal", &[(factor.clone(), &[4, 4])], &|x| {
        Ok(matrix(&x[0])?.diagonal()?.into_value())
    })?;
    check_gradient("log-determinant", &[(factor, &[4, 4])], &|x| {
        Ok(matrix(&x[0])?.log_det_triangular()?.into_value())
    })
}

#[test]
fn matrices_without_a_factor_are_refused_in_words() -> Result<()> {
    let indefinite = Matrix::from_vec(vec![1.0, 2.0, 2.0, 1.0], (2, 2))?;
    let error = indefinite.cholesky().unwrap_err();
    assert!(matches!(error, Error::NotPositiveDefinite { minor: 2, .. }), "{error}");
    assert!(error.is_recoverable());
    let not_numbers = Matrix::from_vec(vec![f64::NAN; 4], (2, 2))?;
    assert!(matches!(not_numbers.cholesky(), Err(Error::NotPositiveDefinite { minor: 1, .. })));
    assert!(matches!(Matrix::<f64>::zeros((2, 3)).cholesky(), Err(Error::Shape { .. })));
    assert!(Matrix::<f64>::zeros((2, 3)).diagonal().is_err());
    assert!(Matrix::<f64>::zeros((2, 3)).log_det_triangular().is_err());
    let singular = Matrix::<f64>::zeros((2, 2));
    let error = singular.solve_triangular(Vector::from([1.0, 1.0])).unwrap_err();
    assert!(error.to_string().contains("without zero or NaN on its diagonal, got 0"), "{error}");
    let unit = Matrix::from_vec(vec![1.0, 0.0, 0.0, 1.0], (2, 2))?;
    assert!(unit.solve_triangular(Vector::from([1.0])).is_err());
    Ok(())
}
