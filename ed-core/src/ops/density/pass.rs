//! One pass of a family over slices: the loops, the broadcasting of parameters, and the cores.

use std::marker::PhantomData;

use super::Family;
use crate::kernels::Real;
use crate::kernels::dispatch::{Arch, Kernel, dispatch};
use crate::ops::loops::{Lane, runs};

/// Numbers handled together: a multiple of every vector register.
const LANES: usize = 16;
/// The same for what is left at the end of a run, of which there may be nothing else.
const FEW: usize = 8;
/// Elements that one core sums at a time, and the length from which on a second core is woken, where parameters are
/// numbers …
const CHUNK: usize = 1 << 14;
const PARALLEL_FROM: usize = 1 << 16;
/// … and where every element has its own to prepare.
const COSTLY_CHUNK: usize = 1 << 11;
const COSTLY_PARALLEL_FROM: usize = 1 << 13;

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
                    let from = self.sum_blocks::<A, true>(params, prepared);
                    self.sweep::<A, true>(from, |_| prepared);
                } else {
                    let from = self.sum_blocks::<A, false>(params, prepared);
                    self.sweep::<A, false>(from, |_| prepared);
                }
            }
            (false, true) => self.sweep::<A, true>(0, F::prepare::<A, T>),
            (false, false) => self.sweep::<A, false>(0, F::prepare::<A, T>),
        }
    }
}

impl<F: Family<P>, T: Real, const P: usize> Pass<'_, F, T, P> {
    /// Long data under numbers, whose own gradient is not wanted: the sums stay in registers. Returns how many elements
    /// it took.
    #[inline(always)]
    fn sum_blocks<A: Arch, const GRADIENTS: bool>(
        &mut self,
        params: [T; P],
        prepared: F::Prepared<T>,
    ) -> usize {
        let operands = (self.value, self.weight, &self.log_prob, &self.d_value);
        let (Lane::Each(x), Lane::Number(weight), Target::Sum(_), Target::Skip) = operands else { return 0 };
        let (blocks, _) = x.as_chunks::<LANES>();
        let mut log_prob = [T::ZERO; LANES];
        let mut d_params = [[T::ZERO; LANES]; P];
        for block in blocks {
            for lane in 0..LANES {
                let terms = F::terms::<A, T>(block[lane], params, prepared);
                log_prob[lane] += terms.log_prob;
                if GRADIENTS {
                    for index in 0..P {
                        d_params[index][lane] += terms.d_params[index];
                    }
                }
            }
        }
        self.log_prob.close(log_prob.map(|sum| sum * weight));
        for (target, sums) in self.d_params.iter_mut().zip(d_params) {
            target.close(sums.map(|sum| sum * weight));
        }
        blocks.len() * LANES
    }

    #[inline(always)]
    fn sweep<A: Arch, const GRADIENTS: bool>(
        &mut self,
        from: usize,
        prepare: impl Fn([T; P]) -> F::Prepared<T>,
    ) {
        let zeros = [T::ZERO; LANES];
        let mut sums = LaneSums { log_prob: zeros, d_value: zeros, d_params: [zeros; P] };
        let whole = self.len / LANES * LANES;
        for start in (from..whole).step_by(LANES) {
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
    fn run_all(mut self, chunk: usize, parallel: bool) -> Sums<T, P> {
        if self.len <= chunk {
            return self.run_chunk();
        }
        let half = (self.len / 2).next_multiple_of(chunk).min(self.len - 1);
        let (left, right) = self.split(half);
        let (left, right) = if parallel {
            rayon::join(|| left.run_all(chunk, true), || right.run_all(chunk, true))
        } else {
            (left.run_all(chunk, false), right.run_all(chunk, false))
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
pub(super) struct Operands<'a, T, const P: usize> {
    pub(super) value: &'a [T],
    pub(super) params: [&'a [T]; P],
    weight: &'a [T],
}

impl<'a, T, const P: usize> Operands<'a, T, P> {
    pub(super) fn new(inputs: &[&'a [T]], weight: &'a [T]) -> Self {
        Operands { value: inputs[0], params: std::array::from_fn(|index| inputs[index + 1]), weight }
    }
}

/// Where the results of a pass over all elements go; each slice is as long as its operand, or absent.
pub(super) struct Outputs<'a, T, const P: usize> {
    pub(super) log_prob: Option<&'a mut [T]>,
    pub(super) d_value: Option<&'a mut [T]>,
    pub(super) d_params: [Option<&'a mut [T]>; P],
}

impl<T: Real, const P: usize> Outputs<'_, T, P> {
    pub(super) const NONE: Self = Outputs { log_prob: None, d_value: None, d_params: [const { None }; P] };
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
pub(super) fn run<F: Family<P>, T: Real, const P: usize>(
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
    let numbers = pass.params.iter().all(|lane| matches!(lane, Lane::Number(_)));
    let (chunk, parallel_from) =
        if numbers { (CHUNK, PARALLEL_FROM) } else { (COSTLY_CHUNK, COSTLY_PARALLEL_FROM) };
    let sums = if len <= chunk { pass.run_chunk() } else { pass.run_all(chunk, len >= parallel_from) };
    add_sum(&mut outputs.d_value, sums.d_value);
    for (out, sum) in outputs.d_params.iter_mut().zip(sums.d_params) {
        add_sum(out, sum);
    }
    sums.log_prob
}
