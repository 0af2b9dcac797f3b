//! The daemon's listener and its pages: metrics, health and the status of everything. What it shows comes from a
//! [`WebBackend`]; this module measures nothing and decides nothing.
//!
//! | path | methods | |
//! |---|---|---|
//! | `/` | GET, HEAD | the status page |
//! | `/metrics` | GET, HEAD | for Prometheus, with gzip if the client accepts it |
//! | `/healthz`, `/readyz` | GET, HEAD | 200, or 503 with one line that says why |
//! | `/runbooks/ALERT`, `/runbooks/` | GET, HEAD | what to do about an alert, about each alert |
//! | `/api/v1/registries/NAME/run` | POST | requests a run; 404 unless `allow_runs` |
//!
//! With `basic_auth_users`, all of them require a password, health included, as Prometheus' exporters do. On loopback, a
//! request whose `Host` is not a name of this machine is refused with 421, unless `allowed_hosts` has the name.

mod backend;
mod basic_auth;
mod error;
mod hosts;
mod listener;
mod login_limiter;
mod page;
mod response;
mod routes;
mod runbook;
mod settings;
#[cfg(test)]
mod tests;
mod tls;
mod write_deadline;

pub use backend::{RunAccepted, RunRefused, WebBackend};
pub use error::WebError;
pub(crate) use hosts::plain as plain_host;
pub use listener::{Listener, ListenerHandle, MOST_CONNECTIONS};
pub use settings::{
    ClientCertificates, ListenAddress, ListenAddressError, PasswordHash, PasswordHashError, TlsSettings, TlsVersion,
    WebSettings,
};
pub use tls::certificates;
