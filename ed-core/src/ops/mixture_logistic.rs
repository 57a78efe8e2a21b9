//! The log-density of a mixture of logistic distributions over the channels of pixels, as one operation.
//!
//! A pixel has few components, too few for a vector register, so the arithmetic runs over pixels side by side: a block
//! of rows of parameters is turned on its side, and its partial derivatives back. Those are kept from the forward pass.

use crate::kernels::dispatch::{Arch, Kernel, dispatch};
use crate::kernels::parallel::{Rows, for_each};
use crate::kernels::{Real, math};
use crate::tensor::tape::apply;
use crate::tensor::{Backward, Dims, Float, Keep, Op, Value};

/// Pixels side by side.
const LANES: usize = 16;
/// Pixels that one core takes at a time.
const CHUNK: usize = 512;
/// Logarithms of scales are taken between these bounds, so that nothing overflows in either precision.
pub(crate) const LOG_SCALE_BOUND: f64 = 30.0;

/// How the parameters of a pixel lie in a row: `[logits K | loc K×C | log_scale K×C | coeffs K×C(C-1)/2]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Form {
    pub channels: usize,
    pub components: usize,
}

impl Form {
    /// Pairs of a channel and one before it.
    pub(crate) fn pairs(self) -> usize {
        self.channels * (self.channels.max(1) - 1) / 2
    }

    /// Parameters of a pixel.
    pub(crate) fn row(self) -> usize {
        self.components * (1 + 2 * self.channels + self.pairs())
    }

    pub(crate) fn loc(self, component: usize, channel: usize) -> usize {
        self.components + component * self.channels + channel
    }

    pub(crate) fn log_scale(self, component: usize, channel: usize) -> usize {
        self.loc(component, channel) + self.components * self.channels
    }

    /// The coefficient by which channel `before` moves the location of `channel`.
    pub(crate) fn coeff(self, component: usize, channel: usize, before: usize) -> usize {
        let pair = channel * (channel.max(1) - 1) / 2 + before;
        self.components * (1 + 2 * self.channels) + component * self.pairs() + pair
    }
}

/// The bins of equally spaced levels; the values are levels then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bins {
    pub low: f64,
    pub step: f64,
    pub last: f64,
}

/// A log-probability, and its partial derivatives by the location and by the logarithm of the scale.
struct Terms<T>(T, T, T);

/// Of the bin of half-width `half` around a point at `distance` from the location.
#[inline(always)]
fn bin<A: Arch, T: Real>(distance: T, inverse: T, half: T, first: bool, last: bool) -> Terms<T> {
    let (high, low) = ((distance + half) * inverse, (distance - half) * inverse);
    let width = (half + half) * inverse;
    let (e_high, e_low) = (math::exp::<A, T>(-high.abs()), math::exp::<A, T>(-low.abs()));
    // σ(high) - σ(low) = σ(high) σ(-low) (1 - e^-width): a product, in which nothing cancels.
    let rest = -math::expm1::<A, T>(-width);
    let (sum_high, sum_low) = (T::ONE + e_high, T::ONE + e_low);
    let tail_high = if high < T::ZERO { high } else { T::ZERO };
    let tail_low = if low > T::ZERO { -low } else { T::ZERO };
    let pull_high = if high >= T::ZERO { e_high } else { T::ONE } / sum_high;
    let pull_low = if low >= T::ZERO { T::ONE } else { e_low } / sum_low;
    // A bin that is open on one side is a tail: the factors of the other two are one.
    let tail_high = if last { T::ZERO } else { tail_high };
    let tail_low = if first { T::ZERO } else { tail_low };
    let pull_high = if last { T::ZERO } else { pull_high };
    let pull_low = if first { T::ZERO } else { pull_low };
    let sum_high = if last { T::ONE } else { sum_high };
    let sum_low = if first { T::ONE } else { sum_low };
    let open = first || last;
    let spread = if open { T::ZERO } else { width * (T::ONE - rest) / rest };
    let rest = if open { T::ONE } else { rest };
    let log = tail_high + tail_low + math::ln::<A, T>(rest / (sum_high * sum_low));
    Terms(log, inverse * (pull_low - pull_high), low * pull_low - high * pull_high - spread)
}

/// Of the point at `distance` from the location.
#[inline(always)]
fn density<A: Arch, T: Real>(distance: T, inverse: T, log_scale: T) -> Terms<T> {
    let z = distance * inverse;
    let e = math::exp::<A, T>(-z.abs());
    let pull = ((T::ONE - e) / (T::ONE + e)).copysign(z);
    let log = -z.abs() - T::TWO * math::ln::<A, T>(T::ONE + e) - log_scale;
    Terms(log, inverse * pull, z * pull - T::ONE)
}

