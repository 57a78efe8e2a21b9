//! The gamma function's logarithm and its derivatives, and the incomplete gamma functions.

use std::f64::consts::PI;

/// `ln |Γ(x)|`, to 1e-15 away from its zeros at 1 and 2; ∞ at the poles.
pub fn ln_gamma(x: f64) -> f64 {
    libm::lgamma(x)
}

/// `ln n!`, to 1e-15.
pub fn ln_factorial(n: u64) -> f64 {
    ln_gamma(n as f64 + 1.0)
}

/// From here on the asymptotic series below reach full precision.
const ASYMPTOTIC: f64 = 10.0;

/// Digamma `ψ(x) = d ln Γ(x) / dx`, to 1e-14 away from its zeros; NaN at the poles 0, -1, -2, ….
///
/// Recurrence up to 10, then the asymptotic series (DLMF 5.5.2, 5.11.2); reflection below 0 (5.5.4).
///
/// ```
/// use ed_core::kernels::special::digamma;
/// assert!((digamma(1.0) + 0.577_215_664_901_532_9).abs() < 1e-15);
/// ```
pub fn digamma(x: f64) -> f64 {
    if x <= 0.0 {
        if x == x.floor() {
            return f64::NAN;
        }
        return digamma(1.0 - x) - PI / tan_pi(x);
    }
    let (mut x, mut shift) = (x, 0.0);
    while x < ASYMPTOTIC {
        shift += 1.0 / x;
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    // Bernoulli numbers over 2k.
    let series = y
        * (1.0 / 12.0
            - y * (1.0 / 120.0
                - y * (1.0 / 252.0
                    - y * (1.0 / 240.0
                        - y * (1.0 / 132.0
                            - y * (691.0 / 32_760.0 - y * (1.0 / 12.0 - y * 3617.0 / 8160.0)))))));
    x.ln() - 0.5 / x - series - shift
}

/// `tan πx` with the integer part taken off exactly.
fn tan_pi(x: f64) -> f64 {
    (PI * (x - x.round())).tan()
}

/// Trigamma `ψ′(x)`, to 1e-14; ∞ at the poles 0, -1, -2, ….
///
/// Recurrence up to 10, then the asymptotic series (DLMF 5.15.8); reflection below 0 (5.15.6).
pub fn trigamma(x: f64) -> f64 {
    if x <= 0.0 {
        let sin = (PI * (x - x.round())).sin();
        return (PI / sin).powi(2) - trigamma(1.0 - x);
    }
    let (mut x, mut shift) = (x, 0.0);
    while x < ASYMPTOTIC {
        shift += 1.0 / (x * x);
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    // Bernoulli numbers.
    let series = y
        * (1.0 / 6.0
            - y * (1.0 / 30.0
                - y * (1.0 / 42.0
                    - y * (1.0 / 30.0
                        - y * (5.0 / 66.0 - y * (691.0 / 2730.0 - y * (7.0 / 6.0 - y * 3617.0 / 510.0)))))));
    shift + (1.0 + 0.5 / x + series) / x
}

/// `ln Γ(x) - ((x - ½) ln x - x + ½ ln 2π)` for `x > 0`, the remainder of Stirling's formula; to 1e-15 (1e-14 below 10,
/// relative to its size where it is large). Asymptotic series from 10 on (DLMF 5.11.1).
pub fn stirling_remainder(x: f64) -> f64 {
    const HALF_LN_2PI: f64 = 0.918_938_533_204_672_8;
    if x >= ASYMPTOTIC {
        return stirling_correction(x);
    }
    (ln_gamma(x) - (x - 0.5) * x.ln()) + (x - HALF_LN_2PI)
}

/// [`stirling_remainder`] for `x ≥ 10`.
pub(super) fn stirling_correction(x: f64) -> f64 {
    let y = 1.0 / (x * x);
    (1.0 / 12.0
        - y * (1.0 / 360.0
            - y * (1.0 / 1260.0
                - y * (1.0 / 1680.0 - y * (1.0 / 1188.0 - y * (691.0 / 360_360.0 - y * (1.0 / 156.0)))))))
        / x
}

/// `ln(1 + x) - x` without cancellation near 0.
pub(crate) fn ln_1p_minus(x: f64) -> f64 {
    if !(-0.4..=0.5).contains(&x) {
        return x.ln_1p() - x;
    }
    // ln(1 + x) = 2 atanh(r), r = x / (2 + x), and 2 r - x = -x r.
    let r = x / (2.0 + x);
    let square = r * r;
    let tail = (1..=14).rev().fold(0.0, |sum, k| (sum + 1.0 / f64::from(2 * k + 1)) * square);
    r * (2.0 * tail - x)
}

/// `x^a exp(-x) / Γ(a + 1)`.
fn prefactor(a: f64, x: f64) -> f64 {
    if a < ASYMPTOTIC {
        return (a * x.ln() - x - ln_gamma(a + 1.0)).exp();
    }
    (a * ln_1p_minus((x - a) / a) - stirling_correction(a)).exp() / (2.0 * PI * a).sqrt()
}

/// Terms after which a series gives up; it needs about `√a` of them, so this is never reached in
/// earnest.
const MAX_TERMS: usize = 1_000_000;

/// `Σ xⁿ / ((a + 1) ⋯ (a + n))` over `n ≥ 0`, and its derivative in `a`; for `x < a + 1`.
fn series(a: f64, x: f64) -> (f64, f64) {
    let (mut term, mut harmonic) = (1.0, 0.0);
    let (mut sum, mut derivative) = (1.0, 0.0);
    for n in 1..MAX_TERMS {
        let denominator = a + n as f64;
        term *= x / denominator;
        harmonic += 1.0 / denominator;
        sum += term;
        derivative -= term * harmonic;
        if term * (1.0 + harmonic) <= sum * 1e-17 {
            break;
        }
    }
    (sum, derivative)
}

/// `Γ(a, x) / (x^a exp(-x))` as a continued fraction (DLMF 8.9.2, contracted), and its derivative in
/// `a`, by the recurrences of Lentz carried along with their derivatives; for `x ≥ a + 1`.
fn continued_fraction(a: f64, x: f64) -> (f64, f64) {
    const TINY: f64 = 1e-300;
    let mut b = x + 1.0 - a;
    let db = -1.0;
    let (mut c, mut dc) = (1.0 / TINY, 0.0);
    let mut d = 1.0 / b;
    let mut dd = -d * d * db;
    let (mut value, mut derivative) = (d, dd);
    for n in 1..MAX_TERMS {
        let n = n as f64;
        let (numerator, dnumerator) = (-n * (n - a), n);
        b += 2.0;
        let denominator = numerator * d + b;
        let ddenominator = dnumerator * d + numerator * dd + db;
        d = 1.0 / if denominator.abs() < TINY { TINY } else { denominator };
        dd = -d * d * ddenominator;
        let next = b + numerator / c;
        dc = db + (dnumerator - numerator * dc / c) / c;
        c = if next.abs() < TINY { TINY } else { next };
        let (factor, dfactor) = (c * d, dc * d + c * dd);
        derivative = derivative * factor + value * dfactor;
        value *= factor;
        if (factor - 1.0).abs() < 1e-16 && (dfactor * value).abs() <= 1e-16 * derivative.abs() {
            break;
        }
        // A derivative of zero (a = 1) never passes the relative test.
        if (factor - 1.0).abs() < 1e-17 && dfactor.abs() < 1e-17 {
            break;
        }
    }
    (value, derivative)
}

/// Regularised lower incomplete gamma function `P(a, x)`, the distribution function of Gamma(a, 1) at
/// `x`; to 1e-13 for `a ≤ 10⁶`. NaN unless `a > 0` and `x ≥ 0`.
///
/// ```
/// use ed_core::kernels::special::gamma_p;
/// assert!((gamma_p(1.0, 2.0) - (1.0 - (-2f64).exp())).abs() < 1e-15);
/// ```
pub fn gamma_p(a: f64, x: f64) -> f64 {
    if x < a + 1.0 { lower(a, x) } else { 1.0 - upper(a, x) }
}

/// Regularised upper incomplete gamma function `Q(a, x) = 1 - P(a, x)`; to 1e-13 for `x ≥ a + 1` and
/// `a ≤ 10⁶`, and to 1e-15 absolutely for smaller `x`. NaN unless `a > 0` and `x ≥ 0`.
pub fn gamma_q(a: f64, x: f64) -> f64 {
    if x < a + 1.0 { 1.0 - lower(a, x) } else { upper(a, x) }
}

fn lower(a: f64, x: f64) -> f64 {
    match domain(a, x) {
        Some(edge) => edge,
        None => (prefactor(a, x) * series(a, x).0).min(1.0),
    }
}

fn upper(a: f64, x: f64) -> f64 {
    match domain(a, x) {
        Some(edge) => 1.0 - edge,
        None => prefactor(a, x) * a * continued_fraction(a, x).0,
    }
}

/// The value of `P` where no series is needed: NaN outside of the domain, 0 or 1 at its ends.
fn domain(a: f64, x: f64) -> Option<f64> {
    if !(a > 0.0 && a.is_finite() && x >= 0.0) {
        Some(f64::NAN)
    } else if x == 0.0 {
        Some(0.0)
    } else if x.is_infinite() {
        Some(1.0)
    } else {
        None
    }
}

/// `∂x/∂a` of a Gamma(a, 1) draw `x` at fixed `P(a, x)`: `-(∂P/∂a) / p(x; a)`, the implicit
/// reparameterisation gradient (Figurnov, Mohamed and Mnih 2018, equation 5); to 1e-10.
///
/// The density cancels before anything is computed, so neither tail under- or overflows. NaN unless
/// `a > 0` and `x ≥ 0`.
pub fn gamma_sample_derivative(a: f64, x: f64) -> f64 {
    if let Some(edge) = domain(a, x) {
        return if edge == 0.0 { 0.0 } else { f64::NAN };
    }
    if x < a + 1.0 {
        let (sum, derivative) = series(a, x);
        -(x / a) * (sum * (x.ln() - digamma(a + 1.0)) + derivative)
    } else {
        let (value, derivative) = continued_fraction(a, x);
        x * (value * (x.ln() - digamma(a)) + derivative)
    }
}

/// `∂P(a, x)/∂a`, to 1e-10 relative to the density; NaN unless `a > 0` and `x ≥ 0`.
pub fn gamma_p_derivative(a: f64, x: f64) -> f64 {
    match domain(a, x) {
        Some(edge) if edge.is_nan() => edge,
        Some(_) => 0.0,
        None => -gamma_sample_derivative(a, x) * prefactor(a, x) * a / x,
    }
}
