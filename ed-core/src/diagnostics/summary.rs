//! One table for a whole posterior.

use super::chains::{draws, mean, sorted, variance};
use super::error::DiagnosticsError;
use super::quantile::quantile_of_sorted;
use super::{ess_bulk, ess_tail, mcse_mean, rhat};
use crate::table::{Cell, Table};
use std::collections::HashSet;
use std::fmt;

/// R̂ above this asks for longer chains (Vehtari et al., 2021, section 5).
const MAX_R_HAT: f64 = 1.01;
/// Effective draws a chain below which R̂ and quantiles are not to be trusted (the same section).
const MIN_ESS_PER_CHAIN: f64 = 100.0;
/// Names listed in a warning before it says how many there are.
const MAX_NAMES: usize = 8;

/// Moments, quantiles and diagnostics of one scalar.
#[derive(Clone, Debug, PartialEq)]
pub struct SummaryRow {
    /// The scalar's name, such as `theta[3]`.
    pub name: String,
    /// Posterior mean.
    pub mean: f64,
    /// Posterior standard deviation (divisor `n - 1`).
    pub sd: f64,
    /// Monte Carlo standard error of the mean.
    pub mcse_mean: f64,
    /// 5 % quantile.
    pub q5: f64,
    /// Median.
    pub median: f64,
    /// 95 % quantile.
    pub q95: f64,
    /// Effective sample size of the bulk.
    pub ess_bulk: f64,
    /// Effective sample size of the tails.
    pub ess_tail: f64,
    /// Rank-normalised split R̂; NaN with one chain.
    pub r_hat: f64,
}

/// Posterior summary of named scalars, printed as a table and, below it, what to worry about.
///
/// ```
/// # use ed_core::diagnostics::Summary;
/// let chain = |shift: f64| (0..500).map(|i| (shift + 2.4 * i as f64).sin()).collect::<Vec<f64>>();
/// let summary = Summary::new([("mu", vec![chain(0.0), chain(1.0)])])?.with_divergences(3);
/// assert!(summary.row("mu").unwrap().r_hat < 1.01);
/// assert!(summary.to_string().contains("3 divergences after warm-up"));
/// # Ok::<(), ed_core::diagnostics::DiagnosticsError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    rows: Vec<SummaryRow>,
    num_chains: usize,
    num_divergences: usize,
}

impl Summary {
    /// Summarises each scalar's chains; a diagnostic that is not defined is NaN and gets a warning.
    ///
    /// # Errors
    /// [`DiagnosticsError`] if there is no scalar, a scalar has no draws, chains differ in length or number, or two
    /// scalars share a name.
    pub fn new<N: Into<String>, C: AsRef<[f64]>>(
        scalars: impl IntoIterator<Item = (N, Vec<C>)>,
    ) -> Result<Self, DiagnosticsError> {
        let mut rows = Vec::new();
        let mut names = HashSet::new();
        let mut shape = None;
        for (name, chains) in scalars {
            let name = name.into();
            let length = chains.first().map_or(0, |chain| chain.as_ref().len());
            if length == 0 {
                return Err(DiagnosticsError::Empty { what: "draws of a scalar" });
            }
            let (num_chains, num_draws) = *shape.get_or_insert((chains.len(), length));
            if chains.len() != num_chains {
                let expected = num_chains.to_string();
                return Err(DiagnosticsError::Length {
                    what: "chains of every scalar",
                    expected,
                    got: chains.len(),
                });
            }
            if let Some(chain) = chains.iter().find(|chain| chain.as_ref().len() != num_draws) {
                let got = chain.as_ref().len();
                let expected = num_draws.to_string();
                return Err(DiagnosticsError::Length { what: "draws of every chain", expected, got });
            }
            if !names.insert(name.clone()) {
                return Err(DiagnosticsError::DuplicateName { name });
            }
            rows.push(SummaryRow::new(name, &chains));
        }
        let (num_chains, _) = shape.ok_or(DiagnosticsError::Empty { what: "scalars" })?;
        Ok(Self { rows, num_chains, num_divergences: 0 })
    }

    /// Adds the number of divergent transitions after warm-up, summed over chains.
    pub fn with_divergences(mut self, num_divergences: usize) -> Self {
        self.num_divergences = num_divergences;
        self
    }

    /// All rows in the order given.
    pub fn rows(&self) -> &[SummaryRow] {
        &self.rows
    }

    /// The row of this name.
    pub fn row(&self, name: &str) -> Option<&SummaryRow> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// Divergent transitions after warm-up.
    pub fn num_divergences(&self) -> usize {
        self.num_divergences
    }

    /// What is wrong and what to do about it, one sentence a finding; empty if nothing is.
    pub fn warnings(&self) -> Vec<String> {
        let min_ess = MIN_ESS_PER_CHAIN * self.num_chains as f64;
        let mut warnings = Vec::new();
        if self.num_divergences > 0 {
            let plural = if self.num_divergences == 1 { "" } else { "s" };
            warnings.push(format!(
                "{} divergence{plural} after warm-up: reparameterise or raise target_accept",
                self.num_divergences
            ));
        }
        let mut warn = |finding: &str, advice: &str, concerns: &dyn Fn(&SummaryRow) -> bool| {
            let names: Vec<&str> =
                self.rows.iter().filter(|row| concerns(row)).map(|row| row.name.as_str()).collect();
            if !names.is_empty() {
                warnings.push(format!("{finding} for: {}: {advice}", list(&names)));
            }
        };
        warn("R-hat above 1.01", "run longer", &|row| row.r_hat > MAX_R_HAT);
        warn(&format!("Effective sample size below {min_ess}"), "run longer", &|row| {
            row.ess_bulk < min_ess || row.ess_tail < min_ess
        });
        warn("Diagnostics undefined", "draws are constant, not finite, or fewer than four a chain", &|row| {
            row.ess_bulk.is_nan()
        });
        warnings
    }
}

impl SummaryRow {
    fn new<C: AsRef<[f64]>>(name: String, chains: &[C]) -> Self {
        let values: Vec<f64> = draws(chains).collect();
        let sorted = sorted(chains);
        let quantile =
            |p| if values.iter().any(|x| x.is_nan()) { f64::NAN } else { quantile_of_sorted(&sorted, p) };
        Self {
            name,
            mean: mean(values.iter().copied()),
            sd: variance(values.iter().copied()).sqrt(),
            mcse_mean: mcse_mean(chains),
            q5: quantile(0.05),
            median: quantile(0.5),
            q95: quantile(0.95),
            ess_bulk: ess_bulk(chains),
            ess_tail: ess_tail(chains),
            r_hat: rhat(chains),
        }
    }
}

fn list(names: &[&str]) -> String {
    let shown = names[..names.len().min(MAX_NAMES)].join(", ");
    match names.len() - names.len().min(MAX_NAMES) {
        0 => shown,
        hidden => format!("{shown} and {hidden} more"),
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = ["", "mean", "sd", "mcse_mean", "5%", "50%", "95%", "ess_bulk", "ess_tail", "r_hat"];
        let mut table = Table::new(header);
        for row in &self.rows {
            table.push([
                row.name.as_str().into(),
                row.mean.into(),
                row.sd.into(),
                row.mcse_mean.into(),
                row.q5.into(),
                row.median.into(),
                row.q95.into(),
                Cell::Fixed(row.ess_bulk, 0),
                Cell::Fixed(row.ess_tail, 0),
                Cell::Fixed(row.r_hat, 3),
            ]);
        }
        write!(f, "{table}")?;
        self.warnings().iter().try_for_each(|warning| writeln!(f, "{warning}"))
    }
}
