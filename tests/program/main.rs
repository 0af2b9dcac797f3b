//! Whole-program tests: one binary, so that its parts are linked once.
// A test that cannot go on panics; clippy's own exemption ends at `#[test]`.
#![allow(clippy::unwrap_used)]

mod bounds;
mod check;
mod command_line;
mod contents;
mod credentials;
mod daemon;
mod daemon_restarts;
mod daemon_trouble;
mod demo;
mod discoveries;
mod durability;
mod full_disk;
mod hostile;
mod hostile_contents;
mod kills;
mod layers;
mod map;
mod monitored;
mod monitoring;
mod monitoring_alive;
mod monitoring_exports;
mod monitoring_rules;
mod nothing_readable;
mod odd_images;
mod paging;
mod paths;
mod pulp;
mod readers;
mod real_registry;
mod registry_client;
mod resume;
mod resume_kills;
mod samples;
mod schedule;
mod schedule_zones;
mod secret_files;
mod secrets;
mod signals;
mod splitting;
mod support;
mod terminal;
mod units;
mod verdicts;
mod wrong_answers;
