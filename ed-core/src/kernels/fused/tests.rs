//! Fused densities against loops over the formulas in double precision.

use super::*;
use crate::kernels::broadcast::Broadcast;
use crate::kernels::dispatch::{Level, with_level};
use crate::kernels::parallel::tests::same_for_all_threads;

const LENGTHS: [usize; 7] = [0, 1, 31, 32, 33, 500, 70_001];

fn wave(len: usize, phase: f64, low: f64, high: f64) -> Vec<f64> {
    (0..len).map(|i| low + (high - low) * (0.5 + 0.5 * (i as f64 * 0.37 + phase).sin())).collect()
}

fn close(got: f64, expected: f64, bound: f64) {
    assert!((got - expected).abs() <= bound * (1.0 + expected.abs()), "{got} is not {expected}");
}

fn at_both_levels(f: impl Fn()) {
    with_level(Level::Portable, &f);
    with_level(Level::Avx2, &f);
}

#[test]
fn the_normal_log_prob_equals_its_formula_for_all_broadcasts() {
    at_both_levels(|| {
        for len in LENGTHS {
            let value = wave(len, 0.1, -3.0, 4.0);
            for (locs, scales) in [(1, 1), (1, 7), (3, 1), (len.max(1), len.max(1)), (5, 2)] {
                let (locs, scales) = (wave(locs, 0.5, -1.0, 1.0), wave(scales, 0.9, 0.5, 3.0));
                let (mut log_prob, mut d_loc, mut d_scale) = (0.0, 0.0, 0.0);
                let (mut by_value, mut by_scale) = (vec![], vec![]);
                for (i, x) in value.iter().enumerate() {
                    let (loc, scale) = (locs[i % locs.len()], scales[i % scales.len()]);
                    let z = (x - loc) / scale;
                    log_prob += -0.5 * z * z - scale.ln() - 0.5 * (2.0 * std::f64::consts::PI).ln();
                    d_loc += z / scale;
                    d_scale += (z * z - 1.0) / scale;
                    by_value.push(-z / scale);
                    by_scale.push((z * z - 1.0) / scale);
                }
                let (loc, scale) = (Broadcast::from(&locs[..]), Broadcast::from(&scales[..]));
                let (mut d_value, mut d_scales) = (vec![0.0; len], vec![0.0; len]);
                let partials = NormalPartials { d_value: Some(&mut d_value), d_scale: Some(&mut d_scales) };
                for sums in [
                    normal_log_prob_sum(&value, loc, scale, NormalPartials::default()),
                    normal_log_prob_sum(&value, loc, scale, partials),
                ] {
                    close(sums.log_prob, log_prob, 1e-12);
                    close(sums.d_loc, d_loc, 1e-10);
                    close(sums.d_scale, d_scale, 1e-10);
                }
                d_value.iter().zip(&by_value).for_each(|(&a, &b)| close(a, b, 1e-14));
                d_scales.iter().zip(&by_scale).for_each(|(&a, &b)| close(a, b, 1e-13));
            }
        }
    });
}

#[test]
fn a_single_precision_normal_sum_keeps_six_digits_of_a_million_terms() {
    let value: Vec<f32> = wave(1_000_003, 0.3, -2.0, 2.0).into_iter().map(|x| x as f32).collect();
    let exact: f64 = value.iter().map(|&x| -0.5 * f64::from(x).powi(2) - 0.5 * f64::LN_2PI).sum();
    let sums = same_for_all_threads(|| {
        normal_log_prob_sum(&value, 0.0.into(), 1.0.into(), NormalPartials::default())
    });
    close(f64::from(sums.log_prob), exact, 1e-6);
}

#[test]
fn a_scale_of_zero_is_not_finite_instead_of_a_panic() {
    let sums = normal_log_prob_sum(&[1.0, 2.0], 0.0.into(), 0.0.into(), NormalPartials::default());
    assert!(!sums.log_prob.is_finite());
    let sums = normal_log_prob_sum(&[1.0, 2.0], 0.0.into(), (-1.0).into(), NormalPartials::default());
    assert!(sums.log_prob.is_nan());
}

#[test]
fn the_bernoulli_log_prob_equals_its_formula() {
    at_both_levels(|| {
        for len in LENGTHS {
            let logits = wave(len, 0.2, -20.0, 20.0);
            let value: Vec<f64> = (0..len).map(|i| (i % 3 % 2) as f64).collect();
            let mut d_logits = vec![0.0; len];
            let (log_prob, slope) =
                bernoulli_logits_log_prob_sum(&value, logits[..].into(), Some(&mut d_logits));
            let (mut expected, mut expected_slope) = (0.0, 0.0);
            for i in 0..len {
                let p = 1.0 / (1.0 + (-logits[i]).exp());
                let q = 1.0 / (1.0 + logits[i].exp());
                expected += if value[i] == 1.0 { p.ln() } else { q.ln() };
                close(d_logits[i], value[i] - p, 1e-13);
                expected_slope += value[i] - p;
            }
            if len > 0 {
                close(log_prob, expected, 1e-12);
                close(slope, expected_slope, 1e-11);
            }
        }
    });
}

#[test]
fn certain_bernoulli_outcomes_have_log_prob_zero_and_impossible_ones_minus_infinity() {
    let inf = f64::INFINITY;
    let log_prob = |value: f64, logit: f64| bernoulli_logits_log_prob_sum(&[value], logit.into(), None).0;
    assert_eq!((log_prob(1.0, inf), log_prob(0.0, -inf)), (0.0, 0.0));
    assert_eq!((log_prob(0.0, inf), log_prob(1.0, -inf)), (-inf, -inf));
    assert!(log_prob(1.0, f64::NAN).is_nan());
}

#[test]
fn the_cross_entropy_equals_its_formula() {
    at_both_levels(|| {
        for (rows, columns) in [(1, 1), (3, 2), (50, 10), (7, 33), (3000, 5)] {
            let logits = wave(rows * columns, 0.4, -5.0, 5.0);
            let labels: Vec<usize> = (0..rows).map(|r| r * 7 % columns).collect();
            let mut d_logits = vec![9.0; rows * columns];
            let got = softmax_cross_entropy(&logits, &labels, columns, Some(&mut d_logits)).unwrap();
            let mut expected = 0.0;
            for (r, row) in logits.chunks(columns).enumerate() {
                let total: f64 = row.iter().map(|x| x.exp()).sum();
                expected += row[labels[r]] - total.ln();
                for c in 0..columns {
                    let hit = if c == labels[r] { 1.0 } else { 0.0 };
                    close(d_logits[r * columns + c], hit - row[c].exp() / total, 1e-13);
                }
            }
            close(got, expected, 1e-12);
        }
    });
}

#[test]
fn the_cross_entropy_refuses_labels_and_lengths_that_do_not_fit() {
    assert!(softmax_cross_entropy(&[0.0; 4], &[0, 2], 2, None).is_none());
    assert!(softmax_cross_entropy(&[0.0; 3], &[0, 1], 2, None).is_none());
    assert!(softmax_cross_entropy(&[0.0; 4], &[0, 1], 2, Some(&mut [0.0; 3])).is_none());
    assert!(softmax_cross_entropy::<f32>(&[], &[0], 0, None).is_none());
    assert_eq!(softmax_cross_entropy::<f32>(&[], &[], 4, None), Some(0.0));
}

#[test]
fn the_normal_kl_and_its_gradients_match_finite_differences() {
    at_both_levels(|| {
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
