//! Laws of use, over all guides and samplers: each finds the posterior of a conjugate model, which is known exactly,
//! whatever the situation of the random variable, or refuses with words.

use ed::inference::{Estimator, Fit};
use ed::params::optimizer::{Adam, Schedule};
use ed::params::param_as;
use ed::prelude::*;

use super::support::{message, scalar};

type Vector = Var<(usize,), f64>;

/// What is known about a random variable: mean and deviation of each number; no deviation where a normal of the
/// unconstrained numbers cannot have it.
struct Known<'a> {
    situation: &'a str,
    site: &'static str,
    mean: &'a [f64],
    sd: Option<f64>,
    /// The mode of the density of the constrained values.
    mode: &'a [f64],
}

fn settled() -> Adam {
    Adam::new(Schedule::cosine(0.05, 1_500))
}

fn trained<M: Model, G: Model>(model: &M, guide: G) -> Result<Fit<G>> {
    Svi::new(model, guide).optimizer(settled()).steps(1_500).quiet().run(3)
}

impl Known<'_> {
    fn close(&self, method: &str, got: &[f64], expected: &[f64], tolerance: f64) {
        assert_eq!(got.len(), expected.len(), "{method}, {}: {got:?} for {expected:?}", self.situation);
        for (got, expected) in got.iter().zip(expected) {
            let error = (got - expected).abs();
            assert!(error < tolerance, "{method}, {}: {got} for {expected}", self.situation);
        }
    }

    fn holds_for<G: Model>(&self, method: &str, fit: &Fit<G>) -> Result<()> {
        let draws = fit.sample(4_000, 1)?;
        self.close(method, &draws.mean(self.site)?.to_vec()?, self.mean, 0.08);
        if let Some(sd) = self.sd {
            self.close(method, &draws.sd(self.site)?.to_vec()?, &vec![sd; self.mean.len()], 0.06);
        }
        Ok(())
    }

    /// Every automatic guide, twice: the same seed gives the same fit.
    fn holds_for_guides<M: Model>(&self, model: &M) -> Result<()> {
        let fit = trained(model, MeanField::of(model)?)?;
        self.holds_for("mean field", &fit)?;
        let again = trained(model, MeanField::of(model)?)?;
        assert_eq!(fit.elbo(), again.elbo(), "{}", self.situation);
        self.holds_for("full rank", &trained(model, FullRank::of(model)?)?)?;
        let averaged = Svi::new(model, LowRank::of(model, 1)?).samples(4).optimizer(settled()).steps(1_500);
        self.holds_for("low rank", &averaged.quiet().run(3)?)?;
        let map = trained(model, Delta::of(model)?)?;
        self.close("delta", &map.values()?.required(self.site)?.to_vec()?, self.mode, 5e-3);
        Ok(())
    }

    fn holds_for_nuts<M: Model + Sync>(&self, model: &M) -> Result<()> {
        let draws = Nuts::new(model).chains(2).draws(1_000).quiet().run(5)?;
        self.close("NUTS", &draws.mean(self.site)?.to_vec()?, self.mean, 0.12);
        if let Some(sd) = self.sd {
            self.close("NUTS", &draws.sd(self.site)?.to_vec()?, &vec![sd; self.mean.len()], 0.1);
        }
        Ok(())
    }

    fn holds<M: Model + Sync>(&self, model: &M) -> Result<()> {
        self.holds_for_guides(model)?;
        self.holds_for_nuts(model)
    }
}

const Y: [f64; 3] = [0.9, -1.4, 2.2];

/// Means of the posteriors `N(y / 2, ½)` of one number for each datum.
const HALVES: [f64; 3] = [0.45, -0.7, 1.1];

fn halves(situation: &str) -> Known<'_> {
    Known { situation, site: "z", mean: &HALVES, sd: Some(0.5f64.sqrt()), mode: &HALVES }
}

