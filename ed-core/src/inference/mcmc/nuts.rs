//! The No-U-Turn sampler. The trajectories are those of the `nuts-rs` crate; this file gives them a model.

use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use nuts_rs::rand::SeedableRng;
use nuts_rs::rand::rngs::StdRng;
use nuts_rs::{
    Chain as _, CpuLogpFunc, CpuMath, CpuMathError, DiagNutsSettings, HasDims, LogpError, Settings,
};

use super::chain::{ChainRun, McmcDraws, Transition};
use super::start::Search;
use crate::error::{Error, Result};
use crate::inference::LogDensity;
use crate::kernels::rng::Key;
use crate::model::{FlatModel, Model, Space};
use crate::params::{in_force, with_params};
use crate::progress::Progress;
use crate::trace::Values;

/// A chain that moves less often than once in so many draws is stuck.
const MOVES_ONE_IN: u64 = 50;

/// The No-U-Turn sampler (Hoffman and Gelman 2014), with multinomial trajectories, dual averaging of the step size and
/// a diagonal mass matrix adapted from draws and gradients, as `nuts-rs` does.
///
/// # Examples
/// ```
/// use ed::prelude::*;
///
/// #[model]
/// fn location(scale: f64) -> Result<RandomVariable<Normal<(), f64>>> {
///     let loc = sample(Normal::new(0.0, 1.0)?);
///     let x = sample(Normal::new(&loc, scale)?);
///     Ok(x)
/// }
///
/// # fn main() -> Result<()> {
/// let observed = condition(|| location(0.5), values![location::x = Var::<(), f64>::scalar(1.0)]);
/// let draws = Nuts::new(&observed).chains(2).draws(500).run(0)?;
/// // The posterior is Normal(0.8, √0.2).
/// let row = draws.summary()?.row("loc").cloned().unwrap();
/// assert!((row.mean - 0.8).abs() < 5.0 * row.mcse_mean);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a sampler does nothing until `run`"]
pub struct Nuts<'m, M> {
    model: &'m M,
    chains: usize,
    warmup: u64,
    draws: u64,
    target_accept: f64,
    max_depth: u64,
    init: Option<Values>,
    progress: bool,
    rerun: bool,
}

impl<'m, M: Model + Sync> Nuts<'m, M> {
    /// A sampler for the latent random variables of a model: 4 chains of 1,000 draws after 1,000 of warm-up.
    pub fn new(model: &'m M) -> Self {
        Nuts {
            model,
            chains: 4,
            warmup: 1000,
            draws: 1000,
            target_accept: 0.8,
            max_depth: 10,
            init: None,
            progress: true,
            rerun: false,
        }
    }

    /// Number of chains, which run in parallel.
    pub fn chains(mut self, chains: usize) -> Self {
        self.chains = chains;
        self
    }

    /// Number of draws of each chain that only adapt the sampler and are thrown away.
    pub fn warmup(mut self, warmup: u64) -> Self {
        self.warmup = warmup;
        self
    }

    /// Number of draws of each chain that are kept.
    pub fn draws(mut self, draws: u64) -> Self {
        self.draws = draws;
        self
    }

    /// The mean acceptance probability that the step size is adapted to; nearer to 1 for posteriors with narrow places.
    pub fn target_accept(mut self, target_accept: f64) -> Self {
        self.target_accept = target_accept;
        self
    }

    /// Largest number of doublings of a trajectory.
    pub fn max_depth(mut self, max_depth: u64) -> Self {
        self.max_depth = max_depth;
        self
    }

    /// Starts every chain at these values; random variables that are not named start where they would have.
    ///
    /// Without values, a chain starts near the origin of the unconstrained numbers, as Stan does; if log-density or
    /// gradient are not finite at any of many such points, at a draw from the prior, further out, or somewhere along the
    /// path of an optimiser.
    pub fn init(mut self, values: Values) -> Self {
        self.init = Some(values);
        self
    }

    /// Never shows progress bars.
    pub fn quiet(mut self) -> Self {
        self.progress = false;
        self
    }

    /// Runs the model at every step, where otherwise its operations are recorded once and repeated: for a model that
    /// depends on something that changes from call to call.
    pub fn always_rerun(mut self) -> Self {
        self.rerun = true;
        self
    }

