//! The number types of the kernels: `f32` and `f64` behind the sealed trait [`Real`].

// The coefficients are printed with the digits that identify them; some happen to be near constants.
#![allow(clippy::excessive_precision, clippy::approx_constant)]

use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use super::dispatch::Arch;
use super::linalg::Backend;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// Coefficients and bit patterns that [`math`](super::math) needs; an implementation detail.
#[doc(hidden)]
pub struct Tables<T: 'static> {
    pub exp: &'static [T],
    pub ln: &'static [T],
    pub sin_turn: &'static [T],
    pub cos_turn: &'static [T],
    pub erf: &'static [T],
    pub erfc: &'static [T],
    /// `ln 2` rounded to half of the bits, so that `n * ln2_hi` is exact.
    pub ln2_hi: T,
    /// `ln 2 - ln2_hi`.
    pub ln2_lo: T,
    /// Below it `exp` is zero.
    pub exp_min: T,
    /// Above it `exp` is infinite.
    pub exp_max: T,
    /// From here on `1 + x = x` in the last place, and `expm1(-x) = -1`.
    pub saturation: T,
    /// `1.5 * 2^(mantissa bits)`: adding and subtracting it rounds to the nearest integer.
    pub round: T,
    /// `2^(mantissa bits)`, the exponent bias, and a scale that makes every subnormal number normal.
    pub two_mantissa: T,
    pub bias: T,
    pub subnormal_scale: T,
    pub subnormal_exponent: T,
}

/// `f32` or `f64`: what a kernel may compute with.
///
/// Everything here is branch-free and inlines into vector code. The elementary functions are in
/// [`math`](super::math).
pub trait Real:
    sealed::Sealed
    + Copy
    + Default
    + PartialOrd
    + Send
    + Sync
    + Debug
    + Display
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + Sum
    + Backend
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// 2.
    const TWO: Self;
    /// 1/2.
    const HALF: Self;
    /// `ln 2`.
    const LN_2: Self;
    /// `ln 2π`.
    const LN_2PI: Self;
    /// `1 / ln 2`.
    const LOG2_E: Self;
    /// π.
    const PI: Self;
    /// `2 / √π`, the slope of `erf` at 0.
    const FRAC_2_SQRT_PI: Self;
    /// The distance from 1 to the next larger number.
    const EPSILON: Self;
    /// +∞.
    const INFINITY: Self;
    /// -∞.
    const NEG_INFINITY: Self;
    /// Not a number.
    const NAN: Self;
    /// The largest finite number.
    const MAX: Self;
    /// The smallest positive normal number.
    const MIN_POSITIVE: Self;
    #[doc(hidden)]
    const TABLES: Tables<Self>;

    /// The nearest number to `x`.
    fn from_f64(x: f64) -> Self;
    /// The number as `f64`, exactly.
    fn to_f64(self) -> f64;
    /// `self * b + c`, fused where [`Arch::FMA`], rounded twice elsewhere.
    fn mul_add<A: Arch>(self, b: Self, c: Self) -> Self;
    /// `|self|`.
    fn abs(self) -> Self;
    /// `√self`, correctly rounded.
    fn sqrt(self) -> Self;
    /// `self` with the sign of `sign`.
    fn copysign(self, sign: Self) -> Self;
    /// Largest integer not above `self`; a library call outside of vector code.
    fn floor(self) -> Self;
    /// Neither infinite nor NaN.
    fn is_finite(self) -> bool;
    /// Not a number.
    #[inline(always)]
    #[allow(clippy::eq_op)]
    fn is_nan(self) -> bool {
        self != self
    }
    /// The larger one; `self` where `other` is NaN, and `other` where `self` is.
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        if self > other || other.is_nan() { self } else { other }
    }
    /// The smaller one; `self` where `other` is NaN, and `other` where `self` is.
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        if self < other || other.is_nan() { self } else { other }
    }
    /// `2^n` for an integer `n` with a normal result.
    #[doc(hidden)]
    fn exp2_integer(n: Self) -> Self;
    /// `(k, m)` with `self = 2^k m` and `√½ ≤ m < √2`, for a positive normal number.
    #[doc(hidden)]
    fn decompose(self) -> (Self, Self);
    /// `self` with the lower half of its mantissa cleared: its square is exact.
    #[doc(hidden)]
    fn high_half(self) -> Self;
    /// A number in the open interval (0, 1) from random bits, the top ones first.
    #[doc(hidden)]
    fn open_unit(bits: Self::Bits) -> Self;
    /// Like [`Real::open_unit`], but may round to 1 and comes closer to 0: for the tail of normals.
    #[doc(hidden)]
    fn tail_unit(bits: Self::Bits) -> Self;
    /// A signed angle in `[-1/8, 1/8]` turns, and the quadrant (0 to 3) around which it lies.
    #[doc(hidden)]
    fn octant(bits: Self::Bits) -> (Self, Self::Bits);
    /// `self` with its sign flipped where bit `bit` of `bits` is set.
    #[doc(hidden)]
    fn negate_if(self, bits: Self::Bits, bit: u32) -> Self;
    /// Whether bit 0 is set.
    #[doc(hidden)]
    fn low_bit(bits: Self::Bits) -> bool;
    /// Random bits of the width of the number from 32-bit words; `f32` ignores `high`.
    #[doc(hidden)]
    fn join(low: u32, high: u32) -> Self::Bits;
    /// The unsigned integer of the same width.
    type Bits: Copy + Default + Send + Sync + Debug + 'static;
    /// How many 32-bit words make one number.
    #[doc(hidden)]
    const WORDS: usize;
}

