//! One walk's way in: which credentials the catalog accepts, found once by climbing the scope ladder, and then kept,
//! with tokens renewed on the way. It fetches answers; pages are the catalog's business.

use reqwest::StatusCode;
use reqwest::header::{HeaderValue, LOCATION, WWW_AUTHENTICATE};
use tokio::time::Instant;
use url::Url;

use super::body::Cap;
use super::cache::Wanted;
use super::challenge::Challenge;
use super::client::Inner;
use super::diagnosis::{Hint, said, why_denied};
use super::error::{Problem, Said, Step};
use super::origin::{destination, same_origin};
use super::realm::{basic, header};
use super::scope::Ladder;
use super::token::Token;
use super::transport::{Answer, Call};
use super::{Auth, RegistryError};

/// Redirects followed on one request, each within the registry's own origin.
const REDIRECTS: u32 = 3;

/// What a request is authorized with.
#[derive(Clone, Debug)]
enum Access {
    /// Nothing.
    Anonymous,
    /// The login's Basic credentials.
    Basic(HeaderValue),
    /// The configured token.
    Fixed(HeaderValue),
    /// A token of the cache.
    Token(Wanted),
}

/// A walk's session with its registry.
#[derive(Debug)]
pub(super) struct Session<'a> {
    client: &'a Inner,
    access: Access,
    ladder: Ladder,
    /// What `/v2/` offered; used where the catalog offers nothing of its own.
    ping: Vec<Challenge>,
    ping_url: Url,
    basic_tried: bool,
}

impl<'a> Session<'a> {
    /// Pings, and prepares for what the ping asks for.
    pub(super) async fn open(client: &'a Inner) -> Result<Self, RegistryError> {
        if let Some(rejected) = client.tokens.source().rejected() {
            return Err(rejected.clone());
        }
        let access = match &client.settings.auth {
            Auth::Token(_) | Auth::None => Access::Anonymous,
            Auth::Basic(_) => Access::Basic(basic_header(client)?),
            Auth::Bearer(source) => {
                let in_token = |problem| RegistryError::new(Step::Token, problem);
                let token = source.read().map_err(|error| in_token(Problem::Secret(error)))?;
                Access::Fixed(header("Bearer", token.expose()).map_err(in_token)?)
            }
        };
        let mut session = Self {
            client,
            access,
            ladder: Ladder::new(&client.settings.scope),
            ping: Vec::new(),
            ping_url: client.api("/v2/"),
            basic_tried: matches!(client.settings.auth, Auth::Basic(_)),
        };
        session.ping().await?;
        // A probe without credentials teaches the catalog's own scope, which the ping cannot know; with a scope
        // configured or Basic alone on offer there is nothing to learn.
        let bearer = session.ping.iter().any(|challenge| challenge.is("bearer"));
        let basic = session.ping.iter().any(|challenge| challenge.is("basic"));
        if client.login().is_some() && if bearer { !client.settings.scope.is_empty() } else { basic } {
            session.climb(&[], &session.ping_url.clone())?;
        }
        Ok(session)
    }

    async fn ping(&mut self) -> Result<(), RegistryError> {
        let url = self.ping_url.clone();
        let (answer, _) = self.send(&url, &Step::Ping).await?;
        self.ping = challenges(&answer);
        match answer.status {
            status if status.is_success() => Ok(()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => match self.access {
                Access::Anonymous if answer.status == StatusCode::UNAUTHORIZED || !self.ping.is_empty() => Ok(()),
                _ => Err(self.refusal(&Step::Ping, &answer, None)),
            },
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                Err(RegistryError::new(Step::Ping, Problem::Unsupported(said(&answer))))
            }
            _ => Err(RegistryError::new(Step::Ping, Problem::of_status(said(&answer)))),
        }
    }

    /// Fetches the first page, climbing until the registry is content. Whatever is neither refused nor anonymous is
    /// handed out, errors included.
    pub(super) async fn first(&mut self, url: &Url) -> Result<Answer, RegistryError> {
        self.first_at(url, &Step::Page(1)).await
    }

