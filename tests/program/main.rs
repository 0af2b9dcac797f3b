//! Whole-program tests: one binary, so that its parts are linked once.

mod layers;
mod real_registry;
mod support;
