//! What sinks write, opened by other programs.

mod readers;
