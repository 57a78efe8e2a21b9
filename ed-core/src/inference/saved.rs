//! A training in a file: parameters, and what else it takes to go on as if it had never stopped.

use std::path::Path;

use crate::error::{Error, Result};
use crate::params::optimizer::Optimizer;
use crate::params::{Params, checkpoint};
use crate::tensor::Var;

/// Where a training stands.
pub(super) struct Saved {
    pub params: Params,
    /// A number for each step that was taken.
    pub history: Vec<f64>,
    /// The seed of its steps.
    pub seed: Option<u64>,
    /// What the optimiser remembers.
    pub optimizer: Params,
    pub best: Option<Best>,
    /// What else the training keeps.
    pub own: Params,
}

/// The parameters that did best on data that no step sees.
pub(super) struct Best {
    pub loss: f64,
    /// The number of steps that led to them.
    pub steps: usize,
    pub params: Params,
}

const HISTORY: &str = "history";
const SEED: &str = "seed";
const OPTIMIZER: &str = "optimizer/";
const OWN: &str = "own/";
const BEST: &str = "best";
const BEST_PARAMS: &str = "best/";

/// Writes a training to a file, whole or not at all. The file is one of parameters, too ([`Params::load`]).
pub(super) fn save(
    path: &Path,
    params: &Params,
    history: &[f64],
    seed: Option<u64>,
    optimizer: &dyn Optimizer,
    best: Option<&Best>,
    own: &Params,
) -> Result<()> {
    let mut training = Params::new();
    training.insert(HISTORY, Var::from(history.to_vec()))?;
    if let Some(seed) = seed {
        // Doubles hold halves of a seed and not the whole.
        training.insert(SEED, Var::from([(seed >> 32) as f64, (seed & 0xFFFF_FFFF) as f64]))?;
    }
    for (name, value) in optimizer.state()?.iter() {
        training.insert(format!("{OPTIMIZER}{name}"), value.clone())?;
    }
    for (name, value) in own.iter() {
        training.insert(format!("{OWN}{name}"), value.clone())?;
    }
    if let Some(best) = best {
        training.insert(BEST, Var::from([best.loss, best.steps as f64]))?;
        for (name, value) in best.params.iter() {
            training.insert(format!("{BEST_PARAMS}{name}"), value.clone())?;
        }
    }
    checkpoint::write(path, params, Some(&training))
}

/// Reads what [`save`] wrote.
pub(super) fn load(path: &Path) -> Result<Saved> {
    let refused = |why: &str| Error::Io { path: path.into(), why: why.into() };
    let (params, Some(training)) = checkpoint::read(path)? else {
        return Err(refused(
            "it has parameters and no training to resume: start from them with `.params(Params::load(…)?)`",
        ));
    };
    let damaged = || refused("the training in it is damaged");
    let history = training.get(HISTORY).ok_or_else(damaged)?.to_vec()?;
    let half = |x: f64| (x >= 0.0 && x.fract() == 0.0 && x < 4_294_967_296.0).then_some(x as u64);
    let seed = match training.get(SEED).map(|seed| seed.to_vec()).transpose()?.as_deref() {
        None => None,
        Some([high, low]) => Some(half(*high).zip(half(*low)).map(|(h, l)| h << 32 | l).ok_or_else(damaged)?),
        Some(_) => return Err(damaged()),
    };
    let part = |prefix: &str| -> Result<Params> {
        let mut part = Params::new();
        for (name, value) in training.iter() {
            if let Some(name) = name.as_str().strip_prefix(prefix) {
                part.insert(name.to_string(), value.clone())?;
            }
        }
        Ok(part)
    };
    let mut best_params = Params::new();
    // In the order and with the state of the parameters, which both are the same training's.
    for name in params.names() {
        if let Some(value) = training.get(&format!("{BEST_PARAMS}{name}")) {
            match params.is_state(name.as_str()) {
                true => best_params.insert_state(name, value.clone())?,
                false => best_params.insert(name, value.clone())?,
            }
        }
    }
    let best = match training.get(BEST).map(|best| best.to_vec()).transpose()?.as_deref() {
        None => None,
        Some([loss, steps]) => Some(Best { loss: *loss, steps: *steps as usize, params: best_params }),
        Some(_) => return Err(damaged()),
    };
    Ok(Saved { params, history, seed, optimizer: part(OPTIMIZER)?, best, own: part(OWN)? })
}
