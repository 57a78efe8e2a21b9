//! A factor or a term for every channel, the same for all rows, or one for each group of rows.
//!
//! The rows of an ensemble lie member by member, so the parameters `[members, channels]` of batch ensembles and rank-1
//! layers are one row for each group, and a bias is the case of one group.

use std::marker::PhantomData;

use super::elementwise::{Add, Mul};
use super::loops::BinaryFn;
use crate::error::{Error, Result};
use crate::kernels::Real;
use crate::kernels::dispatch::{Arch, Kernel, dispatch};
use crate::kernels::fused::Gradient;
use crate::kernels::parallel::{CHUNK, Rows, for_each, map_reduce};
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Float, GradSlot, Keep, Op, Value};

/// `out[row, c] = f(x[row, c], v[row / per_group, c])`.
#[derive(Debug)]
pub(super) struct Channels<F> {
    f: PhantomData<F>,
    /// Rows of channels that share a row of parameters.
    per_group: usize,
    channels: usize,
}

impl<F: BinaryFn> Channels<F> {
    /// One row of parameters for all rows.
    pub fn of_all(rows: usize, channels: usize) -> Channels<F> {
        Channels { f: PhantomData, per_group: rows.max(1), channels }
    }

    /// Rows that one core takes at a time.
    fn chunk(&self) -> usize {
        (CHUNK / self.channels).max(1)
    }

    /// Puts `f(x, v)` in the place of each `x`.
    pub fn map_in_place<E: Float>(&self, x: &mut [E], v: &[E]) {
        if x.is_empty() {
            return;
        }
        for_each(Rows::new(x, self.channels), self.chunk(), |first_row, x| {
            dispatch(InPlace { of: self, first_row, x: x.into_inner(), v });
        });
    }

    /// Adds to the gradients that are wanted, in one pass over the rows.
    pub fn grads<E: Float>(
        &self,
        [x, v, g]: [&[E]; 3],
        by_x: Option<Gradient<'_, E>>,
        by_v: Option<&mut [E]>,
    ) {
        let (channels, group) = (self.channels, self.per_group * self.channels);
        let fresh = by_x.as_ref().is_none_or(|grad| grad.fresh);
        let by_x = by_x.map(|grad| Rows::new(grad.values, group));
        let by_v = by_v.map(|grad| Rows::new(grad, channels));
        let parts = (Rows::new(v, channels), Rows::new(x, group), Rows::new(g, group), by_x, by_v);
        for_each(parts, (CHUNK / group).max(1), |_, (v, x, g, by_x, by_v)| {
            let (mut by_x, mut by_v) = (by_x.map(Rows::into_inner), by_v.map(Rows::into_inner));
            let groups = x.into_inner().chunks(group).zip(g.into_inner().chunks(group));
            for (index, (v, (x, g))) in v.into_inner().chunks(channels).zip(groups).enumerate() {
                let grad = by_x.as_mut().map(|grad| Rows::new(&mut grad[index * group..][..group], channels));
                let columns = if by_v.is_some() { channels } else { 0 };
                let sums = map_reduce(
                    (Rows::new(x, channels), Rows::new(g, channels), grad),
                    self.chunk(),
                    |_, (x, g, grad)| {
                        let (x, g, grad) = (x.into_inner(), g.into_inner(), grad.map(Rows::into_inner));
                        let mut sums = vec![E::ZERO; columns];
                        dispatch(Grads { f: self.f, x, v, g, grad, fresh, sums: &mut sums });
                        sums
                    },
                    add_rows,
                );
                if let Some(grad) = &mut by_v {
                    let grad = grad[index * channels..].iter_mut();
                    grad.zip(sums).for_each(|(grad, sum)| *grad += sum);
                }
            }
        });
    }
}

/// Element-wise sums, left before right.
fn add_rows<E: Float>(mut left: Vec<E>, right: Vec<E>) -> Vec<E> {
    left.iter_mut().zip(right).for_each(|(left, right)| *left += right);
    left
}

struct Forward<'a, F, E> {
    of: &'a Channels<F>,
    first_row: usize,
    x: &'a [E],
    v: &'a [E],
    out: &'a mut [E],
}

impl<F: BinaryFn, E: Float> Kernel for Forward<'_, F, E> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let channels = self.of.channels;
        let rows = self.out.chunks_exact_mut(channels).zip(self.x.chunks_exact(channels));
        for (row, (out, x)) in rows.enumerate() {
            let group = (self.first_row + row) / self.of.per_group;
            let v = &self.v[group * channels..][..channels];
            for ((out, &x), &v) in out.iter_mut().zip(x).zip(v) {
                *out = F::f::<A, E>(x, v);
            }
        }
    }
}

struct InPlace<'a, F, E> {
    of: &'a Channels<F>,
    first_row: usize,
    x: &'a mut [E],
    v: &'a [E],
}

