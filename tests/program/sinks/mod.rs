//! What sinks write, opened by other programs.

mod plugins;
mod readers;