type Block<T> = [T; LANES];

/// A run of pixels.
struct Pixels<'a, T> {
    form: Form,
    bins: Option<Bins>,
    params: &'a [T],
    x: &'a [T],
    out: &'a mut [T],
    d_params: Option<&'a mut [T]>,
    d_x: Option<&'a mut [T]>,
}

/// The numbers of a block of pixels, each parameter side by side.
struct Scratch<T> {
    params: Vec<Block<T>>,
    partials: Vec<Block<T>>,
    joint: Vec<Block<T>>,
    /// `tanh` of the coefficients.
    turned: Vec<Block<T>>,
    x: Vec<Block<T>>,
    d_x: Vec<Block<T>>,
}

/// Rows of `columns` numbers, turned on their side; the last row stands for those past the end.
#[inline(always)]
fn turn<T: Real>(rows: &[T], columns: usize, out: &mut [Block<T>]) {
    let last = rows.len() / columns - 1;
    for lane in 0..LANES {
        let row = &rows[lane.min(last) * columns..][..columns];
        for (out, &x) in out.iter_mut().zip(row) {
            out[lane] = x;
        }
    }
}

/// The way back.
#[inline(always)]
fn turn_back<T: Real>(blocks: &[Block<T>], rows: &mut [T]) {
    for (lane, row) in rows.chunks_exact_mut(blocks.len()).enumerate() {
        for (out, block) in row.iter_mut().zip(blocks) {
            *out = block[lane];
        }
    }
}

/// `f(lane)` in every lane.
#[inline(always)]
fn lanes<T: Real>(f: impl Fn(usize) -> T) -> Block<T> {
    let mut out = [T::ZERO; LANES];
    for (lane, out) in out.iter_mut().enumerate() {
        *out = f(lane);
    }
    out
}

/// The largest of each lane, and the sum of the exponentials of the distances to it.
#[inline(always)]
fn max_and_sum<A: Arch, T: Real>(blocks: &[Block<T>]) -> (Block<T>, Block<T>) {
    let mut max = blocks[0];
    for block in &blocks[1..] {
        max = lanes(|lane| if block[lane] > max[lane] { block[lane] } else { max[lane] });
    }
    let mut sum = [T::ZERO; LANES];
    for block in blocks {
        sum = lanes(|lane| sum[lane] + math::exp::<A, T>(block[lane] - max[lane]));
    }
    (max, sum)
}

impl<T: Real> Kernel for Pixels<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<A: Arch>(mut self) {
        let (form, zeros) = (self.form, [T::ZERO; LANES]);
        let mut scratch = Scratch {
            params: vec![zeros; form.row()],
            partials: vec![zeros; form.row()],
            joint: vec![zeros; form.components],
            turned: vec![zeros; form.components * form.pairs()],
            x: vec![zeros; form.channels],
            d_x: vec![zeros; form.channels],
        };
        for start in (0..self.out.len()).step_by(LANES) {
            let len = LANES.min(self.out.len() - start);
            turn(&self.params[start * form.row()..][..len * form.row()], form.row(), &mut scratch.params);
            turn(&self.x[start * form.channels..][..len * form.channels], form.channels, &mut scratch.x);
            let log_prob = match self.bins {
                Some(bins) => self.block::<A, true>(bins, &mut scratch),
                None => self.block::<A, false>(Bins { low: 0.0, step: 1.0, last: 0.0 }, &mut scratch),
            };
            self.out[start..start + len].copy_from_slice(&log_prob[..len]);
            if let Some(d_params) = &mut self.d_params {
                turn_back(&scratch.partials, &mut d_params[start * form.row()..][..len * form.row()]);
            }
            if let Some(d_x) = &mut self.d_x {
                turn_back(&scratch.d_x, &mut d_x[start * form.channels..][..len * form.channels]);
            }
        }
    }
}

