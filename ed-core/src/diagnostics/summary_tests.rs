//! The posterior table: its numbers, its look, its warnings.

use super::*;

fn wave(shift: f64, scale: f64) -> Vec<f64> {
    (0..400).map(|i| scale * (shift + 2.4 * f64::from(i)).sin()).collect()
}

fn healthy() -> Vec<(String, Vec<Vec<f64>>)> {
    vec![
        ("mu".into(), vec![wave(0.0, 1.0), wave(1.0, 1.0)]),
        ("theta[0]".into(), vec![wave(2.0, 120.0), wave(3.0, 120.0)]),
    ]
}

#[test]
fn rows_hold_the_diagnostics_of_their_chains() {
    let summary = Summary::new(healthy()).unwrap();
    let chains = &healthy()[1].1;
    let row = summary.row("theta[0]").unwrap();
    let all = chains.concat();
    assert_eq!(row.r_hat, rhat(chains));
    assert_eq!(row.ess_tail, ess_tail(chains));
    assert_eq!(row.q95, quantile(&all, 0.95));
    // A sine has standard deviation 1/√2 of its amplitude.
    assert!((row.sd - 120.0 / 2_f64.sqrt()).abs() < 0.5, "{}", row.sd);
    assert!(summary.row("tau").is_none());
    assert_eq!(summary.warnings(), [""; 0]);
}

#[test]
fn prints_aligned_columns_and_nothing_below_if_all_is_well() {
    let text = Summary::new(healthy()).unwrap().to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    for header in ["mcse_mean", "ess_tail", "r_hat"] {
        assert!(lines[0].contains(header));
    }
    let width = lines[0].chars().count();
    assert!(lines.iter().all(|line| line.chars().count() == width), "{text}");
}

fn moved(shift: f64, by: f64) -> Vec<f64> {
    wave(shift, 1.0).iter().map(|x| x + by).collect()
}

#[test]
fn warns_in_sentences_that_say_what_to_do() {
    let mut scalars = healthy();
    scalars.push(("tau".into(), vec![wave(0.0, 1.0), moved(0.0, 1.0)]));
    scalars.push(("stuck".into(), vec![vec![3.7; 400]; 2]));
    scalars.push(("lost".into(), vec![wave(0.0, 1.0), vec![f64::NAN; 400]]));
    let timid: Vec<f64> = (0..400).map(f64::from).collect();
    let summary = Summary::new(scalars).unwrap().with_divergences(3).with_energies(&[timid, wave(0.0, 1.0)]);
    assert_eq!(
        summary.warnings(),
        [
            "3 divergences after warm-up: reparameterise or raise target_accept",
            "Energy diagnostic (BFMI) below 0.3 in chain 1: the tails are poorly explored: reparameterise",
            "Draws are not finite for: lost: look for overflow in the model",
            "All draws are equal for: stuck: constant by construction, or closer together than the precision can tell \
             (then use f64)",
            "R-hat above 1.01 for: tau: run longer",
            "Effective sample size below 200 for: tau: run longer",
        ]
    );
    assert!(summary.to_string().ends_with("run longer\n"));
    assert_eq!(
        Summary::new(healthy()).unwrap().with_divergences(1).warnings()[0].split(' ').nth(1),
        Some("divergence")
    );
}

#[test]
fn chains_in_two_modes_are_named_and_not_told_to_run_longer() {
    let modes = vec![moved(0.0, -9.0), moved(1.0, 9.0), moved(2.0, -9.0)];
    let summary = Summary::new([("x", modes.clone()), ("y", modes), ("z", vec![wave(0.0, 1.0); 3])]).unwrap();
    let warnings = summary.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].starts_with("Chains stay apart for: x, y: x: chains 1 and 3 near -9.0")
            && warnings[0].contains(", chain 2 near ")
            && !warnings[0].contains("run longer"),
        "{warnings:?}"
    );
}

#[test]
fn entries_that_are_constant_by_construction_are_no_finding() {
    let mut scalars = healthy();
    scalars.push(("cholesky[0,0]".into(), vec![vec![1.0; 400]; 2]));
    scalars.push(("cholesky[0,1]".into(), vec![vec![0.0; 400]; 2]));
    let summary = Summary::new(scalars).unwrap();
    assert_eq!(summary.warnings(), [""; 0]);
    assert!(summary.row("cholesky[0,1]").unwrap().constant);
    assert!(!summary.to_string().contains("NaN"), "{summary}");
}

