//! The sink on a real server. One binary, so that it is linked once.
// A test that cannot go on panics; clippy's own exemption ends at `#[test]`.
#![allow(clippy::unwrap_used)]

mod access;
mod contract;
mod protocol;
mod support;
mod tables;
mod tls;
mod trouble;
