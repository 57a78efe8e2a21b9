//! One table for a whole posterior.

use super::chains::{constant, draws, moments, sorted};
use super::error::DiagnosticsError;
use super::places::{ChainGroup, places, said};
use super::quantile::quantile_of_sorted;
use super::{bfmi, ess_bulk, ess_tail, mcse_mean, rhat};
use crate::table::{Cell, Table};
use std::collections::HashSet;
use std::fmt;

/// R̂ above this asks for longer chains (Vehtari et al., 2021, section 5).
const MAX_R_HAT: f64 = 1.01;
/// Effective draws a chain below which R̂ and quantiles are not to be trusted (the same section).
const MIN_ESS_PER_CHAIN: f64 = 100.0;
/// Energy diagnostic below which the tails are poorly explored (Betancourt, 2016).
const MIN_BFMI: f64 = 0.3;
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
    /// Effective sample size of the bulk; the number of draws if they are independent.
    pub ess_bulk: f64,
    /// Effective sample size of the tails; the number of draws if they are independent.
    pub ess_tail: f64,
    /// Rank-normalised split R̂; NaN with one chain or independent draws.
    pub r_hat: f64,
    /// The places at which chains stay without ever meeting, in increasing order; empty if they do meet.
    pub places: Vec<ChainGroup>,
    /// Whether no draw differs from another.
    pub constant: bool,
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
    independent: bool,
    /// One number a chain; empty if energies are not known.
    bfmi: Vec<f64>,
}

impl Summary {
    /// Summarises each scalar's Markov chains; a diagnostic that is not defined is NaN and gets a warning.
    ///
    /// # Errors
    /// [`DiagnosticsError`] if there is no scalar, a scalar has no draws, chains differ in length or number, or two
    /// scalars share a name.
    pub fn new<N: Into<String>, C: AsRef<[f64]>>(
        scalars: impl IntoIterator<Item = (N, Vec<C>)>,
    ) -> Result<Self, DiagnosticsError> {
        Self::of(scalars, false)
    }

    /// Summarises scalars whose draws are independent of each other, as those of a guide or a prior: there is no
    /// convergence to judge, each draw counts, and the table leaves those columns out.
    ///
    /// # Errors
    /// As [`Summary::new`].
    ///
    /// ```
    /// # use ed_core::diagnostics::Summary;
    /// let summary = Summary::of_independent([("x", vec![[1.0, 2.0, 3.0, 6.0]])])?;
    /// assert_eq!(summary.row("x").unwrap().ess_bulk, 4.0);
    /// assert!(!summary.to_string().contains("r_hat") && summary.warnings().is_empty());
    /// # Ok::<(), ed_core::diagnostics::DiagnosticsError>(())
    /// ```
    pub fn of_independent<N: Into<String>, C: AsRef<[f64]>>(
        scalars: impl IntoIterator<Item = (N, Vec<C>)>,
    ) -> Result<Self, DiagnosticsError> {
        Self::of(scalars, true)
    }

