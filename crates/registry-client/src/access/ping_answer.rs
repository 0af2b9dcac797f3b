//! The client's one ping and its result.

use std::sync::{Arc, OnceLock};

use url::Url;

use crate::access::authorization::Access;
use crate::concurrency::single_flight::SingleFlight;
use crate::problem::error::RegistryError;
use crate::token::challenge::Challenge;

/// The result of the ping.
#[derive(Debug)]
pub(crate) struct PingAnswer {
    /// The URL that answered.
    pub(crate) url: Url,
    /// The logins that the registry offers; used for paths whose answers offer none of their own.
    pub(crate) offered: Vec<Challenge>,
    /// The access that the ping was sent with.
    pub(crate) access: Access,
    /// Whether the ping was refused. A registry may refuse it without a challenge.
    pub(crate) refused: bool,
}

impl PingAnswer {
    pub(crate) fn offers(&self, scheme: &str) -> bool {
        self.offered.iter().any(|challenge| challenge.is(scheme))
    }
}

/// The client's one ping.
#[derive(Debug, Default)]
pub(crate) struct Ping {
    pub(crate) ping_answer: OnceLock<Arc<PingAnswer>>,
    pub(crate) flight: SingleFlight<RegistryError>,
}

impl Ping {
    /// Whether the registry asked for a login; `false` before the ping was answered.
    pub(crate) fn wants_login(&self) -> bool {
        self.ping_answer.get().is_some_and(|ping_answer| ping_answer.refused || !ping_answer.offered.is_empty())
    }
}
