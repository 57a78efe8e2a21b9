//! Laws over all subjects and golden values from other implementations, in one binary.

mod attention;
mod bijectors;
mod distributions;
mod ensembles;
mod estimators;
mod examples;
mod facade;
mod flat;
mod flow_edges;
mod gp;
mod handlers;
mod laws_of_processes;
mod messages;
mod networks;
mod ops;
mod output;
mod processes_at_the_edges;
mod recurrent;
mod registry;
mod reversible;
mod support;
mod svi;
mod tape;
mod tracing;
mod weights;
