//! Operations: NaN where IEEE arithmetic has one, and nowhere else.

use super::Form;
use super::grid::{Grid, numbers};
use ed::prelude::*;

type Vector<E> = Var<(usize,), E>;

/// An operation of one number: on tensors, and on one number by the standard library.
struct Unary {
    name: &'static str,
    double: fn(&Vector<f64>) -> Vector<f64>,
    single: fn(&Vector<f32>) -> Vector<f32>,
    /// Where the result is no number.
    undefined: fn(f64) -> bool,
}

macro_rules! unary {
    ($($name:ident $(($argument:expr))?: $undefined:expr;)+) => {
        const UNARY: &[Unary] = &[$(Unary {
            name: stringify!($name),
            double: |x| x.$name($($argument)?),
            single: |x| x.$name($($argument)?),
            undefined: $undefined,
        }),+];
    };
}

unary! {
    exp: |_| false;
    expm1: |_| false;
    ln: |x| x < 0.0;
    ln_1p: |x| x < -1.0;
    tanh: |_| false;
    sigmoid: |_| false;
    softplus: |_| false;
    log_sigmoid: |_| false;
    relu: |_| false;
    sqrt: |x| x < 0.0;
    square: |_| false;
    recip: |_| false;
    abs: |_| false;
    erf: |_| false;
    sin: |x: f64| x.is_infinite();
    cos: |x: f64| x.is_infinite();
    ln_gamma: |_| false;
    // The power of minus infinity is infinity, as in IEEE 754.
    powf(0.5): |x| x < 0.0 && x.is_finite();
}

fn check<E: Float>(
    grid: &mut Grid,
    operation: &Unary,
    what: &'static str,
    f: fn(&Vector<E>) -> Vector<E>,
    x: &[f64],
) {
    let rounded: Vec<E> = x.iter().map(|&x| E::from_f64(x)).collect();
    let input = Var::from(rounded.clone());
    let Some(y) = grid.call(operation.name, what, &[], || f(&input).to_vec()) else { return };
    for (x, y) in rounded.iter().zip(y) {
        let x = x.to_f64();
        if (x.is_nan() || (operation.undefined)(x)) != y.is_nan() {
            grid.fault(format!("{y} at {x}"));
        }
    }
    grid.call(operation.name, "gradient", &[], || {
        let tape = Tape::<E>::of();
        let watched = tape.watch(&input);
        f(&watched).sum().backward()?.get(&watched)?.to_vec()
    });
}

/// Two numbers, by the standard library's arithmetic.
fn pair<E: Float + std::ops::Add<Output = E>>(grid: &mut Grid, what: &'static str, a: f64, b: f64) {
    let (x, y) = (Var::from(vec![E::from_f64(a)]), Var::from(vec![E::from_f64(b)]));
    let (p, q) = (E::from_f64(a), E::from_f64(b));
    type Of<E> = fn(&Vector<E>, &Vector<E>) -> Vector<E>;
    let operations: [(&'static str, Of<E>, E); 4] = [
        ("add", |x, y| x + y, p + q),
        ("sub", |x, y| x - y, p - q),
        ("mul", |x, y| x * y, p * q),
        ("div", |x, y| x / y, p / q),
    ];
    for (name, operation, expected) in operations {
        let got = grid.call(name, what, &[a, b], || operation(&x, &y).to_vec());
        if got.is_none_or(|got| got[0] != expected && !(got[0].is_nan() && expected.is_nan())) {
            grid.fault(format!("not {expected}"));
        }
    }
    for (name, sum) in [("sum", p + q), ("logsumexp", E::NAN)] {
        let both = Var::from(vec![p, q]);
        let got = grid.call(name, what, &[a, b], || {
            if name == "sum" { both.sum().item() } else { both.logsumexp().item() }
        });
        let expected_nan = if name == "sum" { sum.is_nan() } else { p.is_nan() || q.is_nan() };
        if got.is_some_and(|got| got.is_nan() != expected_nan) {
            grid.fault("a NaN that is not in the numbers, or one of them that vanished");
        }
    }
}

/// A NaN anywhere in a row or a matrix reaches what is computed from it.
fn spoiled(grid: &mut Grid) {
    for place in 0..6 {
        let mut numbers = vec![-1.0f64; 6];
        numbers[place] = f64::NAN;
        let x = Var::from_vec(numbers, (2usize, 3usize)).expect("six numbers");
        let ones = Var::from_vec(vec![1.0f64; 12], (3usize, 4usize)).expect("twelve numbers");
        let bias = Var::from([0.0f64; 4]);
        let at = &[place as f64];
        let rectified = grid.call("affine_relu", "NaN", at, || {
            ed::ops::affine_relu(x.value(), ones.value(), bias.value())?.as_slice().map(<[f64]>::to_vec)
        });
        let biased = grid.call("add_channels_relu", "NaN", at, || {
            let sum = x.dot(&ones)?;
            ed::ops::add_channels_relu(sum.value(), bias.value())?.as_slice().map(<[f64]>::to_vec)
        });
        let softmax = grid.call("softmax", "NaN", at, || x.softmax().to_vec());
        let width = |y: &Vec<f64>| y.len() / 2;
        for (name, y) in [("affine_relu", rectified), ("add_channels_relu", biased), ("softmax", softmax)] {
            let spoiled =
                y.is_some_and(|y| y[place / 3 * width(&y)..][..width(&y)].iter().all(|y| y.is_nan()));
            if !spoiled {
                grid.fault(format!("{name} loses a NaN"));
            }
        }
    }
}

/// All operations in both precisions.
pub fn run(grid: &mut Grid, form: Form) {
    let numbers = numbers(form);
    for operation in UNARY {
        check(grid, operation, "f64", operation.double, &numbers);
        check(grid, operation, "f32", operation.single, &numbers);
    }
    for &a in &numbers {
        for &b in &numbers {
            pair::<f64>(grid, "f64", a, b);
            pair::<f32>(grid, "f32", a, b);
        }
    }
    spoiled(grid);
}
