//! The one ping of a client, and what it brought.

use std::sync::{Arc, OnceLock};

use url::Url;

use crate::access::authorization::Access;
use crate::concurrency::single_flight::SingleFlight;
use crate::problem::error::RegistryError;
use crate::token::challenge::Challenge;

/// What the ping brought.
#[derive(Debug)]
pub(crate) struct PingAnswer {
    pub(crate) url: Url,
    /// The logins on offer; used where a path offers none of its own.
    pub(crate) offered: Vec<Challenge>,
    /// What the ping was authorized with.
    pub(crate) access: Access,
    /// Whether it was turned away; a registry may do that without saying which logins there are.
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
    pub(crate) welcome: OnceLock<Arc<PingAnswer>>,
    pub(crate) flight: SingleFlight<RegistryError>,
}

impl Ping {
    /// Whether the answer asked for a login; not before it came.
    pub(crate) fn wants_login(&self) -> bool {
        self.welcome.get().is_some_and(|welcome| welcome.refused || !welcome.offered.is_empty())
    }
}