#[test]
fn one_number_in_both_precisions() -> Result<()> {
    let mean = [Y.iter().sum::<f64>() / 4.0];
    let known = |situation| Known { situation, site: "z", mean: &mean, sd: Some(0.5), mode: &mean };
    known("one number").holds(&|| {
        let z = sample_as("z", Normal::<(), f64>::new(0.0, 1.0)?)?;
        observe_as("y", Normal::new(z.expand_last(3usize), 1.0)?, &Var::from(Y))
    })?;
    known("single precision").holds(&|| {
        let z = sample_as("z", Normal::<(), f32>::new(0.0, 1.0)?)?;
        observe_as("y", Normal::new(z.expand_last(3usize), 1.0)?, &Var::from(Y.map(|y| y as f32)))
    })
}

#[test]
fn a_vector_beside_nothing() -> Result<()> {
    halves("a vector beside an empty one").holds(&|| {
        sample_as("empty", Normal::standard((0usize,))?).map(|_: RandomVariable<Normal<_, f64>>| ())?;
        let z = sample_as("z", Normal::standard((3usize,))?)?;
        observe_as("y", Normal::new(&z, 1.0)?, &Var::from(Y))
    })
}

#[test]
fn a_plate_and_sub_models() -> Result<()> {
    halves("a plate").holds(&|| {
        plate_as("rows", 3, |rows| {
            let z = sample_as("z", Normal::standard((rows.len(),))?)?;
            observe_as("y", Normal::new(&z, 1.0)?, &Var::from(Y))
        })
    })?;
    Known { site: "part/z", ..halves("a sub-model") }.holds(&|| {
        nested_as("part", || {
            let z = sample_as("z", Normal::standard((3usize,))?)?;
            observe_as("y", Normal::new(&z, 1.0)?, &Var::from(Y))
        })
    })
}

#[test]
fn a_mask() -> Result<()> {
    let (mean, y) = ([0.45, 0.0, 1.1], Var::from([0.9, f64::NAN, 2.2]));
    let model = || {
        let z = sample_as("z", Normal::<(), f64>::standard((3usize,))?)?;
        let scale = Var::from([1.0, 1.0, 1.0]);
        mask(|| observe_as("y", Normal::new(&z, &scale)?, &y), Var::from([1.0, 0.0, 1.0])).run()
    };
    let known = Known { situation: "a mask", site: "z", mean: &mean, sd: None, mode: &mean };
    known.holds(&model)?;
    let sd = Nuts::new(&model).chains(2).draws(1_000).quiet().run(0)?.sd("z")?.to_vec()?;
    assert!((sd[1] - 1.0).abs() < 0.1 && (sd[0] - 0.5f64.sqrt()).abs() < 0.08, "{sd:?}");
    Ok(())
}

#[test]
fn a_positive_number() -> Result<()> {
    // Gamma(2, 1) and three exponential data: Gamma(5, 1 + Σ y), the mean of which the best log-normal has, too.
    let rate = 1.0 + 4.5;
    let known = Known {
        situation: "a positive number",
        site: "z",
        mean: &[5.0 / rate],
        sd: None,
        mode: &[4.0 / rate],
    };
    known.holds(&|| {
        let z = sample_as("z", Gamma::<(), f64>::new(2.0, 1.0)?)?;
        observe_as("y", Exponential::new(z.expand_last(3usize))?, &Var::from([0.9, 1.4, 2.2]))
    })
}

#[test]
fn a_simplex() -> Result<()> {
    // Flat with counts 40, 25, 35: Dirichlet(41, 26, 36).
    let mean = [41.0 / 103.0, 26.0 / 103.0, 36.0 / 103.0];
    let known = Known { situation: "a simplex", site: "z", mean: &mean, sd: None, mode: &[0.4, 0.25, 0.35] };
    known.holds(&|| {
        let z = sample_as("z", Flat::<_, f64>::on(Constraint::Simplex, (3usize,))?)?;
        factor_as("counts", z.ln() * Var::from([40.0, 25.0, 35.0]))
    })
}

