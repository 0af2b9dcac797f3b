//! The sink on a real server. One binary, so that it is linked once.

mod access;
mod contract;
mod protocol;
mod support;
mod tables;
mod tls;
mod trouble;
