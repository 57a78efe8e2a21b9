//! Student's t-distribution.

use super::cauchy::ln_1p_square;
use super::param::{drawn_value, filled, normal_noise};
use super::univariate::*;

distribution! {
    /// Student's t-distribution with `ν` degrees of freedom, location `μ` and scale `σ`.
    ///
    /// The mean is NaN for `ν ≤ 1`; the variance is infinite for `1 < ν ≤ 2` and NaN for `ν ≤ 1`.
    ///
    /// # Density
    /// `log p(x) = -½(ν + 1) ln(1 + z²/ν) - ln σ - ½ ln νπ + ln Γ(½(ν + 1)) - ln Γ(½ν)`, where `z = (x - μ) / σ`;
    /// support: all reals.
    ///
    /// # Shapes
    /// `df`, `loc`, `scale`: batch `B`; event: scalar. `log_prob`: `[B] → [B]`.
    ///
    /// # Examples
    /// ```
    /// use ed::prelude::*;
    /// # fn main() -> Result<()> {
    /// let log_prob = StudentT::new(3.0, 0.5, 2.0)?.log_prob(&Var::<(), f64>::scalar(1.3))?;
    /// approx::assert_relative_eq!(log_prob.item()?, -1.797956, epsilon = 1e-6);
    /// # Ok(()) }
    /// ```
    StudentT::new(A df: positive, B loc: finite, C scale: positive)
}

/// `ln Γ(a + ½) - ln Γ(a)` and its derivative.
fn ln_gamma_half_step(a: f64) -> (f64, f64) {
    if a < 50.0 {
        let value = special::ln_gamma(a + 0.5) - special::ln_gamma(a);
        return (value, special::digamma(a + 0.5) - special::digamma(a));
    }
    // The difference of two large numbers loses digits; its asymptotic series (Tricomi and Erdélyi 1951) does not.
    let (r, r2) = (1.0 / a, 1.0 / (a * a));
    let value = 0.5 * a.ln() - r * (1.0 / 8.0 - r2 * (1.0 / 192.0 - r2 / 640.0));
    (value, 0.5 * r + r2 * (1.0 / 8.0 - r2 * (3.0 / 192.0 - r2 * 5.0 / 640.0)))
}

/// The density, once for both precisions.
#[derive(Clone, Copy, Debug)]
struct Density;

impl Family<3> for Density {
    const NAME: &'static str = "StudentT";
    /// `1 / √ν`, `ln √ν σ`, all terms without `x`, their derivative by `ν`, and `1 / σ`.
    type Prepared<T: Real> = [T; 5];

    #[inline(always)]
    fn prepare<A: Arch, T: Real>([df, _, scale]: [T; 3]) -> [T; 5] {
        let wide = df.to_f64();
        let (step, slope) = ln_gamma_half_step(0.5 * wide);
        let (ln_scale, half_ln_df) = (math::ln::<A, T>(scale), 0.5 * wide.ln());
        let constant = step - half_ln_df - 0.5 * std::f64::consts::PI.ln();
        let precision = inverse(scale);
        [
            T::from_f64(1.0 / wide.sqrt()),
            ln_scale + T::from_f64(half_ln_df),
            T::from_f64(constant) - ln_scale,
            T::from_f64(0.5 * slope - 0.5 / wide),
            precision,
        ]
    }

    #[inline(always)]
    fn terms<A: Arch, T: Real>(x: T, [df, loc, _]: [T; 3], prepared: [T; 5]) -> Terms<T, 3> {
        let [root, ln_wide, constant, slope, precision] = prepared;
        let gap = x - loc;
        // z/√ν, in which the density is Cauchy's to the power of ½(ν + 1).
        let z = gap * precision * root;
        let (log1p, share, rest) = ln_1p_square::<A, T>(z, gap, ln_wide);
        let order = df + T::ONE;
        // (ν + 1) times z² / (1 + z²) over x - μ, and times the scale.
        let pull = order * if share == T::ONE { T::ONE / gap } else { z * root * rest * precision };
        Terms {
            log_prob: constant - T::HALF * order * log1p,
            d_value: -pull,
            d_params: [slope + T::HALF * (order / df * share - log1p), pull, (df * share - rest) * precision],
        }
    }
}

impl<S: Shape, E: Float> StudentT<S, E> {
    /// For each `ν` a number to add to a moment: 0 where it exists, infinity or NaN where not.
    fn flaws(&self, flaw: impl Fn(f64) -> f64) -> Result<Var<S, E>> {
        let df = self.df.consult()?.iter().map(|df| E::from_f64(flaw(df.to_f64()))).collect();
        filled(&Value::from_vec(df, *self.df.dims())?, &self.shape)
    }
}

impl<S: Shape, E: Float> Distribution for StudentT<S, E> {
    univariate!(StudentT, Density, df, loc, scale);
    const PATHWISE: bool = true;

    fn support(&self) -> Constraint<E> {
        Constraint::Real
    }

    /// A normal number over the root of a Gamma one: `√(½ν / g)`, `g ~ Gamma(½ν, 1)`.
    fn sample(&self, key: Key) -> Result<Var<S, E>> {
        let [normal, gamma] = key.split_array();
        let half = ew::scale(&self.df, 0.5);
        let ln_gamma = draws::ln_gamma_draw(&half, gamma, crate::tensor::Dims::of(&self.shape));
        let stretch = ew::exp(&ew::scale(&ew::sub(&ew::ln(&half), &ln_gamma), 0.5));
        let noise = ew::mul(normal_noise::<S, E>(self.shape, normal).value(), &stretch);
        drawn_value(Self::NAME, draws::loc_scale(&noise, &self.loc, &self.scale))
    }

    fn mean(&self) -> Result<Var<S, E>> {
        (self.loc()? + self.flaws(|df| if df > 1.0 { 0.0 } else { f64::NAN })?).check()
    }

    fn variance(&self) -> Result<Var<S, E>> {
        let flaws = self.flaws(|df| match df {
            df if df > 2.0 => 0.0,
            df if df > 1.0 => f64::INFINITY,
            _ => f64::NAN,
        })?;
        let df = self.df()?;
        (self.scale()?.square() * (&df / (&df - 2.0)) + flaws).check()
    }

    /// `½(ν + 1) (ψ(½(ν + 1)) - ψ(½ν)) + ½ ln ν + ln B(½ν, ½) + ln σ`.
    fn entropy(&self) -> Result<Var<S, E>> {
        let df = self.df()?;
        let (half, next) = (&df * 0.5, (&df + 1.0) * 0.5);
        let ln_beta = half.ln_gamma() - next.ln_gamma() + 0.5 * std::f64::consts::PI.ln();
        let digammas = next.map(ew::digamma) - half.map(ew::digamma);
        (next * digammas + 0.5 * df.ln() + ln_beta + self.scale()?.ln()).check()
    }
}
