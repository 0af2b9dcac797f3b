//! The token endpoint: credentials and scopes in, a token out, by the distribution token specification. GET with Basic
//! first, a POST form as the fallback (Quay answers 405 to POST, some `OAuth2` servers to GET); identity tokens by the
//! `refresh_token` grant, for which there is only POST. It caches nothing.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use reqwest::StatusCode;
use reqwest::header::{HeaderValue, LOCATION};
use serde_json::Value;
use tokio::time::Instant;
use tracing::debug;
use url::{Url, form_urlencoded};

use crate::clock;
use crate::concurrency::prove_first::ProveFirst;
use crate::http::call::{HttpAnswer, HttpCall, PostBody, RequestKind};
use crate::http::endpoint::Endpoint;
use crate::http::host_policy::NamedBy;
use crate::http::origin::{destination, trust_realm};
use crate::http::said::{has_code, said};
use crate::http::transport::Transport;
use crate::http::turn::Admission;
use crate::login::credential::Credential;
use crate::login::credentials::Credentials;
use crate::login::header::basic;
use crate::login::secret::Secret;
use crate::problem::Problem;
use crate::problem::cause::KnownCause;
use crate::problem::error::{RegistryError, Step};
use crate::token::bearer::{Token, read_answer, refresh_token};
use crate::token::cache::{TokenRequest, TokenSource};

/// Quay refuses request lines over 4 KiB; what stands before and after the query is left room.
const LONGEST_URL: usize = 4000;
/// So many times a login is refused with `DENIED` by 403 before it counts as refused.
const DOUBTS: u32 = 3;

/// Asks realms for tokens, on behalf of one registry.
#[derive(Debug)]
pub(crate) struct Realm {
    transport: Arc<Transport>,
    registry: Url,
    further_hosts: Vec<String>,
    credentials: Arc<Credentials>,
    /// Set once a realm has refused the credentials: trying again would lock the account out.
    rejected: OnceLock<RegistryError>,
    /// Whether a realm has given a token for them. Until then one is asked at a time: the catalog and each repository want
    /// tokens of their own, and a wrong password is to be sent once.
    proof: ProveFirst,
    /// Whether tokens are posted for: known by the first that was given, and no refusal changes it. Quay answers 405 to a
    /// GET whose scopes name a repository of a disabled account.
    posting: OnceLock<bool>,
    /// Refusals of scopes before any token was given.
    doubts: AtomicU32,
}

impl Realm {
    pub(crate) fn new(
        transport: Arc<Transport>,
        registry: Url,
        further_hosts: Vec<String>,
        credentials: Arc<Credentials>,
    ) -> Self {
        let (rejected, proof, posting, doubts) = Default::default();
        Self { transport, registry, further_hosts, credentials, rejected, proof, posting, doubts }
    }

    /// The refusal of the credentials, once there has been one, by a realm or by the registry itself.
    pub(crate) fn rejected(&self) -> Option<&RegistryError> {
        self.rejected.get()
    }

    /// Whether a realm has given a token.
    pub(crate) fn is_proven(&self) -> bool {
        self.proof.is_proven()
    }

    /// Notes a refusal of the credentials; other errors pass through.
    pub(crate) fn note(&self, error: RegistryError) -> RegistryError {
        if matches!(error.problem(), Problem::Rejected { .. }) {
            return self.rejected.get_or_init(|| error).clone();
        }
        error
    }

