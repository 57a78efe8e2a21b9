//! The mass of the standard normal distribution between two ends.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_PI_2};

use crate::kernels::special;
use crate::ops::interval::{Ends, Mass};

const HALF_LN_2PI: f64 = 0.918_938_533_204_672_8;

/// Nodes and weights of Gauss and Legendre's rule of five points on the unit interval (DLMF 3.5).
const RULE: [(f64, f64); 5] = [
    (0.046_910_077_030_668_02, 0.118_463_442_528_094_54),
    (0.230_765_344_947_158_45, 0.239_314_335_249_683_24),
    (0.5, 0.284_444_444_444_444_44),
    (0.769_234_655_052_841_5, 0.239_314_335_249_683_24),
    (0.953_089_922_969_332, 0.118_463_442_528_094_54),
];

/// The mass between two ends: from the side of the mean on which both, or most of them, lie.
pub(super) fn mass(ends: Ends) -> Mass {
    match (ends.low == f64::NEG_INFINITY, ends.high == f64::INFINITY) {
        (true, true) => Mass::WHOLE,
        (true, false) => left(ends),
        (false, true) => left(ends.flipped()).flipped(),
        (false, false) if ends.low + ends.high > 0.0 => left(ends.flipped()).flipped(),
        (false, false) => left(ends),
    }
}

/// The same for ends whose middle is not above zero.
fn left(Ends { low, high, width }: Ends) -> Mass {
    let open = low == f64::NEG_INFINITY;
    let narrow = !open && (low.abs() + 1.0) * width < 0.25;
    if high > 0.0 && !narrow {
        let tails = special::normal_cdf(low) + special::normal_cdf(-high);
        let density = |z: f64| (-0.5 * z * z - HALF_LN_2PI).exp() / (1.0 - tails);
        let (by_low, by_high) = (-density(low), density(high));
        return Mass { log: (-tails).ln_1p(), by_low, by_high, by_both: by_low + by_high };
    }
    // In units of the density at the upper end, against which that at the lower one is e^fall, nothing under- or
    // overflows, and what cancels cancels before the exponential is taken.
    let fall = if open { f64::NEG_INFINITY } else { 0.5 * width * (low + high) };
    let share = if narrow {
        let at = |node: f64| (node * width * (high - 0.5 * node * width)).exp();
        width * RULE.iter().map(|&(node, weight)| weight * at(node)).sum::<f64>()
    } else {
        let beyond = if open { 0.0 } else { fall.exp() * special::erfcx(-low * FRAC_1_SQRT_2) };
        FRAC_PI_2.sqrt() * (special::erfcx(-high * FRAC_1_SQRT_2) - beyond)
    };
    Mass {
        log: share.ln() - 0.5 * high * high - HALF_LN_2PI,
        by_low: -fall.exp() / share,
        by_high: 1.0 / share,
        by_both: -fall.exp_m1() / share,
    }
}
