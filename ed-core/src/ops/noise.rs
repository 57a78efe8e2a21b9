//! Random factors and noise on activations: what Flipout, dropout and local reparameterisation do to them.
//!
//! Activations have the dims `[rows, positions…, channels]`. Nothing random is stored: the backward pass makes signs,
//! masks and noise again from the key.

use crate::error::{Error, Result};
use crate::kernels::Key;
use crate::kernels::fused::{self, RowFactor, RowNoise};
use crate::tensor::dims::product;
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Dims, Float, Keep, Op, Value};

/// `x · factor`, or `a + b · factor` with two inputs.
#[derive(Debug)]
struct RowProduct(RowNoise);

impl<E: Float> Op<E> for RowProduct {
    fn name(&self) -> &'static str {
        match self.0.factor {
            RowFactor::Sign => "flip",
            RowFactor::Keep { .. } => "dropout",
        }
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        match *inputs {
            [base, x] => self.0.multiply(x, Some(base), out, true),
            [x] => self.0.multiply(x, None, out, true),
            _ => {}
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (g, last) = (pass.grad_out, pass.inputs.len() - 1);
        if let Some(slot) = pass.grad(last) {
            let fresh = slot.is_fresh();
            self.0.multiply(g, None, slot.raw(), fresh);
        }
        if last == 1
            && let Some(slot) = pass.grad(0)
        {
            match (slot.is_fresh(), slot.raw()) {
                (true, grad) => grad.copy_from_slice(g),
                (false, grad) => grad.iter_mut().zip(g).for_each(|(grad, &g)| *grad += g),
            }
        }
    }
}

/// Positions and channels of activations `[rows, positions…, channels]`; a vector is one row.
fn layout_of(dims: &Dims) -> (usize, usize) {
    match **dims {
        [] => (1, 1),
        [channels] => (1, channels),
        [_, ref positions @ .., channels] => (product(positions), channels),
    }
}

fn row_product<E: Float>(factor: RowFactor, inputs: &[&Value<E>], key: Key, positions: bool) -> Value<E> {
    let dims = *inputs[0].dims();
    let (shared, channels) = layout_of(&dims);
    let (positions, channels) = if positions { (shared, channels) } else { (1, shared * channels) };
    apply(RowProduct(RowNoise { key, factor, positions, channels }), inputs, dims)
}

/// Activations `[rows, positions…, channels]` with random signs: each row and channel has one, the same at all
/// positions, and -1 or 1 with probability one half (Wen, Vicol, Ba, Tran and Grosse 2018, "Flipout", section 3.1).
///
/// The signs are a function of the key. The gradient gets the same ones.
///
/// # Errors
/// The error that `x` carries.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let x = Var::from([[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]]);
/// let flipped = ed::ops::flip(x.value(), Key::new(0))?;
/// let sizes: Vec<f32> = flipped.as_slice()?.iter().map(|x| x.abs()).collect();
/// assert_eq!(sizes, x.to_vec()?);
/// let back = ed::ops::flip(&flipped, Key::new(0))?;
/// assert_eq!(back.as_slice()?, x.as_slice()?);
/// # Ok(()) }
/// ```
pub fn flip<E: Float>(x: &Value<E>, key: Key) -> Result<Value<E>> {
    x.check()?;
    Ok(row_product(RowFactor::Sign, &[x], key, true))
}

/// `a + flip(b)` in one pass: the output of a Flipout layer from the products with the mean and with the perturbation
/// of its weights (Wen et al. 2018, equation 4).
///
/// # Errors
/// [`Error::Shape`] unless `a` and `b` have one shape, or the error that one of them carries.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let (a, b) = (Var::from([[10.0f32, 20.0]]), Var::from([[1.0f32, 2.0]]));
/// let sum = ed::ops::add_flipped(a.value(), b.value(), Key::new(0))?;
/// let flipped = ed::ops::flip(b.value(), Key::new(0))?;
/// assert_eq!(sum.as_slice()?[1], 20.0 + flipped.as_slice()?[1]);
/// # Ok(()) }
/// ```
pub fn add_flipped<E: Float>(a: &Value<E>, b: &Value<E>, key: Key) -> Result<Value<E>> {
    same_dims("add_flipped", a, b)?;
    Ok(row_product(RowFactor::Sign, &[a, b], key, true))
}