macro_rules! impl_real {
    ($float:ident, $bits:ident, $mantissa:literal, $words:literal, $half_mask:literal, $tables:expr) => {
        impl Real for $float {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const TWO: Self = 2.0;
            const HALF: Self = 0.5;
            const LN_2: Self = std::$float::consts::LN_2;
            const LN_2PI: Self = 1.837_877_066_409_345_5;
            const LOG2_E: Self = std::$float::consts::LOG2_E;
            const PI: Self = std::$float::consts::PI;
            const FRAC_2_SQRT_PI: Self = std::$float::consts::FRAC_2_SQRT_PI;
            const EPSILON: Self = $float::EPSILON;
            const INFINITY: Self = $float::INFINITY;
            const NEG_INFINITY: Self = $float::NEG_INFINITY;
            const NAN: Self = $float::NAN;
            const MAX: Self = $float::MAX;
            const MIN_POSITIVE: Self = $float::MIN_POSITIVE;
            const TABLES: Tables<Self> = $tables;
            type Bits = $bits;
            const WORDS: usize = $words;

            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $float
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn mul_add<A: Arch>(self, b: Self, c: Self) -> Self {
                if A::FMA { $float::mul_add(self, b, c) } else { self * b + c }
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $float::abs(self)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                $float::sqrt(self)
            }
            #[inline(always)]
            fn copysign(self, sign: Self) -> Self {
                $float::copysign(self, sign)
            }
            #[inline(always)]
            fn floor(self) -> Self {
                $float::floor(self)
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                $float::is_finite(self)
            }
            #[inline(always)]
            fn exp2_integer(n: Self) -> Self {
                // The sum holds `n + bias` in its lowest bits, which move up to the exponent.
                let shifted = n + (Self::TABLES.round + Self::TABLES.bias);
                $float::from_bits(shifted.to_bits() << $mantissa)
            }
            #[inline(always)]
            fn decompose(self) -> (Self, Self) {
                const SQRT_HALF: $bits = std::$float::consts::FRAC_1_SQRT_2.to_bits();
                const ONE: $bits = (1.0 as $float).to_bits();
                const MASK: $bits = (1 << $mantissa) - 1;
                // Logical shifts only: AVX2 has no arithmetic one for 64 bits. For the same reason the
                // exponent becomes a number by sitting in the mantissa of a power of two.
                let shifted = self.to_bits().wrapping_add(ONE - SQRT_HALF);
                let exponent = (shifted >> $mantissa) | Self::TABLES.two_mantissa.to_bits();
                let k = $float::from_bits(exponent) - (Self::TABLES.two_mantissa + Self::TABLES.bias);
                (k, $float::from_bits((shifted & MASK).wrapping_add(SQRT_HALF)))
            }
            #[inline(always)]
            fn high_half(self) -> Self {
                $float::from_bits(self.to_bits() & $half_mask)
            }
            #[inline(always)]
            fn open_unit(bits: $bits) -> Self {
                // (j + 1/2) / 2^mantissa: one bit fewer than the mantissa holds, so it is exact. Its
                // top bits are the mantissa of a number in [1, 2).
                const UNIT: $bits = (1.0 as $float).to_bits();
                let in_one_two = $float::from_bits((bits >> ($bits::BITS - $mantissa)) | UNIT);
                in_one_two - (1.0 - $float::EPSILON / 2.0)
            }
            #[inline(always)]
            fn tail_unit(bits: $bits) -> Self {
                tail_unit_of!($float, bits)
            }
            #[inline(always)]
            fn octant(bits: $bits) -> (Self, $bits) {
                // The top two bits are the quadrant. The next ones are the mantissa of a number in
                // [1, 2), centred and scaled to a quarter of a turn.
                const UNIT: $bits = (1.0 as $float).to_bits();
                let in_one_two = $float::from_bits(((bits << 2) >> ($bits::BITS - $mantissa)) | UNIT);
                ((in_one_two - 1.5) * 0.25, bits >> ($bits::BITS - 2))
            }
            #[inline(always)]
            fn negate_if(self, bits: $bits, bit: u32) -> Self {
                let sign = (bits >> bit) << ($bits::BITS - 1);
                $float::from_bits(self.to_bits() ^ sign)
            }
            #[inline(always)]
            fn low_bit(bits: $bits) -> bool {
                bits & 1 != 0
            }
            #[inline(always)]
            fn join(low: u32, high: u32) -> $bits {
                join_words!($float, low, high)
            }
        }
    };
}

