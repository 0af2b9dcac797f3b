//! The nightly inventory of container registries, delivered to data warehouses. ARCHITECTURE.md is the map.

pub mod check;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod descriptors;
pub mod discovery;
pub mod metrics;
pub mod plans;
pub mod preflight;
pub mod published;
pub mod run;
pub mod schedule;
pub mod sinks;
pub mod snapshot;
pub mod state;
pub mod status;
#[cfg(test)]
mod tests;
pub mod walk;
pub mod web;
pub mod words;

// The rooms import the client by this name, so that the test of layers sees it like a room.
pub use registry_client as registry;