    /// The same, of something else than the catalog.
    pub(super) async fn first_at(&mut self, url: &Url, step: &Step) -> Result<Answer, RegistryError> {
        loop {
            let (answer, token) = match self.send(url, step).await {
                Ok(sent) => sent,
                // A 400 from the token endpoint is the next step of the ladder: Quay's answer to the catalog scope.
                Err(error) if matches!(error.problem(), Problem::Scope { .. }) => {
                    if self.climb(&[], url)? {
                        continue;
                    }
                    return Err(self.no_scope_left(&error));
                }
                Err(error) => return Err(error),
            };
            let anonymous = matches!(self.access, Access::Anonymous);
            if is_refusal(answer.status) {
                let offered = challenges(&answer);
                if self.is_same_again(&offered) || !self.climb(&offered, url)? {
                    return Err(self.refusal(step, &answer, token.as_ref()));
                }
            } else if answer.status.is_success() && anonymous && self.client.login().is_some() {
                // Quay answers 200 [] to anonymous callers (endpoints/v2/catalog.py): with credentials, no such
                // answer is believed.
                if !self.climb(&[], url)? {
                    return Err(self.refusal(step, &answer, None));
                }
            } else {
                return Ok(answer);
            }
        }
    }

    /// Fetches a further page with what the first was granted to. A refusal here is final.
    pub(super) async fn next(&self, url: &Url, step: &Step) -> Result<Answer, RegistryError> {
        let (answer, token) = self.send(url, step).await?;
        if is_refusal(answer.status) {
            return Err(self.refusal(step, &answer, token.as_ref()));
        }
        Ok(answer)
    }

    /// Sends until there is an answer: pauses and tries again as the retry policy says, follows redirects within the
    /// origin, and after a refusal repeats the request once with a new token if the old one was not fresh.
    async fn send(&self, url: &Url, step: &Step) -> Result<(Answer, Option<Token>), RegistryError> {
        let begun = Instant::now();
        let at_step = |problem| RegistryError::new(step.clone(), problem);
        let (mut url, mut redirects) = (url.clone(), 0);
        let mut number = 1;
        loop {
            // Looked up for each attempt: the pause before it may have outlived a token.
            let (authorization, token) = self.authorization().await?;
            let call = Call { url: &url, authorization: authorization.as_ref(), form: None, cap: Cap::PAGE };
            let outcome = self.client.transport.attempt(&call).await;
            let Some(answer) = self.client.transport.settle(&call, number, outcome).await.map_err(at_step)? else {
                number += 1;
                continue;
            };
            if is_redirect(answer.status) {
                redirects += 1;
                url = follow(&url, &answer, redirects).map_err(at_step)?;
                continue;
            }
            match (&self.access, &token) {
                (Access::Token(wanted), Some(stale)) if is_refusal(answer.status) && stale.received < begun => {
                    self.client.tokens.refused(wanted, &stale.secret);
                }
                _ => return Ok((answer, token)),
            }
        }
    }

    async fn authorization(&self) -> Result<(Option<HeaderValue>, Option<Token>), RegistryError> {
        match &self.access {
            Access::Anonymous => Ok((None, None)),
            Access::Basic(value) | Access::Fixed(value) => Ok((Some(value.clone()), None)),
            Access::Token(wanted) => {
                let token = self.client.tokens.get(wanted).await?;
                let value = header("Bearer", token.secret.expose());
                Ok((Some(value.map_err(|problem| RegistryError::new(Step::Token, problem))?), Some(token)))
            }
        }
    }

    /// Takes the next step up: another scope, then Basic. `false` when there is none left.
    fn climb(&mut self, offered: &[Challenge], offered_at: &Url) -> Result<bool, RegistryError> {
        let Auth::Token(login) = &self.client.settings.auth else { return Ok(false) };
        // Challenges are per path; one without any means the ping's.
        let useful = |challenge: &&Challenge| challenge.is("bearer") || challenge.is("basic");
        let own: Vec<_> = offered.iter().filter(useful).cloned().collect();
        let (offered, base) =
            if own.is_empty() { (self.ping.clone(), self.ping_url.clone()) } else { (own, offered_at.clone()) };
        if let Some(bearer) = offered.iter().find(|challenge| challenge.is("bearer")) {
            self.ladder.challenged(bearer.param("scope"));
            if let Some(scopes) = self.ladder.step() {
                let no_realm = || RegistryError::new(Step::Token, Problem::NoRealm);
                let realm = bearer.param("realm").and_then(|realm| base.join(realm).ok()).ok_or_else(no_realm)?;
                let service = self.client.settings.service.clone();
                let service = service.or_else(|| bearer.param("service").map(str::to_owned));
                self.access = Access::Token(Wanted { realm, service, scopes });
                return Ok(true);
            }
        }
        // Where nothing is offered at all, Basic is what the specification's oldest servers take unasked.
        let basic = offered.is_empty() || offered.iter().any(|challenge| challenge.is("basic"));
        if basic && login.is_some() && !std::mem::replace(&mut self.basic_tried, true) {
            self.access = Access::Basic(basic_header(self.client)?);
            return Ok(true);
        }
        Ok(false)
    }

