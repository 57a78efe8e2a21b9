//! Boundary parameters and points: probabilities of 0 and 1, standardised values that overflow, divergences and moments of
//! large parameters. Values in closed form, or of mpmath where one is printed.

use ed::prelude::*;

fn at<E: Float>(x: f64) -> Var<(), E> {
    Var::scalar(x)
}

/// The log-density at a point and its gradient by a parameter.
fn slope<D: Distribution<Elem = f64, Shape = (), Batch = ()>>(
    param: f64,
    make: impl Fn(&Var<(), f64>) -> Result<D>,
    x: f64,
) -> Result<(f64, f64)> {
    let tape = Tape::of();
    let param = tape.watch(&at(param));
    let log_prob = make(&param)?.log_prob(&at(x))?;
    Ok((log_prob.item()?, log_prob.backward()?.get(&param)?.item()?))
}

fn close(got: f64, exact: f64, relative: f64) {
    assert!((got - exact).abs() <= relative * exact.abs().max(1.0), "{got}, exactly {exact}");
}

#[test]
fn a_probability_of_zero_or_one_is_certainty_with_finite_slopes() -> Result<()> {
    let impossible = f64::NEG_INFINITY;
    let coin = |p: &Var<(), f64>| Bernoulli::from_probs(p);
    let counts = |rate: &Var<(), f64>| Poisson::new(rate);
    assert_eq!(slope(0.0, coin, 0.0)?, (0.0, -1.0));
    assert_eq!(slope(0.0, coin, 1.0)?, (impossible, 0.0));
    assert_eq!(slope(1.0, coin, 1.0)?, (0.0, 1.0));
    let five = |p: &Var<(), f64>| Binomial::from_probs(5.0, p);
    assert_eq!(slope(1.0, five, 2.0)?, (impossible, 0.0));
    assert_eq!(slope(1.0, five, 5.0)?, (0.0, 5.0));
    assert_eq!(slope(0.0, five, 0.0)?, (0.0, -5.0));
    assert_eq!(slope(0.0, five, 3.0)?, (impossible, 0.0));
    let logits = |logit: &Var<(), f64>| Binomial::from_logits(5.0, logit);
    assert_eq!(slope(f64::INFINITY, logits, 2.0)?, (impossible, 0.0));
    assert_eq!(slope(f64::NEG_INFINITY, logits, 0.0)?, (0.0, 0.0));
    assert_eq!(slope(0.0, counts, 0.0)?, (0.0, -1.0));
    assert_eq!(slope(0.0, counts, 2.0)?, (impossible, 0.0));
    Ok(())
}

#[test]
fn certainty_has_no_entropy_and_a_finite_divergence() -> Result<()> {
    for p in [0.0, 1.0] {
        let certain = Bernoulli::from_probs(at::<f64>(p))?;
        assert_eq!(certain.entropy()?.item()?, 0.0);
        assert_eq!(certain.variance()?.item()?, 0.0);
        close(kl_divergence(&certain, &Bernoulli::from_probs(at(0.5))?)?.item()?, 2f64.ln(), 1e-15);
        close(kl_divergence(&certain, &Bernoulli::from_logits(at(0.0))?)?.item()?, 2f64.ln(), 1e-15);
        assert_eq!(kl_divergence(&certain, &certain)?.item()?, 0.0);
        let other = Bernoulli::from_probs(at(1.0 - p))?;
        assert_eq!(kl_divergence(&certain, &other)?.item()?, f64::INFINITY);
        let endless =
            Bernoulli::from_logits(at::<f64>(if p == 0.0 { f64::NEG_INFINITY } else { f64::INFINITY }))?;
        assert_eq!(endless.entropy()?.item()?, 0.0);
        close(kl_divergence(&endless, &Bernoulli::from_probs(at(0.5))?)?.item()?, 2f64.ln(), 1e-15);
    }
    Ok(())
}

#[test]
fn probabilities_and_logits_say_the_same() -> Result<()> {
    let (p, logit) = (0.3, (0.3f64 / 0.7).ln());
    let coins = [Bernoulli::from_probs(at::<f64>(p))?, Bernoulli::from_logits(at(logit))?];
    for (a, b) in [(0, 1), (1, 0)] {
        close(kl_divergence(&coins[a], &coins[b])?.item()?, 0.0, 1e-15);
        close(coins[a].entropy()?.item()?, coins[b].entropy()?.item()?, 1e-15);
    }
    let (by_p, by_logit) = (
        slope(p, |p: &Var<(), f64>| Bernoulli::from_probs(p), 1.0)?,
        slope(logit, |logit: &Var<(), f64>| Bernoulli::from_logits(logit), 1.0)?,
    );
    close(by_p.1 * p * (1.0 - p), by_logit.1, 1e-14);
    Ok(())
}