impl<F: BinaryFn, E: Float> Kernel for InPlace<'_, F, E> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let channels = self.of.channels;
        for (row, x) in self.x.chunks_exact_mut(channels).enumerate() {
            let group = (self.first_row + row) / self.of.per_group;
            let v = &self.v[group * channels..][..channels];
            for (x, &v) in x.iter_mut().zip(v) {
                *x = F::f::<A, E>(*x, v);
            }
        }
    }
}

struct Grads<'a, F, E> {
    f: PhantomData<F>,
    x: &'a [E],
    /// The parameters of all the rows.
    v: &'a [E],
    g: &'a [E],
    grad: Option<&'a mut [E]>,
    fresh: bool,
    /// The sums of the gradients by the parameters, or nothing.
    sums: &'a mut [E],
}

impl<F: BinaryFn, E: Float> Kernel for Grads<'_, F, E> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(mut self) {
        let (v, channels) = (self.v, self.v.len());
        for (row, (x, g)) in self.x.chunks_exact(channels).zip(self.g.chunks_exact(channels)).enumerate() {
            let slopes = |c: usize| F::df::<A, E>(x[c], v[c], F::f::<A, E>(x[c], v[c]));
            if let Some(grad) = self.grad.as_mut().map(|grad| &mut grad[row * channels..][..channels]) {
                if self.fresh {
                    for c in 0..channels {
                        grad[c] = g[c] * slopes(c).0;
                    }
                } else {
                    for c in 0..channels {
                        grad[c] += g[c] * slopes(c).0;
                    }
                }
            }
            for (c, sum) in self.sums.iter_mut().enumerate() {
                *sum += g[c] * slopes(c).1;
            }
        }
    }
}

impl<F: BinaryFn, E: Float> Op<E> for Channels<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        let (x, v) = (inputs[0], inputs[1]);
        if out.is_empty() {
            return;
        }
        let parts = (Rows::new(out, self.channels), Rows::new(x, self.channels));
        for_each(parts, self.chunk(), |first_row, (out, x)| {
            dispatch(Forward { of: self, first_row, x: x.into_inner(), v, out: out.into_inner() });
        });
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (x, v, g) = (pass.inputs[0], pass.inputs[1], pass.grad_out);
        if g.is_empty() {
            return;
        }
        let mut slots = pass.grads();
        let by_x = slots.next().flatten().map(GradSlot::gradient);
        let by_v = slots.next().flatten().map(GradSlot::add);
        self.grads([x, v, g], by_x, by_v);
    }
}

fn channels<F: BinaryFn, E: Float>(op: &'static str, x: &Value<E>, v: &Value<E>) -> Result<Value<E>> {
    let (dims, params) = (*x.check()?.dims(), *v.check()?.dims());
    let (groups, own) = match *params {
        [channels] => (1, channels),
        [groups, channels] => (groups, channels),
        _ => (0, 0),
    };
    let fits = dims.last() == Some(&own) && groups > 0 && dims[0] % groups == 0;
    if !(fits && (dims.rank() > 1 || groups == 1)) {
        let channels = dims.last().copied().unwrap_or(1);
        let expected = format!(
            "[{channels}] or [groups, {channels}] with a number of groups that divides the rows of {dims}"
        );
        return Err(Error::Shape { op, expected, got: params });
    }
    let rows = dims.num_elements() / own.max(1);
    Ok(apply(
        Channels::<F> { f: PhantomData, per_group: (rows / groups).max(1), channels: own },
        &[x, v],
        dims,
    ))
}

/// `x · v`, channel by channel: `x` is `[rows, positions…, channels]`, `v` is `[channels]`, or `[groups, channels]`
/// with one row for each run of `rows / groups` rows of `x`.
///
/// With one group for each member, and the rows of `x` member by member, these are the fast weights of batch ensembles
/// (Wen, Tran and Ba 2020, equation 2) and of rank-1 layers (Dusenberry et al. 2020).
///
/// # Errors
/// [`Error::Shape`] unless the channels agree and the groups divide the rows, or the error that an operand carries.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let x = Var::from([[1.0f32, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]);
/// let members = Var::from([[1.0, -1.0], [10.0, 100.0]]);
/// let scaled = ed::ops::scale_channels(x.value(), members.value())?;
/// assert_eq!(scaled.as_slice()?, [1.0, -2.0, 3.0, -4.0, 50.0, 600.0, 70.0, 800.0]);
/// # Ok(()) }
/// ```
pub fn scale_channels<E: Float>(x: &Value<E>, v: &Value<E>) -> Result<Value<E>> {
    channels::<Mul, E>("scale_channels", x, v)
}

/// `x + v`, channel by channel, with the shapes of [`scale_channels`]: a bias, or one for each member of an ensemble.
///
/// # Errors
/// As [`scale_channels`].
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let (x, bias) = (Var::from([[1.0f32, 2.0], [3.0, 4.0]]), Var::from([10.0, 20.0]));
/// let sum = ed::ops::add_channels(x.value(), bias.value())?;
/// assert_eq!(sum.as_slice()?, [11.0, 22.0, 13.0, 24.0]);
/// # Ok(()) }
/// ```
pub fn add_channels<E: Float>(x: &Value<E>, v: &Value<E>) -> Result<Value<E>> {
    channels::<Add, E>("add_channels", x, v)
}

