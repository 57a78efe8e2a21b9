//! Handlers, one file each: what makes one model of another.
//!
//! | handler | what it does |
//! |---|---|
//! | [`seed`] | draws come from a seed |
//! | [`condition`] | some random variables are data |
//! | [`substitute`], [`replay`] | latent ones take given values |
//! | [`intervene`] | some are forced, and say nothing about their causes |
//! | [`swap`] | priors are swapped for posteriors |
//! | [`mean`] | latent ones take their means |
//! | [`fix`] | parameters have given values |
//! | [`draws`] | a program several times, each with its own draws |
//! | [`block`] | some are hidden from the handlers outside |
//! | [`scale`], [`mask`] | how much of a log-density counts |
//! | [`plate_as`], [`subsampled_plate_as`] | independent repetitions, all or some |
//! | [`tape`] | records a run |
//!
//! A handled model is a model, so handlers nest: the innermost sees a random variable first (see
//! [`Tracer`](crate::trace::Tracer)).

mod block;
mod condition;
mod draws;
mod fix;
mod given;
mod handled;
mod intervene;
mod kl;
mod plate;
mod scale;
mod seed;
mod substitute;
mod swap;
mod tape;

pub use block::{Block, block};
pub use condition::{Condition, condition};
pub use draws::draws;
pub use fix::{Fixed, fix};
pub use handled::{Handled, Handler};
pub use intervene::{Intervene, intervene};
pub use kl::with_kl;
pub use plate::{Plate, plate_as, subsampled_plate_as};
pub use scale::{Mask, Scale, mask, scale};
pub use seed::seed;
pub use substitute::{Replay, Substitute, replay, substitute};
pub use swap::{Mean, Swap, mean, swap};
pub use tape::tape;