fn same_dims<E: Float>(op: &'static str, a: &Value<E>, b: &Value<E>) -> Result<()> {
    let (dims, got) = (*a.check()?.dims(), *b.check()?.dims());
    if dims == got {
        return Ok(());
    }
    Err(Error::Shape { op, expected: format!("{dims}, that of the other operand"), got })
}

fn check_rate(rate: f64) -> Result<()> {
    if (0.0..1.0).contains(&rate) {
        return Ok(());
    }
    let (name, must_be) = ("rate", "in [0, 1)");
    Err(Error::Parameter { of: "dropout", name, must_be, got: rate.to_string() })
}

/// Inverted dropout (Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov 2014): every element is 0 with
/// probability `rate` and otherwise divided by `1 - rate`, so that the mean stays. The key fixes which.
///
/// # Errors
/// [`Error::Parameter`] unless the rate lies in `[0, 1)`, or the error that `x` carries.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let x = Var::<_, f32>::ones((100, 100));
/// let thinned = ed::ops::dropout(x.value(), 0.75, Key::new(0))?;
/// assert!(thinned.as_slice()?.iter().all(|&x| x == 0.0 || x == 4.0));
/// assert!(ed::ops::dropout(x.value(), 1.0, Key::new(0)).is_err());
/// # Ok(()) }
/// ```
pub fn dropout<E: Float>(x: &Value<E>, rate: f64, key: Key) -> Result<Value<E>> {
    thin(x, rate, key, false)
}

/// Dropout of whole channels: activations `[rows, positions…, channels]` lose a channel of a row at all positions at
/// once (Tompson, Goroshin, Jain, LeCun and Bregler 2015, section 3.2).
///
/// # Errors
/// As [`dropout`].
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let x = Var::<_, f32>::ones((1, 2, 3));
/// let thinned = ed::ops::spatial_dropout(x.value(), 0.5, Key::new(0))?;
/// let thinned = thinned.as_slice()?;
/// assert_eq!(thinned[..3], thinned[3..]);
/// # Ok(()) }
/// ```
pub fn spatial_dropout<E: Float>(x: &Value<E>, rate: f64, key: Key) -> Result<Value<E>> {
    thin(x, rate, key, true)
}

fn thin<E: Float>(x: &Value<E>, rate: f64, key: Key, positions: bool) -> Result<Value<E>> {
    check_rate(rate)?;
    x.check()?;
    if rate == 0.0 {
        return Ok(x.clone());
    }
    Ok(row_product(RowFactor::Keep { rate }, &[x], key, positions))
}

#[derive(Debug)]
struct LocalNoise(Key);

impl<E: Float> Op<E> for LocalNoise {
    fn name(&self) -> &'static str {
        "local_noise"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        fused::local_noise(self.0, inputs[0], inputs[1], out);
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (variance, g) = (pass.inputs[1], pass.grad_out);
        if let Some(slot) = pass.grad(0) {
            slot.add().iter_mut().zip(g).for_each(|(grad, &g)| *grad += g);
        }
        if let Some(slot) = pass.grad(1) {
            fused::local_noise_backward(self.0, variance, g, slot.gradient());
        }
    }
}

/// `mean + √variance · ε` with independent standard normal `ε`: the output of a layer by local reparameterisation
/// (Kingma, Salimans and Welling 2015, equation 6).
///
/// Where the variance is 0, which an input of zeros makes, its gradient is 0.
///
/// # Errors
/// [`Error::Shape`] unless both have one shape, or the error that one of them carries.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let (mean, variance) = (Var::from([1.0f64, 2.0]), Var::from([0.0, 4.0]));
/// let drawn = ed::ops::local_noise(mean.value(), variance.value(), Key::new(0))?;
/// assert_eq!(drawn.as_slice()?[0], 1.0);
/// assert_ne!(drawn.as_slice()?[1], 2.0);
/// # Ok(()) }
/// ```
pub fn local_noise<E: Float>(mean: &Value<E>, variance: &Value<E>, key: Key) -> Result<Value<E>> {
    same_dims("local_noise", mean, variance)?;
    Ok(apply(LocalNoise(key), &[mean, variance], *mean.dims()))
}

#[cfg(test)]
#[path = "noise_tests.rs"]
mod tests;
