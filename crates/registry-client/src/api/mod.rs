//! A registry's own JSON API, for what the catalog of the protocol does not list. Requests are GETs, one after another,
//! over the same transport: retries, bounds and pauses hold here as well. Requests go to the registry's own origin, or
//! to the URL that is configured for the API, and to no other. This module does not know what answers mean.
//!
//! Begin with [`Client::api`](crate::Client::api), then [`Api::open`], then [`ApiSession::get`].

mod page;
mod questions;

pub use page::{ApiAnswer, NextPage};
pub use questions::{Absence, Proof};

use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::HeaderValue;
use serde_json::{Value, json};
use url::Url;

use crate::access::authorized::Authorized;
use crate::access::send::in_token;
use crate::access::session::Session;
use crate::clock;
use crate::http::call::{HttpAnswer, HttpCall, PostBody, RequestKind};
use crate::http::error_answer::error_answer;
use crate::http::host_policy::NamedBy;
use crate::http::origin::{place, same_origin};
use crate::http::redirects::not_followed;
use crate::http::turn::Tries;
use crate::login::auth::PasswordLogin;
use crate::login::header::{basic, header};
use crate::login::secret::{Secret, SecretSource};
use crate::model::page::{Cursor, Page};
use crate::paging::loop_guard::{ListBounds, LoopGuard};
use crate::paging::page::{ListKind, ListedNames};
use crate::problem::Problem;
use crate::problem::cause::KnownCause;
use crate::problem::error::{RegistryError, Step};
use crate::problem::link::LinkError;

/// Where an API is, and how to log in to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiSettings {
    /// Scheme and host, perhaps a port and a path prefix. None: the registry's own URL.
    pub url: Option<Url>,
    /// How to log in.
    pub login: ApiLogin,
}

/// How to log in to an API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ApiLogin {
    /// No credentials: the API shows what everyone may see.
    #[default]
    Anonymous,
    /// `Authorization: Bearer …` with this secret.
    Bearer(SecretSource),
    /// `Authorization: token …` with this secret.
    Token(SecretSource),
    /// `Authorization: Basic …` with this user name and password.
    Basic(PasswordLogin),
    /// A user name and a password or access token that `POST /v2/auth/token` exchanges for a bearer token: Docker Hub.
    Exchanged(PasswordLogin),
    /// The registry's own login, by the method that its challenge asks for.
    Challenged,
}

/// An API of a registry.
#[derive(Clone, Debug)]
pub struct Api {
    authorized: Arc<Authorized>,
    bounds: ListBounds,
    base: Url,
    login: ApiLogin,
    /// What the login needs, for messages, as in `a token with …`.
    needs: &'static str,
}

/// The requests of one walk to an API: they share a login and a guard against lists that repeat themselves.
#[derive(Debug)]
pub struct ApiSession<'a> {
    api: &'a Api,
    access: Access<'a>,
    loop_guard: LoopGuard,
    asked: u64,
}

#[derive(Debug)]
enum Access<'a> {
    Fixed(Option<HeaderValue>),
    /// A login that is exchanged for a token, and the token; no token before the first request.
    Exchanged(&'a PasswordLogin, Option<HeaderValue>),
    /// The session with the registry, and whether a request has succeeded.
    Challenged(Box<Session<'a>>, bool),
}

impl Api {
    pub(crate) fn new(
        authorized: Arc<Authorized>,
        bounds: ListBounds,
        settings: ApiSettings,
        needs: &'static str,
    ) -> Self {
        let base = settings.url.unwrap_or_else(|| authorized.settings.url.clone());
        Self { authorized, bounds, base, login: settings.login, needs }
    }

    /// The URL of these path segments. Each segment is percent-encoded: a `/` in it does not separate segments.
    pub fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// The URL with this query parameter set to `value`; the other parameters stay.
    pub fn with_query(url: &Url, name: &str, value: &str) -> Url {
        let others: Vec<(String, String)> =
            url.query_pairs().filter(|(key, _)| key != name).map(|(key, value)| (key.into(), value.into())).collect();
        let mut url = url.clone();
        url.query_pairs_mut().clear().extend_pairs(others).append_pair(name, value);
        url
    }

    /// Whether the URL belongs to this API: same scheme, host and port, and no user information.
    pub fn holds(&self, url: &Url) -> bool {
        same_origin(url, &self.base) && url.username().is_empty() && url.password().is_none()
    }

    /// Reads the secret and begins a session.
    ///
    /// # Errors
    /// [`Fault::SecretUnreadable`](crate::Fault::SecretUnreadable) if the secret cannot be read; with
    /// [`ApiLogin::Challenged`], any error of the ping as well.
    pub async fn open(&self) -> Result<ApiSession<'_>, RegistryError> {
        let access = match &self.login {
            ApiLogin::Anonymous => Access::Fixed(None),
            ApiLogin::Bearer(source) => {
                Access::Fixed(Some(header("Bearer", secret(source).await?.expose()).map_err(in_token)?))
            }
            ApiLogin::Token(source) => {
                Access::Fixed(Some(header("token", secret(source).await?.expose()).map_err(in_token)?))
            }
            ApiLogin::Basic(login) => {
                Access::Fixed(Some(basic(&login.username, &secret(&login.password).await?).map_err(in_token)?))
            }
            ApiLogin::Exchanged(login) => Access::Exchanged(login, None),
            ApiLogin::Challenged => Access::Challenged(Box::new(Session::open(&self.authorized).await?), false),
        };
        Ok(ApiSession { api: self, access, loop_guard: LoopGuard::new(self.bounds), asked: 0 })
    }
}

