//! The gamma distribution.

use super::univariate::*;

distribution! {
    /// Gamma distribution with concentration `α` and rate `β`, of mean `α/β`.
    ///
    /// Draws carry the implicit gradient by the concentration.
    ///
    /// # Density
    /// `log p(x) = (α - 1) ln x - βx + α ln β - ln Γ(α)`; support: `x > 0`.
    ///
    /// # Shapes
    /// `concentration`, `rate`: batch `B`; event: scalar. `log_prob`: `[B] → [B]`.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let log_prob = Gamma::new(2.0, 0.7)?.log_prob(&Var::<(), f64>::scalar(1.3))?;
    /// approx::assert_relative_eq!(log_prob.item()?, -1.360986, epsilon = 1e-6);
    /// # Ok(()) }
    /// ```
    ///
    /// # Source
    /// Draws: Marsaglia and Tsang 2000, "A simple method for generating gamma variables"; their gradients: Figurnov,
    /// Mohamed and Mnih 2018, "Implicit reparameterization gradients", equation 5.
    Gamma::new(A concentration: positive, B rate: positive)
}

/// The density, once for both precisions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Density;

impl Family<2> for Density {
    const NAME: &'static str = "Gamma";
    /// `α ln β - ln Γ(α)` and its derivative by `α`.
    type Prepared<T: Real> = (T, T);

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([concentration, rate]: [T; 2]) -> (T, T) {
        let ln_rate = math::ln::<A, T>(rate);
        (
            concentration * ln_rate - through_f64(concentration, special::ln_gamma),
            ln_rate - through_f64(concentration, special::digamma),
        )
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(
        x: T,
        [concentration, rate]: [T; 2],
        (constant, slope): (T, T),
    ) -> Terms<T, 2> {
        let ln = math::ln::<A, T>(x);
        let power = concentration - T::ONE;
        Terms {
            log_prob: power * ln - rate * x + constant,
            d_value: power / x - rate,
            d_params: [ln + slope, concentration / rate - x],
        }
        .inside(x > T::ZERO && x < T::INFINITY)
    }
}

impl<S: Shape, E: Float> Distribution for Gamma<S, E> {
    univariate!(Gamma, Density, concentration, rate);
    const PATHWISE: bool = true;

    fn support(&self) -> Constraint<E> {
        Constraint::Positive
    }

    fn sample(&self, key: Key) -> Result<Var<S, E>> {
        let dims = crate::tensor::Dims::of(&self.shape);
        let unit = ew::exp(&draws::ln_gamma_draw(&self.concentration, key, dims));
        Var::from_value(draws::above_zero(&ew::div(&unit, &self.rate)))
    }

    fn mean(&self) -> Result<Var<S, E>> {
        (self.concentration()? / self.rate()?).check()
    }

    fn variance(&self) -> Result<Var<S, E>> {
        (self.concentration()? / self.rate()?.square()).check()
    }

    /// `α - ln β + ln Γ(α) + (1 - α) ψ(α)`.
    fn entropy(&self) -> Result<Var<S, E>> {
        let concentration = self.concentration()?;
        let digamma = concentration.map(ew::digamma);
        (&concentration - self.rate()?.ln() + concentration.ln_gamma() + (1.0 - &concentration) * digamma)
            .check()
    }

    fn kl_to(&self, other: &dyn erased::AnyDistribution) -> Option<Result<Value<E>>> {
        closed_form::<Self, Gamma<S, E>>(self, other)
    }
}

impl<S: Shape, E: Float> KlTo<Gamma<S, E>> for Gamma<S, E> {
    /// `Σ (α - a) ψ(α) - ln Γ(α) + ln Γ(a) + a ln(β/b) + α (b/β - 1)`.
    fn kl_divergence(&self, prior: &Gamma<S, E>) -> Result<Var<(), E>> {
        let (ours, theirs) = (self.concentration()?, prior.concentration()?);
        let ratio = prior.rate()? / self.rate()?;
        let by_concentration =
            (&ours - &theirs) * ours.map(ew::digamma) - ours.ln_gamma() + theirs.ln_gamma();
        (by_concentration - theirs * ratio.ln() + ours * (ratio - 1.0)).sum().check()
    }
}
