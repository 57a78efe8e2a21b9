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
use crate::tensor::{Backward, Dims, Float, GradSlot, Keep, Op, Value};

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
/// The same for what is left at the end of a run, of which there may be nothing else.
const FEW: usize = 8;
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
    fn add<const N: usize>(&mut self, run: Run, block: &[T; N], weight: &[T; N], sums: &mut [T; LANES]) {
        match self {
            Target::Skip => {}
            Target::Sum(_) => {
                for lane in 0..run.len {
                    sums[lane] += block[lane] * weight[lane];
                }
            }
            Target::Each(out) => {
                let out = &mut out[run.start..run.start + run.len];
                for lane in 0..run.len {
                    out[lane] += block[lane] * weight[lane];
                }
            }
        }
    }

    #[inline(always)]
    fn close(&mut self, mut sums: [T; LANES]) {
        if let Target::Sum(sum) = self {
            let mut half = LANES / 2;
            while half > 0 {
                for lane in 0..half {
                    sums[lane] += sums[lane + half];
                }
                half /= 2;
            }
            *sum += sums[0];
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

/// Elements that are handled together.
#[derive(Clone, Copy)]
struct Run {
    start: usize,
    len: usize,
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

/// The numbers of a run; those past its end repeat the first.
#[inline(always)]
fn load<T: Real, const N: usize>(lane: Lane<'_, T>, run: Run) -> [T; N] {
    match lane {
        Lane::Number(x) => [x; N],
        Lane::Each(x) => {
            let x = &x[run.start..run.start + run.len];
            if let Some(whole) = x.first_chunk::<N>() {
                return *whole;
            }
            let mut block = [x[0]; N];
            block[..run.len].copy_from_slice(x);
            block
        }
    }
}

/// Lanes of partial sums: of the density, by the value, by each parameter.
struct LaneSums<T, const P: usize> {
    log_prob: [T; LANES],
    d_value: [T; LANES],
    d_params: [[T; LANES]; P],
}

impl<F: Family<P>, T: Real, const P: usize> Kernel for &mut Pass<'_, F, T, P> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(self) {
        let gradients = !matches!(self.d_value, Target::Skip)
            || self.d_params.iter().any(|target| !matches!(target, Target::Skip));
        let numbers = self.params.iter().all(|lane| matches!(lane, Lane::Number(_)));
        match (numbers, gradients) {
            (true, _) => {
                let first = Run { start: 0, len: 1 };
                let params = std::array::from_fn(|index| load::<T, 1>(self.params[index], first)[0]);
                let prepared = F::prepare::<A, T>(params);
                if gradients {
                    self.sweep::<A, true>(|_| prepared);
                } else {
                    self.sweep::<A, false>(|_| prepared);
                }
            }
            (false, true) => self.sweep::<A, true>(F::prepare::<A, T>),
            (false, false) => self.sweep::<A, false>(F::prepare::<A, T>),
        }
    }
}

impl<F: Family<P>, T: Real, const P: usize> Pass<'_, F, T, P> {
    #[inline(always)]
    fn sweep<A: Arch, const GRADIENTS: bool>(&mut self, prepare: impl Fn([T; P]) -> F::Prepared<T>) {
        let zeros = [T::ZERO; LANES];
        let mut sums = LaneSums { log_prob: zeros, d_value: zeros, d_params: [zeros; P] };
        let whole = self.len / LANES * LANES;
        for start in (0..whole).step_by(LANES) {
            let run = Run { start, len: LANES };
            self.block::<A, GRADIENTS, LANES>(run, &prepare, &mut sums);
        }
        let mut start = whole;
        while start < self.len {
            // Two single numbers cost less than a register of them.
            let len = (self.len - start).min(FEW);
            if len > 2 {
                self.block::<A, GRADIENTS, FEW>(Run { start, len }, &prepare, &mut sums);
                start += len;
            } else {
                self.block::<A, GRADIENTS, 1>(Run { start, len: 1 }, &prepare, &mut sums);
                start += 1;
            }
        }
        self.log_prob.close(sums.log_prob);
        if GRADIENTS {
            self.d_value.close(sums.d_value);
            for (target, sums) in self.d_params.iter_mut().zip(sums.d_params) {
                target.close(sums);
            }
        }
    }

    /// Handles up to `N` elements together.
    #[inline(always)]
    fn block<A: Arch, const GRADIENTS: bool, const N: usize>(
        &mut self,
        run: Run,
        prepare: impl Fn([T; P]) -> F::Prepared<T>,
        sums: &mut LaneSums<T, P>,
    ) {
        let x: [T; N] = load(self.value, run);
        let params: [[T; N]; P] = std::array::from_fn(|index| load(self.params[index], run));
        let weight: [T; N] = load(self.weight, run);
        let (mut log_prob, mut d_value) = ([T::ZERO; N], [T::ZERO; N]);
        let mut d_params = [[T::ZERO; N]; P];
        for lane in 0..N {
            let params = std::array::from_fn(|index| params[index][lane]);
            let terms = F::terms::<A, T>(x[lane], params, prepare(params));
            log_prob[lane] = terms.log_prob;
            d_value[lane] = terms.d_value;
            for index in 0..P {
                d_params[index][lane] = terms.d_params[index];
            }
        }
        self.log_prob.add(run, &log_prob, &weight, &mut sums.log_prob);
        if GRADIENTS {
            self.d_value.add(run, &d_value, &weight, &mut sums.d_value);
            for index in 0..P {
                self.d_params[index].add(run, &d_params[index], &weight, &mut sums.d_params[index]);
            }
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
    fn run_all(mut self, parallel: bool) -> Sums<T, P> {
        if self.len <= CHUNK {
            return self.run_chunk();
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

    fn run_chunk(&mut self) -> Sums<T, P> {
        dispatch(&mut *self);
        Sums {
            log_prob: self.log_prob.sum(),
            d_value: self.d_value.sum(),
            d_params: std::array::from_fn(|index| self.d_params[index].sum()),
        }
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

/// The numbers of a value and its parameters.
struct Operands<'a, T, const P: usize> {
    value: &'a [T],
    params: [&'a [T]; P],
    weight: &'a [T],
}

impl<'a, T, const P: usize> Operands<'a, T, P> {
    fn new(inputs: &[&'a [T]], weight: &'a [T]) -> Self {
        Operands { value: inputs[0], params: std::array::from_fn(|index| inputs[index + 1]), weight }
    }
}

/// Where the results of a pass over all elements go; each slice is as long as its operand, or absent.
struct Outputs<'a, T, const P: usize> {
    log_prob: Option<&'a mut [T]>,
    d_value: Option<&'a mut [T]>,
    d_params: [Option<&'a mut [T]>; P],
}

impl<T: Real, const P: usize> Outputs<'_, T, P> {
    const NONE: Self = Outputs { log_prob: None, d_value: None, d_params: [const { None }; P] };
}

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

/// Adds to an output that is one number.
fn add_sum<T: Real>(out: &mut Option<&mut [T]>, sum: T) {
    if let Some([out]) = out {
        *out += sum;
    }
}

/// Runs a family over operands of different lengths and adds to the outputs; returns the sum of the log-density.
fn run<F: Family<P>, T: Real, const P: usize>(
    operands: &Operands<'_, T, P>,
    mut outputs: Outputs<'_, T, P>,
) -> T {
    let total = operands.value.len();
    if total == 0 {
        return T::ZERO;
    }
    if operands.params.iter().all(|param| param.len() == 1 || param.len() == total) {
        return run_part::<F, T, P>(operands, &mut outputs, 0, total);
    }
    let lengths = operands.params.map(<[T]>::len);
    runs(total, &lengths).map(|(start, len)| run_part::<F, T, P>(operands, &mut outputs, start, len)).sum()
}

/// The same over elements that no operand's period crosses.
fn run_part<F: Family<P>, T: Real, const P: usize>(
    operands: &Operands<'_, T, P>,
    outputs: &mut Outputs<'_, T, P>,
    start: usize,
    len: usize,
) -> T {
    let log_prob = match &mut outputs.log_prob {
        Some(out) => Target::Each(&mut out[start..start + len]),
        None => Target::Sum(T::ZERO),
    };
    let mut d_params = outputs.d_params.iter_mut();
    let mut pass: Pass<'_, F, T, P> = Pass {
        family: PhantomData,
        len,
        value: Lane::part(operands.value, start, len),
        params: std::array::from_fn(|index| Lane::part(operands.params[index], start, len)),
        weight: Lane::part(operands.weight, start, len),
        log_prob,
        d_value: target(&mut outputs.d_value, start, len),
        d_params: std::array::from_fn(|_| {
            d_params.next().map_or(Target::Skip, |out| target(out, start, len))
        }),
    };
    let sums = if len <= CHUNK { pass.run_chunk() } else { pass.run_all(len >= PARALLEL_FROM) };
    add_sum(&mut outputs.d_value, sums.d_value);
    for (out, sum) in outputs.d_params.iter_mut().zip(sums.d_params) {
        add_sum(out, sum);
    }
    sums.log_prob
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
