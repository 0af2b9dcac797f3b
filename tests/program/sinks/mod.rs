//! What sinks write, opened by other programs.

mod queries;
mod readers;