#[test]
fn a_likely_outcome_keeps_its_small_log_probability_in_single_precision() -> Result<()> {
    let unlikely = (-20f64).exp().ln_1p();
    close(
        1e9 * f64::from(Bernoulli::from_logits(at::<f32>(20.0))?.log_prob(&at(1.0))?.item()?),
        -1e9 * unlikely,
        1e-6,
    );
    close(
        1e9 * f64::from(Geometric::from_logits(at::<f32>(20.0))?.log_prob(&at(0.0))?.item()?),
        -1e9 * unlikely,
        1e-6,
    );
    let all = Binomial::from_logits(3.0, at::<f32>(20.0))?.log_prob(&at(3.0))?.item()?;
    close(1e9 * f64::from(all), -3e9 * unlikely, 1e-6);
    Ok(())
}

#[test]
fn a_point_at_infinity_or_beyond_the_standard_coordinate_is_impossible_and_never_nan() -> Result<()> {
    fn far<D: Distribution<Elem = f32, Shape = (), Batch = ()>>(made: D, finite: bool) -> Result<()> {
        for x in [f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(
                made.log_prob(&Var::from_vec(vec![x], ())?)?.item()?,
                f32::NEG_INFINITY,
                "{}",
                D::NAME
            );
        }
        for x in [1e20, -1e20, 1e30, -1e30] {
            let tape = Tape::of();
            let x = tape.watch(&at::<f32>(x));
            let log_prob = made.log_prob(&x)?;
            assert!(!log_prob.item()?.is_nan() && log_prob.item()?.is_finite() == finite, "{}", D::NAME);
            assert!(!log_prob.backward()?.get(&x)?.item()?.is_nan(), "{}", D::NAME);
        }
        Ok(())
    }
    far(Logistic::new(at::<f32>(0.0), 1e-20)?, false)?;
    far(Laplace::new(at::<f32>(0.0), 1e-20)?, false)?;
    far(Gumbel::new(at::<f32>(0.0), 1e-20)?, false)?;
    far(Normal::new(at::<f32>(0.0), 1e-20)?, false)?;
    far(Cauchy::new(at::<f32>(0.0), 1e-20)?, true)?;
    far(StudentT::new(3.0, at::<f32>(0.0), 1e-20)?, true)
}

#[test]
fn the_edges_of_a_uniform_lie_outside_as_its_support_says() -> Result<()> {
    let uniform = Uniform::new(0.0, at::<f64>(0.1))?;
    for edge in [0.0, 0.1] {
        assert_eq!(uniform.log_prob(&at(edge))?.item()?, f64::NEG_INFINITY);
        assert!(uniform.support().check("Uniform", at::<f64>(edge).value()).is_err());
    }
    let wide = Uniform::new(0.0, at::<f64>(1e30))?;
    assert_eq!(wide.log_survival(&at(1e30))?.item()?, f64::NEG_INFINITY);
    assert_eq!(wide.log_cdf(&at(1e30))?.item()?, 0.0);
    Ok(())
}

#[test]
fn both_tails_of_a_cauchy_count() -> Result<()> {
    let narrow = Cauchy::new(0.0, at::<f64>(1e-30))?;
    let tail = narrow.log_survival(&at(-7.3))?.item()?;
    assert!((tail / -4.3604093997779544e-32 - 1.0).abs() < 1e-12, "{tail:e}");
    let both = Cauchy::new(0.0, at::<f64>(1.0))?.log_interval(&at(-1e30), &at(1e30))?.item()?;
    assert!((both / -6.366197723675814e-31 - 1.0).abs() < 1e-12, "{both:e}");
    Ok(())
}

#[test]
fn slopes_of_tails_far_out_are_hazards() -> Result<()> {
    let tape = Tape::of();
    let x = tape.watch(&at::<f32>(-1e5));
    let slope = Normal::new(0.0, at::<f32>(1.0))?.log_cdf(&x)?.backward()?.get(&x)?.item()?;
    close(f64::from(slope), 1e5, 1e-6);
    let tape = Tape::of();
    let x = tape.watch(&at::<f32>(1e3));
    let slope = LogNormal::new(0.0, at::<f32>(0.001))?.log_survival(&x)?.backward()?.get(&x)?.item()?;
    // mpmath, at the scale that 0.001 rounds to.
    close(f64::from(slope), -6_907.754_767_545_465, 1e-5);
    Ok(())
}

const GAMMA_DIVERGENCES: &[([f64; 4], f64)] = &[
    ([2.5, 0.75, 0.5, 4.0], 11.690340470289765),
    ([1000000.0, 3.0, 1000064.0, 3.0], 0.002047957334688034),
    ([1073741824.0, 1.0, 1342177280.0, 1.25], 0.013428224346775633),
    ([1073741824.0, 2.0, 2.5, 0.125], 67108828.20838531),
    ([0.0078125, 1.0, 30.0, 0.5], 3943.128691879629),
    ([64.0, 9.094947017729282e-13, 64.5, 9.094947017729282e-13], 0.0019633171444778485),
];

