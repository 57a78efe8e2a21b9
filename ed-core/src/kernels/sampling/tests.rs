//! Distributions of the draws against their distribution functions, and their reproducibility.

use super::*;
use crate::kernels::dispatch::{Level, with_level};
use crate::kernels::parallel::tests::same_for_all_threads;
use crate::kernels::special::{beta_inc, gamma_p, gamma_q, ln_gamma};

const DRAWS: usize = 50_000;

/// Kolmogorov and Smirnov's statistic stays below its 0.1 % point, 1.95 / √n, at both levels.
fn follows(name: &str, fill: impl Fn(Key, &mut [f64]), cdf: impl Fn(f64) -> f64) {
    for level in [Level::Portable, Level::Avx2] {
        let mut x = vec![0.0; DRAWS];
        with_level(level, || fill(Key::new(1).fold_in_str(name), &mut x));
        x.sort_by(f64::total_cmp);
        let n = DRAWS as f64;
        let distance = x.iter().enumerate().fold(0f64, |worst, (i, &x)| {
            let p = cdf(x);
            assert!((0.0..=1.0).contains(&p), "{name}: cdf({x}) = {p}");
            worst.max((p - i as f64 / n).abs()).max(((i + 1) as f64 / n - p).abs())
        });
        assert!(distance * n.sqrt() < 1.95, "{name}: {}", distance * n.sqrt());
    }
}

#[test]
fn gamma_draws_follow_the_gamma_distribution() {
    for a in [0.05, 0.3, 0.5, 0.99, 1.0, 2.5, 30.0, 1e4] {
        follows("gamma", |key, x| fill_gamma(key, a.into(), x), |x| gamma_p(a, x));
        follows("log gamma", |key, x| fill_log_gamma(key, a.into(), x), |x| gamma_p(a, x.exp()));
    }
}

#[test]
fn logarithms_of_tiny_gammas_do_not_underflow() {
    let mut x = vec![0.0; 1000];
    fill_log_gamma(Key::new(2), 1e-4.into(), &mut x);
    assert!(x.iter().all(|x| x.is_finite()));
    // a ln g tends to the logarithm of a uniform, whose mean is -1.
    let mean = x.iter().map(|x| 1e-4 * x).sum::<f64>() / 1000.0;
    assert!((mean + 1.0).abs() < 4.0 / 1000f64.sqrt());
}

#[test]
fn beta_and_student_t_draws_follow_their_distributions() {
    for (a, b) in [(0.3, 0.6), (1.0, 3.0), (5.0, 2.0), (200.0, 300.0)] {
        follows("beta", |key, x| fill_beta(key, a.into(), b.into(), x), |x| beta_inc(a, b, x));
    }
    for df in [1.0, 2.5, 30.0] {
        follows(
            "student t",
            |key, x| fill_student_t(key, df.into(), x),
            |x| {
                let tail = 0.5 * beta_inc(0.5 * df, 0.5, df / (df + x * x));
                if x < 0.0 { tail } else { 1.0 - tail }
            },
        );
    }
}

#[test]
fn transformed_uniforms_follow_their_distributions() {
    follows("exponential", |key, x| fill_exponential(key, 2.0.into(), x), |x| 1.0 - (-2.0 * x).exp());
    let (loc, scale) = (0.5, 2.0);
    let z = |x: f64| (x - loc) / scale;
    let pi = std::f64::consts::PI;
    let (l, s) = (Broadcast::from(loc), Broadcast::from(scale));
    follows("gumbel", |key, x| fill_gumbel(key, l, s, x), |x| (-(-z(x)).exp()).exp());
    follows("logistic", |key, x| fill_logistic(key, l, s, x), |x| 1.0 / (1.0 + (-z(x)).exp()));
    follows("cauchy", |key, x| fill_cauchy(key, l, s, x), |x| 0.5 + z(x).atan() / pi);
    let laplace = |x: f64| if z(x) < 0.0 { 0.5 * z(x).exp() } else { 1.0 - 0.5 * (-z(x)).exp() };
    follows("laplace", |key, x| fill_laplace(key, l, s, x), laplace);
}

/// Pearson's statistic of counts, in standard deviations above its mean.
fn excess_chi_squared(counts: &[f64], expected: &[f64]) -> f64 {
    let statistic: f64 = counts.iter().zip(expected).map(|(c, e)| (c - e).powi(2) / e).sum();
    let df = expected.len() as f64 - 1.0;
    (statistic - df) / (2.0 * df).sqrt()
}