/// Twelve data, one latent number each.
fn twelve() -> Vector {
    Var::from((0..12).map(|row| 3.0 * f64::from(row).sin()).collect::<Vec<_>>())
}

/// One latent number a row of a plate that shows `batch` of twelve, with a rate of the data's noise.
fn locals(batch: usize) -> impl Model + Sync {
    let data = twelve();
    move || {
        subsampled_plate_as("rows", 12, batch, |rows| {
            let z = sample_as("z", Normal::<(), f64>::standard((rows.len(),))?)?;
            observe_as("y", Normal::new(&z, 1.0)?, &data.gather(rows.indices())?)
        })
    }
}

#[test]
fn guides_hold_a_belief_for_every_row_of_a_subsampled_plate() -> Result<()> {
    let means: Vec<f64> = twelve().to_vec()?.iter().map(|y| y / 2.0).collect();
    let known = Known {
        situation: "a subsampled plate",
        site: "z",
        mean: &means,
        sd: Some(0.5f64.sqrt()),
        mode: &means,
    };
    let steps = |rate| Adam::new(Schedule::cosine(rate, 4_000));
    let model = locals(4);
    let run = |guide: MeanField| Svi::new(&model, guide).optimizer(steps(0.05)).steps(4_000).quiet().run(0);
    known.holds_for("mean field", &run(MeanField::of(&model)?)?)?;
    let full = Svi::new(&model, FullRank::of(&model)?).optimizer(steps(0.03)).steps(4_000).quiet().run(0)?;
    known.close("full rank", &full.sample(4_000, 0)?.mean("z")?.to_vec()?, &means, 0.15);
    let low = Svi::new(&model, LowRank::of(&model, 1)?).optimizer(steps(0.03)).steps(4_000).quiet().run(0)?;
    known.close("low rank", &low.sample(4_000, 0)?.mean("z")?.to_vec()?, &means, 0.15);
    let map = Svi::new(&model, Delta::of(&model)?).optimizer(steps(0.05)).steps(4_000).quiet().run(0)?;
    known.close("delta", &map.values()?.required("z")?.to_vec()?, &means, 0.02);
    // A guide by hand: its parameters have a row for each datum, of which the plate says which are here.
    let by_hand = || {
        subsampled_plate_as("rows", 12, 4, |rows| {
            let locs = param_as("locs", || Vector::zeros((12usize,)))?;
            let log_scales = param_as("log_scales", || Vector::zeros((12usize,)))?;
            let scales = log_scales.gather(rows.indices())?.exp();
            sample_as("z", Normal::new(locs.gather(rows.indices())?, scales)?)
        })
    };
    known.holds_for(
        "by hand",
        &Svi::new(&model, by_hand).optimizer(steps(0.05)).steps(4_000).quiet().run(0)?,
    )?;
    // All rows at once are the plate itself, for samplers as well.
    known.holds_for_nuts(&locals(12))
}

#[test]
fn the_posterior_of_what_rows_share_is_the_same_at_every_batch_size() -> Result<()> {
    // mu ~ N(0, 1), z ~ N(mu, 1), y ~ N(z, 1): given mu, y ~ N(mu, 2), so mu ~ N(Σ y / (12 + 2), √(2 / 14)).
    let data = &twelve() + 1.0;
    let mean = data.sum().item()? / 14.0;
    for batch in [3, 12] {
        let model = || {
            let mu = sample_as("mu", Normal::<(), f64>::new(0.0, 1.0)?)?;
            subsampled_plate_as("rows", 12, batch, |rows| {
                let z = sample_as("z", Normal::new(mu.expand_last(rows.len()), 1.0)?)?;
                observe_as("y", Normal::new(&z, 1.0)?, &data.gather(rows.indices())?)
            })
        };
        let guide = FullRank::of(&model)?;
        let rate = Adam::new(Schedule::cosine(0.03, 5_000));
        let fit = Svi::new(&model, guide).optimizer(rate).steps(5_000).quiet().run(0)?;
        let draws = fit.sample(4_000, 0)?;
        let (got, sd) = (draws.mean("mu")?.item()?, draws.sd("mu")?.item()?);
        assert!((got - mean).abs() < 0.1, "batch {batch}: {got} for {mean}");
        assert!((sd - (2f64 / 14.0).sqrt()).abs() < 0.08, "batch {batch}: {sd}");
    }
    Ok(())
}

