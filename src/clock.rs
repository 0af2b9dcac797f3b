//! The wall clock, where the rest of the program looks for it. Sinks read the same one.

pub use stocktake_sink::clock::now;
