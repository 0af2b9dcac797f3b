//! The suite that every sink runs in its own tests.
