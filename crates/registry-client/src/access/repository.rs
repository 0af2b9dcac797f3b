//! Requests about one repository, with the access that it needs: none, Basic, or a token for its scope, perhaps shared
//! with other repositories. The ping says which access; a refusal may say it more precisely. This module does not know
//! what is requested.

use std::sync::Arc;

use parking_lot::Mutex;
use reqwest::StatusCode;
use serde::de::IgnoredAny;
use tokio::time::Instant;
use url::Url;

use crate::access::authorization::Access;
use crate::access::authorized::Authorized;
use crate::access::send::{AccessRequest, AuthorizedAnswer, Renewal, challenges, is_refusal};
use crate::access::welcome::PingAnswer;
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
    way: Mutex<Option<Arc<AccessRule>>>,
    groups: TokenGroups,
    /// Requests go one at a time until one of them is answered. So a wrong password is sent once, and the access rule
    /// is learned once.
    first: ProveFirst,
}

impl Repositories {
    pub(crate) fn new(authorized: Arc<Authorized>) -> Self {
        let (way, groups, first) = Default::default();
        Self { authorized, way, groups, first }
    }

    /// The registry of these repositories.
    pub(crate) fn authorized(&self) -> &Authorized {
        &self.authorized
    }

    fn way(&self) -> Option<Arc<AccessRule>> {
        self.way.lock().clone()
    }

    fn learn(&self, way: AccessRule) -> Arc<AccessRule> {
        let way = Arc::new(way);
        *self.way.lock() = Some(way.clone());
        way
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
            self.authorized.welcome().await?;
            if let Some(_turn) = self.first.turn().await {
                let outcome = self.knock(place, ask).await;
                if self.authorized.is_proven() || is_answer(&outcome) {
                    self.first.prove();
                }
                return outcome;
            }
        }
        self.knock(place, ask).await
    }

    async fn knock(&self, place: &RepositoryRef, ask: &AccessRequest<'_>) -> Result<AuthorizedAnswer, RegistryError> {
        let welcome = self.authorized.welcome().await?;
        let way = match self.way() {
            Some(way) => way,
            None => self.learn(self.way_in(&welcome)?),
        };
        let groups = &self.groups;
        let (mut in_vain, begun) = (None, Instant::now());
        if let Some((group, grant)) = self.shared(place, &way).await? {
            let access = Access::Token(group.wanted.clone());
            // A token that names the repository and grants nothing for it would not be better if it were new.
            let renewal = if grant == Grant::Refused { Renewal::Never } else { Renewal::Since(begun) };
            let sent = self.authorized.send_with(ask, &access, renewal).await?;
            if sent.abroad.is_some() || !(is_refusal(sent.answer.status) || is_too_long(&sent.answer)) {
                groups.worked();
                return Ok(sent);
            }
            if grant == Grant::Refused {
                return Err(self.authorized.refusal(ask.step, &sent, &access));
            }
            in_vain = Some(group);
        }
        let sent = self.alone(&place.repository, ask, way.access(&place.repository)).await?;
        if let Some(group) = in_vain {
            groups.failed(&group);
        }
        Ok(sent)
    }

    /// Sends the request with the repository's own access, then with each access that a refusal offers.
    async fn alone(
        &self,
        repository: &str,
        ask: &AccessRequest<'_>,
        mut access: Access,
    ) -> Result<AuthorizedAnswer, RegistryError> {
        let (mut tried, mut learnt) = (Vec::new(), None);
        loop {
            let sent = self.authorized.send(ask, &access).await.map_err(|error| of_repository(ask.step, error))?;
            if sent.abroad.is_some() || !is_refusal(sent.answer.status) {
                // The rule is kept only after a success: a proxy may pass on what the registry behind a single
                // repository wants.
                if let Some(way) = learnt {
                    self.learn(way);
                }
                return Ok(sent);
            }
            tried.push(access.clone());
            match self.other_access(repository, ask.url, &sent.answer, &tried) {
                Some((other, way)) => (access, learnt) = (other, Some(way)),
                // The registry refused a fresh token for the same scope. Another attempt would end the same way.
                None => return Err(self.authorized.refusal(ask.step, &sent, &access)),
            }
        }
    }

    /// The access rule that follows from the ping.
    fn way_in(&self, welcome: &PingAnswer) -> Result<AccessRule, RegistryError> {
        let kind = self.authorized.login_kind();
        if !kind.takes_tokens() {
            return Ok(AccessRule::Plain(welcome.access.clone()));
        }
        let mut bearers = welcome.offered.iter().filter(|challenge| challenge.is("bearer"));
        if let Some((realm, service)) = bearers.find_map(|bearer| self.authorized.realm(bearer, &welcome.url)) {
            return Ok(AccessRule::Tokens { realm, service });
        }
        let basic = welcome.offers("basic");
        if welcome.offers("bearer") && !basic {
            return Err(RegistryError::new(Step::Token, Problem::NoRealm));
        }
        // If the registry offers no login, the configured login is sent anyway: anonymous callers may see less.
        let unasked = welcome.offered.is_empty();
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
        way: &AccessRule,
    ) -> Result<Option<(Arc<TokenGroup>, Grant)>, RegistryError> {
        let AccessRule::Tokens { realm, service } = way else { return Ok(None) };
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
            | Problem::Unexpected(_)
            | Problem::ServerError(_)
            | Problem::NoToken(_)
    )
}

/// Whether a proxy refused the token's header as too long: 431, or 400 from nginx in HTML.
fn is_too_long(answer: &HttpAnswer) -> bool {
    answer.status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
        || (answer.status == StatusCode::BAD_REQUEST && serde_json::from_slice::<IgnoredAny>(&answer.body).is_err())
}

/// If a token endpoint gives no token for one repository, only that repository is denied.
fn of_repository(step: &Step, error: RegistryError) -> RegistryError {
    match error.problem() {
        Problem::Scope { said, .. } | Problem::Denied { said, .. } => {
            let said = ErrorAnswer { status: said.status, text: said.text.clone() };
            RegistryError::new(step.clone(), Problem::Denied { said, cause: None })
        }
        _ => error,
    }
}
