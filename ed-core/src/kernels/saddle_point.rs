//! Densities of counts and waiting times where they are largest, without cancellation.
//!
//! `k ln λ - λ - ln k!` is a small difference of numbers of the size of `k ln k`. Written around its largest value it is
//! Stirling's remainder, half a logarithm and a deviance, of which each is as small as it looks (Loader 2000, "Fast and
//! accurate computation of binomial probabilities").

use super::dispatch::{Arch, Portable};
use super::float::Real;
use super::{math, special};

/// From this size on Stirling's formula is more exact than a direct one.
const LARGE: f64 = 10.0;
const TAU: f64 = std::f64::consts::TAU;

/// `ln (y^α e^-y / Γ(α))` as a function of `y`, for one `α`: what the gamma densities share.
#[derive(Clone, Copy, Debug)]
pub struct GammaTerm<T> {
    alpha: T,
    inverse: T,
    constant: T,
    /// `ln α`, and 0 for a small `α`.
    shift: T,
    /// `ln α - ψ(α)`, and `-ψ(α)` for a small `α`.
    slope: T,
    large: bool,
}

/// What a [`GammaTerm`] is at a point.
#[derive(Clone, Copy, Debug)]
pub struct AtPoint<T> {
    /// The term.
    pub value: T,
    /// `ln y`.
    pub ln: T,
    /// Its derivative by `α`, `ln y - ψ(α)`.
    pub d_alpha: T,
}

impl<T: Real> GammaTerm<T> {
    /// What the term needs of `α > 0` alone.
    #[inline(always)]
    pub fn new(alpha: T) -> Self {
        let wide = alpha.to_f64();
        let large = wide >= LARGE;
        let (constant, shift) = if large {
            (0.5 * (wide / TAU).ln() - special::stirling_remainder(wide), wide.ln())
        } else {
            (-special::ln_gamma(wide), 0.0)
        };
        let slope = shift - special::digamma(wide);
        let [constant, shift, slope] = [constant, shift, slope].map(T::from_f64);
        GammaTerm { alpha, inverse: T::ONE / alpha, constant, shift, slope, large }
    }

    /// Whether `α` is large, and differences from it are better taken from `y - α`.
    #[inline(always)]
    pub fn is_large(self) -> bool {
        self.large
    }

    /// The term at `y`, given `gap = y - α` with one rounding. Where `y` is out of range, `ln y` comes from
    /// `ln y = ln_factor + power ln x`.
    #[inline(always)]
    pub fn at<A: Arch>(self, y: T, gap: T, x: T, [ln_factor, power]: [T; 2]) -> AtPoint<T> {
        let excess = gap * self.inverse;
        let in_range = y >= T::MIN_POSITIVE && y < T::INFINITY;
        // One logarithm serves all cases.
        let (ratio, around) = if self.large { (y * self.inverse, excess) } else { (y, y - T::ONE) };
        let (ratio, around) = if in_range { (ratio, around) } else { (x, x - T::ONE) };
        let (ln, rest) = math::ln_and_rest::<A, T>(ratio, around);
        let ln = if in_range { ln } else { ln_factor + power * ln - self.shift };
        let rest = if in_range { rest } else { excess - ln };
        let value = if self.large { self.alpha * -rest } else { self.alpha * ln - y };
        AtPoint { value: self.constant + value, ln: ln + self.shift, d_alpha: ln + self.slope }
    }
}

/// The deviance `x ln(x/m) + m - x` of `x` from `m`, given `gap = x - m` and `ln m`, for positive numbers.
#[inline(always)]
fn deviance<A: Arch>(x: f64, m: f64, gap: f64, ln_m: f64) -> f64 {
    if m < f64::MIN_POSITIVE {
        return x * (x.ln() - ln_m) + m - x;
    }
    x * math::ln_and_rest::<A, f64>(m / x, -gap / x).1
}

/// `α ln(α/m) + m - α` for positive numbers, the deviance of `α` from `m`, given `gap = α - m`.
pub fn gamma_deviance(alpha: f64, mean: f64, gap: f64) -> f64 {
    deviance::<Portable>(alpha, mean, gap, mean.ln())
}

