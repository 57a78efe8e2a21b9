//! Draws of families whose parameters are at the ends of a precision.

use ed::prelude::*;

use crate::support::message;

fn counts<D: Distribution<Shape = (usize,), Elem = f64>>(distribution: Result<D>) -> Result<Vec<f64>> {
    let draws = Distribution::sample(&distribution?, Key::new(3))?.to_vec()?;
    assert!(draws.iter().all(|&k| k >= 0.0 && k.floor() == k && k.is_finite()), "{}: {draws:?}", D::NAME);
    Ok(draws)
}

#[test]
fn counts_of_tiny_and_huge_parameters_are_counts() -> Result<()> {
    // A rate that underflows is no count of -1 (NumPy's issues 1494 and 18997 are of this kind).
    for r in [0.1, 0.01, 1e-5, 1e-300] {
        let draws = counts(NegativeBinomial::from_logits(r, 0.0).and_then(|of| of.expand((2000,))))?;
        let zeros = draws.iter().filter(|&&k| k == 0.0).count() as f64 / 2000.0;
        let expected = 0.5f64.powf(r);
        assert!(
            (zeros - expected).abs() <= 5.0 * (expected * (1.0 - expected) / 2000.0).sqrt(),
            "{r}: {zeros}"
        );
    }
    for logit in [100.0, 600.0, 700.0] {
        counts(NegativeBinomial::from_logits(1.0, logit).and_then(|of| of.expand((500,))))?;
    }
    for (n, p) in [(1e38, 0.5), (1e12, 1e-20), (1e300, 1e-290), (1e12, 1.0), (1e12, 0.0)] {
        let draws = counts(Binomial::from_probs(n, p).and_then(|of| of.expand((500,))))?;
        assert!(draws.iter().all(|&k| k <= n), "{n} {p}");
        let (mean, deviation) = (n * p, (n * p * (1.0 - p)).sqrt());
        let seen = draws.iter().map(|k| k / 500.0).sum::<f64>();
        assert!((seen - mean).abs() <= 5.0 * deviation / 500f64.sqrt() + 1e-9 * mean, "{n} {p}: {seen}");
    }
    Ok(())
}

#[test]
fn a_draw_beyond_the_precision_is_an_error_that_says_so() -> Result<()> {
    let refused = [
        message(Distribution::sample(&Poisson::<(), f32>::from_log_rate(100.0)?, Key::new(0))),
        message(Distribution::sample(&Geometric::<(), f32>::from_logits(-1e38)?, Key::new(0))),
        message(Distribution::sample(&Cauchy::<(), f32>::new(0.0, 3e38)?.expand((100,))?, Key::new(0))),
    ];
    for said in refused {
        assert!(said.contains("beyond the largest f32") && said.contains("f64"), "{said}");
    }
    // The precision that has the numbers gives them.
    assert!(Distribution::sample(&Poisson::<(), f64>::from_log_rate(100.0)?, Key::new(0))?.item()? > 2e43);
    let never = message(Distribution::sample(&Geometric::<(), f64>::from_logits(-1e38)?, Key::new(0)));
    assert!(never.contains("beyond the largest f64"), "{never}");
    Ok(())
}

#[test]
fn betas_of_the_smallest_concentrations_are_ends_in_the_right_proportion() -> Result<()> {
    fn ones<E: Float>(a: f64, b: f64) -> Result<f64> {
        let (a, b) = (Var::<(), E>::scalar(a), Var::<(), E>::scalar(b));
        let draws = Distribution::sample(&Beta::new(&a, &b)?.expand((4000,))?, Key::new(1))?.to_vec()?;
        assert!(draws.iter().all(|x| *x > E::ZERO && *x < E::ONE));
        Ok(draws.iter().filter(|x| x.to_f64() > 0.5).count() as f64 / 4000.0)
    }
    // NumPy's issue 24266 and Stan's 419: the logarithms of both gammas are infinite, and their difference is NaN.
    let (single, double) = (f64::from(f32::MIN_POSITIVE), f64::MIN_POSITIVE);
    let shares = [
        (ones::<f64>(2.0 * double, 1.5 * double)?, 4.0 / 7.0),
        (ones::<f64>(1e-320, 3e-320)?, 0.25),
        (ones::<f32>(2.0 * single, 1.5 * single)?, 4.0 / 7.0),
        (ones::<f32>(1e-40, 1e-40)?, 0.5),
        (ones::<f64>(1e-10, 1e-9)?, 1.0 / 11.0),
        (ones::<f32>(1e-40, 1.0)?, 0.0),
    ];
    for (seen, expected) in shares {
        let error = (expected * (1.0 - expected) / 4000f64).sqrt();
        assert!((seen - expected).abs() <= 5.0 * error, "{seen} of {expected}");
    }
    Ok(())
}