#[test]
fn poisson_draws_have_the_poisson_masses() {
    for rate in [0.1, 3.0, 9.9, 10.0, 40.0, 300.0] {
        let mut k = vec![0.0; DRAWS];
        fill_poisson(Key::new(3), rate.into(), &mut k);
        let (mut counts, mut expected) = (vec![0.0], vec![0.0]);
        let mut last = -1.0;
        // Bins of at least 20 expected draws.
        for top in 0..1000 {
            let p = gamma_q(f64::from(top) + 1.0, rate)
                - if last < 0.0 { 0.0 } else { gamma_q(last + 1.0, rate) };
            if p * DRAWS as f64 >= 20.0 {
                let top = f64::from(top);
                counts.push(k.iter().filter(|&&k| k > last && k <= top).count() as f64);
                expected.push(p * DRAWS as f64);
                last = top;
            }
        }
        let (rest_seen, rest) = (counts.iter().sum::<f64>(), expected.iter().sum::<f64>());
        (counts[0], expected[0]) = (DRAWS as f64 - rest_seen, DRAWS as f64 - rest + 1e-3);
        assert!((counts[0] - expected[0]).abs() < 5.0 * expected[0].sqrt() + 1.0, "rate {rate}: tail");
        assert!(excess_chi_squared(&counts[1..], &expected[1..]) < 4.0, "rate {rate}");
    }
    let mut zero = [1.0; 9];
    fill_poisson(Key::new(3), 0.0.into(), &mut zero);
    assert_eq!(zero, [0.0; 9]);
}

/// Counts have masses that are known, in bins of at least 20 expected draws.
fn has_masses(name: &str, k: &[f64], mass: impl Fn(f64) -> f64) {
    let n = k.len() as f64;
    let mut seen = vec![0.0; 2000];
    k.iter().for_each(|&k| seen[k as usize] += 1.0);
    let (mut counts, mut expected, mut in_bin) = (vec![], vec![], (0.0, 0.0));
    for (k, seen) in seen.iter().enumerate() {
        in_bin.0 += seen;
        in_bin.1 += mass(k as f64) * n;
        if in_bin.1 >= 20.0 {
            counts.push(in_bin.0);
            expected.push(in_bin.1);
            in_bin = (0.0, 0.0);
        }
    }
    assert!((expected.iter().sum::<f64>() + in_bin.1 - n).abs() < 1e-6 * n, "{name}: masses");
    assert!((in_bin.0 - in_bin.1).abs() < 5.0 * in_bin.1.sqrt() + 1.0, "{name}: tail");
    assert!(excess_chi_squared(&counts, &expected) < 4.0, "{name}");
}

#[test]
fn binomial_and_negative_binomial_draws_have_their_masses() {
    let ln_choose = |n: f64, k: f64| ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0);
    for (n, p) in [(1.0, 0.3), (7.0, 0.5), (40.0, 0.9), (60.0, 0.5), (1000.0, 0.02), (1500.0, 0.7)] {
        let mut k = vec![0.0; DRAWS];
        let logit: f64 = f64::ln(p / (1.0 - p));
        fill_binomial(Key::new(8), n.into(), logit.into(), &mut k);
        let mass = |k: f64| {
            if k > n { 0.0 } else { (ln_choose(n, k) + k * p.ln() + (n - k) * (1.0 - p).ln()).exp() }
        };
        has_masses(&format!("binomial {n} {p}"), &k, mass);
    }
    for (r, p) in [(0.1, 0.5), (3.0, 0.4), (0.5, 0.9), (200.0, 0.6)] {
        let mut k = vec![0.0; DRAWS];
        let logit: f64 = f64::ln(p / (1.0 - p));
        fill_negative_binomial(Key::new(8), r.into(), logit.into(), &mut k);
        let mass = |k: f64| (ln_choose(k + r - 1.0, k) + k * p.ln() + r * (1.0 - p).ln()).exp();
        has_masses(&format!("negative binomial {r} {p}"), &k, mass);
    }
}

/// Mean and variance of draws within five standard errors, the excess kurtosis being next to none.
fn has_moments(name: &str, draws: &[f64], mean: f64, variance: f64) {
    let n = draws.len() as f64;
    let seen = draws.iter().map(|x| x - mean).sum::<f64>() / n;
    let spread = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    assert!(seen.abs() < 5.0 * (variance / n).sqrt(), "{name}: mean {mean}, off by {seen}");
    assert!(
        (spread / variance - 1.0).abs() < 5.0 * (2.0 / n).sqrt(),
        "{name}: variance {spread} of {variance}"
    );
}

#[test]
fn large_counts_keep_their_moments() {
    let mut k = vec![0.0; 20_000];
    for size in [1e3, 1e6, 1e9, 1e12, 1e15, 1e17] {
        fill_poisson(Key::new(9), size.into(), &mut k);
        has_moments(&format!("poisson {size}"), &k, size, size);
        for p in [0.5, 0.02, 0.999] {
            let logit = f64::ln(p / (1.0 - p));
            fill_binomial(Key::new(9), size.into(), logit.into(), &mut k);
            assert!(k.iter().all(|&k| (0.0..=size).contains(&k) && k.floor() == k), "binomial {size} {p}");
            // The logit is rounded, and a mean of 1e15 shows it.
            let p = 1.0 / (1.0 + (-logit).exp());
            has_moments(&format!("binomial {size} {p}"), &k, size * p, size * p * (1.0 - p));
        }
        fill_gamma(Key::new(9), size.into(), &mut k);
        has_moments(&format!("gamma {size}"), &k, size, size);
        // A thousand failures, and as many successes as `size`.
        let odds: f64 = size / 1e3;
        fill_negative_binomial(Key::new(9), 1e3.into(), odds.ln().into(), &mut k);
        has_moments(&format!("negative binomial {size}"), &k, size, 1e3 * (odds + odds * odds));
    }
}

