//! Layer normalisation and batch normalisation, each as one operation.

use std::cell::RefCell;
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::kernels::fused;
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Dims, Float, GradSlot, Keep, Op, Value};

/// Adds the gradients by the scale and by the offset, inputs 1 and 2.
fn add_by_params<E: Float>(pass: &mut Backward<'_, E>, by_params: [Vec<E>; 2]) {
    for (index, terms) in [1, 2].into_iter().zip(by_params) {
        if let Some(slot) = pass.grad(index) {
            slot.add().iter_mut().zip(terms).for_each(|(grad, term)| *grad += term);
        }
    }
}

/// The number of channels of `x`, if the epsilon and the parameters fit.
fn check<E: Float>(
    op: &'static str,
    [x, scale, offset]: [&Value<E>; 3],
    epsilon: f64,
) -> Result<(Dims, usize)> {
    let dims = *x.check()?.dims();
    let Some(&channels) = dims.last().filter(|&&channels| channels > 0) else {
        return Err(Error::Shape { op, expected: "[…, channels] with at least one".into(), got: dims });
    };
    for param in [scale, offset] {
        let got = *param.check()?.dims();
        if *got != [channels] {
            return Err(Error::Shape { op, expected: format!("[{channels}] for its scale and offset"), got });
        }
    }
    if !(epsilon >= 0.0 && epsilon.is_finite()) {
        let (name, must_be) = ("epsilon", "finite and at least 0");
        return Err(Error::Parameter { of: op, name, must_be, got: epsilon.to_string() });
    }
    Ok((dims, channels))
}

#[derive(Debug)]
struct LayerNormOp {
    epsilon: f64,
}

impl LayerNormOp {
    fn kernel<'a, E: Float>(&self, inputs: &[&'a [E]]) -> fused::LayerNorm<'a, E> {
        fused::LayerNorm { scale: inputs[1], offset: inputs[2], epsilon: E::from_f64(self.epsilon) }
    }
}

impl<E: Float> Op<E> for LayerNormOp {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], mut keep: Keep<'_, E>) {
        let moments = keep.saved();
        moments.resize(2 * out.len() / inputs[1].len(), E::ZERO);
        self.kernel(inputs).forward(inputs[0], moments, out);
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (kernel, x, moments, g) = (self.kernel(pass.inputs), pass.inputs[0], pass.saved, pass.grad_out);
        let by_params = kernel.backward(x, moments, g, pass.grad(0).map(GradSlot::gradient));
        add_by_params(pass, by_params);
    }
}

/// `(x - mean) / √(variance + epsilon) · scale + offset` with the mean and the biased variance over the last axis
/// (Ba, Kiros and Hinton 2016, equation 4); `scale` and `offset` are `[channels]`.
///
/// # Errors
/// [`Error::Shape`] unless `x` has channels and the parameters as many; [`Error::Parameter`] for an epsilon that is
/// negative or not finite; or the error that an input carries.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let x = Var::from([[1.0f64, 3.0], [10.0, 30.0]]);
/// let (scale, offset) = (Var::from([1.0, 1.0]), Var::from([0.0, 5.0]));
/// let out = ed::ops::layer_norm(x.value(), scale.value(), offset.value(), 0.0)?;
/// assert_eq!(out.as_slice()?, [-1.0, 6.0, -1.0, 6.0]);
/// # Ok(()) }
/// ```
pub fn layer_norm<E: Float>(
    x: &Value<E>,
    scale: &Value<E>,
    offset: &Value<E>,
    epsilon: f64,
) -> Result<Value<E>> {
    let (dims, _) = check("layer_norm", [x, scale, offset], epsilon)?;
    Ok(apply(LayerNormOp { epsilon }, &[x, scale, offset], dims))
}

/// Keeps the mean and the variance of each channel, and hands them out to who applied it.
#[derive(Debug)]
struct BatchNormOp<E> {
    epsilon: f64,
    moments: Rc<RefCell<[Vec<E>; 2]>>,
}

