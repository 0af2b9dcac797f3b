//! Requests with the login that they need: ping, login, token, and what a refusal means.

pub(crate) mod authorization;
pub(crate) mod authorized;
pub(crate) mod kind_of_ping;
pub(crate) mod ping;
pub(crate) mod ping_answer;
pub(crate) mod refusal;
pub(crate) mod repository;
pub(crate) mod send;
pub(crate) mod session;
