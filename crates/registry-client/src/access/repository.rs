//! Requests about one repository, with the access that it needs: none, Basic, or a token for its scope, perhaps shared
//! with other repositories. The ping says which access; a refusal may say it more precisely. This module does not know
//! what is requested.

use std::sync::Arc;

use hyper::StatusCode;
use parking_lot::Mutex;
use serde::de::IgnoredAny;
use tokio::time::Instant;
use url::Url;

use crate::access::authorization::Access;
use crate::access::authorized::Authorized;
use crate::access::ping_answer::PingAnswer;
use crate::access::send::{AccessRequest, AuthorizedAnswer, Renewal, challenges};
use crate::concurrency::prove_first::ProveFirst;
use crate::http::call::HttpAnswer;
use crate::login::credentials::LoginKind;
use crate::model::place::RepositoryRef;
use crate::problem::error::{RegistryError, Step};
use crate::problem::{ErrorAnswer, Problem};
use crate::token::cache::TokenRequest;
use crate::token::group::{Grant, TokenGroup, TokenGroups};
use crate::token::scope::ScopeSet;

/// Most accesses tried for one request. Without this bound, a server that offers another realm in each challenge could
/// keep the client busy for ever.
const TRIES: usize = 3;

/// Which access requests about repositories use.
#[derive(Debug)]
enum AccessRule {
    /// The same access for all.
    Plain(Access),
    /// A token for the repository's own scope.
    Tokens { realm: Url, service: Option<String> },
}

impl AccessRule {
    fn access(&self, repository: &str) -> Access {
        match self {
            Self::Plain(access) => access.clone(),
            Self::Tokens { realm, service } => {
                let scopes = ScopeSet::pull([repository]);
                Access::Token(Arc::new(TokenRequest { realm: realm.clone(), service: service.clone(), scopes }))
            }
        }
    }
}

/// The repositories of a registry, and what their answers showed about the access that they need.
#[derive(Debug)]
pub(crate) struct Repositories {
    authorized: Arc<Authorized>,
    rule: Mutex<Option<Arc<AccessRule>>>,
    groups: TokenGroups,
    /// Requests go one at a time until one of them is answered. So a wrong password is sent once, and the access rule
    /// is learned once.
    first: ProveFirst,
}

impl Repositories {
    pub(crate) fn new(authorized: Arc<Authorized>) -> Self {
        let (rule, groups, first) = Default::default();
        Self { authorized, rule, groups, first }
    }

    /// The registry of these repositories.
    pub(crate) fn authorized(&self) -> &Authorized {
        &self.authorized
    }

    fn rule(&self) -> Option<Arc<AccessRule>> {
        self.rule.lock().clone()
    }

    fn learn(&self, rule: AccessRule) -> Arc<AccessRule> {
        let rule = Arc::new(rule);
        *self.rule.lock() = Some(rule.clone());
        rule
    }

    /// Sends a request about a repository. Refusals are errors; every other answer is returned.
    pub(crate) async fn ask(
        &self,
        place: &RepositoryRef,
        ask: &AccessRequest<'_>,
    ) -> Result<AuthorizedAnswer, RegistryError> {
        if !self.first.is_proven() {
            // Tasks that wait for the same ping share its failure. If they waited for a turn instead, each would ping
            // again.
            self.authorized.ping_answer().await?;
            if let Some(_turn) = self.first.turn().await {
                let outcome = self.ask_with_access(place, ask).await;
                if self.authorized.is_proven() || is_answer(&outcome) {
                    self.first.prove();
                }
                return outcome;
            }
        }
        self.ask_with_access(place, ask).await
    }

    async fn ask_with_access(
        &self,
        place: &RepositoryRef,
        ask: &AccessRequest<'_>,
    ) -> Result<AuthorizedAnswer, RegistryError> {
        let ping_answer = self.authorized.ping_answer().await?;
        let rule = match self.rule() {
            Some(rule) => rule,
            None => self.learn(self.rule_of_ping(&ping_answer)?),
        };
        let groups = &self.groups;
        let (mut failed_group, begun) = (None, Instant::now());
        if let Some((group, grant)) = self.shared(place, &rule).await? {
            let access = Access::Token(group.wanted.clone());
            // A token that names the repository and grants nothing for it would not be better if it were new.
            let renewal = if grant == Grant::Refused { Renewal::Never } else { Renewal::Since(begun) };
            let sent = self.authorized.send_with(ask, &access, renewal).await?;
            if !(sent.is_refused() || is_too_long(&sent.answer)) {
                groups.worked();
                return Ok(sent);
            }
            if grant == Grant::Refused {
                return Err(self.authorized.refusal(ask.step, &sent, &access));
            }
            failed_group = Some(group);
        }
        let sent = self.ask_alone(&place.repository, ask, rule.access(&place.repository)).await?;
        if let Some(group) = failed_group {
            groups.failed(&group);
        }
        Ok(sent)
    }

    /// Sends the request with the repository's own access, then with each access that a refusal offers.
    async fn ask_alone(
        &self,
        repository: &str,
        ask: &AccessRequest<'_>,
        mut access: Access,
    ) -> Result<AuthorizedAnswer, RegistryError> {
        let (mut tried, mut learned) = (Vec::new(), None);
        loop {
            let sent = self.authorized.send(ask, &access).await.map_err(|error| of_repository(ask.step, error))?;
            if !sent.is_refused() {
                // The rule is kept only after a success: a proxy may pass on what the registry behind a single
                // repository wants.
                if let Some(rule) = learned {
                    self.learn(rule);
                }
                return Ok(sent);
            }
            tried.push(access.clone());
            match self.other_access(repository, ask.url, &sent.answer, &tried) {
                Some((other, rule)) => (access, learned) = (other, Some(rule)),
                // The registry refused a fresh token for the same scope. Another attempt would end the same way.
                None => return Err(self.authorized.refusal(ask.step, &sent, &access)),
            }
        }
    }

