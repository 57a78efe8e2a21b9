//! A log-density as one operation: the value and its partial derivatives in one pass, one entry on the tape.
//!
//! A family states its density once, for one number of either precision ([`Family`]); everything about tensors,
//! broadcasting, vectors, cores and tapes is here.

use std::fmt::Debug;
use std::marker::PhantomData;

use smallvec::SmallVec;

use super::loops::{Lane, runs};
use crate::kernels::Real;
use crate::kernels::dispatch::{Arch, Kernel, dispatch};
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Buffer, Dims, Float, Keep, Op, Value};

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

/// Numbers handled together: a multiple of every vector register.
const LANES: usize = 16;
/// Elements that one core sums at a time.
const CHUNK: usize = 1 << 14;
/// From this length on, a second core is woken.
const PARALLEL_FROM: usize = 1 << 16;

/// Where one result of a pass goes.
enum Target<'a, T> {
    /// Nowhere.
    Skip,
    /// Into one sum.
    Sum(T),
    /// Added to one number each.
    Each(&'a mut [T]),
}

impl<'a, T: Real> Target<'a, T> {
    #[inline(always)]
    fn add_block(&mut self, start: usize, block: &[T; LANES], weight: &[T; LANES], sums: &mut [T; LANES]) {
        match self {
            Target::Skip => {}
            Target::Sum(_) => {
                for lane in 0..LANES {
                    sums[lane] += block[lane] * weight[lane];
                }
            }
            Target::Each(out) => {
                let out = &mut out[start..start + LANES];
                for lane in 0..LANES {
                    out[lane] += block[lane] * weight[lane];
                }
            }
        }
    }

    #[inline(always)]
    fn add_one(&mut self, at: usize, term: T) {
        match self {
            Target::Skip => {}
            Target::Sum(sum) => *sum += term,
            Target::Each(out) => out[at] += term,
        }
    }

    #[inline(always)]
    fn close(&mut self, sums: &[T; LANES]) {
        if let Target::Sum(sum) = self {
            *sum += sums.iter().copied().sum::<T>();
        }
    }

    fn split(self, at: usize) -> (Target<'a, T>, Target<'a, T>) {
        match self {
            Target::Skip => (Target::Skip, Target::Skip),
            Target::Sum(sum) => (Target::Sum(sum), Target::Sum(T::ZERO)),
            Target::Each(out) => {
                let (left, right) = out.split_at_mut(at);
                (Target::Each(left), Target::Each(right))
            }
        }
    }

    fn sum(&self) -> T {
        if let Target::Sum(sum) = self { *sum } else { T::ZERO }
    }
}

/// One run over elements whose operands each lie still or move along.
struct Pass<'a, F, T, const P: usize> {
    family: PhantomData<F>,
    len: usize,
    value: Lane<'a, T>,
    params: [Lane<'a, T>; P],
    weight: Lane<'a, T>,
    log_prob: Target<'a, T>,
    d_value: Target<'a, T>,
    d_params: [Target<'a, T>; P],
}

/// The sums of a pass: of the density, by the value, by each parameter.
struct Sums<T, const P: usize> {
    log_prob: T,
    d_value: T,
    d_params: [T; P],
}

impl<T: Real, const P: usize> Sums<T, P> {
    fn plus(mut self, other: &Sums<T, P>) -> Self {
        self.log_prob += other.log_prob;
        self.d_value += other.d_value;
        for (sum, more) in self.d_params.iter_mut().zip(other.d_params) {
            *sum += more;
        }
        self
    }
}

#[inline(always)]
fn load<T: Real>(lane: Lane<'_, T>, start: usize) -> [T; LANES] {
    match lane {
        Lane::Number(x) => [x; LANES],
        Lane::Each(x) => {
            let mut block = [T::ZERO; LANES];
            block.copy_from_slice(&x[start..start + LANES]);
            block
        }
    }
}

#[inline(always)]
fn one<T: Real>(lane: Lane<'_, T>, at: usize) -> T {
    match lane {
        Lane::Number(x) => x,
        Lane::Each(x) => x[at],
    }
}

impl<F: Family<P>, T: Real, const P: usize> Kernel for Pass<'_, F, T, P> {
    type Out = Sums<T, P>;

    #[inline(always)]
    fn run<A: Arch>(mut self) -> Sums<T, P> {
        let gradients = !matches!(self.d_value, Target::Skip)
            || self.d_params.iter().any(|target| !matches!(target, Target::Skip));
        let numbers = self.params.iter().all(|lane| matches!(lane, Lane::Number(_)));
        if numbers && self.len > 0 {
            let prepared = F::prepare::<A, T>(std::array::from_fn(|index| one(self.params[index], 0)));
            self.sweep::<A>(gradients, |_| prepared);
        } else {
            self.sweep::<A>(gradients, F::prepare::<A, T>);
        }
        Sums {
            log_prob: self.log_prob.sum(),
            d_value: self.d_value.sum(),
            d_params: std::array::from_fn(|index| self.d_params[index].sum()),
        }
    }
}

