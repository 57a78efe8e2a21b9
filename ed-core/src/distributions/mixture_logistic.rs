//! The mixture of logistic distributions over the channels of pixels: PixelCNN++'s likelihood.

use std::f64::consts::PI;

use super::discretized::{Discretizable, Grid};
use super::param::{Param, draw, finite, require, rule};
use super::univariate::*;
use crate::ops::mixture_logistic::{self as op, Bins, Form, LOG_SCALE_BOUND};
use crate::ops::{layout, reduce};
use crate::tensor::{Dims, WithoutLast};

/// A mixture of logistic distributions over the channels of a pixel, each channel's location moved by the channels
/// before it.
///
/// # Density
/// `log p(x) = ln Σ_k softmax(logits)_k Π_c Logistic(x_c; m_kc, e^(log_scale_kc))` with
/// `m_kc = loc_kc + Σ_{b<c} tanh(coeff_kcb) x_b`; support: all reals. For the channels red, green and blue the
/// coefficients are, in order, green by red, blue by red, blue by green. Logarithms of scales are taken between -30
/// and 30.
///
/// [`Discretized`](super::Discretized) makes it a likelihood of levels. For images, [`Grid::between`]`(-1.0, 1.0, 256)`
/// lets the intensity `v` of `0` to `255` stand for `x = v / 127.5 - 1`, so that locations, scales and coefficients are
/// those of pixels between -1 and 1.
///
/// # Shapes
/// `logits`: `[B…, K]`; `loc`, `log_scale`: `[B…, K, C]`; `coeffs`: `[B…, K, C (C - 1) / 2]`; batch: `[B…]`, the pixels;
/// event: `[C]`, the channels. `log_prob`: `[B…, C] → [B…]`.
///
/// # Source
/// Salimans et al. 2017, PixelCNN++, sections 2.1 and 2.2.
///
/// # Examples
/// ```
/// use ed::prelude::*;
/// # fn main() -> Result<()> {
/// // One pixel of one channel: weights 0.2, 0.5 and 0.3, then locations, then logarithms of scales.
/// let params = [0.2f64.ln(), 0.5f64.ln(), 0.3f64.ln(), 100.0, 120.0, 250.0, 5f64.ln(), 2f64.ln(), 10f64.ln()];
/// let pixels = MixtureLogistic::from_params(Var::from(params), 1, 3)?;
/// let density = pixels.log_prob(&Var::from([119.0]))?.item()?;
/// approx::assert_relative_eq!(density, -2.819980775, epsilon = 1e-8);
/// let levels = Discretized::new(pixels, 256)?;
/// approx::assert_relative_eq!(levels.log_prob(&Var::from([255.0]))?.item()?, -2.147221750, epsilon = 1e-8);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct MixtureLogistic<S: Shape = (usize,), E: Float = f32> {
    params: Value<E>,
    form: Form,
    shape: S,
}

const NAME: &str = "MixtureLogistic";

impl<S: Shape, E: Float> MixtureLogistic<S, E> {
    /// From one row of parameters a pixel, as a network gives them: `[B…, K (1 + 2 C + C (C - 1) / 2)]`, that is the
    /// logits, then the locations by component and channel, the logarithms of the scales, and the coefficients.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless every number is finite, and there is a channel and a component; [`Error::Shape`] if
    /// the last axis has another size.
    pub fn from_params<A: Param<E, Shape = S>>(
        params: A,
        channels: usize,
        components: usize,
    ) -> Result<Self> {
        Self::checked(params.into_param().into_value(), Form { channels, components })
    }

    /// From separate parameters, with no coefficients: each channel by itself, given the component.
    ///
    /// # Errors
    /// As [`MixtureLogistic::from_params`], and [`Error::Broadcast`] if the shapes do not fit together.
    pub fn new<A, B, C>(logits: A, loc: B, log_scale: C) -> Result<Self>
    where
        A: Param<E, Shape = S>,
        B: Param<E>,
        C: Param<E>,
    {
        let (logits, loc) = (logits.into_param().into_value(), loc.into_param().into_value());
        let log_scale = log_scale.into_param().into_value();
        let (Some((&components, front)), Some(&channels)) = (logits.dims().split_last(), loc.dims().last())
        else {
            return Err(Error::Shape { op: NAME, expected: "[…, K]".into(), got: *logits.dims() });
        };
        let form = Form { channels, components };
        for param in [&loc, &log_scale] {
            if **param.dims() != *[front, &[components, channels]].concat() {
                return Err(Error::Broadcast { op: NAME, lhs: *logits.dims(), rhs: *param.dims() });
            }
        }
        let front: Dims = front.iter().copied().collect();
        let none = Value::full(E::ZERO, front.with_last(components * form.pairs()));
        Self::checked(op::join_rows(&[&logits, &loc, &log_scale, &none], front), form)
    }