    /// The access rule that follows from the ping.
    fn rule_of_ping(&self, ping_answer: &PingAnswer) -> Result<AccessRule, RegistryError> {
        let kind = self.authorized.login_kind();
        if !kind.takes_tokens() {
            return Ok(AccessRule::Plain(ping_answer.access.clone()));
        }
        let mut bearers = ping_answer.offered.iter().filter(|challenge| challenge.is("bearer"));
        if let Some((realm, service)) = bearers.find_map(|bearer| self.authorized.realm(bearer, &ping_answer.url)) {
            return Ok(AccessRule::Tokens { realm, service });
        }
        let basic = ping_answer.offers("basic");
        if ping_answer.offers("bearer") && !basic {
            return Err(RegistryError::new(Step::Token, Problem::NoRealm));
        }
        // If the registry offers no login, the configured login is sent anyway: anonymous callers may see less.
        let unasked = ping_answer.offered.is_empty();
        Ok(AccessRule::Plain(if kind == LoginKind::Login && (basic || unasked) {
            Access::Basic
        } else {
            Access::Anonymous
        }))
    }

    /// The group of this repository, and what the group's token grants for the repository. None if a token for the
    /// group is not worth a request.
    async fn shared(
        &self,
        place: &RepositoryRef,
        rule: &AccessRule,
    ) -> Result<Option<(Arc<TokenGroup>, Grant)>, RegistryError> {
        let AccessRule::Tokens { realm, service } = rule else { return Ok(None) };
        let groups = &self.groups;
        let Some(group) = groups.of(place, realm, service.as_ref()) else { return Ok(None) };
        match self.authorized.tokens.get(&group.wanted).await {
            Ok(token) => {
                let grant = group.grant(&token, &place.repository);
                if grant == Grant::Missing && place.group.iter().all(|one| group.grant(&token, one) == Grant::Missing) {
                    groups.failed(&group);
                }
                Ok((grant != Grant::Missing).then_some((group, grant)))
            }
            Err(error) if may_be_about_one(error.problem()) => {
                groups.failed(&group);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// An access that a refusal offers and that has not been tried, and the rule for all repositories that it would
    /// make. Challenges are per path, so a later one is more precise.
    fn other_access(
        &self,
        repository: &str,
        asked: &Url,
        answer: &HttpAnswer,
        tried: &[Access],
    ) -> Option<(Access, AccessRule)> {
        let kind = self.authorized.login_kind();
        if !kind.takes_tokens() || tried.len() == TRIES {
            return None;
        }
        let offered = challenges(answer);
        for bearer in offered.iter().filter(|challenge| challenge.is("bearer")) {
            let Some((realm, service)) = self.authorized.realm(bearer, asked) else { continue };
            let named = ScopeSet::parse(bearer.param("scope"));
            let scopes = if named.is_empty() { ScopeSet::pull([repository]) } else { named };
            let access =
                Access::Token(Arc::new(TokenRequest { realm: realm.clone(), service: service.clone(), scopes }));
            if !tried.contains(&access) {
                return Some((access, AccessRule::Tokens { realm, service }));
            }
        }
        let basic_alone = !offered.is_empty() && offered.iter().all(|challenge| challenge.is("basic"));
        if basic_alone && kind == LoginKind::Login {
            let access = Access::Basic;
            if !tried.contains(&access) {
                return Some((access.clone(), AccessRule::Plain(access)));
            }
        }
        None
    }
}

/// Whether a server has processed the request: server errors and 429 do not count.
fn is_answer(outcome: &Result<AuthorizedAnswer, RegistryError>) -> bool {
    match outcome {
        Ok(AuthorizedAnswer { answer, .. }) => {
            !answer.status.is_server_error() && answer.status != StatusCode::TOO_MANY_REQUESTS
        }
        Err(error) => !error.fault().is_trouble(),
    }
}

/// Whether a token endpoint may have refused several scopes because of one of them, and not because of the login. Then
/// each scope is requested alone.
fn may_be_about_one(problem: &Problem) -> bool {
    matches!(
        problem,
        Problem::Scope { .. }
            | Problem::Denied { .. }
            | Problem::TooManyScopes
            | Problem::TokenService { .. }
            | Problem::NoToken { .. }
    )
}

/// Whether a proxy refused the token's header as too long: 431, or 400 from nginx in HTML.
fn is_too_long(answer: &HttpAnswer) -> bool {
    answer.elsewhere.is_none()
        && (answer.status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            || (answer.status == StatusCode::BAD_REQUEST
                && serde_json::from_slice::<IgnoredAny>(&answer.body).is_err()))
}

/// If a token endpoint gives no token for one repository, only that repository is denied.
fn of_repository(step: &Step, error: RegistryError) -> RegistryError {
    let (reply, cause) = match error.problem() {
        Problem::Scope { reply, .. } => (reply, None),
        Problem::Denied { reply, cause } => (reply, cause.clone()),
        _ => return error,
    };
    let reply = ErrorAnswer { status: reply.status, text: reply.text.clone() };
    RegistryError::new(step.clone(), Problem::Denied { reply, cause })
}
