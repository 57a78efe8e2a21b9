//! A product, a bias and possibly a rectifier as one operation: a dense layer.
//!
//! The bias and the rectifier go over the product in its place, so that what is between them is never in memory, and a
//! bias without a rectifier hands its gradient on as it is.

use std::marker::PhantomData;

use super::channels::{AddRelu, Channels};
use super::elementwise::Add;
use super::linalg::MatMul;
use super::loops::BinaryFn;
use crate::error::{Error, Result};
use crate::kernels::fused::Gradient;
use crate::tensor::dims::product;
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Buffer, Dims, Float, GradSlot, Keep, Op, Value};

/// `f(x W, b)` of a function that is a sum, or the rectifier of one.
#[derive(Debug)]
struct Affine<F> {
    product: MatMul,
    name: &'static str,
    f: PhantomData<F>,
}

impl<F: BinaryFn> Affine<F> {
    fn channels(&self) -> Channels<F> {
        Channels::of_all(self.product.rows, self.product.columns)
    }
}

impl<F: AfterProduct, E: Float> Op<E> for Affine<F> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        self.product.product(inputs[0], inputs[1], out);
        self.channels().map_in_place(out, inputs[2]);
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (x, kernel, out, g) = (pass.inputs[0], pass.inputs[1], pass.out, pass.grad_out);
        if g.is_empty() {
            return;
        }
        // The slopes follow from the results alone: a result is that of itself and a bias of zero.
        let zeros = vec![E::ZERO; self.product.columns];
        let mut by_product = if F::LINEAR { None } else { Some(Buffer::scratch(g.len())) };
        let by_bias = pass.grad(2).map(GradSlot::add);
        if by_product.is_some() || by_bias.is_some() {
            let by_x = by_product.as_mut().map(|values| Gradient { values, fresh: true });
            self.channels().grads([out, &zeros, g], by_x, by_bias);
        }
        let g = by_product.as_deref().unwrap_or(g);
        if let Some(slot) = pass.grad(0) {
            self.product.grad_left(kernel, g, slot);
        }
        if let Some(slot) = pass.grad(1) {
            self.product.grad_right(x, g, slot);
        }
    }
}

/// What may follow a product in its place: functions whose slopes are those at their own result with a bias of zero.
trait AfterProduct: BinaryFn {
    /// Whether the slopes are one everywhere.
    const LINEAR: bool;
}

impl AfterProduct for Add {
    const LINEAR: bool = true;
}

impl AfterProduct for AddRelu {
    const LINEAR: bool = false;
}

fn affine_of<F: AfterProduct, E: Float>(
    name: &'static str,
    [x, kernel, bias]: [&Value<E>; 3],
) -> Result<Value<E>> {
    let misfit = |expected: String, got: &Value<E>| Error::Shape { op: name, expected, got: *got.dims() };
    let [inner, columns] = **kernel.check()?.dims() else {
        return Err(misfit("[inputs, outputs] for the kernel".into(), kernel));
    };
    if **bias.check()?.dims() != [columns] {
        return Err(misfit(format!("[{columns}], the outputs of the kernel, for the bias"), bias));
    }
    let dims = *x.check()?.dims();
    let Some((_, front)) = dims.split_last().filter(|(last, _)| **last == inner) else {
        return Err(misfit(format!("[…, {inner}], the inputs of the kernel"), x));
    };
    let out: Dims = front.iter().copied().chain([columns]).collect();
    let product = MatMul { rows: product(front), inner, columns };
    Ok(apply(Affine::<F> { product, name, f: PhantomData }, &[x, kernel, bias], out))
}

/// `x W + b`: `[…, inputs] · [inputs, outputs] + [outputs] → […, outputs]`.
///
/// # Errors
/// [`Error::Shape`] if an input does not fit, or the error that an input carries.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let (x, kernel) = (Var::from([1.0, 2.0]), Var::from([[1.0, 0.0], [0.0, -1.0]]));
/// let y = ed::ops::affine(x.value(), kernel.value(), Var::from([0.5, 0.5]).value())?;
/// assert_eq!(y.as_slice()?, [1.5, -1.5]);
/// # Ok(()) }
/// ```
pub fn affine<E: Float>(x: &Value<E>, kernel: &Value<E>, bias: &Value<E>) -> Result<Value<E>> {
    affine_of::<Add, E>("affine", [x, kernel, bias])
}