/// What `ln Γ(a) - ln Γ(α) - (a - α) ψ(α)`, which is not negative, has beside the deviance of `a` from `α`. From the
/// remainders of Stirling's formula and of its derivative: nothing of the size of `ln Γ` cancels.
pub fn ln_gamma_divergence(a: f64, alpha: f64) -> f64 {
    let excess = (a - alpha) / alpha;
    let rest = math::ln_and_rest::<Portable, f64>(a / alpha, excess).1;
    // ψ(x) = ln x - 1/2x - ρ(x).
    let slope = (alpha.ln() - special::digamma(alpha)) - 0.5 / alpha;
    0.5 * rest + (special::stirling_remainder(a) - special::stirling_remainder(alpha)) + (a - alpha) * slope
}

/// `a d - b c`, of which each product is taken to twice the digits.
pub fn difference_of_products(a: f64, d: f64, b: f64, c: f64) -> f64 {
    let (of_a, lost_a) = math::two_product::<Portable, f64>(a, d);
    let (of_b, lost_b) = math::two_product::<Portable, f64>(b, c);
    (of_a - of_b) + (lost_a - lost_b)
}

/// `ln k!` for a count.
pub fn ln_factorial(k: f64) -> f64 {
    special::ln_gamma(k + 1.0)
}

/// `k ln λ - λ - ln k!` for a count `k`, given `gap = k - λ`; minus infinity where `λ` is 0 and `k` is not.
#[inline(always)]
pub fn poisson<A: Arch>(k: f64, rate: f64, ln_rate: f64, gap: f64) -> f64 {
    if k == 0.0 {
        -rate
    } else if k < LARGE {
        k * ln_rate - rate - ln_factorial(k)
    } else {
        -0.5 * (TAU * k).ln() - special::stirling_remainder(k) - deviance::<A>(k, rate, gap, ln_rate)
    }
}

/// The probabilities of success and failure as `p`, `ln p`, `1 - p`, `ln (1 - p)`.
#[derive(Clone, Copy, Debug)]
pub struct Odds<T> {
    /// Probability of success.
    pub p: T,
    /// Probability of failure.
    pub q: T,
    /// `ln p`.
    pub ln_p: T,
    /// `ln (1 - p)`.
    pub ln_q: T,
}

/// `x ln p`, where what did not happen is no evidence.
#[inline(always)]
fn weighted(x: f64, ln_p: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x * ln_p }
}

/// `ln (Γ(a + b + 1) / (Γ(a + 1) Γ(b + 1)) p^a q^b)`, given `gap = a - (a + b) p`: that of `a` successes and `b`
/// failures.
#[inline(always)]
pub fn binomial<A: Arch>(a: f64, b: f64, gap: f64, odds: Odds<f64>) -> f64 {
    let certain = weighted(a, odds.ln_p) + weighted(b, odds.ln_q);
    if a == 0.0 || b == 0.0 || certain == f64::NEG_INFINITY {
        return certain;
    }
    let n = a + b;
    if a < LARGE || b < LARGE {
        return certain - special::ln_beta(a + 1.0, b + 1.0) - (n + 1.0).ln();
    }
    let remainders =
        special::stirling_remainder(n) - (special::stirling_remainder(a) + special::stirling_remainder(b));
    let ln = n.ln();
    let deviances = deviance::<A>(a, n * odds.p, gap, ln + odds.ln_p)
        + deviance::<A>(b, n * odds.q, -gap, ln + odds.ln_q);
    0.5 * (n / a / b / TAU).ln() + remainders - deviances
}

/// `ln (Γ(k + r) / (Γ(r) k!) p^k q^r)`, given `gap = k - (k + r) p`: that of `k` successes before `r` failures, where
/// `r` need not be a whole number.
#[inline(always)]
pub fn negative_binomial<A: Arch>(k: f64, r: f64, gap: f64, odds: Odds<f64>) -> f64 {
    if k == 0.0 {
        r * odds.ln_q
    } else if k < LARGE || r < LARGE {
        k * odds.ln_p + r * odds.ln_q - special::ln_beta(r, k) - k.ln()
    } else {
        binomial::<A>(k, r, gap, odds) + (r / (r + k)).ln()
    }
}
