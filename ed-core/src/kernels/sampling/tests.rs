//! Distributions of the draws against their distribution functions, and their reproducibility.

use super::*;
use crate::kernels::dispatch::{Level, with_level};
use crate::kernels::parallel::tests::same_for_all_threads;
use crate::kernels::special::{beta_inc, gamma_p, gamma_q};

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
    }
}
