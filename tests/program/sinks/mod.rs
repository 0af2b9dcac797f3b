//! What sinks write, opened by other programs.

mod postgres;
mod queries;
mod readers;