impl<F: Family<P>, T: Real, const P: usize> Pass<'_, F, T, P> {
    #[inline(always)]
    fn sweep<A: Arch>(&mut self, gradients: bool, prepare: impl Fn([T; P]) -> F::Prepared<T>) {
        if gradients { self.with_gradients::<A>(prepare) } else { self.value_only::<A>(prepare) }
    }

    #[inline(always)]
    fn value_only<A: Arch>(&mut self, prepare: impl Fn([T; P]) -> F::Prepared<T>) {
        let mut sums = [T::ZERO; LANES];
        let whole = self.len / LANES * LANES;
        for start in (0..whole).step_by(LANES) {
            let x = load(self.value, start);
            let params: [[T; LANES]; P] = std::array::from_fn(|index| load(self.params[index], start));
            let weight = load(self.weight, start);
            let mut log_prob = [T::ZERO; LANES];
            for lane in 0..LANES {
                let params = std::array::from_fn(|index| params[index][lane]);
                log_prob[lane] = F::terms::<A, T>(x[lane], params, prepare(params)).log_prob;
            }
            self.log_prob.add_block(start, &log_prob, &weight, &mut sums);
        }
        for at in whole..self.len {
            let params = std::array::from_fn(|index| one(self.params[index], at));
            let log_prob = F::terms::<A, T>(one(self.value, at), params, prepare(params)).log_prob;
            self.log_prob.add_one(at, log_prob * one(self.weight, at));
        }
        self.log_prob.close(&sums);
    }

    #[inline(always)]
    fn with_gradients<A: Arch>(&mut self, prepare: impl Fn([T; P]) -> F::Prepared<T>) {
        let mut value_sums = [T::ZERO; LANES];
        let mut d_value_sums = [T::ZERO; LANES];
        let mut d_param_sums = [[T::ZERO; LANES]; P];
        let whole = self.len / LANES * LANES;
        for start in (0..whole).step_by(LANES) {
            let x = load(self.value, start);
            let params: [[T; LANES]; P] = std::array::from_fn(|index| load(self.params[index], start));
            let weight = load(self.weight, start);
            let (mut log_prob, mut d_value) = ([T::ZERO; LANES], [T::ZERO; LANES]);
            let mut d_params = [[T::ZERO; LANES]; P];
            for lane in 0..LANES {
                let params = std::array::from_fn(|index| params[index][lane]);
                let terms = F::terms::<A, T>(x[lane], params, prepare(params));
                log_prob[lane] = terms.log_prob;
                d_value[lane] = terms.d_value;
                for index in 0..P {
                    d_params[index][lane] = terms.d_params[index];
                }
            }
            self.log_prob.add_block(start, &log_prob, &weight, &mut value_sums);
            self.d_value.add_block(start, &d_value, &weight, &mut d_value_sums);
            for index in 0..P {
                self.d_params[index].add_block(start, &d_params[index], &weight, &mut d_param_sums[index]);
            }
        }
        for at in whole..self.len {
            let params = std::array::from_fn(|index| one(self.params[index], at));
            let terms = F::terms::<A, T>(one(self.value, at), params, prepare(params));
            let weight = one(self.weight, at);
            self.log_prob.add_one(at, terms.log_prob * weight);
            self.d_value.add_one(at, terms.d_value * weight);
            for index in 0..P {
                self.d_params[index].add_one(at, terms.d_params[index] * weight);
            }
        }
        self.log_prob.close(&value_sums);
        self.d_value.close(&d_value_sums);
        for (target, sums) in self.d_params.iter_mut().zip(&d_param_sums) {
            target.close(sums);
        }
    }

    fn split(self, at: usize) -> (Self, Self) {
        let (value, value_right) = split_lane(self.value, at);
        let (weight, weight_right) = split_lane(self.weight, at);
        let (log_prob, log_prob_right) = self.log_prob.split(at);
        let (d_value, d_value_right) = self.d_value.split(at);
        let params = self.params;
        let mut halves = self.d_params.map(|target| {
            let (left, right) = target.split(at);
            (left, Some(right))
        });
        let d_params_right = std::array::from_fn(|index| halves[index].1.take().unwrap_or(Target::Skip));
        let family = PhantomData;
        (
            Pass {
                family,
                len: at,
                value,
                params: params.map(|lane| split_lane(lane, at).0),
                weight,
                log_prob,
                d_value,
                d_params: halves.map(|(left, _)| left),
            },
            Pass {
                family,
                len: self.len - at,
                value: value_right,
                params: params.map(|lane| split_lane(lane, at).1),
                weight: weight_right,
                log_prob: log_prob_right,
                d_value: d_value_right,
                d_params: d_params_right,
            },
        )
    }

    /// Runs on all cores if long. The tree of sums depends on the length only.
    fn run_all(self, parallel: bool) -> Sums<T, P> {
        if self.len <= CHUNK {
            return dispatch(self);
        }
        let half = (self.len / 2).next_multiple_of(CHUNK).min(self.len - 1);
        let (left, right) = self.split(half);
        let (left, right) = if parallel {
            rayon::join(|| left.run_all(true), || right.run_all(true))
        } else {
            (left.run_all(false), right.run_all(false))
        };
        left.plus(&right)
    }
}

