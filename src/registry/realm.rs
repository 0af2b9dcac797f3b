//! The token endpoint: credentials and scopes in, a token out, by the distribution token specification. GET with Basic
//! first, a POST form as the fallback (Quay answers 405 to POST, some `OAuth2` servers to GET). It caches nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::StatusCode;
use reqwest::header::{HeaderValue, LOCATION};
use tokio::time::Instant;
use tracing::debug;
use url::{Url, form_urlencoded};

use super::cache::{TokenSource, Wanted};
use super::diagnosis::{Hint, said};
use super::error::{Problem, Step};
use super::origin::{destination, trust_realm};
use super::token::{Token, read_answer};
use super::transport::{Answer, Call, Posted, Transport, Wants};
use super::{Login, RegistryError, Secret};
use crate::clock;

/// Quay refuses request lines over 4 KiB; what stands before and after the query is left room.
const LONGEST_URL: usize = 4000;

/// Asks realms for tokens, on behalf of one registry.
#[derive(Debug)]
pub(super) struct Realm {
    transport: Arc<Transport>,
    registry: Url,
    further_hosts: Vec<String>,
    login: Option<Login>,
    /// Set once a realm has refused the credentials: trying again would lock the account out.
    rejected: OnceLock<RegistryError>,
    /// Whether GET was not allowed.
    posting: AtomicBool,
}

/// The login of one fetch.
struct Credentials<'a> {
    username: &'a str,
    password: Secret,
    basic: HeaderValue,
}

impl Realm {
    pub(super) fn new(
        transport: Arc<Transport>,
        registry: Url,
        further_hosts: Vec<String>,
        login: Option<Login>,
    ) -> Self {
        let (rejected, posting) = (OnceLock::new(), AtomicBool::new(false));
        Self { transport, registry, further_hosts, login, rejected, posting }
    }

    /// The refusal of the credentials, once there has been one, by a realm or by the registry itself.
    pub(super) fn rejected(&self) -> Option<&RegistryError> {
        self.rejected.get()
    }

    /// Notes a refusal of the credentials; other errors pass through.
    pub(super) fn note(&self, error: RegistryError) -> RegistryError {
        if matches!(error.problem(), Problem::Rejected { .. }) {
            return self.rejected.get_or_init(|| error).clone();
        }
        error
    }

    async fn ask(&self, wanted: &Wanted) -> Result<Token, Problem> {
        trust_realm(&wanted.realm, &self.registry, &self.further_hosts)
            .map_err(|source| Problem::Realm { host: self.host(&wanted.realm), source })?;
        let credentials = self.login.as_ref().map(Credentials::read).transpose()?;
        let url = token_url(wanted);
        if url.as_str().len() > LONGEST_URL {
            return Err(Problem::TooManyScopes);
        }
        let mut answer = None;
        if !self.posting.load(Ordering::Relaxed) {
            let got = self.send(&url, credentials.as_ref(), None).await?;
            // Anonymous callers have nothing to put into a form.
            if credentials.is_some() && is_not_for_get(got.status) {
                self.posting.store(true, Ordering::Relaxed);
            } else {
                answer = Some(got);
            }
        }
        let answer = match (answer, &credentials) {
            (Some(answer), _) => answer,
            (None, Some(login)) => {
                let form = token_form(wanted, login);
                self.send(&wanted.realm, Some(login), Some(&form)).await?
            }
            (None, None) => self.send(&url, None, None).await?,
        };
        if answer.status.is_success() {
            return read_answer(&answer.body, Instant::now(), clock::now().timestamp()).map_err(Problem::NoToken);
        }
        Err(self.refusal(&answer, wanted, credentials.as_ref()))
    }

    async fn send(
        &self,
        url: &Url,
        credentials: Option<&Credentials<'_>>,
        form: Option<&str>,
    ) -> Result<Answer, Problem> {
        let authorization = credentials.map(|login| &login.basic);
        let call = Call { url, authorization, form: form.map(Posted::Form), wants: Wants::Token };
        for number in 1.. {
            let outcome = self.transport.attempt(&call).await;
            if let Some(answer) = self.transport.settle(&call, number, outcome).await? {
                return Ok(answer);
            }
        }
        unreachable!("the retry policy ends every request")
    }

