//! Sends one request until there is an answer: retries as the retry policy says, follows redirects, and repeats the
//! request once with a new token if the old one had expired. The caller chooses the access.

use hyper::StatusCode;
use hyper::header::{HeaderValue, WWW_AUTHENTICATE};
use tokio::time::Instant;
use url::Url;

use crate::access::authorization::Access;
use crate::access::authorized::Authorized;
use crate::concurrency::prove_first::FirstTurn;
use crate::http::call::{HttpAnswer, HttpCall, RequestKind};
use crate::http::error_answer::error_answer;
use crate::http::host_policy::NamedBy;
use crate::http::origin::place;
use crate::http::redirects::{RedirectRange, RedirectRoute, is_redirect};
use crate::http::turn::{Admission, Tries};
use crate::login::header::header;
use crate::problem::Problem;
use crate::problem::error::{RegistryError, Step};
use crate::token::bearer::Token;
use crate::token::challenge::Challenge;

/// Most tokens fetched for one attempt when each of them expires before the request can begin.
const LOOKS: u32 = 4;
/// Most refusals of one request because its token had expired, each time with a new token.
const DEATHS: u32 = 16;

/// Whether a refused token that has not expired is replaced by a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// Once, unless the token was fetched for this very request, which came at this time. The token may have been
    /// withdrawn, or may expire earlier than it says.
    Since(Instant),
    /// Never: the token itself says that it grants nothing.
    Never,
}

/// A request.
#[derive(Debug)]
pub(crate) struct AccessRequest<'a> {
    pub(crate) url: &'a Url,
    pub(crate) wants: RequestKind,
    pub(crate) step: &'a Step,
}

/// The answer to it.
pub(crate) struct AuthorizedAnswer {
    pub(crate) answer: HttpAnswer,
    /// The token that the request was sent with.
    pub(crate) token: Option<Token>,
    /// Held until the caller has used the answer, if this answer is the first that shows whether the login is right.
    _alone: Option<FirstTurn>,
}

impl AuthorizedAnswer {
    /// Whether the registry itself refused the request. A refusal of another host says nothing about our access.
    pub(crate) fn is_refused(&self) -> bool {
        self.answer.elsewhere.is_none() && is_refusal(self.answer.status)
    }
}

impl Authorized {
    /// Sends until there is an answer. Retries after a pause as the retry policy says, and follows redirects. After a
    /// refusal, repeats the request once with a new token or with other credentials, unless the old ones were fresh. If
    /// a token had expired when it was refused, the refusal does not count.
    pub(crate) async fn send(
        &self,
        ask: &AccessRequest<'_>,
        access: &Access,
    ) -> Result<AuthorizedAnswer, RegistryError> {
        self.send_with(ask, access, Renewal::Since(Instant::now())).await
    }

    /// Like [`Self::send`], with a choice whether a refused token that has not expired is replaced.
    pub(crate) async fn send_with(
        &self,
        ask: &AccessRequest<'_>,
        access: &Access,
        renewal: Renewal,
    ) -> Result<AuthorizedAnswer, RegistryError> {
        let at_step = |problem| RegistryError::new(ask.step.clone(), problem);
        let begun = Instant::now();
        let alone = self.alone_until_proven(access).await?;
        let mut route = RedirectRoute::new(ask.url, &self.settings.url, self.redirect_range(ask));
        let (mut tries, mut expired_tokens) = (Tries::none(), 0);
        let (came, mut renewed) = match renewal {
            Renewal::Since(came) => (came, false),
            Renewal::Never => (begun, true),
        };
        loop {
            let endpoint = ask.step.endpoint();
            let admission = self.transport.admit(route.url(), endpoint, &tries).await;
            let admitted = Instant::now();
            // The token is looked up for each attempt, after the attempt was admitted: a token may expire during the
            // wait.
            let (authorization, token) =
                if route.is_elsewhere() { (None, None) } else { self.authorization(access, &admission, ask).await? };
            let authorization = authorization.as_ref();
            let named_by = route.named_by(NamedBy::Configured);
            let call = HttpCall { url: route.url(), authorization, form: None, wants: ask.wants, endpoint, named_by };
            let outcome = self.transport.attempt(&call, &admission, &mut tries).await;
            drop(admission);
            let Some(answer) = self.transport.settle(&call, &mut tries, outcome).await.map_err(at_step)? else {
                continue;
            };
            if is_redirect(answer.status) {
                route.follow(&answer).map_err(|problem| at_step(self.transport.reported(problem)))?;
                continue;
            }
            match (access, &token) {
                (Access::Token(wanted), Some(used)) if is_refusal(answer.status) && used.has_expired() => {
                    expired_tokens += 1;
                    if expired_tokens > DEATHS {
                        let (reply, lifetime) = (error_answer(&answer), used.lifetime);
                        return Err(at_step(Problem::ShortLived { reply, lifetime }));
                    }
                    self.tokens.refused(wanted, &used.secret);
                }
                (Access::Token(wanted), Some(used))
                    if is_refusal(answer.status) && !renewed && used.may_have_expired(came, admitted, tries.sent) =>
                {
                    renewed = true;
                    self.tokens.refused(wanted, &used.secret);
                }
                (Access::Basic | Access::Fixed, _)
                    if is_refusal(answer.status)
                        && !renewed
                        && self.is_renewed(authorization, begun, answer.status).await? =>
                {
                    renewed = true;
                }
                _ => {
                    let carried = matches!(access, Access::Basic | Access::Fixed) && answer.status.is_success();
                    if carried || token.is_some() {
                        self.proof.prove();
                    }
                    let elsewhere = route.is_elsewhere().then(|| route.url().clone());
                    if let Some(url) = elsewhere.as_ref().filter(|_| is_page_for_people(&answer, ask.wants)) {
                        let problem = Problem::PageForPeople { url: place(url, &answer.sent) };
                        return Err(at_step(self.transport.reported(problem)));
                    }
                    return Ok(AuthorizedAnswer { answer: HttpAnswer { elsewhere, ..answer }, token, _alone: alone });
                }
            }
        }
    }