    /// Draws from the posterior. The same seed gives the same draws.
    ///
    /// # Errors
    /// The model's; [`Error::UnmovedParameters`] if it has parameters that no store gives
    /// ([`fix`](crate::handlers::fix) gives them); [`Error::Parameter`] for a setting outside of its domain; [`Error::Algorithm`] if no starting
    /// point has a finite log-density, naming what was tried and the random variables at fault, and if a chain is stuck,
    /// with the reason (in `f32`, rounding); [`Error::UnseededPlate`] for a subsampled plate.
    pub fn run(&self, seed: u64) -> Result<McmcDraws> {
        self.check()?;
        let space = Space::of(self.model)?;
        let bars = if self.progress {
            Progress::chains("chain", self.chains, self.warmup + self.draws)
        } else {
            (0..self.chains).map(|_| Progress::hidden()).collect()
        };
        let key = Key::new(seed);
        let start = Instant::now();
        // Threads of its own, so that nothing else waits in line with a chain, and that help each other's operations:
        // an operation that a pool's own thread shares out costs a fraction of one that comes from outside.
        let threads = rayon::ThreadPoolBuilder::new().num_threads(rayon::current_num_threads()).build();
        let threads = threads.map_err(|why| Error::Algorithm {
            of: "NUTS",
            why: format!("the threads of the chains could not be started: {why}"),
        })?;
        let next = AtomicUsize::new(0);
        let results: Vec<Mutex<Option<Result<ChainRun>>>> =
            (0..self.chains).map(|_| Mutex::new(None)).collect();
        let params = in_force();
        threads.broadcast(|_| {
            loop {
                let chain = next.fetch_add(1, Ordering::Relaxed);
                let (Some(result), Some(bar)) = (results.get(chain), bars.get(chain)) else { break };
                let run = || self.run_chain(&space, chain, key.fold_in(chain as u64), bar);
                let run = match &params {
                    Some(params) => with_params(params, run),
                    None => run(),
                };
                if let Ok(mut result) = result.lock() {
                    *result = Some(run);
                }
            }
        });
        let runs: Result<Vec<ChainRun>> = results
            .into_iter()
            .map(|result| {
                result.into_inner().ok().flatten().unwrap_or_else(|| {
                    Err(Error::Algorithm { of: "NUTS", why: "a chain ended without a result".into() })
                })
            })
            .collect();
        McmcDraws::collect(&space, self.model, runs?, start.elapsed())
    }

    fn check(&self) -> Result<()> {
        let parameter = |name, must_be, got: String| Err(Error::Parameter { of: "NUTS", name, must_be, got });
        if self.chains == 0 {
            return parameter("chains", "at least 1", "0".into());
        }
        if self.draws == 0 {
            return parameter("draws", "at least 1", "0".into());
        }
        if self.warmup.checked_add(self.draws).is_none() {
            return parameter("draws", "countable together with the warm-up", self.draws.to_string());
        }
        if !(self.target_accept > 0.0 && self.target_accept < 1.0) {
            return parameter("target_accept", "between 0 and 1", self.target_accept.to_string());
        }
        if self.max_depth == 0 {
            return parameter("max_depth", "at least 1", "0".into());
        }
        Ok(())
    }

    fn run_chain(&self, space: &Space, chain: usize, key: Key, bar: &Progress) -> Result<ChainRun> {
        let nothing = Values::new();
        let given = self.init.as_ref().unwrap_or(&nothing);
        let search = Search { space, model: self.model, given, key: key.fold_in_str("start") };
        let start = search.run(self.density(space))?;
        let mut settings = DiagNutsSettings {
            num_tune: self.warmup,
            num_draws: self.draws,
            maxdepth: self.max_depth,
            ..Default::default()
        };
        settings.adapt_options.step_size_settings.target_accept = self.target_accept;
        let density = Box::new(self.density(space));
        let run = run_chain(density, settings, chain, &start, key.fold_in_str("trajectory"), bar)?;
        self.require_moves(space, chain, &run)?;
        Ok(run)
    }

    fn density(&self, space: &Space) -> FlatModel<'m, M> {
        let density = space.log_density(self.model);
        if self.rerun { density.always_rerun() } else { density }
    }

    /// Checks that a chain moved.
    ///
    /// # Errors
    /// [`Error::Algorithm`] with the reason why it hardly did.
    fn require_moves(&self, space: &Space, chain: usize, run: &ChainRun) -> Result<()> {
        let Some((moves, last)) = run.moves() else { return Ok(()) };
        let transitions = self.draws - 1;
        if moves * MOVES_ONE_IN > transitions {
            return Ok(());
        }
        let value = self.density(space).log_density_and_gradient(last, &mut vec![0.0; space.dim()]);
        let rounding = value.as_ref().map_or(0.0, |value| value.abs() * space.epsilon());
        let precision = if space.is_double() { "f64" } else { "f32" };
        let reason = match (value, space.is_double()) {
            (Ok(value), double) if rounding > 1e-3 => format!(
                "the log-density there is {value:.4e}, of which {precision} keeps steps of {rounding:.1e} nats, so that \
                 rounding decides what is accepted; {}",
                match double {
                    false => "write the model in f64, or take a constant off the data",
                    true => "take a constant off the data, or rescale them",
                }
            ),
            (_, false) => "the steps may be too small for the rounding of f32: write the model in f64; or reparametrise \
                           the model, or run a longer warm-up"
                .into(),
            _ => "reparametrise the model, run a longer warm-up, or give starting values with `.init(values![…])`".into(),
        };
        Err(Error::Algorithm {
            of: "NUTS",
            why: format!(
                "chain {} is stuck, with {moves} moves in {} draws: {reason}",
                chain + 1,
                self.draws
            ),
        })
    }
}

