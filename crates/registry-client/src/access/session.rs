//! The access of one walk to the catalog. The session finds once which credentials the catalog accepts, by trying the
//! scopes one after the other, and then keeps them. It returns answers; it does not read pages.

use std::sync::Arc;

use url::Url;

use crate::access::authorization::Access;
use crate::access::authorized::Authorized;
use crate::access::ping_answer::PingAnswer;
use crate::access::send::{AccessRequest, AuthorizedAnswer, challenges, in_token};
use crate::http::call::{HttpAnswer, RequestKind};
use crate::login::credentials::LoginKind;
use crate::problem::error::{RegistryError, Step};
use crate::problem::secret::SecretError;
use crate::problem::{ErrorAnswer, Problem};
use crate::token::cache::TokenRequest;
use crate::token::challenge::Challenge;
use crate::token::scope::{ScopeSequence, ScopeSet};

/// The session of one walk with its registry.
#[derive(Clone, Debug)]
pub(crate) struct Session<'a> {
    client: &'a Authorized,
    kind: LoginKind,
    access: Access,
    sequence: ScopeSequence,
    ping_answer: Arc<PingAnswer>,
    basic_tried: bool,
}

impl<'a> Session<'a> {
    /// Pings if the client has not pinged yet, and prepares the access that the ping asks for.
    pub(crate) async fn open(client: &'a Authorized) -> Result<Self, RegistryError> {
        let ping_answer = client.ping_answer().await?;
        let kind = client.login_kind();
        let mut session = Self {
            client,
            kind,
            access: ping_answer.access.clone(),
            sequence: ScopeSequence::new(&client.settings.scope),
            ping_answer: ping_answer.clone(),
            basic_tried: kind == LoginKind::Basic,
        };
        if client.kind().is_some_and(|kind| kind.habits().refuses_catalog_scope) {
            session.sequence.leave_out(ScopeSet::CATALOG);
        }
        // The first request goes without credentials: its challenge names the catalog's own scope, which the ping
        // cannot know. It is left out if a scope is configured, or if the registry offers Basic only: then it would
        // show nothing.
        let (bearer, basic) = (ping_answer.offers("bearer"), ping_answer.offers("basic"));
        if kind.has_login() && if bearer { !client.settings.scope.is_empty() } else { basic } {
            session.next_access(&[], &ping_answer.url)?;
        }
        Ok(session)
    }

    /// Fetches the first page, with one access after the other until the registry accepts one. Every answer is returned
    /// unless it is a refusal, or an answer to an anonymous request although a login is configured. Error answers are
    /// returned as well.
    pub(crate) async fn first(&mut self, url: &Url, step: &Step) -> Result<HttpAnswer, RegistryError> {
        loop {
            let sent = match self.send(url, step).await {
                Ok(sent) => sent,
                // If the token endpoint answers 400, the next scope is tried: Quay answers so to the catalog scope.
                Err(error) if matches!(error.problem(), Problem::Scope { .. }) => {
                    self.sequence.refused();
                    if self.next_access(&[], url)? {
                        continue;
                    }
                    return Err(self.no_scope_left(&error));
                }
                Err(error) => return Err(error),
            };
            let anonymous = self.access == Access::Anonymous;
            if sent.is_refused() {
                let offered = challenges(&sent.answer);
                if self.is_same_again(&offered) || !self.next_access(&offered, url)? {
                    return Err(self.client.refusal(step, &sent, &self.access));
                }
            } else if sent.answer.status.is_success() && anonymous && self.kind.has_login() {
                // Quay answers 200 [] to anonymous callers (endpoints/v2/catalog.py). So with a login configured, an
                // answer to an anonymous request is not used.
                if !self.next_access(&[], url)? {
                    return Err(self.client.refusal(step, &sent, &self.access));
                }
            } else {
                return Ok(sent.answer);
            }
        }
    }

    /// Fetches a further page with the access of the first. A refusal here is final.
    pub(crate) async fn next(&self, url: &Url, step: &Step) -> Result<HttpAnswer, RegistryError> {
        let sent = self.send(url, step).await?;
        if sent.is_refused() {
            return Err(self.client.refusal(step, &sent, &self.access));
        }
        Ok(sent.answer)
    }

    async fn send(&self, url: &Url, step: &Step) -> Result<AuthorizedAnswer, RegistryError> {
        self.client.send(&AccessRequest { url, wants: RequestKind::Listing, step }, &self.access).await
    }

    /// Prepares the next access: another scope, then Basic. `false` if none is left.
    fn next_access(&mut self, offered: &[Challenge], offered_at: &Url) -> Result<bool, RegistryError> {
        if !self.kind.takes_tokens() {
            return Ok(false);
        }
        // Challenges are per path. If the answer has none, those of the ping are used.
        let useful = |challenge: &&Challenge| challenge.is("bearer") || challenge.is("basic");
        let own: Vec<_> = offered.iter().filter(useful).cloned().collect();
        let (offered, base) = if own.is_empty() {
            (self.ping_answer.offered.clone(), self.ping_answer.url.clone())
        } else {
            (own, offered_at.clone())
        };
        if let Some(bearer) = offered.iter().find(|challenge| challenge.is("bearer")) {
            self.sequence.challenged(bearer.param("scope"));
            if let Some(scopes) = self.sequence.step() {
                let no_realm = || RegistryError::new(Step::Token, Problem::NoRealm);
                let (realm, service) = self.client.realm(bearer, &base).ok_or_else(no_realm)?;
                self.access = Access::Token(Arc::new(TokenRequest { realm, service, scopes }));
                return Ok(true);
            }
        }
        // If no login is offered at all, Basic is sent: the oldest servers of the specification accept it without a
        // challenge.
        let basic = offered.is_empty() || offered.iter().any(|challenge| challenge.is("basic"));
        if basic && self.kind == LoginKind::Identity && !offered.iter().any(|challenge| challenge.is("bearer")) {
            return Err(in_token(Problem::Secret(SecretError::IdentityAlone)));
        }
        if basic && self.kind == LoginKind::Login && !std::mem::replace(&mut self.basic_tried, true) {
            self.access = Access::Basic;
            return Ok(true);
        }
        Ok(false)
    }

    /// Whether the challenge asks for exactly the scope whose token was just refused. Then another attempt would end
    /// the same way.
    fn is_same_again(&self, offered: &[Challenge]) -> bool {
        let Access::Token(wanted) = &self.access else { return false };
        let asked = offered.iter().find(|challenge| challenge.is("bearer")).and_then(|bearer| bearer.param("scope"));
        asked.is_some_and(|scope| crate::token::scope::ScopeSet::parse([scope]) == wanted.scopes)
    }

    /// The last refusal of the token endpoint, with all scopes that were tried.
    fn no_scope_left(&self, error: &RegistryError) -> RegistryError {
        let Problem::Scope { reply, .. } = error.problem() else { return error.clone() };
        let reply = ErrorAnswer { status: reply.status, text: reply.text.clone() };
        RegistryError::new(
            Step::Token,
            Problem::Scope { reply, tried: self.sequence.tried(|scopes| self.client.transport.sent.shown(scopes)) },
        )
    }
}
