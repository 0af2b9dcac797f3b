//! The ping: `GET /v2/`, once for each client. Its answer says which logins the registry offers. A path may want more
//! than the ping says; the answers about that path then say what.

use std::sync::Arc;

use hyper::StatusCode;

use crate::access::authorization::Access;
use crate::access::authorized::Authorized;
use crate::access::ping_answer::{Ping, PingAnswer};
use crate::access::send::{AccessRequest, challenges, in_token};
use crate::http::call::RequestKind;
use crate::http::error_answer::{error_answer, unexpected};
use crate::login::credentials::LoginKind;
use crate::problem::Problem;
use crate::problem::error::{RegistryError, Step};

impl Authorized {
    /// The answer of `/v2/`. The first caller sends the request.
    pub(crate) async fn ping_answer(&self) -> Result<Arc<PingAnswer>, RegistryError> {
        if let Some(rejected) = self.tokens.source().rejected() {
            return Err(rejected.clone());
        }
        let Ping { ping_answer, flight } = &self.ping;
        let ask = async || self.send_ping().await.map(|found| ping_answer.get_or_init(|| Arc::new(found)).clone());
        flight.run(|| ping_answer.get().cloned(), ask).await
    }

    async fn send_ping(&self) -> Result<PingAnswer, RegistryError> {
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
                return Err(RegistryError::new(Step::Ping, Problem::Unsupported(error_answer(&sent.answer))));
            }
            _ => return Err(RegistryError::new(Step::Ping, unexpected(&sent.answer))),
        }
        let refused = !sent.answer.status.is_success();
        Ok(PingAnswer { url: sent.answer.elsewhere.unwrap_or(url), offered, access, refused })
    }
}
