//! Special functions of `f64` scalars, each with its source and accuracy.
//!
//! Arguments outside of a function's domain give NaN, as in the standard library. Accuracies are
//! relative errors that the tests hold against mpmath (`tests/golden/gen_special.py`).

mod beta;
mod gamma;
mod log_sum;
mod normal;

pub use beta::{beta_inc, ln_beta};
pub(crate) use gamma::ln_1p_minus;
pub use gamma::{
    digamma, gamma_p, gamma_p_derivative, gamma_q, gamma_sample_derivative, ln_factorial, ln_gamma,
    stirling_remainder, trigamma,
};
pub use log_sum::{log_add_exp, log1m_exp};
pub use normal::{erf, erfc, erfcx, erfinv, normal_cdf, normal_log_cdf, normal_quantile};

#[cfg(test)]
mod tests;