/// Twenty rows of `z ~ Bernoulli(0.3)` and `x ~ N(2 z, 1)`.
fn switches(batch: usize) -> impl Model {
    let data = switched();
    move || {
        subsampled_plate_as("rows", 20, batch, |rows| {
            let z = sample_as("z", Bernoulli::<(), f64>::from_probs(0.3)?.expand((rows.len(),))?)?;
            observe_as("x", Normal::new(&z * 2.0, 1.0)?, &data.gather(rows.indices())?)
        })
    }
}

fn switched() -> Vector {
    Var::from((0..20).map(|row| 1.0 + 1.5 * (f64::from(row) * 1.3).sin()).collect::<Vec<_>>())
}

/// `E_q[log p - log q]` of one row, by its two cases.
fn row_bound(logit: f64, x: f64) -> f64 {
    let q = 1.0 / (1.0 + (-logit).exp());
    let ln_normal = |loc: f64| -0.5 * (x - loc).powi(2) - 0.5 * std::f64::consts::TAU.ln();
    q * (0.3f64.ln() + ln_normal(2.0) - q.ln()) + (1.0 - q) * (0.7f64.ln() + ln_normal(0.0) - (1.0 - q).ln())
}

#[test]
fn a_score_function_has_the_exact_gradient_at_every_batch_size() -> Result<()> {
    let logit = 0.4;
    let bound = |logit: f64| switched().to_vec().unwrap().iter().map(|&x| row_bound(logit, x)).sum::<f64>();
    let exact = -(bound(logit + 1e-5) - bound(logit - 1e-5)) / 2e-5;
    for batch in [2, 5, 10, 20] {
        for estimator in [Estimator::Auto, Estimator::ScoreFunction] {
            let model = switches(batch);
            let guide = || {
                subsampled_plate_as("rows", 20, batch, |rows| {
                    let logit = param_as("logit", || scalar(logit))?;
                    sample_as("z", Bernoulli::from_logits(logit.expand_last(rows.len()))?)
                })
            };
            let mut svi = Svi::new(&model, guide).estimator(estimator).samples(10);
            let slopes: Vec<f64> = (0..400)
                .map(|seed| svi.gradients(seed)?.1.required("logit")?.item())
                .collect::<Result<_>>()?;
            let n = slopes.len() as f64;
            let mean = slopes.iter().sum::<f64>() / n;
            let error = (slopes.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt();
            assert!(
                (mean - exact).abs() < 5.0 * error && error < 1.5,
                "batch {batch}, {estimator:?}: {mean} ± {error} for {exact}"
            );
        }
    }
    Ok(())
}

#[test]
fn a_score_function_may_read_what_it_draws() -> Result<()> {
    let model = || {
        let z = sample_as("z", Bernoulli::<(), f64>::from_probs(0.5)?)?;
        let loc = if z.item()? > 0.5 { 2.0 } else { -2.0 };
        observe_as("y", Normal::new(loc, 2.0)?, &scalar(1.0))
    };
    let guide = || sample_as("z", Bernoulli::from_logits(param_as("logit", || scalar(0.0))?)?);
    let rate = Adam::new(Schedule::cosine(0.1, 2_000));
    let fit = Svi::new(&model, guide).optimizer(rate).steps(2_000).samples(4).quiet().run(0)?;
    // ln p(y | 1) - ln p(y | 0) = (9 - 1) / 8.
    let logit = fit.params().required("logit")?.item()?;
    assert!((logit - 1.0).abs() < 0.15, "{logit}");
    Ok(())
}

#[test]
fn a_sampler_moves_a_support_that_depends_on_another_random_variable() -> Result<()> {
    // a ~ U(0, 1) and b ~ U(0, 1 - a): E b = ¼ and E ab = E[a (1 - a)] / 2 = 1/12.
    let model = || {
        let a = sample_as("a", Uniform::<(), f64>::new(0.0, 1.0)?)?;
        let b = sample_as("b", Uniform::new(0.0, 1.0 - &a)?)?;
        deterministic_as("ab", &a * &b)
    };
    let draws = Nuts::new(&model).chains(4).draws(1_500).quiet().run(0)?;
    for (name, expected) in [("a", 0.5), ("b", 0.25), ("ab", 1.0 / 12.0)] {
        let row = draws.summary()?.row(name).cloned().unwrap();
        assert!((row.mean - expected).abs() < 5.0 * row.mcse_mean, "{name}: {row:?}");
    }
    Ok(())
}

#[test]
fn what_a_guide_cannot_do_is_refused_with_words() -> Result<()> {
    let refused = |said: String, parts: &[&str]| {
        parts.iter().for_each(|part| assert!(said.contains(part), "`{part}` is not in: {said}"));
    };
    let batch = locals(4);
    let without_plate = || {
        let loc = param_as("loc", || Vector::zeros((4usize,)))?;
        sample_as("z", Normal::new(loc, 1.0)?)
    };
    refused(message(Svi::new(&batch, without_plate).step(0)), &["`z`", "other rows", "`subsampled_plate`"]);
    refused(
        message(Nuts::new(&batch).quiet().run(0)),
        &["the plate `rows` draws 4 of its 12 rows", "`plate`"],
    );
    // A number that all rows would share has no row of its own.
    let shared = || {
        subsampled_plate_as("rows", 12, 4, |rows| {
            let z = sample_as("z", Normal::<(), f64>::new(0.0, 1.0)?)?;
            observe_as("y", Normal::new(z.expand_last(rows.len()), 1.0)?, &Vector::zeros((rows.len(),)))
        })
    };
    refused(message(MeanField::of(&shared)), &["`z`", "12 rows", "outside of the plate"]);
    let nested = || {
        subsampled_plate_as("outer", 6, 2, |_| {
            subsampled_plate_as("inner", 6, 2, |rows| {
                sample_as("z", Normal::<(), f64>::standard((rows.len(),))?)
            })
        })
    };
    refused(message(MeanField::of(&nested)), &["`outer` and `inner`", "write the guide"]);
    let moving = || {
        let hi = sample_as("hi", HalfNormal::<(), f64>::new(1.0)?)?;
        let u = sample_as("u", Uniform::new(0.0, &hi)?)?;
        observe_as("y", Normal::new(&u, 1.0)?, &scalar(0.5))
    };
    refused(message(MeanField::of(&moving)), &["the support of `u`", "(high - low) * u"]);
    refused(message(Delta::of(&moving)), &["the support of `u`"]);

    let positive = || {
        let s = sample_as("s", HalfNormal::<(), f64>::new(1.0)?)?;
        observe_as("y", Normal::new(0.0, &s)?, &scalar(0.5))
    };
    let outside = || sample_as("s", Normal::new(param_as("loc", || scalar(-3.0))?, 0.1)?);
    refused(
        message(Svi::new(&positive, outside).step(0)),
        &["a guide", "`s`", "HalfNormal: the value must be finite"],
    );
    let misshapen = || sample_as("s", Normal::new(param_as("loc", || Var::from([1.0f64, 2.0]))?, 0.1)?);
    refused(message(Svi::new(&positive, misshapen).step(0)), &["a guide", "`s`", "[2]"]);
    let fixed = || sample_as("s", HalfNormal::<(), f64>::new(1.0)?);
    refused(message(Svi::new(&positive, fixed).step(0)), &["depends on no parameter", "`param_as("]);
    Ok(())
}
