//! The daemon's listener and its pages: metrics, health, and how everything stands. It knows of the daemon what [`Site`]
//! says; it measures nothing and decides nothing.
//!
//! | path | methods | |
//! |---|---|---|
//! | `/` | GET, HEAD | the status page |
//! | `/metrics` | GET, HEAD | for Prometheus, compressed where it asks for that |
//! | `/healthz`, `/readyz` | GET, HEAD | 200, or 503 with one line why |
//! | `/runbooks/ALERT`, `/runbooks/` | GET, HEAD | what to do about an alert, about each |
//! | `/api/v1/registries/NAME/run` | POST | asks for a run; 404 unless `allow_runs` |
//!
//! With `basic_auth_users` all of them want a password, health too, as with Prometheus' exporters. On loopback, a request
//! whose `Host` is no name of this machine is refused (421), unless `allowed_hosts` has it.

mod answer;
mod budget;
mod error;
mod guard;
mod hosts;
mod listener;
mod page;
mod patience;
mod routes;
mod runbook;
mod settings;
#[cfg(test)]
mod tests;
mod tls;

use std::fmt::Debug;

use async_trait::async_trait;

pub use error::WebError;
pub(crate) use hosts::plain as plain_host;
pub use listener::{Handle, Listener, MOST_CONNECTIONS};
pub use settings::{
    ClientCertificates, ListenAddress, NoListenAddress, NoPasswordHash, PasswordHash, TlsSettings, TlsVersion,
    WebSettings,
};
pub use tls::certificates;

use crate::status::Status;

/// What the listener shows and may do.
#[async_trait]
pub trait Site: Send + Sync + Debug {
    /// How everything stands. Called on a thread that may be blocked.
    fn status(&self) -> Status;
    /// Writes all metrics in Prometheus' text format 0.0.4. Called on a thread that may be blocked.
    fn metrics(&self, text: &mut String);
    /// Whether the scheduling loop turns; if not, one line why.
    fn is_healthy(&self) -> Result<(), String>;
    /// Whether there is a configuration, and no stop was asked for; if not, one line why.
    fn is_ready(&self) -> Result<(), String>;
    /// Asks for a run of this registry now.
    async fn run(&self, registry: &str) -> Result<Requested, NotRequested>;
}

/// What became of a wish for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requested {
    /// It has begun.
    Started,
    /// It begins when one of the others ends.
    Queued,
    /// One is in progress, and no other was begun.
    AlreadyRunning,
}

impl Requested {
    /// A word for machines: `already_running`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Queued => "queued",
            Self::AlreadyRunning => "already_running",
        }
    }
}

/// Why no run takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRequested {
    /// No registry has this name.
    #[error("no registry has this name")]
    NoSuchRegistry,
    /// The daemon comes to its end.
    #[error("the daemon is stopping")]
    Stopping,
}
