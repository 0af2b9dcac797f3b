//! Rules for the source itself that a machine can hold.

mod import_graph;
mod imports;