fn split_lane<T: Real>(lane: Lane<'_, T>, at: usize) -> (Lane<'_, T>, Lane<'_, T>) {
    match lane {
        Lane::Number(_) => (lane, lane),
        Lane::Each(x) => {
            let (left, right) = x.split_at(at);
            (Lane::Each(left), Lane::Each(right))
        }
    }
}

/// Where the results of a pass over all elements go; each slice is as long as its operand, or absent.
struct Outputs<'a, T> {
    log_prob: Option<&'a mut [T]>,
    /// By the value, then by each parameter.
    gradients: SmallVec<[Option<&'a mut [T]>; 5]>,
}

/// Runs a family over operands of different lengths and adds to the outputs; returns the sum of the log-density.
fn run<F: Family<P>, T: Real, const P: usize>(
    operands: &[&[T]],
    weight: &[T],
    mut outputs: Outputs<'_, T>,
) -> T {
    let total = operands[0].len();
    if total == 0 {
        return T::ZERO;
    }
    let lengths: SmallVec<[usize; 5]> =
        operands.iter().map(|operand| operand.len()).filter(|&len| len != total).collect();
    let one_run = lengths.iter().all(|&len| len == 1);
    let mut sum = T::ZERO;
    let mut step = |start: usize, len: usize| {
        fn target<'b, T: Real>(out: &'b mut Option<&mut [T]>, start: usize, len: usize) -> Target<'b, T> {
            match out {
                None => Target::Skip,
                Some(out) if out.len() == 1 => Target::Sum(T::ZERO),
                Some(out) => {
                    let from = start % out.len();
                    Target::Each(&mut out[from..from + len])
                }
            }
        }
        let (by_value, by_params) = outputs.gradients.split_at_mut(1);
        let mut by_params_iter = by_params.iter_mut();
        let pass: Pass<'_, F, T, P> = Pass {
            family: PhantomData,
            len,
            value: Lane::part(operands[0], start, len),
            params: std::array::from_fn(|index| Lane::part(operands[index + 1], start, len)),
            weight: Lane::part(weight, start, len),
            log_prob: match &mut outputs.log_prob {
                Some(out) if out.len() > 1 || total == 1 => Target::Each(&mut out[start..start + len]),
                _ => Target::Sum(T::ZERO),
            },
            d_value: target(&mut by_value[0], start, len),
            d_params: std::array::from_fn(|_| match by_params_iter.next() {
                Some(out) => target(out, start, len),
                None => Target::Skip,
            }),
        };
        let sums = pass.run_all(len >= PARALLEL_FROM);
        sum += sums.log_prob;
        let by_operand = std::iter::once(sums.d_value).chain(sums.d_params);
        for (out, partial) in outputs.gradients.iter_mut().zip(by_operand) {
            if let Some(out) = out
                && out.len() == 1
            {
                out[0] += partial;
            }
        }
    };
    if one_run {
        step(0, total);
    } else {
        runs(total, &lengths).for_each(|(start, len)| step(start, len));
    }
    sum
}