    /// The same distribution with other coefficients `[B…, K, C (C - 1) / 2]`, which enter through `tanh`.
    ///
    /// # Errors
    /// As [`MixtureLogistic::new`].
    pub fn with_coeffs<A: Param<E>>(self, coeffs: A) -> Result<Self> {
        let (coeffs, form) = (coeffs.into_param().into_value(), self.form);
        let front = Dims::of(&self.batch_shape());
        if **coeffs.dims() != *[&*front, &[form.components, form.pairs()]].concat() {
            return Err(Error::Broadcast { op: NAME, lhs: *self.params.dims(), rhs: *coeffs.dims() });
        }
        let count = form.components * (1 + 2 * form.channels);
        let others = layout::columns(&self.params, 0, count, 1);
        Self::checked(op::join_rows(&[&others, &coeffs], front), form)
    }

    fn checked(params: Value<E>, form: Form) -> Result<Self> {
        for (name, size) in [("channels", form.channels), ("components", form.components)] {
            if size == 0 {
                return Err(Error::Parameter { of: NAME, name, must_be: "at least 1", got: "0".into() });
            }
        }
        let dims = *params.check()?.dims();
        let Some((_, front)) = dims.split_last().filter(|(last, _)| **last == form.row()) else {
            let expected = format!(
                "with {} numbers a pixel for {} channels and {} components",
                form.row(),
                form.channels,
                form.components
            );
            return Err(Error::Shape { op: NAME, expected, got: dims });
        };
        // Without an early end the check runs on vectors; the slow one finds the number.
        if !params.peek()?.iter().fold(true, |all, x| all & x.is_finite()) {
            require(NAME, "params", rule!(finite), &params, finite)?;
        }
        let draws: Dims = front.iter().copied().chain([form.channels]).collect();
        match draws.typed() {
            Some(shape) => Ok(MixtureLogistic { params, form, shape }),
            None => Err(Error::Shape {
                op: NAME,
                expected: "with a last axis whose size is known at run time".into(),
                got: dims,
            }),
        }
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.form.channels
    }

    /// Number of components.
    pub fn components(&self) -> usize {
        self.form.components
    }

    /// The row of parameters of every pixel, in the order of [`MixtureLogistic::from_params`].
    ///
    /// # Errors
    /// The error of an operation that failed on the way to them.
    pub fn params(&self) -> Result<Var<S, E>> {
        Var::from_value(self.params.clone())
    }

    /// A parameter of one channel of each component, `[B…, K]`; `from` is its place for the first component.
    fn of_channel(&self, from: usize) -> Value<E> {
        let Form { channels, components, .. } = self.form;
        layout::columns(&self.params, from, components, channels)
    }

    /// `tanh` of the coefficient by which one channel moves another, of each component: `[B…, K]`.
    fn coeff(&self, channel: usize, before: usize) -> Value<E> {
        let from = self.form.coeff(0, channel, before);
        ew::tanh(&layout::columns(&self.params, from, self.form.components, self.form.pairs()))
    }

    /// The probabilities of the components: `[B…, K]`.
    fn weights(&self) -> Value<E> {
        ew::exp(&reduce::log_softmax_last(&layout::columns(&self.params, 0, self.form.components, 1)))
    }

    /// The mean of each channel, given the component: `[B…, K]` each.
    fn means(&self) -> Vec<Value<E>> {
        let mut means: Vec<Value<E>> = Vec::new();
        for channel in 0..self.form.channels {
            let mut mean = self.of_channel(self.form.loc(0, channel));
            for (before, other) in means.iter().enumerate() {
                mean = ew::add(&mean, &ew::mul(&self.coeff(channel, before), other));
            }
            means.push(mean);
        }
        means
    }

    /// The average over the components of something of each channel, in the shape of a draw.
    fn averaged(&self, of_channels: &[Value<E>]) -> Result<Var<S, E>> {
        let weights = self.weights();
        let averages: Vec<Value<E>> =
            of_channels.iter().map(|each| reduce::sum_last(&ew::mul(&weights, each))).collect();
        Var::from_value(op::join_rows(&averages.iter().collect::<Vec<_>>(), Dims::of(&self.batch_shape())))
    }

