//! What `/v2/` says to a caller, asked once per client: which logins the registry offers. What a path wants beyond
//! that, its own answers tell.

use crate::access::authorized::Authorized;
use crate::concurrency::single_flight::SingleFlight;
use std::sync::{Arc, OnceLock};

use reqwest::StatusCode;
use url::Url;

use crate::access::send::{Access, Ask, challenges, in_token};
use crate::http::call::Wants;
use crate::http::said::said;
use crate::login::credentials::LoginKind;
use crate::problem::Problem;
use crate::problem::error::RegistryError;
use crate::problem::error::Step;
use crate::token::challenge::Challenge;

/// What the ping brought.
#[derive(Debug)]
pub(crate) struct Welcome {
    pub(crate) url: Url,
    /// The logins on offer; used where a path offers none of its own.
    pub(crate) offered: Vec<Challenge>,
    /// What the ping was authorized with.
    pub(crate) access: Access,
    /// Whether it was turned away; a registry may do that without saying which logins there are.
    refused: bool,
}

impl Welcome {
    pub(crate) fn offers(&self, scheme: &str) -> bool {
        self.offered.iter().any(|challenge| challenge.is(scheme))
    }
}

/// The client's one ping.
#[derive(Debug, Default)]
pub(crate) struct Ping {
    welcome: OnceLock<Arc<Welcome>>,
    flight: SingleFlight<RegistryError>,
}

impl Ping {
    /// Whether the answer asked for a login; not before it came.
    pub(crate) fn wants_login(&self) -> bool {
        self.welcome.get().is_some_and(|welcome| welcome.refused || !welcome.offered.is_empty())
    }
}

impl Authorized {
    /// What `/v2/` said; asked now if nobody has asked before.
    pub(crate) async fn welcome(&self) -> Result<Arc<Welcome>, RegistryError> {
        if let Some(rejected) = self.tokens.source().rejected() {
            return Err(rejected.clone());
        }
        let Ping { welcome, flight } = &self.ping;
        let ask = async || self.ask_for_welcome().await.map(|found| welcome.get_or_init(|| Arc::new(found)).clone());
        flight.run(|| welcome.get().cloned(), ask).await
    }

    async fn ask_for_welcome(&self) -> Result<Welcome, RegistryError> {
        let kind = self.credentials.begin().await.map_err(in_token)?;
        let access = match *self.login_kind.get_or_init(|| kind) {
            LoginKind::None | LoginKind::Anonymous | LoginKind::Login | LoginKind::Identity => Access::Anonymous,
            LoginKind::Basic => Access::Basic,
            LoginKind::Fixed => Access::Fixed,
        };
        let url = self.api("/v2/");
        let sent = self.send(&Ask { url: &url, wants: Wants::Listing, step: &Step::Ping }, &access).await?;
        let offered = challenges(&sent.answer);
        self.recognise(&sent.answer.headers, &sent.answer.body, &offered);
        let anonymous = access == Access::Anonymous;
        match sent.answer.status {
            status if status.is_success() => {}
            StatusCode::UNAUTHORIZED if anonymous => {}
            StatusCode::FORBIDDEN if anonymous && !offered.is_empty() => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(self.refusal(&Step::Ping, &sent, &access)),
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                return Err(RegistryError::new(Step::Ping, Problem::Unsupported(said(&sent.answer))));
            }
            _ => return Err(RegistryError::new(Step::Ping, Problem::of_status(said(&sent.answer)))),
        }
        Ok(Welcome { url, offered, access, refused: !sent.answer.status.is_success() })
    }
}
