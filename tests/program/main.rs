//! Whole-program tests: one binary, so that its parts are linked once.

mod command_line;
mod demo;
mod hostile;
mod layers;
mod readers;
mod real_registry;
mod samples;
mod secrets;
mod signals;
mod support;
mod verdicts;
