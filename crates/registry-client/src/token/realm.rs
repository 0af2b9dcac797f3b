//! The token endpoint: sends credentials and scopes, and receives a token, by the distribution token specification.
//! First a GET with Basic, then a POST form (Quay answers 405 to POST, some `OAuth2` servers to GET). Identity tokens
//! use the `refresh_token` grant, which is POST only. It caches nothing.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use hyper::StatusCode;
use hyper::header::{HeaderValue, LOCATION};
use serde_json::Value;
use tokio::time::Instant;
use tracing::debug;
use url::Url;

use crate::clock;
use crate::concurrency::prove_first::ProveFirst;
use crate::http::call::{HttpAnswer, HttpCall, PostBody, RequestKind};
use crate::http::endpoint::Endpoint;
use crate::http::error_answer::{error_answer, has_code};
use crate::http::host_policy::NamedBy;
use crate::http::origin::{destination, place, trust_realm};
use crate::http::redirects::{RedirectRange, RedirectRoute, is_redirect};
use crate::http::transport::Transport;
use crate::http::turn::Admission;
use crate::login::credential::Credential;
use crate::login::credentials::Credentials;
use crate::login::header::basic;
use crate::login::secret::Secret;
use crate::problem::cause::KnownCause;
use crate::problem::error::{RegistryError, Step};
use crate::problem::login_cause::LoginCause;
use crate::problem::origin::UntrustedRealm;
use crate::problem::{ErrorAnswer, Problem};
use crate::token::bearer::{Token, read_answer, refresh_token};
use crate::token::cache::{TokenRequest, TokenSource};
use crate::token::login_refusal::why_refused;
use crate::token::request::{password_form, refresh_form, token_url};
use crate::token::scope::ScopeSet;

/// After so many answers 403 with `DENIED`, a login counts as refused.
const DOUBTS: u32 = 3;

/// Requests tokens from realms, for one registry.
#[derive(Debug)]
pub(crate) struct Realm {
    transport: Arc<Transport>,
    registry: Url,
    further_hosts: Vec<String>,
    credentials: Arc<Credentials>,
    /// The refusal of the credentials by a realm. Sending them again could lock the account.
    rejected: OnceLock<RegistryError>,
    /// Whether a realm has given a token for the credentials. Until then, one token is requested at a time: the catalog
    /// and each repository need tokens of their own, and a wrong password must be sent once.
    proof: ProveFirst,
    /// Whether tokens are requested by POST. Set by the first token; a later refusal does not change it. Quay answers
    /// 405 to a GET whose scopes name a repository of a disabled account.
    posting: OnceLock<bool>,
    /// Number of refused scopes before the first token.
    scope_refusals: AtomicU32,
}

impl Realm {
    pub(crate) fn new(
        transport: Arc<Transport>,
        registry: Url,
        further_hosts: Vec<String>,
        credentials: Arc<Credentials>,
    ) -> Self {
        let (rejected, proof, posting, scope_refusals) = Default::default();
        Self { transport, registry, further_hosts, credentials, rejected, proof, posting, scope_refusals }
    }

    /// The refusal of the credentials, by a realm or by the registry itself; none if there was none.
    pub(crate) fn rejected(&self) -> Option<&RegistryError> {
        self.rejected.get()
    }

    /// Whether a realm has given a token.
    pub(crate) fn is_proven(&self) -> bool {
        self.proof.is_proven()
    }

    /// Stores a refusal of the credentials; returns other errors as they are.
    pub(crate) fn note(&self, error: RegistryError) -> RegistryError {
        if matches!(error.problem(), Problem::Rejected { .. }) {
            return self.rejected.get_or_init(|| error).clone();
        }
        error
    }

    /// Requests a token with the current credentials; once more if they are refused and there are others by now.
    async fn ask(&self, wanted: &TokenRequest, admission: &Admission) -> Result<Token, Problem> {
        let trusted = trust_realm(&wanted.realm, &self.registry, &self.further_hosts);
        let untrusted = |source| self.untrusted(&wanted.realm, source);
        if let Err(source @ (UntrustedRealm::Plaintext | UntrustedRealm::Odd)) = trusted {
            return Err(untrusted(source));
        }
        let begun = Instant::now();
        let credential = self.credentials.login().await?;
        // An anonymous caller has nothing to lose there. `http::host_policy` still says which addresses may be asked.
        if let (Err(source), Some(_)) = (trusted, &credential) {
            return Err(untrusted(source));
        }
        let outcome = self.ask_as(wanted, credential.as_ref(), admission).await;
        match (&outcome, &credential) {
            (Err(Problem::Rejected { .. }), Some(refused)) => {
                match self.credentials.renewed(refused, begun, StatusCode::UNAUTHORIZED).await? {
                    Some(renewed) => self.ask_as(wanted, Some(&renewed), admission).await,
                    None => outcome,
                }
            }
            _ => outcome,
        }
    }