impl<T: Real> Pixels<'_, T> {
    /// The log-probabilities of a block of pixels, and their partial derivatives if those are wanted.
    #[inline(always)]
    fn block<A: Arch, const LEVELS: bool>(&self, bins: Bins, scratch: &mut Scratch<T>) -> Block<T> {
        let form = self.form;
        let Scratch { params, partials, joint, turned, x, d_x } = scratch;
        let [from, step, last] = [bins.low, bins.step, bins.last].map(T::from_f64);
        let half = T::HALF * step;
        let bound = T::from_f64(LOG_SCALE_BOUND);
        let mut possible = [T::ONE; LANES];
        let mut ends = [[false; LANES]; 2];
        for component in 0..form.components {
            let mut total = params[component];
            for channel in 0..form.channels {
                let mut loc = params[form.loc(component, channel)];
                for before in 0..channel {
                    let place = form.coeff(component, channel, before);
                    let tanh = lanes(|lane| math::tanh::<A, T>(params[place][lane]));
                    let by = &x[before];
                    let at = |lane: usize| if LEVELS { from + step * by[lane] } else { by[lane] };
                    loc = lanes(|lane| loc[lane] + tanh[lane] * at(lane));
                    turned[place - form.components * (1 + 2 * form.channels)] = tanh;
                }
                let (raw, x) = (&params[form.log_scale(component, channel)], &x[channel]);
                let (mut by_loc, mut by_scale) = ([T::ZERO; LANES], [T::ZERO; LANES]);
                if LEVELS {
                    for lane in 0..LANES {
                        ends[0][lane] = x[lane] <= T::ZERO;
                        ends[1][lane] = x[lane] >= last;
                        let level = x[lane] >= T::ZERO && x[lane] <= last && x[lane].floor() == x[lane];
                        possible[lane] = if level { possible[lane] } else { T::ZERO };
                    }
                }
                for lane in 0..LANES {
                    // NaN stays NaN.
                    let log_scale = if raw[lane] < -bound { -bound } else { raw[lane] };
                    let log_scale = if log_scale > bound { bound } else { log_scale };
                    let inverse = math::exp::<A, T>(-log_scale);
                    let Terms(log, loc, scale) = if LEVELS {
                        let distance = from + step * x[lane] - loc[lane];
                        bin::<A, T>(distance, inverse, half, ends[0][lane], ends[1][lane])
                    } else {
                        density::<A, T>(x[lane] - loc[lane], inverse, log_scale)
                    };
                    total[lane] += log;
                    by_loc[lane] = loc;
                    by_scale[lane] = if log_scale == raw[lane] { scale } else { T::ZERO };
                }
                partials[form.loc(component, channel)] = by_loc;
                partials[form.log_scale(component, channel)] = by_scale;
            }
            joint[component] = total;
        }
        let (max, sum) = max_and_sum::<A, T>(joint);
        let (max_logit, sum_logits) = max_and_sum::<A, T>(&params[..form.components]);
        let log_prob = lanes(|lane| {
            let log_prob = max[lane] - max_logit[lane] + math::ln::<A, T>(sum[lane] / sum_logits[lane]);
            if possible[lane] == T::ZERO { T::NEG_INFINITY } else { log_prob }
        });
        if self.d_params.is_none() && self.d_x.is_none() {
            return log_prob;
        }
        let share = lanes(|lane| possible[lane] / sum[lane]);
        let prior = lanes(|lane| possible[lane] / sum_logits[lane]);
        d_x.fill([T::ZERO; LANES]);
        for component in 0..form.components {
            let weight = lanes(|lane| math::exp::<A, T>(joint[component][lane] - max[lane]) * share[lane]);
            let logits = &params[component];
            partials[component] =
                lanes(|lane| weight[lane] - math::exp::<A, T>(logits[lane] - max_logit[lane]) * prior[lane]);
            for channel in 0..form.channels {
                let place = form.loc(component, channel);
                let by_loc = lanes(|lane| partials[place][lane] * weight[lane]);
                partials[place] = by_loc;
                let place = form.log_scale(component, channel);
                partials[place] = lanes(|lane| partials[place][lane] * weight[lane]);
                if !LEVELS {
                    d_x[channel] = lanes(|lane| d_x[channel][lane] - by_loc[lane]);
                }
                for before in 0..channel {
                    let place = form.coeff(component, channel, before);
                    let tanh = &turned[place - form.components * (1 + 2 * form.channels)];
                    let by = &x[before];
                    let at = |lane: usize| if LEVELS { from + step * by[lane] } else { by[lane] };
                    partials[place] =
                        lanes(|lane| by_loc[lane] * at(lane) * (T::ONE - tanh[lane] * tanh[lane]));
                    if !LEVELS {
                        d_x[before] = lanes(|lane| d_x[before][lane] + by_loc[lane] * tanh[lane]);
                    }
                }
            }
        }
        log_prob
    }
}

/// The log-density of every pixel, or the log-probability of its levels.
#[derive(Debug)]
struct LogProb {
    form: Form,
    bins: Option<Bins>,
}

