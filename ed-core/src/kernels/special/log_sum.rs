//! Sums and differences of numbers that are given by their logarithms.

/// `ln(exp(a) + exp(b))` without overflow.
///
/// ```
/// use ed_core::kernels::special::log_add_exp;
/// assert_eq!(log_add_exp(1000.0, 1000.0), 1000.0 + 2f64.ln());
/// assert_eq!(log_add_exp(f64::NEG_INFINITY, 3.0), 3.0);
/// ```
pub fn log_add_exp(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        return f64::NAN;
    }
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    // Two equal infinities have no difference.
    if high.is_infinite() { high } else { high + (low - high).exp().ln_1p() }
}

/// `ln(1 - exp(x))` for `x ≤ 0`; -∞ at 0, NaN above (Mächler 2012, "Accurately computing
/// log(1 - exp(-|a|))", equation 7).
pub fn log1m_exp(x: f64) -> f64 {
    if x > -std::f64::consts::LN_2 { (-x.exp_m1()).ln() } else { (-x.exp()).ln_1p() }
}