    fn of<N: Into<String>, C: AsRef<[f64]>>(
        scalars: impl IntoIterator<Item = (N, Vec<C>)>,
        independent: bool,
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
            rows.push(SummaryRow::new(name, &chains, independent));
        }
        let (num_chains, _) = shape.ok_or(DiagnosticsError::Empty { what: "scalars" })?;
        Ok(Self { rows, num_chains, num_divergences: 0, independent, bfmi: Vec::new() })
    }

    /// Adds the number of divergent transitions after warm-up, summed over chains.
    pub fn with_divergences(mut self, num_divergences: usize) -> Self {
        self.num_divergences = num_divergences;
        self
    }

    /// Adds the energies of a Hamiltonian sampler, chains × draws, for their [`bfmi`](super::bfmi()).
    pub fn with_energies<C: AsRef<[f64]>>(mut self, chains: &[C]) -> Self {
        self.bfmi = chains.iter().map(|chain| bfmi(chain.as_ref())).collect();
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
        let mut warnings = Vec::new();
        if self.num_divergences > 0 {
            let plural = if self.num_divergences == 1 { "" } else { "s" };
            warnings.push(format!(
                "{} divergence{plural} after warm-up: reparameterise or raise target_accept",
                self.num_divergences
            ));
        }
        let timid: Vec<usize> = (0..self.bfmi.len()).filter(|&chain| self.bfmi[chain] < MIN_BFMI).collect();
        if !timid.is_empty() {
            warnings.push(format!(
                "Energy diagnostic (BFMI) below {MIN_BFMI} in {}: the tails are poorly explored: reparameterise",
                said(&timid)
            ));
        }
        let mut warn = |finding: &str, advice: &str, concerns: &dyn Fn(&SummaryRow) -> bool| {
            let rows: Vec<&SummaryRow> = self.rows.iter().filter(|row| concerns(row)).collect();
            if !rows.is_empty() {
                warnings.push(format!("{finding} for: {}: {advice}", list(&rows)));
            }
        };
        let finite = |row: &SummaryRow| row.mean.is_finite() && row.q5.is_finite() && row.q95.is_finite();
        warn("Draws are not finite", "look for overflow in the model", &|row| !finite(row));
        if self.independent {
            return warnings;
        }
        // Entries that are constant by construction stand among others that move; a sampler that never moved has none.
        let stuck = self.rows.iter().all(|row| row.constant || !finite(row));
        warn(
            "All draws are equal",
            "the sampler did not move: look at the step size and the divergences",
            &|row| row.constant && stuck,
        );
        warn(
            "All draws are equal",
            "constant by construction, or closer together than the precision can tell (then use f64)",
            &|row| row.constant && !stuck && row.mean != 0.0 && row.mean != 1.0,
        );
        warn("Diagnostics undefined", "fewer than four draws a chain", &|row| {
            row.ess_bulk.is_nan() && finite(row) && !row.constant
        });
        warn("R-hat above 1.01", "run longer", &|row| row.r_hat > MAX_R_HAT && row.places.is_empty());
        let min_ess = MIN_ESS_PER_CHAIN * self.num_chains as f64;
        warn(&format!("Effective sample size below {min_ess}"), "run longer", &|row| {
            (row.ess_bulk < min_ess || row.ess_tail < min_ess) && row.places.is_empty()
        });
        let apart: Vec<&SummaryRow> = self.rows.iter().filter(|row| !row.places.is_empty()).collect();
        if let Some(first) = apart.first() {
            warnings.push(format!(
                "Chains stay apart for: {}: {}: {}: the posterior has several modes, and a longer run will not join \
                 them: reparameterise, break the symmetry, or start all chains in the mode that is meant",
                list(&apart),
                first.name,
                first.places.iter().map(ChainGroup::to_string).collect::<Vec<_>>().join(", "),
            ));
        }
        if self.num_chains == 1 && !stuck {
            warnings.push("One chain only: R-hat compares chains; run several".into());
        }
        warnings
    }

    /// Whether R̂ is defined for some row.
    fn compares_chains(&self) -> bool {
        !self.independent && self.num_chains > 1
    }
}

impl SummaryRow {
    fn new<C: AsRef<[f64]>>(name: String, chains: &[C], independent: bool) -> Self {
        let values: Vec<f64> = draws(chains).collect();
        let sorted = sorted(chains);
        let quantile =
            |p| if values.iter().any(|x| x.is_nan()) { f64::NAN } else { quantile_of_sorted(&sorted, p) };
        let (mean, sd) = moments(&values);
        let count = values.len() as f64;
        let (mcse_mean, ess_bulk, ess_tail, r_hat) = match independent {
            true => (sd / count.sqrt(), count, count, f64::NAN),
            false => (mcse_mean(chains), ess_bulk(chains), ess_tail(chains), rhat(chains)),
        };
        Self {
            name,
            mean,
            sd,
            mcse_mean,
            q5: quantile(0.05),
            median: quantile(0.5),
            q95: quantile(0.95),
            ess_bulk,
            ess_tail,
            r_hat,
            places: if r_hat > MAX_R_HAT { places(chains) } else { Vec::new() },
            constant: constant(chains) && mean.is_finite(),
        }
    }
}

fn list(rows: &[&SummaryRow]) -> String {
    let names: Vec<&str> = rows.iter().take(MAX_NAMES).map(|row| row.name.as_str()).collect();
    match rows.len() - names.len() {
        0 => names.join(", "),
        hidden => format!("{} and {hidden} more", names.join(", ")),
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut header = vec!["", "mean", "sd", "mcse_mean", "5%", "50%", "95%"];
        if !self.independent {
            header.extend(["ess_bulk", "ess_tail"]);
        }
        if self.compares_chains() {
            header.push("r_hat");
        }
        let mut table = Table::new(header);
        for row in &self.rows {
            let mut cells: Vec<Cell> = vec![row.name.as_str().into()];
            // An entry that is constant by construction has nothing to judge.
            let error = if row.constant { Cell::from("-") } else { Cell::from(row.mcse_mean) };
            cells.extend([row.mean, row.sd].map(Cell::from));
            cells.push(error);
            cells.extend([row.q5, row.median, row.q95].map(Cell::from));
            let judged = |number: f64, decimals| match row.constant {
                true => Cell::from("-"),
                false => Cell::Fixed(number, decimals),
            };
            if !self.independent {
                cells.extend([judged(row.ess_bulk, 0), judged(row.ess_tail, 0)]);
            }
            if self.compares_chains() {
                cells.push(judged(row.r_hat, 3));
            }
            table.push(cells);
        }
        write!(f, "{table}")?;
        self.warnings().iter().try_for_each(|warning| writeln!(f, "{warning}"))
    }
}