/// `max(x + v, 0)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct AddRelu;

impl BinaryFn for AddRelu {
    const NAME: &'static str = "add_channels_relu";

    #[inline(always)]
    fn f<A: Arch, T: Real>(a: T, b: T) -> T {
        let sum = a + b;
        // NaN is not 0.
        if sum <= T::ZERO { T::ZERO } else { sum }
    }

    #[inline(always)]
    fn df<A: Arch, T: Real>(_: T, _: T, y: T) -> (T, T) {
        let step = if y <= T::ZERO { T::ZERO } else { T::ONE };
        (step, step)
    }
}

/// `max(x + v, 0)`, channel by channel, with the shapes of [`scale_channels`]: a bias and a rectifier in one pass over
/// the memory, which bounds both.
///
/// # Errors
/// As [`scale_channels`].
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// let (x, bias) = (Var::from([[1.0f32, 2.0], [3.0, 4.0]]), Var::from([-2.0, 20.0]));
/// let rectified = ed::ops::add_channels_relu(x.value(), bias.value())?;
/// assert_eq!(rectified.as_slice()?, [0.0, 22.0, 1.0, 24.0]);
/// # Ok(()) }
/// ```
pub fn add_channels_relu<E: Float>(x: &Value<E>, v: &Value<E>) -> Result<Value<E>> {
    channels::<AddRelu, E>("add_channels_relu", x, v)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::parallel::tests::same_for_all_threads;
    use crate::ops::test_gradients::{assert_close, assert_slopes, gradients_of, wave, weighted_sum};

    #[test]
    fn gradients_are_the_slopes_for_any_number_of_groups() {
        for groups in [&[][..], &[1], &[2], &[6]] {
            let v_dims: Vec<usize> = groups.iter().copied().chain([5]).collect();
            let inputs = [wave(&[6, 2, 5], 0.3, -1.0, 1.0), wave(&v_dims, 0.9, -2.0, 2.0)];
            assert_slopes(|x| Ok(weighted_sum(&scale_channels(&x[0], &x[1])?)), &inputs, 1e-8);
            assert_slopes(|x| Ok(weighted_sum(&add_channels(&x[0], &x[1])?)), &inputs, 1e-8);
            assert_slopes(|x| Ok(weighted_sum(&add_channels_relu(&x[0], &x[1])?)), &inputs, 1e-8);
            let twice = |x: &[Value<f64>]| scale_channels(&scale_channels(&x[0], &x[1])?, &x[1]);
            assert_slopes(|x| Ok(weighted_sum(&twice(x)?)), &inputs, 1e-7);
        }
    }

    #[test]
    fn a_rectified_sum_is_the_rectifier_of_the_sum() {
        let (x, v) = (wave::<f32>(&[6, 5], 0.3, -1.0, 1.0), wave(&[5], 0.9, -1.0, 1.0));
        let sum = add_channels(&x, &v).unwrap();
        let expected: Vec<f32> = sum.peek().unwrap().iter().map(|x| x.max(0.0)).collect();
        assert!(expected.contains(&0.0) && expected.iter().any(|&x| x > 0.0));
        assert_eq!(add_channels_relu(&x, &v).unwrap().peek().unwrap(), expected);
    }

    #[test]
    fn long_columns_are_summed_the_same_on_any_number_of_threads_and_in_both_precisions() {
        fn gradients<E: Float>() -> Vec<Vec<f64>> {
            let inputs = [wave::<E>(&[4, 5000, 17], 0.3, -1.0, 1.0), wave(&[2, 17], 0.9, -2.0, 2.0)];
            let loss =
                |x: &[Value<E>]| Ok(weighted_sum(&add_channels(&scale_channels(&x[0], &x[1])?, &x[1])?));
            gradients_of(loss, &inputs)
        }
        assert_close(&same_for_all_threads(gradients::<f32>), &same_for_all_threads(gradients::<f64>), 1e-4);
    }

    #[test]
    fn refuses_channels_that_differ_and_groups_that_do_not_divide_the_rows() {
        let x = wave::<f64>(&[6, 2, 5], 0.0, 0.0, 1.0);
        for dims in [&[4][..], &[4, 5], &[0, 5], &[2, 4], &[6, 2, 5], &[]] {
            let v = wave(dims, 0.0, 0.0, 1.0);
            assert!(matches!(scale_channels(&x, &v), Err(Error::Shape { .. })), "{dims:?}");
        }
        let vector = wave::<f64>(&[6], 0.0, 0.0, 1.0);
        assert!(add_channels(&vector, &vector).is_ok());
        assert!(add_channels(&vector, &wave(&[2, 6], 0.0, 0.0, 1.0)).is_err());
        assert!(add_channels(&Value::scalar(1.0), &vector).is_err());
        let none = wave::<f64>(&[0, 6], 0.0, 0.0, 1.0);
        assert_eq!(add_channels(&none, &vector).unwrap().peek().unwrap().len(), 0);
    }
}
