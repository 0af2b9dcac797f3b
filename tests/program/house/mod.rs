//! Rules for the source, the documentation and the samples, which a machine can hold.

mod bounds;
mod docs;
mod import_graph;
mod imports;
pub(crate) mod layers;
mod map;
mod samples;
mod type_names;
