//! What becomes of a step whose gradients are there, or are not.

use crate::error::{Error, Result};
use crate::params::optimizer::Optimizer;
use crate::params::{Params, Undo};

/// Moves the parameters along the gradients of a run, if there are any and the optimiser takes them; otherwise undoes
/// the run. Whether they moved: `false` if the optimiser left the step out.
///
/// # Errors
/// That of the run or of the optimiser, unless it is one that the optimiser leaves out.
pub(super) fn settle(
    optimizer: &mut dyn Optimizer,
    params: &mut Params,
    run: Result<(Params, Undo)>,
) -> Result<bool> {
    let skipped = optimizer.num_skipped();
    match run {
        Ok((gradients, undo)) => {
            let outcome = optimizer.step(params, gradients);
            let is_taken = outcome.is_ok() && optimizer.num_skipped() == skipped;
            if !is_taken {
                undo.apply(params);
            }
            outcome.map(|()| is_taken)
        }
        Err(refused @ Error::NotFinite { .. }) => optimizer.on_not_finite(refused).map(|()| false),
        Err(other) => Err(other),
    }
}