    /// How far the redirects of a request may lead. With a login, the ping must come from the registry itself: its
    /// challenge says where credentials are sent.
    fn redirect_range(&self, ask: &AccessRequest<'_>) -> RedirectRange {
        if *ask.step == Step::Ping && self.login_kind().has_login() {
            RedirectRange::Origin
        } else {
            RedirectRange::of(ask.wants)
        }
    }

    /// Waits for a turn if the password or token has not been accepted yet, so that a wrong one is sent once. For
    /// access by tokens, the realm does the same.
    async fn alone_until_proven(&self, access: &Access) -> Result<Option<FirstTurn>, RegistryError> {
        if !matches!(access, Access::Basic | Access::Fixed) || self.is_proven() {
            return Ok(None);
        }
        let turn = self.proof.turn().await;
        match self.tokens.source().rejected() {
            Some(rejected) => Err(rejected.clone()),
            None => Ok(turn),
        }
    }

    /// The value of `Authorization` for an admitted request. If the request had to wait for a token, its turn is over
    /// and it waits for another one, in which the token may expire again; this is repeated a few times at most.
    async fn authorization(
        &self,
        access: &Access,
        admission: &Admission,
        ask: &AccessRequest<'_>,
    ) -> Result<(Option<HeaderValue>, Option<Token>), RegistryError> {
        let wanted = match access {
            Access::Anonymous => return Ok((None, None)),
            Access::Basic | Access::Fixed => {
                return Ok((Some(self.credentials.authorization().await.map_err(in_token)?), None));
            }
            Access::Token(wanted) => wanted,
        };
        let mut lookups = 0;
        let token = loop {
            if let Some(token) = self.tokens.valid(wanted) {
                break token;
            }
            admission.lend_turn();
            let token = self.tokens.get_with(wanted, admission).await?;
            admission.lose_turn();
            lookups += 1;
            self.transport.turn(admission, ask.url, ask.step.endpoint()).await;
            if !token.has_expired() || lookups == LOOKS {
                break token;
            }
        };
        let value = header("Bearer", token.secret.expose());
        Ok((Some(value.map_err(in_token)?), Some(token)))
    }

    /// Whether other credentials than the refused ones are available now.
    async fn is_renewed(
        &self,
        refused: Option<&HeaderValue>,
        begun: Instant,
        status: StatusCode,
    ) -> Result<bool, RegistryError> {
        let Some(refused) = refused else { return Ok(false) };
        self.credentials.is_renewed(refused, begun, status).await.map_err(in_token)
    }
}

/// Whether an answer is an HTML page in place of a list or a manifest, such as that of a single sign-on.
fn is_page_for_people(answer: &HttpAnswer, wants: RequestKind) -> bool {
    let is_wanted = matches!(wants, RequestKind::Listing | RequestKind::Manifest);
    is_wanted && answer.status.is_success() && answer.body.trim_ascii_start().starts_with(b"<")
}

/// An error of the login.
pub(crate) fn in_token(problem: Problem) -> RegistryError {
    RegistryError::new(Step::Token, problem)
}

pub(crate) fn challenges(answer: &HttpAnswer) -> Vec<Challenge> {
    Challenge::parse_all(answer.headers.get_all(WWW_AUTHENTICATE).iter().map(HeaderValue::as_bytes))
}

/// Whether the status is a refusal. 403 counts as 401: some registries answer 403 if a token has expired or lacks the
/// scope.
pub(crate) fn is_refusal(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}
