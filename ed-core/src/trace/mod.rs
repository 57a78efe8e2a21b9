//! Random variables on their way through the handlers.

mod belief;
mod name;
mod record;
mod rows;
mod run;
mod sample;
mod site;
mod stack;
mod values;

pub use belief::{Belief, Drawn, believe_as};
pub use name::{IndexedScope, IndexedSite, PlateName, Scope, SiteName};
pub use record::Trace;
pub use rows::Rows;
pub(crate) use rows::whole_plates;
pub(crate) use run::{Entered, enter_context, owning, two_layers};
pub use run::{Owning, own};
pub use sample::{deterministic_as, factor_as, nested_as, observe_as, sample, sample_as};
pub use site::{Kind, Site};
pub(crate) use stack::active;
pub(crate) use stack::dispatch;
pub(crate) use stack::under;
pub use stack::{Next, Tracer, fresh_key, full_name, key_for, with_key, with_tracer, without_noise};
pub use values::Values;