#[test]
fn counts_at_the_ends_of_the_precision_stay_in_the_support() {
    let ends = [0.0, 5e-324, 1e-300, 1e-20, 0.5, 1.0, 9.99, 1e12, 1e17, 1e38, 1e200, f64::MAX];
    let mut k = [0.0; 50];
    for size in ends {
        fill_poisson(Key::new(10), size.into(), &mut k);
        assert!(k.iter().all(|&k| k >= 0.0 && k.floor() == k), "poisson {size}: {k:?}");
        for logit in ends.into_iter().flat_map(|end| [end, -end]).chain([f64::INFINITY, f64::NEG_INFINITY]) {
            let n = size.floor();
            fill_binomial(Key::new(10), n.into(), logit.into(), &mut k);
            assert!(
                k.iter().all(|&k| (0.0..=n).contains(&k) && k.floor() == k),
                "binomial {n} {logit}: {k:?}"
            );
            if size > 0.0 && logit.is_finite() {
                fill_negative_binomial(Key::new(10), size.into(), logit.into(), &mut k);
                let is_count = |&k: &f64| k.is_nan() || (k >= 0.0 && k.floor() == k);
                assert!(k.iter().all(is_count), "negative binomial {size} {logit}: {k:?}");
            }
        }
    }
}

#[test]
fn categorical_draws_have_the_softmax_frequencies_of_their_row() {
    let logits = [0.0, 1.0, f64::NEG_INFINITY, -1.0, 2.0, 0.0, 0.0, 0.0];
    let mut classes = vec![0; 2 * DRAWS];
    assert!(fill_categorical(Key::new(4), &logits, 4, &mut classes));
    for (row, logits) in logits.chunks(4).enumerate() {
        let total: f64 = logits.iter().map(|x| x.exp()).sum();
        for (class, logit) in logits.iter().enumerate() {
            let p = logit.exp() / total;
            let seen = classes.iter().skip(row).step_by(2).filter(|&&c| c == class).count() as f64;
            let n = DRAWS as f64;
            assert!((seen - n * p).abs() <= 4.0 * (n * p * (1.0 - p)).sqrt(), "{row} {class}");
        }
    }
    assert!(!fill_categorical(Key::new(4), &[0.0; 3], 2, &mut classes));
    assert!(!fill_categorical::<f32>(Key::new(4), &[], 2, &mut classes));
}

#[test]
fn bernoulli_draws_have_their_probability() {
    for p in [0.0, 0.2, 1.0] {
        let mut x = vec![0f32; DRAWS];
        fill_bernoulli(Key::new(5), (p as f32).into(), &mut x);
        let n = DRAWS as f64;
        let ones = x.iter().filter(|&&x| x == 1.0).count() as f64;
        assert!(
            (ones - n * p).abs() <= 4.0 * (n * p * (1.0 - p)).sqrt()
                && x.iter().all(|&x| x == 0.0 || x == 1.0)
        );
    }
}

#[test]
fn an_element_depends_on_its_index_and_parameters_only() {
    let rates: Vec<f32> = (0..20_000).map(|i| 0.2 + (i % 37) as f32).collect();
    let all = same_for_all_threads(|| {
        let mut draws = vec![vec![0f32; rates.len()]; 3];
        fill_gamma(Key::new(6), rates[..].into(), &mut draws[0]);
        fill_poisson(Key::new(6), rates[..].into(), &mut draws[1]);
        fill_student_t(Key::new(6), rates[..].into(), &mut draws[2]);
        draws
    });
    let mut few = vec![0f32; 300];
    fill_gamma(Key::new(6), rates[..37].into(), &mut few);
    assert_eq!(few, all[0][..300]);
    fill_poisson(Key::new(6), rates[..37].into(), &mut few);
    assert_eq!(few, all[1][..300]);
}

#[test]
fn parameters_out_of_their_domain_give_nan() {
    let nan = |fill: &dyn Fn(&mut [f64])| {
        let mut x = [0.0; 5];
        fill(&mut x);
        x.iter().all(|x| x.is_nan())
    };
    let key = Key::new(7);
    for bad in [-1.0, f64::NAN] {
        assert!(nan(&|x| fill_gamma(key, bad.into(), x)));
        assert!(nan(&|x| fill_beta(key, 1.0.into(), bad.into(), x)));
        assert!(nan(&|x| fill_poisson(key, bad.into(), x)));
        assert!(nan(&|x| fill_exponential(key, bad.into(), x)));
        assert!(nan(&|x| fill_student_t(key, bad.into(), x)));
        assert!(nan(&|x| fill_cauchy(key, 0.0.into(), bad.into(), x)));
        assert!(nan(&|x| fill_bernoulli(key, bad.into(), x)));
        assert!(nan(&|x| fill_binomial(key, bad.into(), 0.0.into(), x)));
        assert!(nan(&|x| fill_negative_binomial(key, bad.into(), 0.0.into(), x)));
    }
}
