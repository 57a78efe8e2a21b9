//! The error function and the standard normal distribution function, with inverses.

use std::f64::consts::{FRAC_1_SQRT_2, PI, SQRT_2};

use crate::kernels::dispatch::Portable;
use crate::kernels::math;

/// Error function, to 1 ulp.
pub fn erf(x: f64) -> f64 {
    libm::erf(x)
}

/// Complementary error function `1 - erf(x)`, to 1 ulp.
pub fn erfc(x: f64) -> f64 {
    libm::erfc(x)
}

/// Scaled complementary error function `exp(x²) erfc(x)`, to 1e-14.
pub fn erfcx(x: f64) -> f64 {
    if x < 0.45 {
        (x * x).exp() * erfc(x)
    } else if x <= 28.0 {
        math::erfcx_large::<Portable, f64>(x)
    } else {
        // The asymptotic series (DLMF 7.12.1): at 28 its fifth term is below 1e-14 of the last place.
        let y = 0.5 / (x * x);
        (1.0 - y * (1.0 - 3.0 * y * (1.0 - 5.0 * y * (1.0 - 7.0 * y * (1.0 - 9.0 * y))))) / (x * PI.sqrt())
    }
}

/// Standard normal distribution function `Φ(x)`, to 1e-14 in both tails.
pub fn normal_cdf(x: f64) -> f64 {
    if x < -1.0 {
        return 0.5 * erfcx(-x * FRAC_1_SQRT_2) * exp_minus_half_square(x);
    }
    0.5 * erfc(-x * FRAC_1_SQRT_2)
}

/// `exp(-x²/2)`, with the rounding error of the square put back.
fn exp_minus_half_square(x: f64) -> f64 {
    let square = x * x;
    let lost = libm::fma(x, x, -square);
    let value = (-0.5 * square).exp();
    if square.is_finite() { value - 0.5 * lost * value } else { 0.0 }
}

/// `ln Φ(x)`, to 1e-14; finite for every finite `x` whose square is.
///
/// ```
/// use ed_core::kernels::special::normal_log_cdf;
/// assert!((normal_log_cdf(-100.0) - -5005.524_208_694_205).abs() < 1e-9);
/// ```
pub fn normal_log_cdf(x: f64) -> f64 {
    if x < -1.0 {
        (0.5 * erfcx(-x * FRAC_1_SQRT_2)).ln() - 0.5 * x * x
    } else {
        (-0.5 * erfc(x * FRAC_1_SQRT_2)).ln_1p()
    }
}

/// Standard normal quantile `Φ⁻¹(p)`, to 1e-15 (Wichura 1988, algorithm AS 241, PPND16).
///
/// -∞ at 0, ∞ at 1, NaN outside of `[0, 1]`.
pub fn normal_quantile(p: f64) -> f64 {
    quantile_from(p - 0.5, p.min(1.0 - p))
}

/// Inverse of [`erf`] on `[-1, 1]`, to 1e-15.
pub fn erfinv(x: f64) -> f64 {
    quantile_from(0.5 * x, 0.5 * (1.0 - x.abs())) / SQRT_2
}

/// The quantile of `1/2 + q`, whose nearer tail is `tail = 1/2 - |q|`.
fn quantile_from(q: f64, tail: f64) -> f64 {
    if q.is_nan() || tail < 0.0 {
        return f64::NAN;
    }
    if tail == 0.0 {
        return f64::INFINITY.copysign(q);
    }
    if q.abs() <= 0.425 {
        let r = 0.180625 - q * q;
        return q * horner(r, &CENTRE.0) / horner(r, &CENTRE.1);
    }
    let r = (-tail.ln()).sqrt();
    let value = if r <= 5.0 {
        horner(r - 1.6, &MIDDLE.0) / horner(r - 1.6, &MIDDLE.1)
    } else {
        horner(r - 5.0, &FAR.0) / horner(r - 5.0, &FAR.1)
    };
    value.copysign(q)
}

fn horner(x: f64, c: &[f64]) -> f64 {
    c.iter().rev().fold(0.0, |value, c| value * x + c)
}

type Rational = ([f64; 8], [f64; 8]);

const CENTRE: Rational = (
    [
        3.387_132_872_796_366_5,
        133.141_667_891_784_38,
        1_971.590_950_306_551_3,
        13_731.693_765_509_46,
        45_921.953_931_549_87,
        67_265.770_927_008_7,
        33_430.575_583_588_13,
        2_509.080_928_730_122_7,
    ],
    [
        1.0,
        42.313_330_701_600_91,
        687.187_007_492_057_9,
        5_394.196_021_424_751,
        21_213.794_301_586_597,
        39_307.895_800_092_71,
        28_729.085_735_721_943,
        5_226.495_278_852_854,
    ],
);

const MIDDLE: Rational = (
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        2.417_807_251_774_506e-1,
        2.272_384_498_926_918_4e-2,
        7.745_450_142_783_414e-4,
    ],
    [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        6.897_673_349_851e-1,
        1.481_039_764_274_800_8e-1,
        1.519_866_656_361_645_7e-2,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ],
);

const FAR: Rational = (
    [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        2.965_605_718_285_048_7e-1,
        2.653_218_952_657_612_4e-2,
        1.242_660_947_388_078_4e-3,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ],
    [
        1.0,
        5.998_322_065_558_88e-1,
        1.369_298_809_227_358e-1,
        1.487_536_129_085_061_5e-2,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ],
);