    fn refusal(&self, answer: &Answer, wanted: &Wanted, credentials: Option<&Credentials<'_>>) -> Problem {
        let said = said(answer);
        match answer.status {
            // The password grant's way of saying 401 (RFC 6749, 5.2); to climb on would try the password again.
            StatusCode::BAD_REQUEST if is_oauth_rejection(&said.text) => Problem::Rejected { said, hint: None },
            StatusCode::BAD_REQUEST => {
                Problem::Scope { said, tried: format!("`{}`", answer.sent.shown(wanted.scopes.to_string())) }
            }
            StatusCode::UNAUTHORIZED if credentials.is_some() => {
                Problem::Rejected { said, hint: self.robot_name_hint(&wanted.realm) }
            }
            StatusCode::UNAUTHORIZED => Problem::Denied { said, hint: Some(Hint::NoLogin) },
            StatusCode::FORBIDDEN => Problem::Denied { said, hint: None },
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

    /// A realm's host and port, to be shown.
    fn host(&self, realm: &Url) -> String {
        let host = self.transport.sent.shown(realm.host_str().unwrap_or("without a host"));
        realm.port().map_or(host.clone(), |port| format!("{host}:{port}"))
    }

    /// Quay's robots are named `org+robot`; a name without `+` is the commonest cause of its 401.
    fn robot_name_hint(&self, realm: &Url) -> Option<Hint> {
        let quay = realm.path() == "/v2/auth" || self.registry.host_str() == Some("quay.io");
        let robot = self.login.as_ref().is_some_and(|login| login.username.contains('+'));
        (quay && !robot).then_some(Hint::RobotName)
    }
}

#[async_trait]
impl TokenSource for Realm {
    async fn fetch(&self, wanted: &Wanted) -> Result<Token, RegistryError> {
        if let Some(rejected) = self.rejected.get() {
            return Err(rejected.clone());
        }
        let token = self.ask(wanted).await.map_err(|problem| self.note(RegistryError::new(Step::Token, problem)))?;
        let scope = self.transport.sent.shown(wanted.scopes.to_string());
        debug!(%scope, lifetime_s = token.lifetime.as_secs(), "token received");
        Ok(token)
    }
}

impl<'a> Credentials<'a> {
    fn read(login: &'a Login) -> Result<Self, Problem> {
        let password = login.password.read().map_err(Problem::Secret)?;
        let basic = basic(&login.username, &password)?;
        Ok(Self { username: &login.username, password, basic })
    }
}

/// `Basic` credentials by RFC 7617, in UTF-8.
pub(super) fn basic(username: &str, password: &Secret) -> Result<HeaderValue, Problem> {
    header("Basic", &STANDARD.encode(format!("{username}:{}", password.expose())))
}

/// An `Authorization` that no log shows. Bearer is spelled so: Quay answers 401 to `bearer`.
pub(super) fn header(scheme: &str, credentials: &str) -> Result<HeaderValue, Problem> {
    let mut value = HeaderValue::try_from(format!("{scheme} {credentials}")).map_err(|_| Problem::BadSecret)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The realm with its own query kept, and `service` and one `scope` each added: Quay reads several scopes only so.
fn token_url(wanted: &Wanted) -> Url {
    let mut url = wanted.realm.clone();
    if wanted.service.is_some() || !wanted.scopes.is_empty() {
        let mut query = url.query_pairs_mut();
        query.extend_pairs(wanted.service.iter().map(|service| ("service", service)));
        query.extend_pairs(wanted.scopes.iter().map(|scope| ("scope", scope)));
    }
    url
}

/// The `OAuth2` password grant of the distribution specification: scopes separated by blanks. Basic goes along with it,
/// as some endpoints that want a POST look for the credentials only there.
fn token_form(wanted: &Wanted, login: &Credentials<'_>) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs([("grant_type", "password"), ("client_id", "stocktake"), ("username", login.username)]);
    form.append_pair("password", login.password.expose());
    form.extend_pairs(wanted.service.iter().map(|service| ("service", service)));
    if !wanted.scopes.is_empty() {
        form.append_pair("scope", &wanted.scopes.to_string());
    }
    form.finish()
}

fn is_oauth_rejection(text: &str) -> bool {
    ["invalid_grant", "invalid_client", "unauthorized_client"].iter().any(|code| text.starts_with(code))
}

fn is_not_for_get(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED)
}

#[cfg(test)]
mod tests {
    use super::super::ScopeSet;
    use super::*;

    fn wanted(realm: &str, service: Option<&str>, scopes: &str) -> Wanted {
        let realm = Url::parse(realm).expect("a URL");
        Wanted { realm, service: service.map(str::to_owned), scopes: ScopeSet::parse([scopes]) }
    }

    #[test]
    fn edge_04_the_realms_own_query_is_kept_and_missing_parts_are_left_out() {
        let url = |realm, service, scopes| String::from(token_url(&wanted(realm, service, scopes)));
        assert_eq!(url("https://a/t", None, ""), "https://a/t");
        assert_eq!(url("https://a/t?x=%2F&y", None, ""), "https://a/t?x=%2F&y");
        assert_eq!(
            url("https://a/t?x=%2F", Some("r:5000"), "registry:catalog:*"),
            "https://a/t?x=%2F&service=r%3A5000&scope=registry%3Acatalog%3A*"
        );
    }

    #[test]
    fn edge_16_several_scopes_are_a_repeated_parameter() {
        let url = token_url(&wanted("https://a/t", None, "repository:a:pull repository:b:pull"));
        assert_eq!(url.query(), Some("scope=repository%3Aa%3Apull&scope=repository%3Ab%3Apull"));
    }

    #[test]
    fn edge_09_credentials_survive_in_header_and_form() {
        let password = Secret::new("p:a/ss%2B+wörd");
        let basic = basic("acme+inventory", &password).expect("a header");
        assert!(basic.is_sensitive());
        let text = basic.to_str().expect("ASCII").strip_prefix("Basic ").expect("Basic");
        assert_eq!(STANDARD.decode(text).expect("base64"), "acme+inventory:p:a/ss%2B+wörd".as_bytes());
        let login = Credentials { username: "acme+inventory", password, basic };
        let form = token_form(&wanted("https://a/t", None, ""), &login);
        let pairs: Vec<_> = form_urlencoded::parse(form.as_bytes()).collect();
        assert!(pairs.iter().any(|(key, value)| key == "username" && value == "acme+inventory"));
        assert!(pairs.iter().any(|(key, value)| key == "password" && value == "p:a/ss%2B+wörd"));
    }
}
