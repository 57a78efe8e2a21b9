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

#[test]
fn warns_in_sentences_that_say_what_to_do() {
    let mut scalars = healthy();
    let apart: Vec<f64> = wave(0.0, 1.0).iter().map(|x| x + 4.0).collect();
    scalars.push(("tau".into(), vec![wave(0.0, 1.0), apart]));
    scalars.push(("stuck".into(), vec![vec![1.0; 400]; 2]));
    let summary = Summary::new(scalars).unwrap().with_divergences(3);
    assert_eq!(
        summary.warnings(),
        [
            "3 divergences after warm-up: reparameterise or raise target_accept",
            "R-hat above 1.01 for: tau: run longer",
            "Effective sample size below 200 for: tau: run longer",
            "Diagnostics undefined for: stuck: draws are constant, not finite, or fewer than four a chain",
        ]
    );
    assert!(summary.to_string().ends_with("a chain\n"));
    assert_eq!(
        Summary::new(healthy()).unwrap().with_divergences(1).warnings()[0].split(' ').nth(1),
        Some("divergence")
    );
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