    /// Whether a token for exactly the scope that is asked for now was just refused: another round would be the same.
    fn is_same_again(&self, offered: &[Challenge]) -> bool {
        let Access::Token(wanted) = &self.access else { return false };
        let asked = offered.iter().find(|challenge| challenge.is("bearer")).and_then(|bearer| bearer.param("scope"));
        asked.is_some_and(|scope| super::ScopeSet::parse([scope]) == wanted.scopes)
    }

    fn refusal(&self, step: &Step, answer: &Answer, token: Option<&Token>) -> RegistryError {
        self.client.tokens.source().note(RegistryError::new(step.clone(), self.denied(answer, token)))
    }

    fn denied(&self, answer: &Answer, token: Option<&Token>) -> Problem {
        let token = token.map(|token| token.secret.expose());
        let said = said(answer);
        let offered = challenges(answer);
        let unauthorized = answer.status == StatusCode::UNAUTHORIZED;
        let service = match &self.access {
            Access::Token(wanted) => wanted.service.as_deref(),
            _ => None,
        };
        match (why_denied(&said, &offered, token.map(|token| (token, service)), &answer.sent), &self.access) {
            (hint @ Some(Hint::UseTokens | Hint::HarborRole), _) => Problem::Denied { said, hint },
            (_, Access::Anonymous) if self.client.login().is_none() => {
                Problem::Denied { said, hint: Some(Hint::NoLogin) }
            }
            (_, Access::Basic(_))
                if offered.iter().any(|c| c.is("bearer")) && !offered.iter().any(|c| c.is("basic")) =>
            {
                Problem::Denied { said, hint: Some(Hint::UseTokens) }
            }
            (_, Access::Basic(_)) if unauthorized => Problem::Rejected { said, hint: None },
            (_, Access::Fixed(_)) if unauthorized => Problem::Rejected { said, hint: Some(Hint::FixedToken) },
            (hint, _) => Problem::Denied { said, hint },
        }
    }

    /// The token endpoint's last refusal, told with all scopes that were tried.
    fn no_scope_left(&self, error: &RegistryError) -> RegistryError {
        let Problem::Scope { said, .. } = error.problem() else { return error.clone() };
        let said = Said { status: said.status, text: said.text.clone() };
        RegistryError::new(
            Step::Token,
            Problem::Scope { said, tried: self.ladder.tried(|scopes| self.client.transport.sent.shown(scopes)) },
        )
    }
}

fn basic_header(client: &Inner) -> Result<HeaderValue, RegistryError> {
    let login = client.login().expect("Basic is chosen only with a login");
    let value = login.password.read().map_err(Problem::Secret).and_then(|password| basic(&login.username, &password));
    value.map_err(|problem| RegistryError::new(Step::Token, problem))
}

fn challenges(answer: &Answer) -> Vec<Challenge> {
    Challenge::parse_all(answer.headers.get_all(WWW_AUTHENTICATE).iter().map(HeaderValue::as_bytes))
}

/// 403 counts as 401: some registries answer it to a token that has expired or lacks the scope.
fn is_refusal(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Where a redirect leads, if it stays within the origin: `Authorization` never crosses one.
fn follow(url: &Url, answer: &Answer, redirects: u32) -> Result<Url, Problem> {
    if redirects > REDIRECTS {
        return Err(Problem::Redirects);
    }
    let location = answer.headers.get(LOCATION).map(|to| String::from_utf8_lossy(to.as_bytes()));
    let location = location.as_deref().unwrap_or_default();
    let target = url.join(location).ok().filter(|to| !location.is_empty() && same_origin(to, url));
    target
        .filter(|to| to.username().is_empty() && to.password().is_none())
        .ok_or_else(|| Problem::Redirect { to: destination(url, &answer.sent.strike(location.to_owned())) })
}
