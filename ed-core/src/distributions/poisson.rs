//! The Poisson distribution.

use super::param::{Joint, Param, Params, draw, drawn, nonnegative, require, rule};
use super::univariate::*;

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
    Poisson::from_log_rate(A log_rate: number)
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
        Ok(Poisson { log_rate: ew::ln(&rate), shape })
    }
}

impl<S: Shape, E: Float> Poisson<S, E> {
    /// The rate, in the shape of a draw.
    ///
    /// # Errors
    /// The error of an operation that failed on the way to it.
    pub fn rate(&self) -> Result<Var<S, E>> {
        self.log_rate()?.exp().check()
    }
}

/// Whether a number is a count, and `ln k!` if it is.
#[inline(always)]
pub(crate) fn count_and_ln_factorial<T: Real>(x: T) -> (bool, T) {
    let inside = x >= T::ZERO && x.floor() == x && x < T::INFINITY;
    (inside, if inside { through_f64(x, |x| special::ln_gamma(x + 1.0)) } else { T::ZERO })
}

/// The mass, once for both precisions.
#[derive(Clone, Copy, Debug)]
struct Density;

impl Family<1> for Density {
    const NAME: &'static str = "Poisson";
    /// The rate.
    type Prepared<T: Real> = T;

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([log_rate]: [T; 1]) -> T {
        math::exp::<A, T>(log_rate)
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(x: T, [log_rate]: [T; 1], rate: T) -> Terms<T, 1> {
        let (inside, ln_factorial) = count_and_ln_factorial(x);
        let log_prob = super::bernoulli::weighted(x, log_rate) - rate - ln_factorial;
        Terms { log_prob, d_value: T::ZERO, d_params: [x - rate] }.inside(inside)
    }
}

impl<S: Shape, E: Float> Distribution for Poisson<S, E> {
    univariate!(Poisson, Density, log_rate);
    const DISCRETE: bool = true;

    fn support(&self) -> Constraint<E> {
        Constraint::NonNegativeInteger
    }

    fn sample(&self, key: Key) -> Result<Var<S, E>> {
        let rate = ew::exp(&self.log_rate);
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