macro_rules! tail_unit_of {
    (f32, $bits:expr) => {
        // 31 bits through the signed conversion, which is one instruction.
        (($bits >> 1) as i32 as f32 + 0.5) * (1.0 / (1u64 << 31) as f32)
    };
    (f64, $bits:expr) => {
        // 2^-53 reaches 8.6 standard deviations; no normal draw notices the absence of more.
        f64::open_unit($bits)
    };
}

macro_rules! join_words {
    (f32, $low:expr, $high:expr) => {{
        let _ = $high;
        $low
    }};
    (f64, $low:expr, $high:expr) => {
        (u64::from($high) << 32) | u64::from($low)
    };
}

// The polynomials come from tests/golden/gen_coefficients.py.
impl_real!(
    f32,
    u32,
    23,
    1,
    0xffff_f000,
    Tables {
        exp: &[0.5, 0.16666577, 0.0416665546, 8.36317905e-3, 1.39261836e-3],
        ln: &[0.666666666, 0.400001222, 0.285507786, 0.233316145],
        sin_turn: &[6.28318529, -41.3416626, 81.5925403, -75.4014833],
        cos_turn: &[-19.7392088, 64.939369, -85.4488185, 59.4240245],
        erf: &[
            1.12837917,
            -0.376126267,
            0.112835947,
            -0.026854212,
            5.18908742e-3,
            -8.01686429e-4,
            7.87587506e-5,
        ],
        erfc: &[
            1.23751263,
            -0.140240602,
            3.5854216e-3,
            0.0822768836,
            -0.108804096,
            0.0923023953,
            -0.0586917514,
            0.0283732668,
            -9.75422628e-3,
            1.7249887e-3,
            3.11839118e-4,
            -2.48714859e-4,
            2.99644129e-5,
        ],
        ln2_hi: 0.693_359_375,
        ln2_lo: -2.121_944_4e-4,
        exp_min: -104.0,
        exp_max: 89.0,
        saturation: 20.0,
        round: 12_582_912.0,
        two_mantissa: 8_388_608.0,
        bias: 127.0,
        subnormal_scale: 33_554_432.0,
        subnormal_exponent: 25.0,
    }
);

impl_real!(
    f64,
    u64,
    52,
    2,
    0xffff_ffff_f800_0000,
    Tables {
        exp: &[
            0.5000000000000001,
            0.16666666666666667,
            0.041666666666624128,
            8.3333333333300618e-3,
            1.3888888917213717e-3,
            1.9841269863053617e-4,
            2.4801521295954375e-5,
            2.7557268459997065e-6,
            2.7620088445409748e-7,
            2.5100385495510319e-8,
        ],
        ln: &[
            0.66666666666666697,
            0.3999999999989889,
            0.28571428626253862,
            0.22222211089376664,
            0.181828924326972,
            0.15331611717699501,
            0.1461780719892111,
        ],
        sin_turn: &[
            6.2831853071795865,
            -41.341702240399636,
            81.605249275947972,
            -76.70585970425507,
            42.05868501748958,
            -15.093804042840953,
            3.7808650697509244,
        ],
        cos_turn: &[
            -19.739208802178717,
            64.939394022668243,
            -85.456817206643779,
            60.244641352694351,
            -26.426253274804587,
            7.9032068458615115,
            -1.699032865004566,
        ],
        erf: &[
            1.1283791670955126,
            -0.37612638903183748,
            0.11283791670954879,
            -0.026866170645076793,
            5.2239776248180145e-3,
            -8.5483269808337899e-4,
            1.2055331111642711e-4,
            -1.4925595266831181e-5,
            1.646100048412136e-6,
            -1.6350312701054618e-7,
            1.4659775274046955e-8,
            -1.1372848856789925e-9,
            5.957176147746115e-11,
        ],
        erfc: &[
            1.2375126308378276,
            -0.14024059858554679,
            3.585415485463197e-3,
            0.082276738490121102,
            -0.10880393014170836,
            0.092304321161328982,
            -0.058693398589749811,
            0.028362277401914022,
            -9.7465795675759212e-3,
            1.7556260194393592e-3,
            2.9371381703447821e-4,
            -2.9015505426975472e-4,
            5.164802160016932e-5,
            2.2387800690980661e-5,
            -1.143978725504273e-5,
            -9.8179993560833446e-7,
            1.7409563548921329e-6,
            -4.5432394200286954e-8,
            -2.4286119654526448e-7,
            1.3590636532805841e-8,
            2.5439527200267725e-8,
        ],
        ln2_hi: 6.931_471_803_691_238_2e-1,
        ln2_lo: 1.908_214_929_270_587_7e-10,
        exp_min: -746.0,
        exp_max: 710.0,
        saturation: 40.0,
        round: 6_755_399_441_055_744.0,
        two_mantissa: 4_503_599_627_370_496.0,
        bias: 1023.0,
        subnormal_scale: 18_014_398_509_481_984.0,
        subnormal_exponent: 54.0,
    }
);
