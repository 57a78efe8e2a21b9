//! The gamma distribution.

use super::univariate::*;
use crate::kernels::saddle_point::{self, GammaTerm};
use crate::ops::density;

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
    /// The term of `βx`, `ln β` and `1 / β`.
    type Prepared<T: Real> = (GammaTerm<T>, T, T);

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([concentration, rate]: [T; 2]) -> Self::Prepared<T> {
        (GammaTerm::new(concentration), math::ln::<A, T>(rate), T::ONE / rate)
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(
        x: T,
        [concentration, rate]: [T; 2],
        (term, ln_rate, mean): Self::Prepared<T>,
    ) -> Terms<T, 2> {
        let y = rate * x;
        let gap = math::product_minus::<A, T>(rate, x, concentration);
        let at = term.at::<A>(y, gap, x, [ln_rate, T::ONE]);
        let pull = if term.is_large() { -(gap + T::ONE) } else { (concentration - T::ONE) - y };
        Terms {
            log_prob: at.value + (ln_rate - at.ln),
            d_value: pull / x,
            d_params: [at.d_alpha, -gap * mean],
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
        (self.concentration()? / self.rate()? / self.rate()?).check()
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
        let ours = self.concentration()?;
        prior.check_shape(&ours)?;
        let others = [&self.rate, &prior.concentration, &prior.rate];
        Var::from_value(density::log_prob_sum::<Divergence, E, 3>(ours.value(), others))
    }
}

/// The divergence, as a function of this concentration; parameters: this rate, and the prior's concentration and rate.
#[derive(Clone, Copy, Debug)]
struct Divergence;

impl Family<3> for Divergence {
    const NAME: &'static str = "the divergence between gamma distributions";
    type Prepared<T: Real> = ();

    #[inline(always)]
    fn prepare<A: Arch, T: Real>(_: [T; 3]) {}

    #[inline(always)]
    fn terms<A: Arch, T: Real>(alpha: T, params: [T; 3], (): ()) -> Terms<T, 3> {
        let (alpha, [beta, a, b]) = (alpha.to_f64(), params.map(T::to_f64));
        // Of the prior's concentration from the one with which the means would agree.
        let gap = saddle_point::difference_of_products(a, beta, alpha, b) / beta;
        let ratio = b / beta;
        let by_ours = (alpha - a) * special::trigamma(alpha) + (ratio - 1.0);
        let by_theirs = (special::digamma(a) - special::digamma(alpha)) - ratio.ln();
        Terms {
            log_prob: T::from_f64(
                saddle_point::gamma_deviance(a, alpha * ratio, gap)
                    + saddle_point::ln_gamma_divergence(a, alpha),
            ),
            d_value: T::from_f64(by_ours),
            d_params: [gap / beta, by_theirs, -gap / b].map(T::from_f64),
        }
    }
}
