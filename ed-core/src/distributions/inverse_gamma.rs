//! The inverse gamma distribution.

use super::param::filled;
use super::univariate::*;
use crate::kernels::saddle_point::GammaTerm;

distribution! {
    /// Inverse gamma distribution with concentration `α` and scale `β`: `1/y` for a gamma number `y` of rate `β`.
    ///
    /// The mean is infinite for `α ≤ 1`, the variance for `α ≤ 2`.
    ///
    /// # Density
    /// `log p(x) = -(α + 1) ln x - β/x + α ln β - ln Γ(α)`; support: `x > 0`.
    ///
    /// # Shapes
    /// `concentration`, `scale`: batch `B`; event: scalar. `log_prob`: `[B] → [B]`.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let log_prob = InverseGamma::new(2.0, 0.7)?.log_prob(&Var::<(), f64>::scalar(1.3))?;
    /// approx::assert_relative_eq!(log_prob.item()?, -2.038904, epsilon = 1e-6);
    /// # Ok(()) }
    /// ```
    InverseGamma::new(A concentration: positive, B scale: positive)
}

/// The density, once for both precisions.
#[derive(Clone, Copy, Debug)]
struct Density;

impl Family<2> for Density {
    const NAME: &'static str = "InverseGamma";
    /// The term of `β/x`, `ln β` and `1 / β`.
    type Prepared<T: Real> = (GammaTerm<T>, T, T);

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([concentration, scale]: [T; 2]) -> Self::Prepared<T> {
        (GammaTerm::new(concentration), math::ln::<A, T>(scale), inverse(scale))
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(
        x: T,
        [concentration, scale]: [T; 2],
        (term, ln_scale, precision): Self::Prepared<T>,
    ) -> Terms<T, 2> {
        let (y, recip) = (scale / x, T::ONE / x);
        let above = -math::product_minus::<A, T>(concentration, x, scale);
        let gap = if above.is_finite() { above / x } else { y - concentration };
        let at = term.at::<A>(y, gap, x, [ln_scale, -T::ONE]);
        Terms {
            log_prob: at.value + (at.ln - ln_scale),
            d_value: (gap - T::ONE) * recip,
            d_params: [at.d_alpha, -gap * precision],
        }
        .inside(x > T::ZERO && x < T::INFINITY)
    }
}

impl<S: Shape, E: Float> InverseGamma<S, E> {
    /// Infinity to add to a moment where the concentration is not above `order`, and 0 elsewhere.
    fn infinite_up_to(&self, order: f64) -> Result<Var<S, E>> {
        let flaw = |x: &E| if x.to_f64() > order { E::ZERO } else { E::INFINITY };
        let flaws = self.concentration.consult()?.iter().map(flaw).collect();
        filled(&Value::from_vec(flaws, *self.concentration.dims())?, &self.shape)
    }
}

impl<S: Shape, E: Float> Distribution for InverseGamma<S, E> {
    univariate!(InverseGamma, Density, concentration, scale);
    const PATHWISE: bool = true;

    fn support(&self) -> Constraint<E> {
        Constraint::Positive
    }

    fn sample(&self, key: Key) -> Result<Var<S, E>> {
        let dims = crate::tensor::Dims::of(&self.shape);
        let ln_gamma = draws::ln_gamma_draw(&self.concentration, key, dims);
        let inverse = ew::exp(&ew::scale(&ln_gamma, -1.0));
        Var::from_value(draws::above_zero(&ew::mul(&inverse, &self.scale)))
    }

    fn mean(&self) -> Result<Var<S, E>> {
        let mean = self.scale()? / (self.concentration()? - 1.0).abs();
        (mean + self.infinite_up_to(1.0)?).check()
    }

    fn variance(&self) -> Result<Var<S, E>> {
        let concentration = self.concentration()?;
        let mean = self.scale()? / (&concentration - 1.0).abs();
        (&mean * (&mean / (concentration - 2.0).abs()) + self.infinite_up_to(2.0)?).check()
    }

    /// `α + ln β + ln Γ(α) - (1 + α) ψ(α)`.
    fn entropy(&self) -> Result<Var<S, E>> {
        let concentration = self.concentration()?;
        let digamma = concentration.map(ew::digamma);
        let scaled = (&concentration + 1.0) * digamma;
        (&concentration + self.scale()?.ln() + concentration.ln_gamma() - scaled).check()
    }
}