    /// Asks with the credentials there are, and once more if they are refused and others have come in their place.
    async fn ask(&self, wanted: &TokenRequest, admission: &Admission) -> Result<Token, Problem> {
        trust_realm(&wanted.realm, &self.registry, &self.further_hosts)
            .map_err(|source| Problem::Realm { host: self.host(&wanted.realm), source })?;
        let begun = Instant::now();
        let credential = self.credentials.login().await?;
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
            // A token made elsewhere is for the registry, and no token service's business.
            Some(Credential::Bearer(_)) | None => self.send(&token_url(wanted)?, None, None, admission).await?,
        };
        if !answer.status.is_success() {
            return Err(self.refusal(&answer, wanted, credential));
        }
        let token = read_answer(&answer.body, Instant::now(), clock::now().timestamp()).map_err(Problem::NoToken)?;
        if let Some(sent @ Credential::Identity(_)) = credential
            && let Some(next) = refresh_token(&answer.body)
        {
            self.credentials.replace(sent, next).await;
        }
        Ok(token)
    }

    /// GET, or before the first token POST where GET is not allowed. If neither is, it is the answer to GET that tells.
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
        let call = HttpCall { url, authorization, form, wants: RequestKind::Token, endpoint, way: NamedBy::Realm };
        self.transport.ask(&call, admission).await
    }

    fn refusal(&self, answer: &HttpAnswer, wanted: &TokenRequest, credential: Option<&Credential>) -> Problem {
        let said = said(answer);
        match answer.status {
            // The grants' way of saying 401 (RFC 6749, 5.2); to climb on would try the same again.
            StatusCode::BAD_REQUEST if is_oauth_rejection(&said.text) => {
                Problem::Rejected { said, cause: self.rejection_hint(&wanted.realm, credential) }
            }
            StatusCode::BAD_REQUEST => {
                Problem::Scope { said, tried: format!("`{}`", answer.sent.shown(wanted.scopes.to_string())) }
            }
            StatusCode::UNAUTHORIZED if credential.is_some() => {
                Problem::Rejected { said, cause: self.rejection_hint(&wanted.realm, credential) }
            }
            StatusCode::UNAUTHORIZED => Problem::Denied { said, cause: Some(KnownCause::LoginWanted) },
            StatusCode::FORBIDDEN if sends(credential) && self.is_login_refused(answer, wanted) => {
                Problem::Rejected { said, cause: self.rejection_hint(&wanted.realm, credential) }
            }
            StatusCode::FORBIDDEN => Problem::Denied { said, cause: None },
            // A token service that has given tokens refuses these scopes, and not every request.
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_FOUND | StatusCode::CONFLICT | StatusCode::GONE
                if self.is_proven()
                    || (answer.status == StatusCode::METHOD_NOT_ALLOWED && has_errors(&answer.body)) =>
            {
                Problem::Denied { said, cause: None }
            }
            // Redirects are off: they would carry the credentials wherever the realm says.
            status if status.is_redirection() => {
                let to = answer.headers.get(LOCATION).map(|to| String::from_utf8_lossy(to.as_bytes()));
                Problem::Redirect {
                    to: destination(&wanted.realm, &answer.sent.strike(to.unwrap_or_default().into_owned())),
                }
            }
            _ => Problem::of_status(said),
        }
    }

    /// Whether 403 is about the login, as it is about to lock the account then: a login that has got a token is good, and
    /// one that has not is taken for refused, unless the answer says that access is denied, as GHCR's does about a
    /// repository that the account may not read. That is believed so often, and of several scopes.
    fn is_login_refused(&self, answer: &HttpAnswer, wanted: &TokenRequest) -> bool {
        if self.is_proven() {
            return false;
        }
        let of_scopes = !wanted.scopes.is_empty() && has_code(&answer.body, &["DENIED"]);
        !of_scopes || self.doubts.fetch_add(1, Ordering::Relaxed) + 1 >= DOUBTS
    }

    /// A realm's host and port, to be shown.
    fn host(&self, realm: &Url) -> String {
        let host = self.transport.sent.shown(realm.host_str().unwrap_or("without a host"));
        realm.port().map_or(host.clone(), |port| format!("{host}:{port}"))
    }

    /// Quay's robots are named `org+robot`; a name without `+` is the commonest cause of its 401.
    fn rejection_hint(&self, realm: &Url, credential: Option<&Credential>) -> Option<KnownCause> {
        let quay = realm.path() == "/v2/auth" || self.registry.host_str() == Some("quay.io");
        match credential? {
            Credential::Login { username, .. } => (quay && !username.contains('+')).then_some(KnownCause::RobotName),
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
            let problem = self.transport.watched(problem);
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

/// The realm with its own query kept, and `service` and one `scope` each added: Quay reads several scopes only so.
fn token_url(wanted: &TokenRequest) -> Result<Url, Problem> {
    let mut url = wanted.realm.clone();
    if wanted.service.is_some() || !wanted.scopes.is_empty() {
        let mut query = url.query_pairs_mut();
        query.extend_pairs(wanted.service.iter().map(|service| ("service", service)));
        query.extend_pairs(wanted.scopes.iter().map(|scope| ("scope", scope)));
    }
    if url.as_str().len() > LONGEST_URL { Err(Problem::TooManyScopes) } else { Ok(url) }
}

/// The `OAuth2` password grant of the distribution specification. Basic goes along with it, as some endpoints that want
/// a POST look for the credentials only there.
fn password_form(wanted: &TokenRequest, username: &str, password: &Secret) -> String {
    grant(wanted, &[("grant_type", "password"), ("username", username), ("password", password.expose())])
}

/// The `OAuth2` grant of an identity token, which alone says who asks.
fn refresh_form(wanted: &TokenRequest, token: &Secret) -> String {
    grant(wanted, &[("grant_type", "refresh_token"), ("refresh_token", token.expose())])
}

/// The form of a grant: scopes separated by blanks, and who the client is, which the specification requires.
fn grant(wanted: &TokenRequest, pairs: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(pairs).append_pair("client_id", "stocktake");
    form.extend_pairs(wanted.service.iter().map(|service| ("service", service)));
    if !wanted.scopes.is_empty() {
        form.append_pair("scope", &wanted.scopes.to_string());
    }
    form.finish()
}

fn is_oauth_rejection(text: &str) -> bool {
    ["invalid_grant", "invalid_client", "unauthorized_client"].iter().any(|code| text.starts_with(code))
}

/// Whether a token service is sent anything of it.
fn sends(credential: Option<&Credential>) -> bool {
    matches!(credential, Some(Credential::Login { .. } | Credential::Identity(_)))
}

/// Whether the answer may mean that tokens are to be had by another method.
fn is_not_for_method(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED)
}

/// Whether the answer holds errors as the distribution specification writes them: its server has understood the request.
fn has_errors(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|json| json["errors"].get(0).is_some())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::token::scope::ScopeSet;

    fn wanted(realm: &str, service: Option<&str>, scopes: &str) -> TokenRequest {
        let realm = Url::parse(realm).expect("a URL");
        TokenRequest { realm, service: service.map(str::to_owned), scopes: ScopeSet::parse([scopes]) }
    }

    #[test]
    fn the_realms_own_query_is_kept_and_missing_parts_are_left_out() {
        let url =
            |realm, service, scopes| String::from(token_url(&wanted(realm, service, scopes)).expect("short enough"));
        assert_eq!(url("https://a/t", None, ""), "https://a/t");
        assert_eq!(url("https://a/t?x=%2F&y", None, ""), "https://a/t?x=%2F&y");
        assert_eq!(
            url("https://a/t?x=%2F", Some("r:5000"), "registry:catalog:*"),
            "https://a/t?x=%2F&service=r%3A5000&scope=registry%3Acatalog%3A*"
        );
    }

    #[test]
    fn several_scopes_are_a_repeated_parameter() {
        let url = token_url(&wanted("https://a/t", None, "repository:a:pull repository:b:pull")).expect("short enough");
        assert_eq!(url.query(), Some("scope=repository%3Aa%3Apull&scope=repository%3Ab%3Apull"));
    }

    #[test]
    fn credentials_survive_in_header_and_form() {
        let password = Secret::new("p:a/ss%2B+wörd");
        let basic = basic("acme+inventory", &password).expect("a header");
        assert!(basic.is_sensitive());
        let text = basic.to_str().expect("ASCII").strip_prefix("Basic ").expect("Basic");
        assert_eq!(STANDARD.decode(text).expect("base64"), "acme+inventory:p:a/ss%2B+wörd".as_bytes());
        let form = password_form(&wanted("https://a/t", None, ""), "acme+inventory", &password);
        let pairs: Vec<_> = form_urlencoded::parse(form.as_bytes()).collect();
        assert!(pairs.iter().any(|(key, value)| key == "username" && value == "acme+inventory"));
        assert!(pairs.iter().any(|(key, value)| key == "password" && value == "p:a/ss%2B+wörd"));
    }
}
