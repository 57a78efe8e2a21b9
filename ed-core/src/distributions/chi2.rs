//! The chi-squared distribution.

use super::gamma;
use super::univariate::*;
use crate::kernels::saddle_point::GammaTerm;

distribution! {
    /// Chi-squared distribution with `k` degrees of freedom: a sum of `k` squared standard normal numbers.
    ///
    /// # Density
    /// `log p(x) = (½k - 1) ln x - ½x - ½k ln 2 - ln Γ(½k)`; support: `x > 0`.
    ///
    /// # Shapes
    /// `df`: batch `B`; event: scalar. `log_prob`: `[B] → [B]`.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let log_prob = Chi2::new(3.0)?.log_prob(&Var::<(), f64>::scalar(1.3))?;
    /// approx::assert_relative_eq!(log_prob.item()?, -1.437756, epsilon = 1e-6);
    /// # Ok(()) }
    /// ```
    Chi2::new(A df: positive)
}

/// The density: that of a gamma number with concentration `½k` and rate ½.
#[derive(Clone, Copy, Debug)]
struct Density;

impl Family<1> for Density {
    const NAME: &'static str = "Chi2";
    type Prepared<T: Real> = (GammaTerm<T>, T, T);

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([df]: [T; 1]) -> Self::Prepared<T> {
        gamma::Density::prepare::<A, T>([T::HALF * df, T::HALF])
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(x: T, [df]: [T; 1], prepared: Self::Prepared<T>) -> Terms<T, 1> {
        let terms = gamma::Density::terms::<A, T>(x, [T::HALF * df, T::HALF], prepared);
        let [d_concentration, _] = terms.d_params;
        Terms { log_prob: terms.log_prob, d_value: terms.d_value, d_params: [T::HALF * d_concentration] }
    }
}

impl<S: Shape, E: Float> Distribution for Chi2<S, E> {
    univariate!(Chi2, Density, df);
    const PATHWISE: bool = true;

    fn support(&self) -> Constraint<E> {
        Constraint::Positive
    }

    fn sample(&self, key: Key) -> Result<Var<S, E>> {
        let dims = crate::tensor::Dims::of(&self.shape);
        let unit = ew::exp(&draws::ln_gamma_draw(&ew::scale(&self.df, 0.5), key, dims));
        Var::from_value(draws::above_zero(&ew::scale(&unit, 2.0)))
    }

    fn mean(&self) -> Result<Var<S, E>> {
        self.df()
    }

    fn variance(&self) -> Result<Var<S, E>> {
        (2.0 * self.df()?).check()
    }

    /// `½k + ln 2 + ln Γ(½k) + (1 - ½k) ψ(½k)`.
    fn entropy(&self) -> Result<Var<S, E>> {
        let half = 0.5 * self.df()?;
        let digamma = half.map(ew::digamma);
        (&half + std::f64::consts::LN_2 + half.ln_gamma() + (1.0 - &half) * digamma).check()
    }
}
