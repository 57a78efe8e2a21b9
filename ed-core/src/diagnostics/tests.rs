//! Diagnostics against ArviZ, and their defined outcomes at the edges.

use super::*;
use serde_json::Value;

/// Relative: both sides sum some hundred terms of like size in different order.
const TOLERANCE: f64 = 1e-10;

fn goldens() -> Vec<Value> {
    serde_json::from_str(include_str!("../../../tests/golden/diagnostics.json")).unwrap()
}

fn chains(case: &Value) -> Vec<Vec<f64>> {
    serde_json::from_value(case["chains"].clone()).unwrap()
}

#[track_caller]
fn assert_golden(case: &Value, key: &str, ours: f64, golden: &Value) {
    match golden.as_f64() {
        Some(golden) => assert!(
            (ours - golden).abs() <= TOLERANCE * golden.abs().max(1e-3),
            "{} {key}: {ours} against {golden}",
            case["name"]
        ),
        None => assert!(ours.is_nan(), "{} {key}: {ours} where ArviZ has none", case["name"]),
    }
}

type Diagnostic = fn(&[Vec<f64>]) -> f64;

fn agree(diagnostics: &[(&str, Diagnostic)]) {
    for case in goldens() {
        for (key, diagnostic) in diagnostics {
            assert_golden(&case, key, diagnostic(&chains(&case)), &case[key]);
        }
    }
}

#[test]
fn rhat_agrees_with_arviz() {
    agree(&[("rhat", rhat)]);
}

#[test]
fn effective_sample_sizes_agree_with_arviz() {
    agree(&[
        ("ess_bulk", ess_bulk),
        ("ess_tail", ess_tail),
        ("ess_mean", ess_mean),
        ("ess_quantile_20", |chains| ess_quantile(chains, 0.2)),
    ]);
}

#[test]
fn standard_errors_agree_with_arviz() {
    agree(&[
        ("mcse_mean", mcse_mean),
        ("mcse_sd", mcse_sd),
        ("mcse_quantile_10", |chains| mcse_quantile(chains, 0.1)),
        ("mcse_quantile_50", |chains| mcse_quantile(chains, 0.5)),
    ]);
}

#[test]
fn quantiles_intervals_and_energies_agree_with_arviz() {
    for case in goldens() {
        let chains = chains(&case);
        let draws = chains.concat();
        for (i, probability) in [0.0, 0.05, 0.5, 0.95, 1.0].into_iter().enumerate() {
            assert_golden(&case, "quantiles", quantile(&draws, probability), &case["quantiles"][i]);
        }
        let (low, high) = hdi(&draws, 0.8);
        assert_golden(&case, "hdi low", low, &case["hdi_80"][0]);
        assert_golden(&case, "hdi high", high, &case["hdi_80"][1]);
        for (i, chain) in chains.iter().enumerate() {
            assert_golden(&case, "bfmi", bfmi(chain), &case["bfmi"][i]);
        }
    }
}

#[test]
fn autocorrelations_agree_with_arviz() {
    for case in goldens() {
        let chain = &chains(&case)[0];
        for (key, ours) in [
            ("autocovariance_first", autocovariance(chain)),
            ("autocorrelation_first", autocorrelation(chain)),
        ] {
            assert_eq!(ours.len(), chain.len());
            let scale = ours[0].abs();
            for (ours, golden) in ours.iter().zip(case[key].as_array().unwrap()) {
                let golden = golden.as_f64().unwrap();
                assert!((ours - golden).abs() <= TOLERANCE * scale, "{} {key}", case["name"]);
            }
        }
    }
}

#[test]
fn is_undefined_for_unusable_draws() {
    let good: Vec<f64> = (0..20).map(|i| f64::from(i * 7 % 11)).collect();
    let with = |x: f64| [&good[..19], &[x]].concat();
    let unusable: [(&str, Vec<Vec<f64>>); 7] = [
        ("no chains", vec![]),
        ("no draws", vec![vec![], vec![]]),
        ("three draws", vec![vec![1.0, 2.0, 3.0], vec![1.0, 3.0, 2.0]]),
        ("unequal lengths", vec![good.clone(), good[..10].to_vec()]),
        ("a NaN", vec![good.clone(), with(f64::NAN)]),
        ("an infinity", vec![good.clone(), with(f64::INFINITY)]),
        ("constant", vec![vec![0.1; 20], vec![0.1; 20]]),
    ];
    for (what, chains) in unusable {
        let all = [
            rhat(&chains),
            ess_bulk(&chains),
            ess_tail(&chains),
            ess_mean(&chains),
            mcse_mean(&chains),
            mcse_sd(&chains),
            mcse_quantile(&chains, 0.5),
        ];
        assert!(all.iter().all(|x| x.is_nan()), "{what}: {all:?}");
    }
    assert!(rhat(&[&good]).is_nan(), "R-hat of one chain");
    assert!(ess_bulk(&[&good]) > 0.0);
}

