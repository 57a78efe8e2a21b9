//! Random variables on their way through the handlers.

mod name;
mod record;
mod sample;
mod site;
mod stack;
mod values;

pub use name::{IndexedScope, IndexedSite, PlateName, Scope, SiteName};
pub use record::Trace;
pub use sample::{deterministic_as, factor_as, nested_as, observe_as, sample, sample_as};
pub use site::{Kind, Site};
pub use stack::{Next, Tracer, with_key, with_tracer};
pub(crate) use stack::{dispatch, full_name, key_for};
pub use values::Values;
