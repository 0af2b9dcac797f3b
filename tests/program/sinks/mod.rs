//! What sinks write, opened by other programs.

mod buckets;
mod postgres;
mod queries;
mod readers;