/// Runs one chain. The model is behind a pointer, so that the sampler is compiled once and not for every model.
fn run_chain(
    density: Box<dyn LogDensity + '_>,
    settings: DiagNutsSettings,
    chain: usize,
    position: &[f64],
    key: Key,
    bar: &Progress,
) -> Result<ChainRun> {
    let failure = Mutex::new(None);
    let (warmup, draws) = (settings.num_tune, settings.num_draws);
    let math = CpuMath::new(Adapter { density, failure: &failure });
    let mut seed = [0u8; 32];
    nuts_rs::rand::Rng::fill_bytes(&mut Seeder(key), &mut seed);
    let mut rng = StdRng::from_seed(seed);
    let explain = |error: &dyn fmt::Display| {
        let fatal = failure.lock().ok().and_then(|mut failure| failure.take());
        fatal.unwrap_or_else(|| Error::Algorithm { of: "NUTS", why: format!("chain {}: {error}", chain + 1) })
    };
    let mut sampler = settings.new_chain(chain as u64, math, &mut rng).map_err(|error| explain(&error))?;
    sampler.set_position(position).map_err(|error| explain(&error))?;
    let mut run = ChainRun::default();
    let start = Instant::now();
    for draw in 0..warmup + draws {
        let kept = draw >= warmup;
        let info = if kept {
            let (position, _, told, info) = sampler.expanded_draw().map_err(|error| explain(&error))?;
            let transition = Transition {
                log_density: told.point.logp,
                accept: told.adapt.step_size.mean_tree_accept,
                step_size: info.step_size,
                depth: told.depth,
                leapfrogs: info.num_steps,
                diverging: info.diverging,
                energy: told.point.kinetic_energy - told.point.logp,
            };
            run.push(position, transition);
            info
        } else {
            let (_, info) = sampler.draw().map_err(|error| explain(&error))?;
            run.warm_up(info.num_steps);
            info
        };
        if draw + 1 == warmup {
            run.warmup_time = start.elapsed();
        }
        bar.set(draw + 1, || {
            let phase = if kept { "sampling" } else { "warm-up" };
            format!("{phase}, {} steps of {:.2e}", info.num_steps, info.step_size)
        });
    }
    run.time = start.elapsed();
    Ok(run)
}

/// Random bytes for the trajectories, from a key.
struct Seeder(Key);

impl nuts_rs::rand::TryRng for Seeder {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> std::result::Result<u32, Self::Error> {
        Ok(rand::RngCore::next_u32(&mut self.0.stream()))
    }

    fn try_next_u64(&mut self) -> std::result::Result<u64, Self::Error> {
        Ok(rand::RngCore::next_u64(&mut self.0.stream()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> std::result::Result<(), Self::Error> {
        rand::RngCore::fill_bytes(&mut self.0.stream(), bytes);
        Ok(())
    }
}

/// A log-density as `nuts-rs` wants it.
struct Adapter<'a> {
    density: Box<dyn LogDensity + 'a>,
    /// The error that stopped the chain.
    failure: &'a Mutex<Option<Error>>,
}

/// An error as `nuts-rs` wants it: whether to reject the point or to stop.
#[derive(Debug)]
struct Rejection {
    recoverable: bool,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the log-density could not be evaluated")
    }
}

impl std::error::Error for Rejection {}

impl LogpError for Rejection {
    fn is_recoverable(&self) -> bool {
        self.recoverable
    }
}

impl HasDims for Adapter<'_> {
    fn dim_sizes(&self) -> HashMap<String, u64> {
        HashMap::from([("unconstrained_parameter".into(), self.density.dim() as u64)])
    }
}

impl CpuLogpFunc for Adapter<'_> {
    type LogpError = Rejection;
    type FlowParameters = ();
    type ExpandedVector = Vec<f64>;

    fn dim(&self) -> usize {
        self.density.dim()
    }

    fn logp(&mut self, position: &[f64], gradient: &mut [f64]) -> std::result::Result<f64, Rejection> {
        match self.density.log_density_and_gradient(position, gradient) {
            Ok(value) if value.is_nan() => Err(Rejection { recoverable: true }),
            Ok(value) => Ok(value),
            Err(error) => {
                let recoverable = error.is_recoverable();
                if !recoverable && let Ok(mut failure) = self.failure.lock() {
                    failure.get_or_insert(error);
                }
                Err(Rejection { recoverable })
            }
        }
    }

    fn expand_vector<R: nuts_rs::rand::Rng + ?Sized>(
        &mut self,
        _: &mut R,
        position: &[f64],
    ) -> std::result::Result<Vec<f64>, CpuMathError> {
        Ok(position.to_vec())
    }
}