const BETA_DIVERGENCES: &[([f64; 4], f64)] = &[
    ([2.5, 0.75, 0.5, 4.0], 6.564825729946568),
    ([1048576.0, 1048576.0, 1048640.0, 1048576.0], 0.0009765333971976808),
    ([1073741824.0, 268435456.0, 67108864.0, 16777216.0], 0.9175443657037439),
    ([16777216.0, 40.0, 2.5, 12.5], 156.23924009109376),
    ([0.0078125, 0.5, 30.0, 11.0], 3769.7574180800093),
    ([65536.0, 65536.0, 65536.0, 65536.0], 0.0),
];

#[test]
fn divergences_of_large_concentrations_keep_their_digits() -> Result<()> {
    fn gamma<E: Float>(p: [f64; 4]) -> Result<f64> {
        let [a, b, c, d] = p;
        let (ours, theirs) = (Gamma::new(at::<E>(a), b)?, Gamma::new(at::<E>(c), d)?);
        Ok(kl_divergence(&ours, &theirs)?.item()?.to_f64())
    }
    fn beta<E: Float>(p: [f64; 4]) -> Result<f64> {
        let [a, b, c, d] = p;
        let (ours, theirs) = (Beta::new(at::<E>(a), b)?, Beta::new(at::<E>(c), d)?);
        Ok(kl_divergence(&ours, &theirs)?.item()?.to_f64())
    }
    // mpmath, from the definition by logarithms of the gamma function in 60 digits.
    for (p, exact) in GAMMA_DIVERGENCES {
        // Of concentrations of 10⁹, a divergence keeps the digits of their quotient.
        close(gamma::<f64>(*p)?, *exact, 1e-10);
        close(gamma::<f32>(*p)?, *exact, 1e-5);
    }
    for (p, exact) in BETA_DIVERGENCES {
        // It is a difference of logarithms of 10⁹ and more.
        close(beta::<f64>(*p)?, *exact, 1e-5);
        close(beta::<f32>(*p)?, *exact, 1e-5);
    }
    Ok(())
}

#[test]
fn gradients_of_divergences_are_differences() -> Result<()> {
    type Kl = fn(&[Var<(), f64>]) -> Result<Var<(), f64>>;
    let gamma: Kl = |p| kl_divergence(&Gamma::new(&p[0], &p[1])?, &Gamma::new(&p[2], &p[3])?);
    let beta: Kl = |p| kl_divergence(&Beta::new(&p[0], &p[1])?, &Beta::new(&p[2], &p[3])?);
    let coins: Kl = |p| kl_divergence(&Bernoulli::from_probs(&p[0])?, &Bernoulli::from_logits(&p[1])?);
    let entropies: Kl = |p| {
        (Bernoulli::from_probs(&p[0])?.entropy()? + 2.0 * Bernoulli::from_logits(&p[1])?.entropy()?).check()
    };
    let points = [(gamma, vec![2.5, 0.7, 14.0, 3.0]), (gamma, vec![30.0, 2.0, 1.5, 0.1])];
    let points =
        points.into_iter().chain([(beta, vec![2.5, 0.7, 14.0, 3.0]), (beta, vec![40.0, 12.0, 0.3, 11.0])]);
    for (kl, point) in points.chain([(coins, vec![0.3, -1.2]), (entropies, vec![0.8, 0.4])]) {
        let tape = Tape::of();
        let watched: Vec<_> = point.iter().map(|&x| tape.watch(&at::<f64>(x))).collect();
        let gradients = kl(&watched)?.backward()?;
        for index in 0..point.len() {
            let shifted = |by: f64| {
                let moved = point.iter().enumerate().map(|(i, &x)| at(x + if i == index { by } else { 0.0 }));
                kl(&moved.collect::<Vec<_>>())?.item()
            };
            let h = 1e-4 * point[index].abs();
            let wide = (shifted(2.0 * h)? - shifted(-2.0 * h)?) / (4.0 * h);
            let expected = (4.0 * (shifted(h)? - shifted(-h)?) / (2.0 * h) - wide) / 3.0;
            close(gradients.get(&watched[index])?.item()?, expected, 1e-8);
        }
    }
    Ok(())
}

