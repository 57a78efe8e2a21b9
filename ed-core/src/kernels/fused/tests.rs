//! Fused densities against loops over the formulas in double precision.

use super::*;
use crate::kernels::dispatch::{Level, with_level};

const LENGTHS: [usize; 7] = [0, 1, 31, 32, 33, 500, 70_001];

fn wave(len: usize, phase: f64, low: f64, high: f64) -> Vec<f64> {
    (0..len).map(|i| low + (high - low) * (0.5 + 0.5 * (i as f64 * 0.37 + phase).sin())).collect()
}

fn close(got: f64, expected: f64, bound: f64) {
    assert!((got - expected).abs() <= bound * (1.0 + expected.abs()), "{got} is not {expected}");
}

fn at_all_levels(f: impl Fn()) {
    with_level(Level::Portable, &f);
    with_level(Level::Avx2, &f);
    with_level(Level::Avx512, &f);
}

#[test]
fn the_normal_kl_and_its_gradients_match_finite_differences() {
    at_all_levels(|| {
        for len in LENGTHS {
            let (loc_q, scale_q) = (wave(len, 0.1, -2.0, 2.0), wave(len, 0.6, 0.2, 3.0));
            let kl = |lq: f64, sq: f64, lp: f64, sp: f64| {
                (sp / sq).ln() + (sq * sq + (lq - lp).powi(2)) / (2.0 * sp * sp) - 0.5
            };
            let (lp, sp) = (0.3, 1.7);
            let (mut d_loc, mut d_scale) = (vec![0.0; len], vec![0.0; len]);
            let partials = NormalKlPartials { d_loc_q: Some(&mut d_loc), d_scale_q: Some(&mut d_scale) };
            let sums = normal_kl(&loc_q, &scale_q, lp.into(), sp.into(), partials);
            let h = 1e-5;
            let (mut total, mut d_loc_p, mut d_scale_p) = (0.0, 0.0, 0.0);
            for i in 0..len {
                let (l, s) = (loc_q[i], scale_q[i]);
                total += kl(l, s, lp, sp);
                close(d_loc[i], (kl(l + h, s, lp, sp) - kl(l - h, s, lp, sp)) / (2.0 * h), 1e-8);
                close(d_scale[i], (kl(l, s + h, lp, sp) - kl(l, s - h, lp, sp)) / (2.0 * h), 1e-7);
                d_loc_p += (kl(l, s, lp + h, sp) - kl(l, s, lp - h, sp)) / (2.0 * h);
                d_scale_p += (kl(l, s, lp, sp + h) - kl(l, s, lp, sp - h)) / (2.0 * h);
            }
            close(sums.kl, total, 1e-11);
            close(sums.d_loc_p, d_loc_p, 1e-6);
            close(sums.d_scale_p, d_scale_p, 1e-6);
        }
    });
}
