//! What sinks write, opened by other programs.

mod buckets;
mod exec;
mod plugins;
mod postgres;
mod queries;
mod readers;
mod warehouses;
