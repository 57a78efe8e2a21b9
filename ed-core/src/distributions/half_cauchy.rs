//! The half-Cauchy distribution.

use std::f64::consts::TAU;

use super::cauchy;
use super::param::{draw, drawn_value};
use super::univariate::*;

distribution! {
    /// Half-Cauchy distribution: the absolute value of a Cauchy number with location 0 and scale `γ`.
    /// It has neither mean nor variance.
    ///
    /// # Density
    /// `log p(x) = ln(2/π) - ln γ - ln(1 + (x/γ)²)`; support: `x ≥ 0`.
    ///
    /// # Shapes
    /// `scale`: batch `B`; event: scalar. `log_prob`: `[B] → [B]`.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let log_prob = HalfCauchy::new(2.0)?.log_prob(&Var::<(), f64>::scalar(0.8))?;
    /// approx::assert_relative_eq!(log_prob.item()?, -1.293150, epsilon = 1e-6);
    /// # Ok(()) }
    /// ```
    HalfCauchy::new(A scale: positive)
}

/// The density, once for both precisions.
#[derive(Clone, Copy, Debug)]
struct Density;

impl Family<1> for Density {
    const NAME: &'static str = "HalfCauchy";
    type Prepared<T: Real> = (T, T);

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([scale]: [T; 1]) -> (T, T) {
        cauchy::Density::prepare::<A, T>([T::ZERO, scale])
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(x: T, [scale]: [T; 1], prepared: (T, T)) -> Terms<T, 1> {
        let terms = cauchy::Density::terms::<A, T>(x, [T::ZERO, scale], prepared);
        let [_, d_scale] = terms.d_params;
        Terms { log_prob: terms.log_prob + T::LN_2, d_value: terms.d_value, d_params: [d_scale] }
            .inside(x >= T::ZERO)
    }
}

impl<S: Shape, E: Float> Distribution for HalfCauchy<S, E> {
    univariate!(HalfCauchy, Density, scale);
    const PATHWISE: bool = true;

    fn support(&self) -> Constraint<E> {
        Constraint::NonNegative
    }

    fn sample(&self, key: Key) -> Result<Var<S, E>> {
        let noise = draw(self.shape, |out| sampling::fill_cauchy(key, E::ZERO.into(), E::ONE.into(), out));
        drawn_value(Self::NAME, ew::mul(noise.abs().value(), &self.scale))
    }

    fn entropy(&self) -> Result<Var<S, E>> {
        (self.scale()?.ln() + TAU.ln()).check()
    }
}