    /// A draw, channel by channel; on a grid each channel is rounded before it moves the next one, and the result are
    /// levels.
    fn draw(&self, key: Key, grid: Option<&Grid>) -> Result<Var<S, E>> {
        // The draw does not follow the parameters when a tape is replayed, so the tape must know.
        let (params, form) = (self.params.consult()?, self.form);
        let mut x = vec![0.0; form.channels];
        Ok(draw(self.shape, |out| {
            let rows = params.chunks_exact(form.row()).zip(out.chunks_exact_mut(form.channels));
            for (pixel, (params, out)) in rows.enumerate() {
                let param = |place: usize| params[place].to_f64();
                let stream = &mut key.fold_in(pixel as u64).stream();
                let component = component(&params[..form.components], stream.open_unit());
                for channel in 0..form.channels {
                    let moved: f64 = (0..channel)
                        .map(|before| param(form.coeff(component, channel, before)).tanh() * x[before])
                        .sum();
                    let log_scale = param(form.log_scale(component, channel));
                    let scale = log_scale.clamp(-LOG_SCALE_BOUND, LOG_SCALE_BOUND).exp();
                    let u = stream.open_unit();
                    let noise = scale * (u.ln() - (-u).ln_1p());
                    x[channel] = param(form.loc(component, channel)) + moved + noise;
                    out[channel] = E::from_f64(x[channel]);
                    if let Some(grid) = grid {
                        let level = grid.level(x[channel]);
                        out[channel] = E::from_f64(level);
                        x[channel] = grid.low() + grid.step() * level;
                    }
                }
            }
        }))
    }
}

/// The component whose share of the probability a uniform number falls into.
fn component<E: Float>(logits: &[E], uniform: f64) -> usize {
    let max = logits.iter().map(|x| x.to_f64()).fold(f64::NEG_INFINITY, f64::max);
    let weights = || logits.iter().map(|x| (x.to_f64() - max).exp());
    let mut rest = uniform * weights().sum::<f64>();
    let found = weights().position(|weight| {
        rest -= weight;
        rest < 0.0
    });
    found.unwrap_or(logits.len() - 1)
}

impl<S: Shape, E: Float> Distribution for MixtureLogistic<S, E> {
    type Elem = E;
    type Batch = WithoutLast<S>;
    type Shape = S;
    const NAME: &'static str = NAME;

    fn shape(&self) -> S {
        self.shape
    }

    fn batch_shape(&self) -> Self::Batch {
        let dims = Dims::of(&self.shape);
        let batch: Dims = dims[..dims.rank() - 1].iter().copied().collect();
        match batch.typed() {
            Some(shape) => shape,
            None => unreachable!("a shape without its last axis has the type that says so"),
        }
    }

    fn support(&self) -> Constraint<E> {
        Constraint::Real
    }

    /// A component a pixel, then its channels in order. No gradient.
    fn sample(&self, key: Key) -> Result<Var<S, E>> {
        self.draw(key, None)
    }

    fn log_prob(&self, value: &Var<S, E>) -> Result<Var<Self::Batch, E>> {
        self.check_shape(value)?;
        Var::from_value(op::log_prob(&self.params, value.value(), self.form, None))
    }

    /// `Σ_k w_k m_kc`, where a channel's mean moves those after it.
    fn mean(&self) -> Result<Var<S, E>> {
        self.averaged(&self.means())
    }

    /// From the second moments of the components: given one, a channel is a sum of the noise of its own and of the
    /// channels before it.
    fn variance(&self) -> Result<Var<S, E>> {
        let channels = self.form.channels;
        // noise[c][j]: by how much the noise of channel j moves channel c.
        let mut noise: Vec<Vec<Value<E>>> = Vec::new();
        let mut moments = Vec::new();
        let ones = Value::full(E::ONE, *self.weights().dims());
        for (channel, mean) in (0..channels).zip(self.means()) {
            let mut row = vec![Value::full(E::ZERO, *ones.dims()); channel];
            for (before, others) in noise.iter().enumerate() {
                for (sum, other) in row.iter_mut().zip(others) {
                    *sum = ew::add(sum, &ew::mul(&self.coeff(channel, before), other));
                }
            }
            row.push(ones.clone());
            let mut moment = ew::square(&mean);
            for (of, factor) in row.iter().enumerate() {
                let scale = ew::exp(&self.of_channel(self.form.log_scale(0, of)));
                let spread = ew::square(&ew::mul(factor, &scale));
                moment = ew::add(&moment, &ew::scale(&spread, PI * PI / 3.0));
            }
            noise.push(row);
            moments.push(moment);
        }
        (self.averaged(&moments)? - self.mean()?.square()).check()
    }
}

impl<S: Shape, E: Float> Discretizable for MixtureLogistic<S, E> {
    /// The bins of all channels together: `ln Σ_k w_k Π_c P_kc`, where a channel's location is moved by the numbers for
    /// which the levels before it stand.
    fn log_prob_of_levels(&self, levels: &Var<S, E>, grid: &Grid) -> Result<Var<Self::Batch, E>> {
        self.check_shape(levels)?;
        let bins = Bins { low: grid.low(), step: grid.step(), last: grid.last() };
        Var::from_value(op::log_prob(&self.params, levels.value(), self.form, Some(bins)))
    }

    fn sample_levels(&self, key: Key, grid: &Grid) -> Result<Var<S, E>> {
        self.draw(key, Some(grid))
    }
}