    async fn ask_as(
        &self,
        wanted: &TokenRequest,
        credential: Option<&Credential>,
        admission: &Admission,
    ) -> Result<Token, Problem> {
        let answer = match credential {
            Some(Credential::Login { username, password }) => {
                self.log_in(wanted, username, password, admission).await?
            }
            Some(Credential::Identity(token)) => {
                self.send(&wanted.realm, None, Some(&refresh_form(wanted, token)), admission).await?
            }
            // A bearer token made elsewhere is for the registry, and not for its token service.
            Some(Credential::Bearer(_)) | None => self.send(&token_url(wanted)?, None, None, admission).await?,
        };
        if !answer.status.is_success() {
            return Err(self.refusal(&answer, wanted, credential));
        }
        let token = read_answer(&answer.body, Instant::now(), clock::now().timestamp())
            .map_err(|source| Problem::NoToken { url: self.place(&wanted.realm), source })?;
        if let Some(sent @ Credential::Identity(_)) = credential
            && let Some(next) = refresh_token(&answer.body)
        {
            self.credentials.replace(sent, next).await;
        }
        Ok(token)
    }

    /// Sends a GET. Before the first token, sends a POST if GET is not allowed. If neither is allowed, returns the
    /// answer to the GET.
    async fn log_in(
        &self,
        wanted: &TokenRequest,
        username: &str,
        password: &Secret,
        admission: &Admission,
    ) -> Result<HttpAnswer, Problem> {
        let (url, basic) = (token_url(wanted)?, basic(username, password)?);
        let mut got = None;
        if self.posting.get() != Some(&true) {
            let answer = self.send(&url, Some(&basic), None, admission).await?;
            if answer.status.is_success() {
                self.posting.get_or_init(|| false);
            }
            if self.posting.get() == Some(&false) || !is_not_for_method(answer.status) {
                return Ok(answer);
            }
            got = Some(answer);
        }
        let form = password_form(wanted, username, password);
        let posted = self.send(&wanted.realm, Some(&basic), Some(&form), admission).await?;
        if posted.status.is_success() {
            self.posting.get_or_init(|| true);
        }
        Ok(got.filter(|_| is_not_for_method(posted.status)).unwrap_or(posted))
    }

    async fn send(
        &self,
        url: &Url,
        authorization: Option<&HeaderValue>,
        form: Option<&str>,
        admission: &Admission,
    ) -> Result<HttpAnswer, Problem> {
        let (form, endpoint) = (form.map(PostBody::Form), Endpoint::Token);
        let mut route = RedirectRoute::new(url, url, RedirectRange::of(RequestKind::Token));
        loop {
            let (wants, named_by) = (RequestKind::Token, NamedBy::Realm);
            let call = HttpCall { url: route.url(), authorization, form, wants, endpoint, named_by };
            let answer = self.transport.ask(&call, admission).await?;
            if !is_redirect(answer.status) {
                return Ok(answer);
            }
            // Credentials stay on the origin. A form is sent to the URL that the registry names and to no other.
            let followed = if form.is_some() { Err(Problem::Redirects) } else { route.follow(&answer) };
            followed.map_err(|_| {
                let location =
                    answer.headers.get(LOCATION).map(hyper::header::HeaderValue::as_bytes).unwrap_or_default();
                let to = destination(route.url(), location, &answer.sent);
                Problem::TokenRedirect { url: self.place(url), to }
            })?;
        }
    }

    fn refusal(&self, answer: &HttpAnswer, wanted: &TokenRequest, credential: Option<&Credential>) -> Problem {
        let reply = error_answer(answer);
        match answer.status {
            // The 401 of the OAuth2 grants (RFC 6749, 5.2): another scope would be refused in the same way.
            StatusCode::BAD_REQUEST if is_oauth_rejection(&reply.text) => self.rejection(reply, wanted, credential),
            status if is_about_scopes(status, &wanted.scopes) => {
                Problem::Scope { reply, tried: format!("`{}`", answer.sent.shown(wanted.scopes.to_string())) }
            }
            StatusCode::UNAUTHORIZED if credential.is_some() => self.rejection(reply, wanted, credential),
            StatusCode::UNAUTHORIZED => Problem::Denied { reply, cause: Some(KnownCause::LoginWanted) },
            StatusCode::FORBIDDEN if sends(credential) && self.is_login_refused(answer, wanted) => {
                self.rejection(reply, wanted, credential)
            }
            StatusCode::FORBIDDEN => Problem::Denied { reply, cause: None },
            // A token service that has given tokens before refuses these scopes, and not every request.
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_FOUND | StatusCode::CONFLICT | StatusCode::GONE
                if self.is_proven()
                    || (answer.status == StatusCode::METHOD_NOT_ALLOWED && has_errors(&answer.body)) =>
            {
                let cause = self.refusal_cause(&reply, wanted, credential);
                let cause = cause.filter(|cause| *cause == LoginCause::AccountDisabled.into());
                Problem::Denied { reply, cause }
            }
            _ => Problem::TokenService { url: self.place(&wanted.realm), reply },
        }
    }