impl<E: Float> BatchNormOp<E> {
    fn kernel<'a>(&self, inputs: &[&'a [E]]) -> fused::BatchNorm<'a, E> {
        fused::BatchNorm { scale: inputs[1], offset: inputs[2], epsilon: E::from_f64(self.epsilon) }
    }
}

impl<E: Float> Op<E> for BatchNormOp<E> {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        *self.moments.borrow_mut() = self.kernel(inputs).forward(inputs[0], out);
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (kernel, x, g) = (self.kernel(pass.inputs), pass.inputs[0], pass.grad_out);
        let [mean, variance] = &*self.moments.borrow();
        let by_params = kernel.backward(x, [mean, variance], g, pass.grad(0).map(GradSlot::gradient));
        add_by_params(pass, by_params);
    }
}

/// What [`batch_norm`] computes.
#[derive(Clone, Debug)]
pub struct BatchNorm<E: Float> {
    /// The normalised input.
    pub out: Value<E>,
    /// The mean of each channel, `[channels]`, off the tape: for a moving average.
    pub mean: Value<E>,
    /// The variance of each channel with divisor `n`, `[channels]`, off the tape.
    pub variance: Value<E>,
}

/// `(x - mean) / √(variance + epsilon) · scale + offset` with the mean and the biased variance of each channel over all
/// axes but the last (Ioffe and Szegedy 2015, algorithm 1); `scale` and `offset` are `[channels]`. Gradients flow
/// through the mean and the variance.
///
/// # Errors
/// As [`layer_norm`], and [`Error::Shape`] for no rows at all, which have no mean.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let x = Var::from([[1.0f64, 10.0], [3.0, 30.0]]);
/// let (scale, offset) = (Var::from([1.0, 1.0]), Var::from([0.0, 5.0]));
/// let norm = ed::ops::batch_norm(x.value(), scale.value(), offset.value(), 0.0)?;
/// assert_eq!(norm.out.as_slice()?, [-1.0, 4.0, 1.0, 6.0]);
/// assert_eq!((norm.mean.as_slice()?, norm.variance.as_slice()?), (&[2.0, 20.0][..], &[1.0, 100.0][..]));
/// # Ok(()) }
/// ```
pub fn batch_norm<E: Float>(
    x: &Value<E>,
    scale: &Value<E>,
    offset: &Value<E>,
    epsilon: f64,
) -> Result<BatchNorm<E>> {
    let (dims, channels) = check("batch_norm", [x, scale, offset], epsilon)?;
    // The moments leave the tape: what is done with them, a replay could not repeat.
    if x.consult()?.is_empty() {
        return Err(Error::Shape { op: "batch_norm", expected: "at least one row".into(), got: dims });
    }
    let moments = Rc::default();
    let op = BatchNormOp { epsilon, moments: Rc::clone(&moments) };
    let out = apply(op, &[x, scale, offset], dims);
    out.check()?;
    let [mean, variance] = moments.borrow().clone();
    let dims = Dims::vector(channels);
    Ok(BatchNorm { out, mean: Value::from_vec(mean, dims)?, variance: Value::from_vec(variance, dims)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::parallel::tests::same_for_all_threads;
    use crate::ops::test_gradients::{
        assert_close, assert_slopes, gradients_of, moments, wave, weighted_sum,
    };

    fn params<E: Float>(channels: usize) -> [Value<E>; 2] {
        [wave(&[channels], 0.5, 0.5, 2.0), wave(&[channels], 0.1, -1.0, 1.0)]
    }

    #[test]
    fn gradients_are_the_slopes() {
        for channels in [1, 5, 40] {
            let [scale, offset] = params(channels);
            let inputs = [wave(&[4, 3, channels], 0.3, -1.0, 2.0), scale, offset];
            let layer = |x: &[Value<f64>]| layer_norm(&x[0], &x[1], &x[2], 1e-3);
            assert_slopes(|x| Ok(weighted_sum(&layer(x)?)), &inputs, 1e-6);
            let batch = |x: &[Value<f64>]| batch_norm(&x[0], &x[1], &x[2], 1e-3);
            assert_slopes(|x| Ok(weighted_sum(&batch(x)?.out)), &inputs, 1e-6);
            let some = [inputs[0].clone()];
            assert_slopes(
                |x| Ok(weighted_sum(&layer_norm(&x[0], &inputs[1], &inputs[2], 1e-3)?)),
                &some,
                1e-6,
            );
        }
    }

    #[test]
    fn numbers_far_from_zero_are_normalised_too() {
        let (rows, channels) = (6000, 24);
        let x: Value<f32> = wave(&[rows, channels], 0.3, 999.0, 1001.0);
        let (one, zero) =
            (Value::full(1.0, Dims::vector(channels)), Value::full(0.0, Dims::vector(channels)));
        let norm = batch_norm(&x, &one, &zero, 0.0).unwrap();
        for c in 0..channels {
            let column = |x: &Value<f32>| -> Vec<f32> {
                x.peek().unwrap().iter().skip(c).step_by(channels).copied().collect()
            };
            let (mean, variance) = moments(&column(&x));
            assert!((f64::from(norm.mean.peek().unwrap()[c]) - mean).abs() < 1e-3);
            assert!((f64::from(norm.variance.peek().unwrap()[c]) / variance - 1.0).abs() < 1e-3);
            let (mean, variance) = moments(&column(&norm.out));
            assert!(mean.abs() < 1e-3 && (variance - 1.0).abs() < 1e-3, "{mean}, {variance}");
        }
        let out = layer_norm(&x, &one, &zero, 0.0).unwrap();
        for row in out.peek().unwrap().chunks(channels) {
            let (mean, variance) = moments(row);
            assert!(mean.abs() < 1e-3 && (variance - 1.0).abs() < 1e-3, "{mean}, {variance}");
        }
    }

    #[test]
    fn nothing_depends_on_the_number_of_threads_and_little_on_the_precision() {
        fn gradients<E: Float>(batch: bool) -> Vec<Vec<f64>> {
            let [scale, offset] = params::<E>(33);
            let inputs = [wave(&[50, 70, 33], 0.3, -1.0, 2.0), scale, offset];
            let loss = |x: &[Value<E>]| {
                let out = match batch {
                    true => batch_norm(&x[0], &x[1], &x[2], 1e-3)?.out,
                    false => layer_norm(&x[0], &x[1], &x[2], 1e-3)?,
                };
                Ok(weighted_sum(&out))
            };
            gradients_of(loss, &inputs)
        }
        for batch in [false, true] {
            let single = same_for_all_threads(|| gradients::<f32>(batch));
            assert_close(&single, &same_for_all_threads(|| gradients::<f64>(batch)), 1e-3);
        }
    }

    #[test]
    fn refuses_parameters_that_do_not_fit() {
        let [scale, offset] = params::<f64>(3);
        let x = wave::<f64>(&[2, 3], 0.0, 0.0, 1.0);
        assert!(matches!(layer_norm(&x, &params(2)[0], &offset, 0.1), Err(Error::Shape { .. })));
        assert!(matches!(batch_norm(&x, &scale, &x, 0.1), Err(Error::Shape { .. })));
        assert!(matches!(layer_norm(&x, &scale, &offset, -1.0), Err(Error::Parameter { .. })));
        assert!(matches!(batch_norm(&x, &scale, &offset, f64::NAN), Err(Error::Parameter { .. })));
        assert!(layer_norm(&Value::scalar(1.0), &scale, &offset, 0.1).is_err());
        let none = wave::<f64>(&[0, 3], 0.0, 0.0, 1.0);
        assert!(batch_norm(&none, &scale, &offset, 0.1).is_err());
        assert!(layer_norm(&none, &scale, &offset, 0.1).unwrap().peek().unwrap().is_empty());
    }
}
