//! The names that a first program needs.

#[doc(no_inline)]
pub use crate::{
    Error, RandomVariable, Result, SiteName,
    bijectors::{Bijector, Constraint},
    distributions::*,
    handlers::*,
    inference::{Delta, Draws, FullRank, LowRank, McmcDraws, MeanField, Nuts, Svi, Train, Trained, predict},
    kernels::rng::Key,
    model,
    model::{Model, make_log_joint},
    params::{Params, param_as},
    tensor::{AnyVar, Float, Gradients, Tape, Var},
    trace::{
        Kind, Next, Site, Trace, Tracer, Values, deterministic_as, factor_as, nested_as, observe_as, sample,
        sample_as, with_tracer,
    },
    values,
};
#[doc(no_inline)]
pub use dfdx::shapes::{Axis, Const, Shape};
