//! What a Markov chain leaves behind.

use std::ops::Deref;
use std::time::Duration;

use crate::error::Result;
use crate::inference::Draws;
use crate::model::{Model, Space};
use crate::trace::Values;

/// So many draws show whether a chain moves.
const ENOUGH: usize = 20;

/// What a transition tells besides its position, under CmdStan's names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transition {
    /// Log-density of the position on the flat vector.
    pub(super) log_density: f64,
    /// Mean acceptance probability along the trajectory.
    pub(super) accept: f64,
    pub(super) step_size: f64,
    /// Doublings of the trajectory.
    pub(super) depth: u64,
    pub(super) leapfrogs: u64,
    pub(super) diverging: bool,
    /// Kinetic energy of the momentum that brought the sampler there, less the log-density.
    pub(super) energy: f64,
}

/// A statistic's name and its number of a transition.
type Column = (&'static str, fn(&Transition) -> f64);

/// In CmdStan's order.
const COLUMNS: [Column; 7] = [
    ("lp__", |at| at.log_density),
    ("accept_stat__", |at| at.accept),
    ("stepsize__", |at| at.step_size),
    ("treedepth__", |at| at.depth as f64),
    ("n_leapfrog__", |at| at.leapfrogs as f64),
    ("divergent__", |at| f64::from(u8::from(at.diverging))),
    ("energy__", |at| at.energy),
];

/// One chain on the flat vector.
#[derive(Clone, Debug, Default)]
pub(super) struct ChainRun {
    positions: Vec<Box<[f64]>>,
    transitions: Vec<Transition>,
    warmup_leapfrogs: u64,
    pub(super) warmup_time: Duration,
    pub(super) time: Duration,
}

impl ChainRun {
    /// Adds a draw that is kept.
    pub(super) fn push(&mut self, position: Box<[f64]>, transition: Transition) {
        self.positions.push(position);
        self.transitions.push(transition);
    }

    /// Counts a transition of the warm-up.
    pub(super) fn warm_up(&mut self, leapfrogs: u64) {
        self.warmup_leapfrogs += leapfrogs;
    }

    /// How many draws differ from the one before, and the last one; `None` if there are too few to judge.
    pub(super) fn moves(&self) -> Option<(u64, &[f64])> {
        let last = self.positions.last().filter(|_| self.positions.len() >= ENOUGH)?;
        let moves = self.positions.windows(2).filter(|pair| pair[0] != pair[1]).count();
        Some((moves as u64, last))
    }
}

/// The draws of a Markov chain sampler, with what it did to get them: [`Draws::statistic`] has every number of CmdStan,
/// `lp__`, `accept_stat__`, `stepsize__`, `treedepth__`, `n_leapfrog__`, `divergent__` and `energy__`. Dereferences to
/// [`Draws`].
#[derive(Clone, Debug)]
pub struct McmcDraws {
    draws: Draws,
    leapfrogs: u64,
    time: Duration,
    sampling_time: Duration,
}

impl McmcDraws {
    /// Constrains the flat draws of all chains by running the model on each.
    pub(super) fn collect<M: Model>(
        space: &Space,
        model: &M,
        runs: Vec<ChainRun>,
        time: Duration,
    ) -> Result<McmcDraws> {
        let chains: Result<Vec<Vec<Values>>> = runs
            .iter()
            .map(|run| run.positions.iter().map(|position| space.values(model, position)).collect())
            .collect();
        let mut draws = Draws::from_chains(&chains?)?;
        let transitions = || runs.iter().flat_map(|run| &run.transitions);
        for (name, number) in COLUMNS {
            draws.insert_statistic(name, transitions().map(number).collect())?;
        }
        let sampled: u64 = transitions().map(|at| at.leapfrogs).sum();
        let warmup: u64 = runs.iter().map(|run| run.warmup_leapfrogs).sum();
        let sampling_time = runs.iter().map(|run| run.time).max().unwrap_or_default();
        Ok(McmcDraws { draws, leapfrogs: sampled + warmup, time, sampling_time })
    }

    /// The draws.
    pub fn draws(&self) -> &Draws {
        &self.draws
    }

    /// Leapfrog steps of all chains, warm-up included: the number of gradients, but for the first of each trajectory.
    pub fn num_leapfrogs(&self) -> u64 {
        self.leapfrogs
    }

    /// Wall-clock time of the whole run.
    pub fn time(&self) -> Duration {
        self.time
    }

    /// Wall-clock time of the longest chain, warm-up included, without starting up and constraining.
    pub fn sampling_time(&self) -> Duration {
        self.sampling_time
    }
}

impl Deref for McmcDraws {
    type Target = Draws;
    fn deref(&self) -> &Draws {
        &self.draws
    }
}

#[cfg(test)]
mod tests {
    use crate::inference::LogDensity;
    use crate::model::Space;
    use crate::prelude::*;

    fn model() -> Result<()> {
        sample_as("tau", HalfNormal::<(), f64>::new(2.0)?)?;
        sample_as("x", Normal::<(), f64>::new(0.0, 1.0)?)?;
        Ok(())
    }

    #[test]
    fn every_statistic_of_cmdstan_is_there_and_fits_the_draws() -> Result<()> {
        let draws = Nuts::new(&model).chains(2).warmup(100).draws(50).quiet().run(0)?;
        let column = |name: &str| draws.statistic(name).unwrap_or_default().to_vec();
        let (log_density, energy) = (column("lp__"), column("energy__"));
        let space = Space::of(&model)?;
        let mut density = space.log_density(&model);
        for (place, values) in draws.iter().enumerate() {
            let position = space.position(&model, &values)?;
            let at = density.log_density_and_gradient(&position, &mut [0.0; 2])?;
            assert!((at - log_density[place]).abs() < 1e-9, "{at} and {}", log_density[place]);
        }
        assert!(energy.iter().zip(&log_density).all(|(energy, density)| energy + density > 0.0));
        assert!(column("accept_stat__").iter().all(|accept| (0.0..=1.0).contains(accept)));
        // d doublings that were kept are 2ᵈ - 1 steps; one more may have been begun and given up.
        let (depths, leapfrogs) = (column("treedepth__"), column("n_leapfrog__"));
        assert!(depths.iter().zip(&leapfrogs).all(|(d, n)| *n >= d.exp2() - 1.0 && *n < (d + 1.0).exp2()));
        assert_eq!(column("divergent__").len() + column("stepsize__").len(), 200);
        Ok(())
    }

    #[test]
    fn the_energies_of_a_normal_posterior_are_no_finding() -> Result<()> {
        let draws = Nuts::new(&model).chains(2).warmup(200).draws(200).quiet().run(1)?;
        let summary = draws.summary()?;
        assert!(summary.warnings().iter().all(|warning| !warning.contains("BFMI")), "{summary}");
        for chain in draws.statistic_chains("energy__").unwrap_or_default() {
            assert!(crate::diagnostics::bfmi(chain) > 0.6);
        }
        Ok(())
    }
}