async fn secret(source: &SecretSource) -> Result<Secret, RegistryError> {
    let read = source.read(&|name: &str| std::env::var_os(name)).await;
    read.map_err(|error| in_token(Problem::Secret(error)))
}

impl ApiSession<'_> {
    /// Fetches a URL of the API. `what` names the request in errors, e.g. `projects of Harbor, page 3`. If a list is
    /// read several times, `reading` counts the readings, from 1.
    ///
    /// # Errors
    /// [`Fault::Untrusted`](crate::Fault::Untrusted) for a URL of another origin,
    /// [`Fault::Endless`](crate::Fault::Endless) for a URL that this session has fetched in this reading, and the error
    /// of every answer whose status is not 200.
    pub async fn get(&mut self, url: &Url, what: &str, reading: u32) -> Result<ApiAnswer, RegistryError> {
        let transport = &self.api.authorized.transport;
        let answer = self.fetch(url, Step::Api(what.into()), reading).await;
        match &answer {
            Ok(_) => transport.page_received(),
            Err(error) => transport.observer.page(Err(error.fault())),
        }
        answer
    }

    async fn fetch(&mut self, url: &Url, step: Step, reading: u32) -> Result<ApiAnswer, RegistryError> {
        let transport = &self.api.authorized.transport;
        let at_step = |problem| RegistryError::new(step.clone(), problem);
        let reported = |problem| at_step(transport.reported(problem));
        if !self.api.holds(url) {
            return Err(reported(Problem::Link(LinkError::OtherOrigin)));
        }
        self.asked += 1;
        let mut place = url.clone();
        place.set_fragment((reading > 1).then(|| reading.to_string()).as_deref());
        self.loop_guard.leads_on(&place).and_then(|()| self.loop_guard.enter(&place, self.asked)).map_err(at_step)?;
        let answer = self.answer(url, &step).await?;
        if answer.status != StatusCode::OK {
            return Err(self.refusal(&step, url, &answer));
        }
        ApiAnswer::read(&answer.headers, answer.body, url).map_err(|error| reported(Problem::Link(error)))
    }

    async fn answer(&mut self, url: &Url, step: &Step) -> Result<HttpAnswer, RegistryError> {
        let api = self.api;
        match &mut self.access {
            Access::Fixed(authorization) => api.send(url, authorization.as_ref(), None, step).await,
            Access::Challenged(session, true) => session.next(url, step).await,
            Access::Challenged(session, admitted) => {
                *admitted = true;
                session.first(url, step).await
            }
            Access::Exchanged(login, token) => {
                let fresh = token.is_none();
                if token.is_none() {
                    *token = Some(api.exchange(login).await?);
                }
                let answer = api.send(url, token.as_ref(), None, step).await?;
                if fresh || answer.status != StatusCode::UNAUTHORIZED {
                    return Ok(answer);
                }
                // The exchanged token has expired.
                *token = Some(api.exchange(login).await?);
                api.send(url, token.as_ref(), None, step).await
            }
        }
    }

    /// Checks that the answer has not come before, as it does from a server that ignores the page number. Call it only
    /// for answers with entries: an empty list may come again. Answers are compared within one reading of one list.
    ///
    /// # Errors
    /// [`Fault::Endless`](crate::Fault::Endless) if the answer has come before.
    pub fn is_new(&mut self, answer: &ApiAnswer, what: &str, reading: (&str, u32)) -> Result<(), RegistryError> {
        let content = (reading, &answer.body);
        self.loop_guard.is_new(content).map_err(|problem| RegistryError::new(Step::Api(what.into()), problem))
    }

    /// Makes a page of these names, checked against the grammar as names of a catalog are.
    ///
    /// # Errors
    /// [`Fault::Endless`](crate::Fault::Endless) if there are more names than any registry has.
    pub fn page<'n>(
        &mut self,
        number: u64,
        names: impl IntoIterator<Item = &'n str>,
        cursor: Option<Cursor>,
        last: bool,
    ) -> Result<Page, RegistryError> {
        let mut listed = ListedNames::default();
        names.into_iter().for_each(|name| listed.add(ListKind::Repositories, name));
        let at_step = |problem| RegistryError::new(Step::Page(number), problem);
        let listed = listed.within_bounds().map_err(|unread| at_step(unread.into()))?;
        self.loop_guard.count_names(&listed).map_err(at_step)?;
        let ListedNames { names, invalid, invalid_count, .. } = listed;
        let sent = &self.api.authorized.transport.sent;
        let invalid = invalid.into_iter().map(|name| sent.shown(name)).collect();
        let received_at = clock::now();
        let (proven_new, shortfalls, remarks) = (true, Vec::new(), Vec::new());
        Ok(Page { number, names, invalid, invalid_count, received_at, last, cursor, proven_new, shortfalls, remarks })
    }

    /// The error of an answer that is not in the format of this API.
    pub fn unreadable(&self, what: &str, answer: &ApiAnswer, error: &serde_json::Error) -> RegistryError {
        // The text of serde's error would repeat what the server sent.
        let html = answer.body.trim_ascii_start().starts_with(b"<");
        let text =
            if html { "an HTML page".to_owned() } else { self.api.authorized.transport.sent.shown(error.to_string()) };
        RegistryError::new(Step::Api(what.into()), Problem::Listing(text))
    }

    fn refusal(&self, step: &Step, url: &Url, answer: &HttpAnswer) -> RegistryError {
        let reply = error_answer(answer);
        let cause = Some(KnownCause::ApiLogin { needs: self.api.needs });
        let problem = match answer.status {
            StatusCode::UNAUTHORIZED if self.api.login != ApiLogin::Anonymous => Problem::Rejected { reply, cause },
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Problem::Denied { reply, cause },
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Problem::Unsupported(reply),
            // Requests to an API go to its own origin only.
            status if status.is_redirection() => self.api.authorized.transport.reported(not_followed(url, answer)),
            _ => Problem::of_status(reply),
        };
        RegistryError::new(step.clone(), problem)
    }
}

