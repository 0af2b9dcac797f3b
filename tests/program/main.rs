//! Whole-program tests: one binary, so that its parts are linked once.
// A test that cannot go on panics; clippy's own exemption ends at `#[test]`.
#![allow(clippy::unwrap_used)]

mod command_line;
mod daemon;
mod durability;
mod house;
mod monitoring;
mod registries;
mod secrets;
mod sinks;
mod support;