#[test]
fn a_sampler_that_never_moved_is_a_finding() {
    let still = |x: f64| vec![vec![x; 400]; 2];
    let warnings = Summary::new([("x", still(0.0)), ("y", still(1.0))]).unwrap().warnings();
    assert!(
        warnings[0].starts_with("All draws are equal for: x, y: the sampler did not move"),
        "{warnings:?}"
    );
    let apart = Summary::new([("x", vec![vec![0.1; 400], vec![0.3; 400]])]).unwrap();
    assert_eq!(apart.rows()[0].r_hat, f64::INFINITY);
    assert!(apart.warnings()[0].contains("chain 1 near 0.100, chain 2 near 0.300"), "{:?}", apart.warnings());
}

#[test]
fn one_chain_has_no_r_hat_and_says_so() {
    let summary = Summary::new([("x", vec![wave(0.0, 1.0)])]).unwrap();
    assert_eq!(summary.warnings(), ["One chain only: R-hat compares chains; run several"]);
    assert!(!summary.to_string().contains("NaN"), "{summary}");
}

#[test]
fn independent_draws_have_no_convergence_to_judge() {
    let summary =
        Summary::of_independent([("x", vec![wave(0.0, 1.0)]), ("y", vec![vec![0.1; 400]])]).unwrap();
    let (text, row) = (summary.to_string(), summary.row("x").unwrap());
    assert!(!text.contains("r_hat") && !text.contains("ess") && !text.contains("NaN"), "{text}");
    assert_eq!(row.mcse_mean, row.sd / 20.0);
    assert_eq!(summary.warnings(), [""; 0]);
}

#[test]
fn equal_draws_have_exactly_their_mean_and_no_deviation() {
    for x in [0.1, -1e300, 3e-320, 1e16 + 2.0] {
        let row = Summary::new([("x", vec![vec![x; 1000]; 4])]).unwrap().rows()[0].clone();
        assert_eq!((row.mean, row.sd), (x, 0.0));
    }
}

#[test]
fn numbers_do_not_depend_on_the_unit_of_the_draws() {
    let at = |unit: f64| {
        let chains = vec![wave(0.0, unit), wave(1.0, unit)];
        Summary::new([("x", chains)]).unwrap().rows()[0].clone()
    };
    let one = at(1.0);
    for unit in [2f64.powi(-700), 2f64.powi(-1000), 2f64.powi(1000)] {
        let row = at(unit);
        assert!((row.sd / unit / one.sd - 1.0).abs() < 1e-12, "{unit:e}");
        assert!((row.mcse_mean / unit / one.mcse_mean - 1.0).abs() < 1e-9, "{unit:e}");
        assert_eq!((row.ess_bulk, row.r_hat), (one.ess_bulk, one.r_hat));
    }
}

#[test]
fn long_lists_of_names_are_cut() {
    let scalars = (0..11).map(|i| (format!("x[{i}]"), vec![vec![0.0; 4]]));
    let warnings = Summary::new(scalars).unwrap().warnings();
    assert!(warnings[0].contains("x[7] and 3 more"), "{warnings:?}");
}

#[test]
fn refuses_scalars_that_do_not_fit_together() {
    let refused = |scalars: Vec<(&str, Vec<Vec<f64>>)>| Summary::new(scalars).unwrap_err().to_string();
    assert_eq!(refused(vec![]), "expected at least one of scalars, got none");
    assert!(refused(vec![("a", vec![])]).contains("draws of a scalar"));
    let good = ("a", vec![vec![1.0, 2.0]]);
    assert!(refused(vec![good.clone(), good.clone()]).contains("`a` appears twice"));
    assert!(refused(vec![good.clone(), ("b", vec![vec![1.0]])]).contains("draws of every chain must have 2"));
    assert!(refused(vec![good, ("b", vec![vec![1.0; 2]; 2])]).contains("chains of every scalar must have 1"));
}