    /// Whether 403 means that the login is refused; sending it again could then lock the account. A login that has got
    /// a token is right. One that has not counts as refused, unless the answer to a request with scopes is `DENIED`, as
    /// GHCR answers about a repository that the account may not read. That exception holds for the first such answers
    /// only.
    fn is_login_refused(&self, answer: &HttpAnswer, wanted: &TokenRequest) -> bool {
        if self.is_proven() {
            return false;
        }
        let of_scopes = !wanted.scopes.is_empty() && has_code(&answer.body, &["DENIED"]);
        !of_scopes || self.scope_refusals.fetch_add(1, Ordering::Relaxed) + 1 >= DOUBTS
    }

    fn untrusted(&self, realm: &Url, source: UntrustedRealm) -> Problem {
        let host = self.transport.sent.shown(realm.host_str().unwrap_or("without a host"));
        let host = realm.port().map_or(host.clone(), |port| format!("{host}:{port}"));
        Problem::Realm { url: self.place(realm), host, is_own: realm.host() == self.registry.host(), source }
    }

    /// Origin and path of a realm, for messages.
    fn place(&self, realm: &Url) -> String {
        place(realm, &self.transport.sent)
    }

    fn rejection(&self, reply: ErrorAnswer, wanted: &TokenRequest, credential: Option<&Credential>) -> Problem {
        let cause = self.refusal_cause(&reply, wanted, credential);
        Problem::Rejected { reply, cause }
    }

    fn refusal_cause(
        &self,
        reply: &ErrorAnswer,
        wanted: &TokenRequest,
        credential: Option<&Credential>,
    ) -> Option<KnownCause> {
        let is_quay = wanted.realm.path() == "/v2/auth" || self.registry.host_str() == Some("quay.io");
        match credential? {
            Credential::Login { username, .. } => why_refused(&reply.text, Some(username), is_quay),
            Credential::Identity(_) | Credential::Bearer(_) => Some(KnownCause::TokenRefused),
        }
    }
}

#[async_trait]
impl TokenSource for Realm {
    type Permit = Admission;

    async fn permit(&self) -> Admission {
        self.transport.permit().await
    }

    async fn fetch(&self, wanted: &TokenRequest, admission: &Admission) -> Result<Token, RegistryError> {
        let turn = self.proof.turn().await;
        if let Some(rejected) = self.rejected.get() {
            return Err(rejected.clone());
        }
        let asked = self.ask(wanted, admission).await.map_err(|problem| {
            let problem = self.transport.reported(problem);
            self.note(RegistryError::new(Step::Token, problem))
        });
        self.transport.observer.token(asked.as_ref().map(drop).map_err(RegistryError::fault));
        let token = asked?;
        self.proof.prove();
        drop(turn);
        let scope = self.transport.sent.shown(wanted.scopes.to_string());
        debug!(%scope, lifetime_s = token.lifetime.as_secs(), "token received");
        Ok(token)
    }
}

/// Whether a refusal may be about these scopes, so that another request may be accepted. Some services read one scope
/// only and fail with 422 or 500 if the parameter is repeated.
fn is_about_scopes(status: StatusCode, scopes: &ScopeSet) -> bool {
    match status.as_u16() {
        400 => true,
        413 | 414 | 422 | 431 => !scopes.is_empty(),
        500 | 501 => scopes.iter().count() > 1,
        _ => false,
    }
}

fn is_oauth_rejection(text: &str) -> bool {
    ["invalid_grant", "invalid_client", "unauthorized_client"].iter().any(|code| text.starts_with(code))
}

/// Whether a credential is sent to a token service.
fn sends(credential: Option<&Credential>) -> bool {
    matches!(credential, Some(Credential::Login { .. } | Credential::Identity(_)))
}

/// Whether the answer may mean that another method is needed.
fn is_not_for_method(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED)
}

/// Whether the answer has errors as the distribution specification writes them: then the server has understood the
/// request.
fn has_errors(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|json| json["errors"].get(0).is_some())
}