#[test]
fn variances_beyond_the_largest_number_are_infinite_and_not_nan() -> Result<()> {
    assert_eq!(Weibull::new(0.01, at::<f64>(0.1))?.variance()?.item()?, f64::INFINITY);
    close(
        Weibull::new(2.0, at::<f64>(3.0))?.variance()?.item()?,
        9.0 * (1.0 - std::f64::consts::FRAC_PI_4),
        1e-14,
    );
    // e^(2μ + 2σ²) (1 - e^-σ²) with 2μ + 2σ² = -200.
    close(
        1e87 * LogNormal::new(-1000.0, at::<f64>(30.0))?.variance()?.item()?,
        1e87 * (-200f64).exp(),
        1e-12,
    );
    close(f64::from(Beta::new(1e30, at::<f32>(1e30))?.variance()?.item()?) * 1e30, 0.125, 1e-6);
    close(f64::from(Gamma::new(1e-30, at::<f32>(1e-30))?.variance()?.item()?) / 1e30, 1.0, 1e-6);
    Ok(())
}

#[test]
fn the_slope_of_the_logarithm_of_gamma_is_found_far_below_zero() -> Result<()> {
    for x in [-1e6, -1e15, -0.5, f64::NEG_INFINITY] {
        let tape = Tape::of();
        let x = tape.watch(&at::<f64>(x));
        let slope = x.ln_gamma().backward()?.get(&x)?.item()?;
        // ψ(x) = ψ(1 - x) - π / tan πx, which has its poles at the whole numbers.
        if x.item()? == -0.5 {
            close(slope, 0.036_489_973_978_576_52, 1e-14);
        } else {
            assert!(slope.is_nan());
        }
    }
    Ok(())
}

#[test]
fn logits_count_by_their_differences() -> Result<()> {
    let shifted = |by: f32| Var::from([by + 1.0, by - 0.5, by]);
    let plain = Categorical::from_logits(shifted(0.0))?.log_prob(&Var::scalar(1.0))?.item()?;
    let far = Categorical::from_logits(shifted(16384.0))?.log_prob(&Var::scalar(1.0))?.item()?;
    assert_eq!(plain, far);
    assert_eq!(shifted(0.0).log_softmax().to_vec()?, shifted(16384.0).log_softmax().to_vec()?);
    let mixture = |by: f32| -> Result<(f32, Vec<f32>)> {
        let tape = Tape::of();
        let logits = tape.watch(&shifted(by));
        let components = Normal::new(Var::from([0.0f32, 1.0, 5.0]), 1.0)?;
        let density = Mixture::new(&logits, components)?.log_prob(&Var::scalar(0.7))?;
        Ok((density.item()?, density.backward()?.get(&logits)?.to_vec()?))
    };
    assert_eq!(mixture(0.0)?, mixture(16384.0)?);
    Ok(())
}

#[test]
fn a_negative_binomial_of_very_many_failures_is_a_poisson() -> Result<()> {
    // R: dnbinom(39, size = 6e16, mu = exp(4), log = TRUE).
    let failures = 6e16f64;
    let counts = NegativeBinomial::from_logits(failures, at::<f64>(4.0 - failures.ln()))?;
    close(counts.log_prob(&at(39.0))?.item()?, -5.229_91, 1e-5);
    let poisson = Poisson::from_log_rate(at::<f64>(4.0))?.log_prob(&at(39.0))?.item()?;
    close(counts.log_prob(&at(39.0))?.item()?, poisson, 1e-12);
    Ok(())
}

#[test]
fn a_trial_that_is_almost_certain_is_not_impossible_in_single_precision() -> Result<()> {
    let sure = Binomial::from_logits(1.0, at::<f32>(90.5229))?;
    assert!(sure.log_prob(&at(1.0))?.item()?.abs() < 1e-38);
    close(f64::from(sure.log_prob(&at(0.0))?.item()?), -90.5229, 1e-6);
    Ok(())
}

#[test]
fn a_normal_truncated_far_out_in_its_tail_has_a_normaliser() -> Result<()> {
    // SciPy: truncnorm.logpdf at -15 between -20 and -1, for a location of 1.35.
    let exact = [(0.01, -1_308_989.94), (1.0, -129.911_727_64)];
    for (scale, truncated) in exact {
        let normal = Normal::new(1.35, at::<f64>(scale))?;
        let density = normal.log_prob(&at(-15.0))? - normal.log_interval(&at(-20.0), &at(-1.0))?;
        close(density.item()?, truncated, 1e-8);
    }
    Ok(())
}

#[test]
fn an_end_at_infinity_has_no_slope() -> Result<()> {
    let tape = Tape::of();
    let (loc, scale) = (tape.watch(&at::<f64>(0.3)), tape.watch(&at::<f64>(2.0)));
    let x = tape.watch(&at::<f64>(f64::INFINITY));
    let gradients = Normal::new(&loc, &scale)?.log_cdf(&x)?.backward()?;
    for of in [&loc, &scale, &x] {
        assert_eq!(gradients.get(of)?.item()?, 0.0);
    }
    Ok(())
}
