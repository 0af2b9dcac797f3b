//! One request and its answer: connection, TLS, bounds, pace, retries, and which hosts may be asked.

pub(crate) mod admission;
pub(crate) mod body;
pub(crate) mod call;
pub(crate) mod clock_skew;
pub(crate) mod connect;
pub(crate) mod endpoint;
pub(crate) mod error_answer;
pub(crate) mod gate;
pub(crate) mod host_policy;
pub(crate) mod in_flight;
pub(crate) mod not_found;
pub(crate) mod observer;
pub(crate) mod origin;
pub(crate) mod pace;
pub(crate) mod queue;
pub(crate) mod rate;
pub(crate) mod retry;
pub(crate) mod sent_secrets;
pub(crate) mod settle;
pub(crate) mod site;
pub(crate) mod slowed;
pub(crate) mod stats;
pub(crate) mod throttle;
pub(crate) mod tls;
pub(crate) mod transport;
pub(crate) mod turn;
