//! What agreement with a reference posterior means.

use ed::diagnostics::mcse_mean;
use ed::prelude::*;
use ed::table::Table;

use super::reference::Posterior;

/// Every mean within this many combined Monte Carlo standard errors …
const MAX_ERRORS: f64 = 4.0;
/// … and every standard deviation within this fraction.
const MAX_SD_ERROR: f64 = 0.1;

/// Asserts that the draws agree with the reference, after printing both. Stan counts elements from 1.
pub fn assert_agrees(posterior: &Posterior, draws: &McmcDraws) {
    let mut table =
        Table::new(["", "mean", "reference", "errors apart", "sd", "reference", "off by %"]).digits(4);
    let mut failures = Vec::new();
    for moments in posterior.reference() {
        let (site, element) = match moments.name.split_once('[') {
            Some((site, index)) => (site, index.trim_end_matches(']').parse::<usize>().unwrap() - 1),
            None => (moments.name.as_str(), 0),
        };
        let chains = draws.required(site.to_owned()).unwrap().scalar_chains(element);
        let count = chains.iter().map(Vec::len).sum::<usize>() as f64;
        let mean = chains.iter().flatten().sum::<f64>() / count;
        let squares: f64 = chains.iter().flatten().map(|x| (x - mean).powi(2)).sum();
        let sd = (squares / (count - 1.0)).sqrt();
        let error = mcse_mean(&chains).hypot(moments.sd / moments.draws.sqrt());
        let errors = (mean - moments.mean) / error;
        let off = sd / moments.sd - 1.0;
        table.push([
            moments.name.as_str().into(),
            mean.into(),
            moments.mean.into(),
            errors.into(),
            sd.into(),
            moments.sd.into(),
            (100.0 * off).into(),
        ]);
        // Not `>`: NaN is a failure.
        if !(errors.abs() <= MAX_ERRORS && off.abs() <= MAX_SD_ERROR) {
            failures.push(moments.name);
        }
    }
    let (leapfrogs, divergences) = (draws.num_leapfrogs(), draws.num_divergences());
    println!("{}: {leapfrogs} leapfrog steps, {divergences} divergences", posterior.name());
    println!("{table}");
    assert!(failures.is_empty(), "{}: {failures:?} differ from the reference", posterior.name());
    assert_eq!(divergences, 0, "{}: the reference has no divergences", posterior.name());
}
