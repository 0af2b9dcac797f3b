//! Whole-program tests: one binary, so that its parts are linked once.

mod real_registry;
mod registry_client;
mod support;