/// `max(x W + b, 0)`, with the shapes of [`affine`].
///
/// # Errors
/// As [`affine`].
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let (x, kernel) = (Var::from([1.0, 2.0]), Var::from([[1.0, 0.0], [0.0, -1.0]]));
/// let y = ed::ops::affine_relu(x.value(), kernel.value(), Var::from([0.5, 0.5]).value())?;
/// assert_eq!(y.as_slice()?, [1.5, 0.0]);
/// # Ok(()) }
/// ```
pub fn affine_relu<E: Float>(x: &Value<E>, kernel: &Value<E>, bias: &Value<E>) -> Result<Value<E>> {
    affine_of::<AddRelu, E>("affine_relu", [x, kernel, bias])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::channels::{add_channels, add_channels_relu};
    use crate::ops::linalg::dot;
    use crate::ops::test_gradients::{assert_close, assert_slopes, gradients_of, wave, weighted_sum};

    fn inputs(front: &[usize], inner: usize, columns: usize) -> [Value<f64>; 3] {
        let x: Vec<usize> = front.iter().copied().chain([inner]).collect();
        [wave(&x, 0.3, -1.0, 1.0), wave(&[inner, columns], 0.7, -1.0, 1.0), wave(&[columns], 0.9, -0.5, 0.5)]
    }

    #[test]
    fn gradients_are_the_slopes_whatever_the_sizes() {
        for (front, inner, columns) in
            [(&[4][..], 3, 5), (&[2, 3], 2, 4), (&[], 3, 2), (&[4], 1, 3), (&[4], 3, 1), (&[1], 1, 1)]
        {
            let inputs = inputs(front, inner, columns);
            assert_slopes(|x| Ok(weighted_sum(&affine(&x[0], &x[1], &x[2])?)), &inputs, 1e-8);
            assert_slopes(|x| Ok(weighted_sum(&affine_relu(&x[0], &x[1], &x[2])?)), &inputs, 1e-8);
            let squared = |x: &[Value<f64>]| affine_relu(&affine(&x[0], &x[1], &x[2])?, &square(x)?, &x[2]);
            if inner == columns {
                assert_slopes(|x| Ok(weighted_sum(&squared(x)?)), &inputs, 1e-7);
            }
        }
    }

    fn square(x: &[Value<f64>]) -> Result<Value<f64>> {
        dot(&x[1], &x[1])
    }

    #[test]
    fn one_operation_is_three() -> Result<()> {
        let inputs = inputs(&[70], 33, 40);
        let sizes: [fn(&[Value<f64>]) -> Result<Value<f64>>; 2] =
            [|x| affine_relu(&x[0], &x[1], &x[2]), |x| add_channels_relu(&dot(&x[0], &x[1])?, &x[2])];
        let [one, three] = sizes.map(|f| (f(&inputs), gradients_of(|x| Ok(weighted_sum(&f(x)?)), &inputs)));
        assert_eq!(one.0?.peek()?, three.0?.peek()?);
        assert_close(&one.1, &three.1, 1e-12);
        let sum = affine(&inputs[0], &inputs[1], &inputs[2])?;
        let apart = add_channels(&dot(&inputs[0], &inputs[1])?, &inputs[2])?;
        assert_eq!(sum.peek()?, apart.peek()?);
        Ok(())
    }

    #[test]
    fn misfits_are_refused_and_nothing_is_fine() -> Result<()> {
        let [x, kernel, bias] = inputs(&[4], 3, 2);
        assert!(affine(&kernel, &x, &bias).is_err(), "no inputs fit");
        assert!(affine(&x, &bias, &bias).is_err(), "no matrix");
        assert!(affine(&x, &kernel, &wave(&[3], 0.1, 0.0, 1.0)).is_err(), "another bias");
        let none = affine_relu(&Value::full(1.0, Dims::vector(0).with_last(3)), &kernel, &bias)?;
        assert_eq!(*none.dims(), Dims::vector(0).with_last(2));
        let only_bias = affine(
            &Value::full(1.0, Dims::vector(2).with_last(0)),
            &Value::full(1.0, Dims::vector(0).with_last(2)),
            &bias,
        )?;
        assert_eq!(only_bias.peek()?[2..], *bias.peek()?);
        Ok(())
    }
}
