//! What a Markov chain leaves behind.

use std::ops::Deref;
use std::time::Duration;

use crate::error::Result;
use crate::inference::Draws;
use crate::model::{Model, Space};
use crate::trace::Values;

/// So many draws show whether a chain moves.
const ENOUGH: usize = 20;

/// One chain on the flat vector.
#[derive(Clone, Debug, Default)]
pub(super) struct ChainRun {
    positions: Vec<Box<[f64]>>,
    diverging: Vec<f64>,
    leapfrogs: Vec<f64>,
    step_sizes: Vec<f64>,
    warmup_leapfrogs: u64,
    pub(super) warmup_time: Duration,
    pub(super) time: Duration,
}

impl ChainRun {
    pub(super) fn push(
        &mut self,
        position: Box<[f64]>,
        kept: bool,
        diverging: bool,
        leapfrogs: u64,
        step: f64,
    ) {
        if !kept {
            self.warmup_leapfrogs += leapfrogs;
            return;
        }
        self.positions.push(position);
        self.diverging.push(f64::from(u8::from(diverging)));
        self.leapfrogs.push(leapfrogs as f64);
        self.step_sizes.push(step);
    }

    /// How many draws differ from the one before, and the last one; `None` if there are too few to judge.
    pub(super) fn moves(&self) -> Option<(u64, &[f64])> {
        let last = self.positions.last().filter(|_| self.positions.len() >= ENOUGH)?;
        let moves = self.positions.windows(2).filter(|pair| pair[0] != pair[1]).count();
        Some((moves as u64, last))
    }
}

/// The draws of a Markov chain sampler, with what it did to get them. Dereferences to [`Draws`].
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
        let column =
            |of: fn(&ChainRun) -> &Vec<f64>| runs.iter().flat_map(|run| of(run).clone()).collect::<Vec<_>>();
        let diverging = column(|run| &run.diverging);
        let leapfrogs = column(|run| &run.leapfrogs);
        let sampled: f64 = leapfrogs.iter().sum();
        let warmup: u64 = runs.iter().map(|run| run.warmup_leapfrogs).sum();
        draws.insert_statistic("divergent__", diverging)?;
        draws.insert_statistic("n_leapfrog__", leapfrogs)?;
        draws.insert_statistic("stepsize__", column(|run| &run.step_sizes))?;
        let sampling_time = runs.iter().map(|run| run.time).max().unwrap_or_default();
        Ok(McmcDraws { draws, leapfrogs: sampled as u64 + warmup, time, sampling_time })
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
