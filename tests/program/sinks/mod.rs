//! What sinks write, opened by other programs.

mod buckets;
mod readers;
