//! The uniform distribution.

use super::param::draw;
use super::univariate::*;

distribution! {
    /// Uniform distribution between `low` and `high`.
    ///
    /// # Density
    /// `log p(x) = -ln(high - low)`; support: `low ≤ x ≤ high`.
    ///
    /// # Shapes
    /// `low`, `high`: batch `B`; event: scalar. `log_prob`: `[B] → [B]`.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) with the name `high` unless it is above `low` everywhere.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let log_prob = Uniform::new(0.5, 2.0)?.log_prob(&Var::<(), f64>::scalar(1.3))?;
    /// approx::assert_relative_eq!(log_prob.item()?, -0.405465, epsilon = 1e-6);
    /// # Ok(()) }
    /// ```
    Uniform::new(A low: finite, B high: finite) where ordered
}

fn ordered<S: Shape, E: Float>(uniform: &Uniform<S, E>) -> Result<()> {
    let (low, high) = (uniform.low.peek()?, uniform.high.peek()?);
    let pair = |index: usize| (low[index % low.len()], high[index % high.len()]);
    let mut pairs = (0..crate::tensor::Dims::of(&uniform.shape).num_elements()).map(pair);
    match pairs.find(|(low, high)| low >= high || !(*high - *low).is_finite()) {
        None => Ok(()),
        Some((low, high)) => Err(Error::Parameter {
            of: "Uniform",
            name: "high",
            must_be: "above `low`, at a finite distance",
            got: format!("{high}, where `low` is {low}"),
        }),
    }
}

/// The density, once for both precisions.
#[derive(Clone, Copy, Debug)]
struct Density;

impl Family<2> for Density {
    const NAME: &'static str = "Uniform";
    /// `1 / (high - low)` and its logarithm.
    type Prepared<T: Real> = (T, T);

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([low, high]: [T; 2]) -> (T, T) {
        (T::ONE / (high - low), -math::ln::<A, T>(high - low))
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(x: T, [low, high]: [T; 2], (density, log_prob): (T, T)) -> Terms<T, 2> {
        Terms { log_prob, d_value: T::ZERO, d_params: [density, -density] }.inside(x > low && x < high)
    }
}

impl Cdf<2> for Density {
    /// The part of the whole width that lies between the ends.
    fn interval(low: f64, high: f64, [from, to]: [f64; 2]) -> Interval<2> {
        let (cuts_low, cuts_high) = (low > from, high < to);
        let inside = if cuts_high { high } else { to } - if cuts_low { low } else { from };
        if inside <= 0.0 {
            return Interval { log: f64::NEG_INFINITY, by_low: 0.0, by_high: 0.0, by_params: [0.0; 2] };
        }
        let (of_inside, of_whole) = (1.0 / inside, 1.0 / (to - from));
        let if_cut = |cut: bool| if cut { of_inside } else { 0.0 };
        Interval {
            log: (inside / (to - from)).ln(),
            by_low: -if_cut(cuts_low),
            by_high: if_cut(cuts_high),
            by_params: [of_whole - if_cut(!cuts_low), if_cut(!cuts_high) - of_whole],
        }
    }
}

has_cdf!(Uniform, OfTwo, Density, low, high);

impl<S: Shape, E: Float> Distribution for Uniform<S, E> {
    univariate!(Uniform, Density, low, high);
    const PATHWISE: bool = true;

    fn support(&self) -> Constraint<E> {
        Constraint::Interval(self.low.clone(), self.high.clone())
    }

    fn sample(&self, key: Key) -> Result<Var<S, E>> {
        let noise = draw(self.shape, |out| rng::fill_uniform(key, out));
        // A mean of the ends with weights: inside them whatever the rounding, unlike low + u (high - low).
        ((1.0 - &noise) * self.low()? + noise * self.high()?).check()
    }

    fn mean(&self) -> Result<Var<S, E>> {
        (0.5 * (self.low()? + self.high()?)).check()
    }

    fn variance(&self) -> Result<Var<S, E>> {
        ((self.high()? - self.low()?).square() / 12.0).check()
    }

    fn entropy(&self) -> Result<Var<S, E>> {
        (self.high()? - self.low()?).ln().check()
    }
}