/// The log-density of every element.
#[derive(Debug)]
struct LogProb<F, const P: usize>(PhantomData<F>);

impl<F: Family<P>, E: Float, const P: usize> Op<E> for LogProb<F, P> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        out.fill(E::ZERO);
        let outputs = Outputs { log_prob: Some(out), gradients: inputs.iter().map(|_| None).collect() };
        run::<F, E, P>(inputs, &[E::ONE], outputs);
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let mut buffers: SmallVec<[Option<Buffer<E>>; 5]> = SmallVec::new();
        for index in 0..pass.inputs.len() {
            buffers.push(pass.grad(index).map(|slot| {
                let len = slot.add().len();
                Buffer::zeros(len)
            }));
        }
        let outputs =
            Outputs { log_prob: None, gradients: buffers.iter_mut().map(|b| b.as_deref_mut()).collect() };
        run::<F, E, P>(pass.inputs, pass.grad_out, outputs);
        for (index, buffer) in buffers.iter().enumerate() {
            if let (Some(buffer), Some(slot)) = (buffer, pass.grad(index)) {
                slot.add().iter_mut().zip(buffer.iter()).for_each(|(grad, &more)| *grad += more);
            }
        }
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
        let wanted: SmallVec<[bool; 5]> = (0..inputs.len()).map(|index| keep.wants(index)).collect();
        let len = inputs.iter().zip(&wanted).filter(|(_, wanted)| **wanted).map(|(x, _)| x.len()).sum();
        let saved = keep.saved();
        saved.clear();
        saved.resize(len, E::ZERO);
        let mut rest = saved.as_mut_slice();
        let mut gradients = SmallVec::new();
        for (input, wanted) in inputs.iter().zip(wanted) {
            gradients.push(wanted.then(|| rest.split_off_mut(..input.len())).flatten());
        }
        out[0] = run::<F, E, P>(inputs, &[E::ONE], Outputs { log_prob: None, gradients });
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (mut saved, grad_out) = (pass.saved, pass.grad_out[0]);
        for index in 0..pass.inputs.len() {
            let len = pass.inputs[index].len();
            let Some(slot) = pass.grad(index) else { continue };
            let (partial, rest) = saved.split_at(len);
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