impl<E: Float> Op<E> for LogProb {
    fn name(&self) -> &'static str {
        "MixtureLogistic"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], mut keep: Keep<'_, E>) {
        let LogProb { form, bins } = *self;
        let (params, x) = (inputs[0], inputs[1]);
        // Levels are whole numbers: nothing flows to them.
        let (by_params, by_x) = (keep.wants(0), keep.wants(1) && bins.is_none());
        let saved = keep.saved();
        saved.clear();
        let first = if by_params { params.len() } else { 0 };
        saved.resize(first + if by_x { x.len() } else { 0 }, E::ZERO);
        let (d_params, d_x) = saved.split_at_mut(first);
        let rows = |slice, columns| Rows::new(slice, columns);
        let d_params = by_params.then(|| Rows::new(d_params, form.row()));
        let d_x = by_x.then(|| Rows::new(d_x, form.channels));
        let parts = (rows(params, form.row()), rows(x, form.channels), out, d_params, d_x);
        for_each(parts, CHUNK, |_, (params, x, out, d_params, d_x)| {
            let (params, x) = (params.into_inner(), x.into_inner());
            let (d_params, d_x) = (d_params.map(Rows::into_inner), d_x.map(Rows::into_inner));
            dispatch(Pixels { form, bins, params, x, out, d_params, d_x });
        });
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let (mut saved, grad_out) = (pass.saved, pass.grad_out);
        let columns = [self.form.row(), self.form.channels];
        for (index, columns) in columns.into_iter().enumerate() {
            let len = pass.inputs[index].len();
            let Some(slot) = pass.grad(index).filter(|_| index == 0 || self.bins.is_none()) else { continue };
            let (partials, rest) = saved.split_at(len);
            saved = rest;
            let fresh = slot.is_fresh();
            let rows = slot.raw().chunks_exact_mut(columns).zip(partials.chunks_exact(columns));
            for ((grad, partials), &g) in rows.zip(grad_out) {
                let terms = grad.iter_mut().zip(partials);
                if fresh {
                    terms.for_each(|(grad, &partial)| *grad = g * partial);
                } else {
                    terms.for_each(|(grad, &partial)| *grad += g * partial);
                }
            }
        }
    }
}

/// `[…, R]` parameters and `[…, C]` values give `[…]`: the log-density, or with `bins` the log-probability of levels.
pub(crate) fn log_prob<E: Float>(
    params: &Value<E>,
    x: &Value<E>,
    form: Form,
    bins: Option<Bins>,
) -> Value<E> {
    let front = x.dims().rank().saturating_sub(1);
    let dims: Dims = x.dims()[..front].iter().copied().collect();
    apply(LogProb { form, bins }, &[params, x], dims)
}

/// Rows of several tensors behind one another.
#[derive(Debug)]
struct JoinRows {
    columns: Vec<usize>,
}

impl<E: Float> Op<E> for JoinRows {
    fn name(&self) -> &'static str {
        "join_rows"
    }

    fn forward(&self, inputs: &[&[E]], out: &mut [E], _: Keep<'_, E>) {
        let whole = self.columns.iter().sum::<usize>().max(1);
        for (row, mut out) in out.chunks_exact_mut(whole).enumerate() {
            for (input, &columns) in inputs.iter().zip(&self.columns) {
                let (part, rest) = out.split_at_mut(columns);
                part.copy_from_slice(&input[row * columns..][..columns]);
                out = rest;
            }
        }
    }

    fn backward(&self, pass: &mut Backward<'_, E>) {
        let whole = self.columns.iter().sum::<usize>().max(1);
        let (grad_out, mut from) = (pass.grad_out, 0);
        for (index, &columns) in self.columns.iter().enumerate() {
            if let Some(slot) = pass.grad(index) {
                let rows = slot.add().chunks_exact_mut(columns.max(1)).zip(grad_out.chunks_exact(whole));
                for (grad, g) in rows {
                    grad.iter_mut().zip(&g[from..from + columns]).for_each(|(grad, &g)| *grad += g);
                }
            }
            from += columns;
        }
    }
}

/// The same number of rows of each part, joined: `rows` of the sum of the parts' columns, in the front's sizes.
pub(crate) fn join_rows<E: Float>(parts: &[&Value<E>], front: Dims) -> Value<E> {
    let rows = front.num_elements().max(1);
    let columns: Vec<usize> = parts.iter().map(|part| part.dims().num_elements() / rows).collect();
    let dims = front.with_last(columns.iter().sum());
    apply(JoinRows { columns }, parts, dims)
}
