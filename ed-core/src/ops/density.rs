//! A log-density as one operation: the value and its partial derivatives in one pass, one entry on the tape.
//!
//! A family states its density once, for one number of either precision ([`Family`]); everything about tensors,
//! broadcasting, vectors, cores and tapes is here.

mod pass;

use std::fmt::Debug;
use std::marker::PhantomData;

use smallvec::SmallVec;

use crate::kernels::Real;
use crate::kernels::dispatch::Arch;
use crate::kernels::parallel::fill;
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Dims, Float, GradSlot, Keep, Op, Value};
use pass::{Operands, Outputs, run};

/// Log-density and partial derivatives at one point: by the value, then by each parameter.
pub struct Terms<T, const P: usize> {
    /// `log p(x)`.
    pub log_prob: T,
    /// `∂ log p / ∂x`.
    pub d_value: T,
    /// `∂ log p / ∂` each parameter.
    pub d_params: [T; P],
}

impl<T: Real, const P: usize> Terms<T, P> {
    /// The same inside the support; outside, minus infinity and no slope.
    #[inline(always)]
    pub fn inside(self, inside: bool) -> Self {
        let slope = |slope: T| if inside { slope } else { T::ZERO };
        Terms {
            log_prob: if inside { self.log_prob } else { T::NEG_INFINITY },
            d_value: slope(self.d_value),
            d_params: self.d_params.map(slope),
        }
    }
}

/// A univariate family with `P` parameters.
///
/// All functions must be `#[inline(always)]` and free of branches where they can be, so that they vectorise.
pub trait Family<const P: usize>: Copy + Send + Sync + Debug + 'static {
    /// Name for error messages.
    const NAME: &'static str;

    /// What every point needs of the parameters alone. Computed once if the parameters are numbers.
    type Prepared<T: Real>: Copy;

    /// Computes it.
    fn prepare<A: Arch, T: Real>(params: [T; P]) -> Self::Prepared<T>;

    /// The log-density and its partial derivatives.
    fn terms<A: Arch, T: Real>(x: T, params: [T; P], prepared: Self::Prepared<T>) -> Terms<T, P>;
}

/// The log-density of every element.
#[derive(Debug)]
struct LogProb<F, const P: usize>(PhantomData<F>);

impl<F: Family<P>, E: Float, const P: usize> Op<E> for LogProb<F, P> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        fill(out, E::ZERO);
        run::<F, E, P>(&Operands::new(inputs, &[E::ONE]), Outputs { log_prob: Some(out), ..Outputs::NONE });
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let operands = Operands::new(pass.inputs, pass.grad_out);
        let mut gradients = pass.grads().map(|slot| slot.map(GradSlot::add));
        let d_value = gradients.next().flatten();
        let d_params = std::array::from_fn(|_| gradients.next().flatten());
        run::<F, E, P>(&operands, Outputs { log_prob: None, d_value, d_params });
    }
}

/// The sum of the log-density over all elements, its partial derivatives kept from the forward pass.
#[derive(Debug)]
struct LogProbSum<F, const P: usize>(PhantomData<F>);

impl<F: Family<P>, E: Float, const P: usize> Op<E> for LogProbSum<F, P> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], mut keep: Keep<'_, E>) {
        let one = [E::ONE];
        let operands = Operands::new(inputs, &one);
        let wanted: [bool; P] = std::array::from_fn(|index| keep.wants(index + 1));
        let value_len = if keep.wants(0) { operands.value.len() } else { 0 };
        let lengths: [usize; P] =
            std::array::from_fn(|index| if wanted[index] { operands.params[index].len() } else { 0 });
        let saved = keep.saved();
        saved.clear();
        saved.resize(value_len + lengths.iter().sum::<usize>(), E::ZERO);
        let mut rest = saved.as_mut_slice();
        let mut take = |len: usize| rest.split_off_mut(..len).filter(|part| !part.is_empty());
        let d_value = take(value_len);
        let outputs = Outputs { log_prob: None, d_value, d_params: lengths.map(take) };
        out[0] = run::<F, E, P>(&operands, outputs);
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (mut saved, grad_out) = (pass.saved, pass.grad_out[0]);
        let inputs = pass.inputs;
        for (slot, input) in pass.grads().zip(inputs) {
            let Some(slot) = slot else { continue };
            let (partial, rest) = saved.split_at(input.len());
            saved = rest;
            let fresh = slot.is_fresh();
            let terms = slot.raw().iter_mut().zip(partial);
            if fresh {
                terms.for_each(|(grad, &partial)| *grad = grad_out * partial);
            } else {
                terms.for_each(|(grad, &partial)| *grad += grad_out * partial);
            }
        }
    }
}

/// The log-density of every element of `x`, in the shape of `x`.
///
/// Each parameter is a number, as long as the end of `x`, or as long as `x`.
pub(crate) fn log_prob<F: Family<P>, E: Float, const P: usize>(
    x: &Value<E>,
    params: [&Value<E>; P],
) -> Value<E> {
    let inputs: SmallVec<[&Value<E>; 5]> = std::iter::once(x).chain(params).collect();
    apply(LogProb::<F, P>(PhantomData), &inputs, *x.dims())
}

/// The sum of [`log_prob`] over all elements.
pub(crate) fn log_prob_sum<F: Family<P>, E: Float, const P: usize>(
    x: &Value<E>,
    params: [&Value<E>; P],
) -> Value<E> {
    let inputs: SmallVec<[&Value<E>; 5]> = std::iter::once(x).chain(params).collect();
    apply(LogProbSum::<F, P>(PhantomData), &inputs, Dims::SCALAR)
}