impl Api {
    async fn send(
        &self,
        url: &Url,
        authorization: Option<&HeaderValue>,
        form: Option<PostBody<'_>>,
        step: &Step,
    ) -> Result<HttpAnswer, RegistryError> {
        let transport = &self.authorized.transport;
        let wants = if *step == Step::Token { RequestKind::Token } else { RequestKind::Api };
        let call =
            HttpCall { url, authorization, form, wants, endpoint: step.endpoint(), named_by: NamedBy::Configured };
        let admission = transport.admit(url, call.endpoint, &Tries::none()).await;
        transport.ask(&call, &admission).await.map_err(|problem| RegistryError::new(step.clone(), problem))
    }

    /// Exchanges a login for a token.
    async fn exchange(&self, login: &PasswordLogin) -> Result<HeaderValue, RegistryError> {
        let outcome = self.ask_for_token(login).await;
        self.authorized.transport.observer.token(outcome.as_ref().map(drop).map_err(RegistryError::fault));
        outcome
    }

    /// `POST /v2/auth/token` of Docker Hub: `identifier` and `secret` in, `access_token` out.
    async fn ask_for_token(&self, login: &PasswordLogin) -> Result<HeaderValue, RegistryError> {
        let at_step = |problem| RegistryError::new(Step::Token, problem);

        let secret = secret(&login.password).await?;
        // `SentSecrets` does not search JSON bodies, so the password is noted here.
        self.authorized.transport.sent.note(Some(&basic(&login.username, &secret).map_err(at_step)?), None);
        let body = credentials(&login.username, &secret);
        let url = self.url(&["v2", "auth", "token"]);
        let answer = self.send(&url, None, Some(PostBody::Json(&body)), &Step::Token).await?;
        if answer.status != StatusCode::OK {
            let reply = error_answer(&answer);
            let cause = Some(KnownCause::ApiLogin { needs: self.needs });
            return Err(at_step(match answer.status {
                StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED => Problem::Rejected { reply, cause },
                StatusCode::FORBIDDEN => Problem::Denied { reply, cause },
                status if status.is_redirection() => self.authorized.transport.reported(not_followed(&url, &answer)),
                _ => Problem::TokenService { url: place(&url, &answer.sent), reply },
            }));
        }
        let token = serde_json::from_slice::<Value>(&answer.body).ok();
        let token = token.as_ref().and_then(|token| token["access_token"].as_str()).filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| at_step(Problem::Listing("it has no `access_token`".into())))?;
        header("Bearer", token).map_err(at_step)
    }
}

/// The body that Docker Hub expects for a token.
fn credentials(username: &str, secret: &Secret) -> String {
    json!({"identifier": username, "secret": secret.expose()}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_posted_for_a_token_survives_json() {
        let body = credentials("a\"b", &Secret::new("p\\:/ \"+ö"));
        let read: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!((read["identifier"].as_str(), read["secret"].as_str()), (Some("a\"b"), Some("p\\:/ \"+ö")));
    }
}
