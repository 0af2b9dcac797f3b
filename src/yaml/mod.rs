//! YAML with positions, and how settings are taken from it: every problem is kept with its place, none stops the rest.
//!
//! Knows no setting of ours. serde's derive would stop at the first error, so files are read into a small tree of
//! positioned nodes; a `Section` hands out its keys, and what nobody took is unknown.

mod bases;
mod duration;
mod field;
mod node;
mod problem;
mod section;
mod words;

pub(crate) use bases::Bases;
pub(crate) use field::Field;
pub(crate) use node::{Source, Value};
pub(crate) use problem::{Checked, Place, Report};
pub use problem::{Note, Problem, Problems};
pub(crate) use section::Section;
pub(crate) use words::{is_plain, shown, suggest};
