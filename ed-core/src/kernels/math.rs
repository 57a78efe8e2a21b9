//! Branch-free elementary functions that vectorise: range reduction, a polynomial, selects.
//!
//! All of them are correct for ±0, ±∞, NaN, subnormal inputs, overflow and underflow. The error
//! bounds are in units in the last place (ulp) of the result, for `f32` and `f64` alike, and hold at
//! every [`Arch`]; the tests check them against the C library in twice the precision (`f32`), and
//! against it within its own rounding (`f64`). The polynomials come from
//! `tests/golden/gen_coefficients.py`.

use super::dispatch::Arch;
use super::float::Real;

/// `c[0] + c[1] x + c[2] x² + …` by Horner's rule.
#[inline(always)]
fn polynomial<A: Arch, T: Real>(x: T, c: &'static [T]) -> T {
    let mut value = c[c.len() - 1];
    for &c in c[..c.len() - 1].iter().rev() {
        value = value.mul_add::<A>(x, c);
    }
    value
}

/// Bounds `x` from both sides; NaN stays NaN.
#[inline(always)]
fn clamp<T: Real>(x: T, low: T, high: T) -> T {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

/// `(n, r)` with `x = n ln 2 + r` and `|r| ≤ ln 2 / 2`.
#[inline(always)]
fn reduce_by_ln_2<A: Arch, T: Real>(x: T) -> (T, T) {
    let n = (x.mul_add::<A>(T::LOG2_E, T::TABLES.round)) - T::TABLES.round;
    let r = n.mul_add::<A>(-T::TABLES.ln2_hi, x);
    (n, n.mul_add::<A>(-T::TABLES.ln2_lo, r))
}

/// `exp x`: 1 ulp (2 where the result is subnormal).
#[inline(always)]
pub fn exp<A: Arch, T: Real>(x: T) -> T {
    let (n, r) = reduce_by_ln_2::<A, T>(clamp(x, T::TABLES.exp_min, T::TABLES.exp_max));
    let tail = (r * r).mul_add::<A>(polynomial::<A, T>(r, T::TABLES.exp), r);
    // Two steps, because 2^n itself may overflow or be subnormal.
    let half = n.mul_add::<A>(T::HALF, T::TABLES.round) - T::TABLES.round;
    (T::ONE + tail) * T::exp2_integer(half) * T::exp2_integer(n - half)
}

/// `exp(x) - 1`: 3 ulp.
#[inline(always)]
pub fn expm1<A: Arch, T: Real>(x: T) -> T {
    let (n, r) = reduce_by_ln_2::<A, T>(clamp(x, -T::TABLES.saturation, T::TABLES.exp_max));
    let tail = (r * r).mul_add::<A>(polynomial::<A, T>(r, T::TABLES.exp), r);
    // Half of the scale, because 2^n overflows where the result does not.
    let scale = T::exp2_integer(n - T::ONE);
    let value = T::TWO * tail.mul_add::<A>(scale, scale - T::HALF);
    // Exact for tiny numbers, and keeps the sign of zero.
    if x.abs() < T::EPSILON * T::HALF { x } else { value }
}

/// `f - ln(1 + f) - k ln2_lo - c`, where `√½ ≤ 1 + f < √2`: what the exact parts `k ln2_hi + f` of `ln(2^k (1 + f)) + c`
/// leave.
#[inline(always)]
fn ln_tail<A: Arch, T: Real>(k: T, f: T, c: T) -> T {
    // ln(1 + f) = f - (f²/2 - s (f²/2 + R(s²))), s = f / (2 + f): the leading term is exact (fdlibm).
    let s = f / (T::TWO + f);
    let z = s * s;
    let half_square = T::HALF * f * f;
    let remainder = z * polynomial::<A, T>(z, T::TABLES.ln);
    half_square - s.mul_add::<A>(half_square + remainder, k.mul_add::<A>(T::TABLES.ln2_lo, c))
}

/// `ln(2^k (1 + f)) + c`, where `√½ ≤ 1 + f < √2` and `c` is a small correction.
#[inline(always)]
fn ln_of_parts<A: Arch, T: Real>(k: T, f: T, c: T) -> T {
    k * T::TABLES.ln2_hi - (ln_tail::<A, T>(k, f, c) - f)
}

/// `(k, m)` with `x = 2^k m` and `√½ ≤ m < √2`, for a positive number.
#[inline(always)]
fn decompose<T: Real>(x: T) -> (T, T) {
    let subnormal = x < T::MIN_POSITIVE;
    let (k, m) = if subnormal { x * T::TABLES.subnormal_scale } else { x }.decompose();
    (if subnormal { k - T::TABLES.subnormal_exponent } else { k }, m)
}

/// Natural logarithm: 1 ulp; -∞ at 0, NaN below.
#[inline(always)]
pub fn ln<A: Arch, T: Real>(x: T) -> T {
    let (k, m) = decompose(x);
    ln_edges(x, ln_of_parts::<A, T>(k, m - T::ONE, T::ZERO))
}

/// `ln r` and `e - ln r`, where `e = r - 1` may be known to more digits than `r` has: 2 and 4 ulp. Near `r = 1` nothing
/// cancels in the second one, as it would in a difference; 0 and ∞ have an infinite one.
#[inline(always)]
pub fn ln_and_rest<A: Arch, T: Real>(ratio: T, excess: T) -> (T, T) {
    let (k, m) = decompose(ratio);
    let near = k == T::ZERO;
    let f = if near { excess } else { m - T::ONE };
    let tail = ln_tail::<A, T>(k, f, T::ZERO);
    let ln = ln_edges(ratio, k * T::TABLES.ln2_hi - (tail - f));
    let rest = if near { tail } else { excess - ln };
    (ln, if ratio < T::INFINITY { rest } else { ratio })
}

/// `ln x` and `ln x - c`; the second one loses nothing where the two are close but the rounding of a number below 1.
#[inline(always)]
pub fn ln_and_distance<A: Arch, T: Real>(x: T, c: T) -> (T, T) {
    let (k, m) = decompose(x);
    let f = m - T::ONE;
    let tail = ln_tail::<A, T>(k, f, T::ZERO);
    let whole = k * T::TABLES.ln2_hi;
    let ln = ln_edges(x, whole - (tail - f));
    (ln, if x > T::ZERO && x < T::INFINITY { (whole - c) - (tail - f) } else { ln - c })
}

/// `exp x` and how much more it is, as a part of it: the rounding error that the first number has, to a tenth of it.
pub fn exp_and_lost<A: Arch>(x: f64) -> (f64, f64) {
    let value = exp::<A, f64>(x);
    if !(f64::MIN_POSITIVE..f64::INFINITY).contains(&value) {
        return (value, 0.0);
    }
    let (k, m) = value.decompose();
    let f = m - 1.0;
    (value, (x - k * f64::TABLES.ln2_hi - f) + ln_tail::<A, f64>(k, f, 0.0))
}

/// `a b` and what its rounding has lost.
#[inline(always)]
pub fn two_product<A: Arch, T: Real>(a: T, b: T) -> (T, T) {
    let product = a * b;
    if A::FMA {
        return (product, a.mul_add::<A>(b, -product));
    }
    let (a_high, b_high) = (a.high_half(), b.high_half());
    let (a_low, b_low) = (a - a_high, b - b_high);
    (product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low)
}

/// `a + b` and what its rounding has lost.
#[inline(always)]
pub fn two_sum<T: Real>(a: T, b: T) -> (T, T) {
    let sum = a + b;
    let of_b = sum - a;
    (sum, (a - (sum - of_b)) + (b - of_b))
}

/// `a b - c` with one rounding.
#[inline(always)]
pub fn product_minus<A: Arch, T: Real>(a: T, b: T, c: T) -> T {
    if A::FMA {
        return a.mul_add::<A>(b, -c);
    }
    let (product, lost) = two_product::<A, T>(a, b);
    let difference = product - c;
    if difference.is_finite() { difference + lost } else { difference }
}

/// `ln x` for a positive, normal, finite `x`; no meaning elsewhere.
#[inline(always)]
pub fn ln_positive<A: Arch, T: Real>(x: T) -> T {
    let (k, m) = x.decompose();
    ln_of_parts::<A, T>(k, m - T::ONE, T::ZERO)
}

#[inline(always)]
fn ln_edges<T: Real>(x: T, value: T) -> T {
    let value = if x < T::INFINITY { value } else { x };
    let value = if x < T::ZERO { T::NAN } else { value };
    if x == T::ZERO { T::NEG_INFINITY } else { value }
}

/// `ln(1 + x)`: 2 ulp; -∞ at -1, NaN below.
#[inline(always)]
pub fn ln_1p<A: Arch, T: Real>(x: T) -> T {
    let u = T::ONE + x;
    // What the sum has rounded away.
    let lost = if x > T::ONE { T::ONE - (u - x) } else { x - (u - T::ONE) };
    let (k, m) = u.decompose();
    let value = ln_edges(u, ln_of_parts::<A, T>(k, m - T::ONE, lost / u));
    if x.abs() < T::EPSILON * T::HALF { x } else { value }
}

/// `ln(1 + x)` for `0 ≤ x ≤ 1`: 2 ulp. There `1 + x` needs no rounding, and no second division mends it.
#[inline(always)]
fn ln_1p_unit<A: Arch, T: Real>(x: T) -> T {
    // Beyond √2 - 1 it is ln 2 + ln(1 + (x - 1) / 2).
    let far = x > T::from_f64(std::f64::consts::SQRT_2 - 1.0);
    let f = if far { (x - T::ONE) * T::HALF } else { x };
    ln_of_parts::<A, T>(if far { T::ONE } else { T::ZERO }, f, T::ZERO)
}

/// Hyperbolic tangent: 4 ulp.
#[inline(always)]
pub fn tanh<A: Arch, T: Real>(x: T) -> T {
    let doubled = clamp(T::TWO * x.abs(), T::ZERO, T::TABLES.saturation);
    let e = expm1::<A, T>(doubled);
    (e / (e + T::TWO)).copysign(x)
}

/// Logistic function `1 / (1 + exp(-x))`: 3 ulp.
#[inline(always)]
pub fn sigmoid<A: Arch, T: Real>(x: T) -> T {
    let e = exp::<A, T>(-x.abs());
    let top = if x >= T::ZERO { T::ONE } else { e };
    top / (T::ONE + e)
}

/// `ln(1 + exp(x))`: 3 ulp.
#[inline(always)]
pub fn softplus<A: Arch, T: Real>(x: T) -> T {
    softplus_and_exp::<A, T>(x).0
}

/// `ln(1 + exp(x))` and the `exp(-|x|)` that it is made of.
#[inline(always)]
pub(super) fn softplus_and_exp<A: Arch, T: Real>(x: T) -> (T, T) {
    let e = exp::<A, T>(-x.abs());
    let rest = ln_1p_unit::<A, T>(e);
    (if x > T::ZERO { x + rest } else { rest }, e)
}

/// `ln sigmoid(x) = -softplus(-x)`: 3 ulp.
#[inline(always)]
pub fn log_sigmoid<A: Arch, T: Real>(x: T) -> T {
    -softplus::<A, T>(-x)
}

/// `erf x` for `|x| ≤ 1`.
#[inline(always)]
fn erf_small<A: Arch, T: Real>(x: T) -> T {
    x * polynomial::<A, T>(x * x, T::TABLES.erf)
}

/// `exp(x²) erfc(x)` for `0.45 ≤ x ≤ 28`.
#[inline(always)]
pub(super) fn erfcx_large<A: Arch, T: Real>(x: T) -> T {
    // (1 + 2x) exp(x²) erfc(x) is smooth in t = (x - K) / (x + K) on the whole half-line
    // (Shepherd and Laframboise 1981, Mathematics of Computation 36, section 2).
    let k = T::from_f64(3.75);
    let t = (x - k) / (x + k);
    polynomial::<A, T>(t, T::TABLES.erfc) / x.mul_add::<A>(T::TWO, T::ONE)
}

/// `erfc x` for `x ≥ 0.45`.
#[inline(always)]
fn erfc_large<A: Arch, T: Real>(x: T) -> T {
    let x = clamp(x, T::ZERO, T::from_f64(28.0));
    // exp(-x²) needs x² to more bits than a number holds: square + lost.
    let square = x * x;
    let high = x.high_half();
    let low = x - high;
    let lost = ((high * high - square) + T::TWO * high * low) + low * low;
    let e = exp::<A, T>(-square);
    (e - e * lost) * erfcx_large::<A, T>(x)
}

/// Error function: 3 ulp.
#[inline(always)]
pub fn erf<A: Arch, T: Real>(x: T) -> T {
    let size = x.abs();
    let large = (T::ONE - erfc_large::<A, T>(size)).copysign(x);
    if size > T::ONE { large } else { erf_small::<A, T>(x) }
}

/// Complementary error function `1 - erf(x)`: 8 ulp; 0 where it underflows.
#[inline(always)]
pub fn erfc<A: Arch, T: Real>(x: T) -> T {
    let size = x.abs();
    let tail = erfc_large::<A, T>(size);
    let far = if x < T::ZERO { T::TWO - tail } else { tail };
    let near = T::ONE - erf_small::<A, T>(x);
    if x >= T::HALF || x < -T::ONE { far } else { near }
}

/// `(cos 2πa, sin 2πa)` for `|a| ≤ 1/8`: 1 ulp of 1.
#[inline(always)]
pub fn cos_sin_octant<A: Arch, T: Real>(a: T) -> (T, T) {
    let z = a * a;
    let cos = z.mul_add::<A>(polynomial::<A, T>(z, T::TABLES.cos_turn), T::ONE);
    (cos, a * polynomial::<A, T>(z, T::TABLES.sin_turn))
}

/// `x^n` by repeated squaring.
#[inline(always)]
pub fn powi<T: Real>(x: T, n: u32) -> T {
    let (mut value, mut square, mut n) = (T::ONE, x, n);
    while n > 0 {
        if n & 1 == 1 {
            value *= square;
        }
        square *= square;
        n >>= 1;
    }
    value
}

#[cfg(test)]
#[path = "math_tests.rs"]
mod tests;
