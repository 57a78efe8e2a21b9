//! The beta distribution.

use super::param::filled;
use super::univariate::*;

distribution! {
    /// Beta distribution with concentrations `a` (of 1) and `b` (of 0), of mean `a / (a + b)`.
    ///
    /// A draw is a ratio of Gamma draws and carries their implicit gradients.
    ///
    /// # Density
    /// `log p(x) = (a - 1) ln x + (b - 1) ln(1 - x) - ln B(a, b)`; support: `0 < x < 1`.
    ///
    /// # Shapes
    /// `concentration1`, `concentration0`: batch `B`; event: scalar. `log_prob`: `[B] → [B]`.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let log_prob = Beta::new(2.0, 0.7)?.log_prob(&Var::<(), f64>::scalar(0.3))?;
    /// approx::assert_relative_eq!(log_prob.item()?, -0.923017, epsilon = 1e-6);
    /// # Ok(()) }
    /// ```
    Beta::new(A concentration1: positive, B concentration0: positive)
}

/// The density, once for both precisions.
#[derive(Clone, Copy, Debug)]
struct Density;

impl Family<2> for Density {
    const NAME: &'static str = "Beta";
    /// `-ln B(a, b)` and its derivatives.
    type Prepared<T: Real> = (T, [T; 2]);

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([a, b]: [T; 2]) -> (T, [T; 2]) {
        let both = special::digamma(a.to_f64() + b.to_f64());
        let slope = |x: T| through_f64(x, |x| both - special::digamma(x));
        (T::from_f64(-special::ln_beta(a.to_f64(), b.to_f64())), [slope(a), slope(b)])
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(x: T, [a, b]: [T; 2], (constant, slopes): (T, [T; 2])) -> Terms<T, 2> {
        let (ln, ln_rest) = (math::ln::<A, T>(x), math::ln_1p::<A, T>(-x));
        let (a, b) = (a - T::ONE, b - T::ONE);
        Terms {
            log_prob: a * ln + b * ln_rest + constant,
            d_value: a / x - b / (T::ONE - x),
            d_params: [ln + slopes[0], ln_rest + slopes[1]],
        }
        .inside(x > T::ZERO && x < T::ONE)
    }
}

impl<S: Shape, E: Float> Beta<S, E> {
    /// `ψ(a)`, `ψ(b)` and `ψ(a + b)`.
    fn digammas(&self) -> Result<[Var<S, E>; 3]> {
        let (a, b) = (self.concentration1()?, self.concentration0()?);
        Ok([&a, &b, &(&a + &b)].map(|x| x.map(ew::digamma)))
    }

    fn ln_beta(&self) -> Result<Var<S, E>> {
        let (a, b) = (self.concentration1()?, self.concentration0()?);
        (a.ln_gamma() + b.ln_gamma() - (a + b).ln_gamma()).check()
    }
}

impl<S: Shape, E: Float> Beta<S, E> {
    /// Concentrations whose gammas have logarithms in the precision.
    ///
    /// Where both are so small that they have none, a draw is 1 with probability `a / (a + b)` and 0 otherwise, to all
    /// digits, and only their ratio matters: both are scaled up.
    fn drawable(&self) -> Result<(Value<E>, Value<E>)> {
        let (a, b) = (&self.concentration1, &self.concentration0);
        // The logarithm of a uniform is above -40, and so that of a gamma is above `-40 / concentration`.
        let smallest = E::MIN_POSITIVE.to_f64() * 256.0;
        let tiny = |x: &Value<E>| Ok::<_, Error>(x.peek()?.iter().any(|x| x.to_f64() < smallest));
        if !(tiny(a)? && tiny(b)?) {
            return Ok((a.clone(), b.clone()));
        }
        let (a, b) = (filled(a, &self.shape)?.into_value(), filled(b, &self.shape)?.into_value());
        let pairs = a.peek()?.iter().zip(b.peek()?);
        let factors = pairs.map(|(&a, &b)| {
            let larger = if a > b { a.to_f64() } else { b.to_f64() };
            E::from_f64(if larger < smallest { smallest / larger } else { 1.0 })
        });
        let factors = Value::from_vec(factors.collect(), *a.dims())?;
        Ok((ew::mul(&a, &factors), ew::mul(&b, &factors)))
    }
}

impl<S: Shape, E: Float> Distribution for Beta<S, E> {
    univariate!(Beta, Density, concentration1, concentration0);
    const PATHWISE: bool = true;

    fn support(&self) -> Constraint<E> {
        Constraint::Interval(Value::scalar(E::ZERO), Value::scalar(E::ONE))
    }

    fn sample(&self, key: Key) -> Result<Var<S, E>> {
        let dims = crate::tensor::Dims::of(&self.shape);
        let [one, zero] = key.split_array();
        let (one_of, zero_of) = self.drawable()?;
        let ln_one = draws::ln_gamma_draw(&one_of, one, dims);
        let ln_zero = draws::ln_gamma_draw(&zero_of, zero, dims);
        // x / (x + y) from logarithms: both may underflow and their ratio be ordinary.
        Var::from_value(draws::inside_unit(&ew::sigmoid(&ew::sub(&ln_one, &ln_zero))))
    }

    fn mean(&self) -> Result<Var<S, E>> {
        (self.concentration1()? / (self.concentration1()? + self.concentration0()?)).check()
    }

    fn variance(&self) -> Result<Var<S, E>> {
        let total = self.concentration1()? + self.concentration0()?;
        let product = self.concentration1()? * self.concentration0()?;
        (product / (total.square() * (total + 1.0))).check()
    }

    /// `ln B(a, b) - (a - 1) ψ(a) - (b - 1) ψ(b) + (a + b - 2) ψ(a + b)`.
    fn entropy(&self) -> Result<Var<S, E>> {
        let (a, b) = (self.concentration1()?, self.concentration0()?);
        let [of_a, of_b, of_both] = self.digammas()?;
        (self.ln_beta()? - (&a - 1.0) * of_a - (&b - 1.0) * of_b + (a + b - 2.0) * of_both).check()
    }

    fn kl_to(&self, other: &dyn erased::AnyDistribution) -> Option<Result<Value<E>>> {
        closed_form::<Self, Beta<S, E>>(self, other)
    }
}

impl<S: Shape, E: Float> KlTo<Beta<S, E>> for Beta<S, E> {
    /// `Σ ln B(c, d) - ln B(a, b) + (a - c) ψ(a) + (b - d) ψ(b) + (c - a + d - b) ψ(a + b)`.
    fn kl_divergence(&self, prior: &Beta<S, E>) -> Result<Var<(), E>> {
        let more_ones = self.concentration1()? - prior.concentration1()?;
        let more_zeros = self.concentration0()? - prior.concentration0()?;
        let [of_a, of_b, of_both] = self.digammas()?;
        let normalisers = prior.ln_beta()? - self.ln_beta()?;
        let by_concentrations = &more_ones * of_a + &more_zeros * of_b - (more_ones + more_zeros) * of_both;
        (normalisers + by_concentrations).sum().check()
    }
}
