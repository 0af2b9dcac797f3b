//! One request and its answer: connection, proxy, TLS, bounds, pace, retries, and which hosts may be asked.

pub(crate) mod address_guard;
pub(crate) mod admission;
pub(crate) mod body;
pub(crate) mod call;
pub(crate) mod clock_skew;
pub(crate) mod connect;
pub(crate) mod connector;
pub(crate) mod endpoint;
pub(crate) mod error_answer;
pub(crate) mod foreign_answer;
pub(crate) mod gate;
pub(crate) mod handshake;
pub(crate) mod host_policy;
pub(crate) mod in_flight;
pub(crate) mod local;
pub(crate) mod not_found;
pub(crate) mod observer;
pub(crate) mod origin;
pub(crate) mod pace;
pub(crate) mod proxy;
pub(crate) mod queue;
pub(crate) mod rate;
pub(crate) mod redirects;
pub(crate) mod retry;
pub(crate) mod sent_secrets;
pub(crate) mod settle;
pub(crate) mod site;
pub(crate) mod slowed;
pub(crate) mod stats;
pub(crate) mod throttle;
pub(crate) mod tls;
pub(crate) mod transport;
pub(crate) mod trust;
pub(crate) mod tunnel;
pub(crate) mod turn;
pub(crate) mod wire;
pub(crate) mod written_url;
pub(crate) mod x509;
pub(crate) mod xml_error;

use hyper::header::HeaderValue;

/// How this client names itself.
const USER_AGENT: &str = concat!("stocktake/", env!("CARGO_PKG_VERSION"));

fn user_agent() -> HeaderValue {
    HeaderValue::from_static(USER_AGENT)
}
