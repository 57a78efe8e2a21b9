//! Gradients of operations against central finite differences, for tests.

use crate::error::Result;
use crate::ops::{elementwise as ew, reduce};
use crate::tensor::tape::backward;
use crate::tensor::{Dims, Float, Tape, Value};

/// A smooth, irregular filling between two bounds.
pub(crate) fn wave<E: Float>(dims: &[usize], phase: f64, low: f64, high: f64) -> Value<E> {
    let len: usize = dims.iter().product();
    let at = |i: usize| low + (high - low) * (0.5 + 0.5 * (i as f64 * 1.37 + phase).sin());
    let data = (0..len).map(|i| E::from_f64(at(i))).collect();
    Value::from_vec(data, dims.iter().copied().collect()).unwrap()
}

/// One number out of a value: a sum with irregular weights.
pub(crate) fn weighted_sum<E: Float>(x: &Value<E>) -> Value<E> {
    reduce::sum(&ew::mul(x, &wave(x.dims(), 0.4, -1.0, 1.5)))
}

/// The gradients of a scalar program by all of its inputs.
pub(crate) fn gradients_of<E: Float>(
    program: impl Fn(&[Value<E>]) -> Result<Value<E>>,
    inputs: &[Value<E>],
) -> Vec<Vec<f64>> {
    let tape = Tape::of();
    let watched: Vec<Value<E>> = inputs.iter().map(|input| tape.watch_value(input)).collect();
    let gradients = backward(&program(&watched).unwrap()).unwrap();
    let by = |x| gradients.get_value(x).unwrap().peek().unwrap().iter().map(|g| g.to_f64()).collect();
    watched.iter().map(by).collect()
}

/// Asserts that every gradient of a scalar program is the slope that small steps see.
pub(crate) fn assert_slopes(
    program: impl Fn(&[Value<f64>]) -> Result<Value<f64>>,
    inputs: &[Value<f64>],
    tolerance: f64,
) {
    let step = 1e-5;
    for (input, gradient) in gradients_of(&program, inputs).iter().enumerate() {
        for (place, &slope) in gradient.iter().enumerate() {
            let at = |by: f64| {
                let mut moved = inputs.to_vec();
                moved[input].make_mut()[place] += by;
                program(&moved).unwrap().peek().unwrap()[0]
            };
            let expected = (at(step) - at(-step)) / (2.0 * step);
            assert!(
                (slope - expected).abs() <= tolerance * (1.0 + expected.abs()),
                "input {input}, element {place}: the gradient is {slope}, the slope {expected}"
            );
        }
    }
}

/// Asserts that the gradients in `f32` are those in `f64` up to rounding.
pub(crate) fn assert_close(single: &[Vec<f64>], double: &[Vec<f64>], tolerance: f64) {
    for (x, y) in single.iter().flatten().zip(double.iter().flatten()) {
        assert!((x - y).abs() <= tolerance * (1.0 + y.abs()), "{x} is not {y}");
    }
}

/// Mean and variance.
pub(crate) fn moments<E: Float>(x: &[E]) -> (f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().map(|x| x.to_f64()).sum::<f64>() / n;
    (mean, x.iter().map(|x| (x.to_f64() - mean).powi(2)).sum::<f64>() / n)
}

/// A vector.
pub(crate) fn vector<E: Float>(x: &[f64]) -> Value<E> {
    Value::from_vec(x.iter().map(|&x| E::from_f64(x)).collect(), Dims::vector(x.len())).unwrap()
}
