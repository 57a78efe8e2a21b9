//! The Poisson distribution.

use super::param::{Joint, Param, Params, draw, drawn, filled, nonnegative, require, rule};
use super::univariate::*;
use crate::kernels::dispatch::Portable;
use crate::kernels::saddle_point;

distribution! {
    /// Poisson distribution with rate `λ`, which is its mean and its variance.
    ///
    /// # Density
    /// `log p(k) = k ln λ - λ - ln k!`; support: 0, 1, 2, ….
    ///
    /// # Shapes
    /// `log_rate`: batch `B`; event: scalar. `log_prob`: `[B] → [B]`.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let log_prob = Poisson::new(0.7)?.log_prob(&Var::<(), f64>::scalar(2.0))?;
    /// approx::assert_relative_eq!(log_prob.item()?, -2.106497, epsilon = 1e-6);
    /// # Ok(()) }
    /// ```
    Poisson::from_log_rate(A log_rate: number), beside rate
}

impl<E: Float> Poisson<(), E> {
    /// A `Poisson` with the given rate.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) unless `rate` is finite and not negative.
    #[allow(clippy::new_ret_no_self)]
    pub fn new<A: Param<E>>(rate: A) -> Result<Poisson<Joint<E, (A,)>, E>> {
        let ((rate,), shape) = (rate,).join("Poisson")?;
        require("Poisson", "rate", rule!(nonnegative), &rate, nonnegative)?;
        let rate = ew::in_domain(&rate, false);
        Ok(Poisson { log_rate: ew::ln(&rate), rate: Some(rate), shape })
    }
}

impl<S: Shape, E: Float> Poisson<S, E> {
    /// The rate, in the shape of a draw.
    ///
    /// # Errors
    /// The error of an operation that failed on the way to it.
    pub fn rate(&self) -> Result<Var<S, E>> {
        match &self.rate {
            Some(rate) => filled(rate, &self.shape),
            None => self.log_rate()?.exp().check(),
        }
    }
}

/// What a parameter says about a rate.
trait Rate: Copy + Send + Sync + std::fmt::Debug + 'static {
    /// The rate, what its rounding has lost, and its logarithm.
    fn of(param: f64) -> (f64, f64, f64);

    /// The derivative of the log-mass of `k` by the parameter, given `gap = k - λ`.
    fn slope(k: f64, gap: f64, rate: f64) -> f64;
}

#[derive(Clone, Copy, Debug)]
struct ByLogarithm;

#[derive(Clone, Copy, Debug)]
struct ByItself;

impl Rate for ByLogarithm {
    #[inline(always)]
    fn of(log_rate: f64) -> (f64, f64, f64) {
        let (rate, lost) = math::exp_and_lost::<Portable>(log_rate);
        (rate, rate * lost, log_rate)
    }

    #[inline(always)]
    fn slope(_: f64, gap: f64, _: f64) -> f64 {
        gap
    }
}

impl Rate for ByItself {
    #[inline(always)]
    fn of(rate: f64) -> (f64, f64, f64) {
        (rate, 0.0, rate.ln())
    }

    #[inline(always)]
    fn slope(k: f64, gap: f64, rate: f64) -> f64 {
        if k == 0.0 { -1.0 } else { gap / rate }
    }
}

/// The mass, once for both precisions.
#[derive(Clone, Copy, Debug)]
struct Density<R>(R);

impl<R: Rate> Family<1> for Density<R> {
    const NAME: &'static str = "Poisson";
    /// The rate, what its rounding has lost, and its logarithm.
    type Prepared<T: Real> = (f64, f64, f64);

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([rate]: [T; 1]) -> (f64, f64, f64) {
        R::of(rate.to_f64())
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(x: T, _: [T; 1], (rate, lost, ln_rate): (f64, f64, f64)) -> Terms<T, 1> {
        if !is_count(x) {
            return Terms { log_prob: T::NEG_INFINITY, d_value: T::ZERO, d_params: [T::ZERO] };
        }
        let k = x.to_f64();
        let gap = (k - rate) - lost;
        let log_prob = saddle_point::poisson::<A>(k, rate, ln_rate, gap);
        let slope = R::slope(k, gap, rate);
        Terms { log_prob: T::from_f64(log_prob), d_value: T::ZERO, d_params: [T::from_f64(slope)] }
            .inside(log_prob != f64::NEG_INFINITY)
    }
}

impl<S: Shape, E: Float> Distribution for Poisson<S, E> {
    univariate!(Poisson, Density<ByLogarithm>, log_rate; Density<ByItself>, => rate);
    const DISCRETE: bool = true;

    fn support(&self) -> Constraint<E> {
        Constraint::NonNegativeInteger
    }

    fn sample(&self, key: Key) -> Result<Var<S, E>> {
        let rate = self.rate.clone().unwrap_or_else(|| ew::exp(&self.log_rate));
        let rate = rate.consult()?;
        drawn(Self::NAME, draw(self.shape, |out| sampling::fill_poisson(key, rate.into(), out)))
    }

    fn mean(&self) -> Result<Var<S, E>> {
        self.rate()
    }

    fn variance(&self) -> Result<Var<S, E>> {
        self.rate()
    }
}
