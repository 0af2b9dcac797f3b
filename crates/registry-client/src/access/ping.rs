//! The ping: `GET /v2/`, once for each client. Its answer says which logins the registry offers. A path may want more
//! than the ping says; the answers about that path then say what.

use std::sync::Arc;

use reqwest::StatusCode;

use crate::access::authorization::Access;
use crate::access::authorized::Authorized;
use crate::access::send::{AccessRequest, challenges, in_token};
use crate::access::welcome::{Ping, PingAnswer};
use crate::http::call::RequestKind;
use crate::http::said::said;
use crate::login::credentials::LoginKind;
use crate::problem::Problem;
use crate::problem::error::{RegistryError, Step};

impl Authorized {
    /// The answer of `/v2/`. The first caller sends the request.
    pub(crate) async fn welcome(&self) -> Result<Arc<PingAnswer>, RegistryError> {
        if let Some(rejected) = self.tokens.source().rejected() {
            return Err(rejected.clone());
        }
        let Ping { welcome, flight } = &self.ping;
        let ask = async || self.ask_for_welcome().await.map(|found| welcome.get_or_init(|| Arc::new(found)).clone());
        flight.run(|| welcome.get().cloned(), ask).await
    }

    async fn ask_for_welcome(&self) -> Result<PingAnswer, RegistryError> {
        let kind = self.credentials.begin().await.map_err(in_token)?;
        let access = match *self.login_kind.get_or_init(|| kind) {
            LoginKind::None | LoginKind::Anonymous | LoginKind::Login | LoginKind::Identity => Access::Anonymous,
            LoginKind::Basic => Access::Basic,
            LoginKind::Fixed => Access::Fixed,
        };
        let url = self.api("/v2/");
        let sent =
            self.send(&AccessRequest { url: &url, wants: RequestKind::Listing, step: &Step::Ping }, &access).await?;
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
        Ok(PingAnswer { url, offered, access, refused: !sent.answer.status.is_success() })
    }
}
