//! What sinks write, opened by other programs.

mod exec;
mod plugins;
mod readers;
