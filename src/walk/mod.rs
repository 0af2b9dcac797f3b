//! One registry walked to its end. For now only what the configuration says about it.

mod settings;

pub use settings::{NameFilter, WalkSettings};
