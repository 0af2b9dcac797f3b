//! The exec sink: a program of the user, the plugin, loads the snapshot from a directory of Parquet files.
//!
//! What a plugin gets and what it answers is told in `docs/PROTOCOL.md`. This crate is the other side: the directory, the
//! environment, the end of all processes, and what becomes of each answer. It knows no warehouse.
#![deny(missing_docs)]

mod answer;
mod handover;
mod kind;
mod output;
mod plugin;
mod program;
mod running;
mod scratch;
mod settings;
mod sink;

pub use handover::PROTOCOL;
pub use kind::KIND;
pub use settings::ExecSettings;
pub use sink::ExecSink;

#[cfg(test)]
mod tests;
