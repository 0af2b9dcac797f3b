//! The nightly inventory of container registries, delivered to data warehouses. ARCHITECTURE.md is the map.

pub mod clock;
pub mod config;
pub mod fake;
pub mod registry;
pub mod run;
pub mod sinks;
pub mod walk;