#[test]
fn rhat_of_chains_stuck_apart_is_infinite() {
    for (low, high) in [(1.0, 2.0), (0.1, 0.3), (-1e-200, 1e-200), (0.7, 1e308)] {
        for draws in [10, 333, 1000] {
            let chains = [vec![low; draws], vec![high; draws], vec![low; draws]];
            assert_eq!(rhat(&chains), f64::INFINITY, "{low} and {high}");
        }
    }
}

#[test]
fn effective_sizes_and_errors_do_not_depend_on_the_unit_of_the_draws() {
    let draws = |start: f64| (0..200).map(|i| (start + 0.3 * f64::from(i)).sin()).collect::<Vec<_>>();
    let one = [draws(0.0), draws(1.0)];
    for unit in [1e-200, 1e-300, 1e200, 1e307] {
        let scaled = one.clone().map(|chain| chain.iter().map(|x| x * unit).collect::<Vec<_>>());
        let same =
            |ours: f64, golden: f64| assert!((ours / golden - 1.0).abs() < 1e-9, "{unit}: {ours}, {golden}");
        same(ess_mean(&scaled), ess_mean(&one));
        same(mcse_mean(&scaled) / unit, mcse_mean(&one));
        same(mcse_sd(&scaled) / unit, mcse_sd(&one));
        same(bfmi(&scaled[0]), bfmi(&one[0]));
        same(autocorrelation(&scaled[0])[3], autocorrelation(&one[0])[3]);
    }
}

#[test]
fn quantiles_beside_an_infinite_draw_are_those_of_the_finite_ones() {
    let infinity = f64::INFINITY;
    assert_eq!(quantile(&[1.0, 2.0, infinity], 0.5), 2.0);
    assert_eq!(quantile(&[-infinity, 2.0, infinity], 0.5), 2.0);
    assert_eq!(quantile(&[-infinity, -infinity, 2.0], 0.25), -infinity);
    assert_eq!(quantile(&[0.1; 7], 0.33), 0.1);
}

#[test]
fn is_undefined_for_impossible_probabilities() {
    let draws: Vec<f64> = (0..20).map(|i| f64::from(i * 7 % 11)).collect();
    for probability in [-0.1, 1.1, f64::NAN] {
        assert!(quantile(&draws, probability).is_nan());
        assert!(hdi(&draws, probability).0.is_nan());
        assert!(ess_quantile(&[&draws], probability).is_nan());
        assert!(mcse_quantile(&[&draws], probability).is_nan());
    }
    assert!(quantile(&[], 0.5).is_nan() && quantile(&[1.0, f64::NAN], 0.5).is_nan());
    assert!(hdi(&[1.0], 0.5).0.is_nan());
    assert!(
        bfmi(&[1.0]).is_nan()
            && bfmi(&[1.0, 1.0]).is_nan()
            && bfmi(&[0.1; 1000]).is_nan()
            && bfmi(&[1.0, f64::NAN]).is_nan()
    );
}

#[test]
fn autocorrelation_of_a_constant_is_undefined() {
    assert!(autocorrelation(&[0.1; 9]).iter().all(|x| x.is_nan()));
    assert!(autocorrelation(&[]).is_empty() && autocovariance(&[]).is_empty());
}

#[test]
fn effective_size_of_an_autoregression_approaches_its_closed_form() {
    // x' = ρ x + ε has τ = (1 + ρ) / (1 - ρ); ε is a centred sum of twelve hashed uniforms.
    let rho = 0.6_f64;
    let noise = |t: usize, chain: usize| {
        let mut state = (t as u64 * 4 + chain as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (0..12)
            .map(|_| {
                state ^= state >> 30;
                state = state.wrapping_mul(0xBF58_476D_1CE4_E5B9) ^ (state >> 27);
                (state >> 11) as f64 / (1u64 << 53) as f64
            })
            .sum::<f64>()
            - 6.0
    };
    let chains: Vec<Vec<f64>> = (0..4)
        .map(|chain| {
            let mut x = 0.0;
            (0..5000)
                .map(|t| {
                    x = rho * x + noise(t, chain);
                    x
                })
                .collect()
        })
        .collect();
    let expected = 20_000.0 * (1.0 - rho) / (1.0 + rho);
    let ess = ess_bulk(&chains);
    assert!((ess / expected - 1.0).abs() < 0.1, "{ess} against {expected}");
}
