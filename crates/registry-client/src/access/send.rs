//! One request until there is an answer: tried again as the retry policy says, along redirects, and once more with a
//! new token where the old one had died. Which access a request deserves is its caller's to know.

use reqwest::StatusCode;
use reqwest::header::{HeaderValue, LOCATION, WWW_AUTHENTICATE};
use tokio::time::Instant;
use url::Url;

use crate::access::authorization::Access;
use crate::access::authorized::Authorized;
use crate::concurrency::prove_first::FirstTurn;
use crate::http::call::{HttpAnswer, HttpCall, RequestKind};
use crate::http::host_policy::NamedBy;
use crate::http::origin::{destination, same_origin};
use crate::http::said::said;
use crate::http::turn::{Admission, Tries};
use crate::login::header::header;
use crate::problem::Problem;
use crate::problem::error::{RegistryError, Step};
use crate::token::bearer::Token;
use crate::token::challenge::Challenge;

/// Redirects followed on one request.
const REDIRECTS: u32 = 3;
/// Tokens fetched for one attempt, each of which has died before its request could begin.
const LOOKS: u32 = 4;
/// Dead tokens that one request may be refused for, each of them a new one.
const DEATHS: u32 = 16;

/// Whether a living token that is refused is worth a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// Once, if it was not fetched for the very request that came at this time: it may have been withdrawn, or die
    /// earlier than it says.
    Since(Instant),
    /// It says itself that it grants nothing.
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
    /// The token that it was asked with.
    pub(crate) token: Option<Token>,
    /// The host that answered, where a redirect led to another origin.
    pub(crate) abroad: Option<String>,
    /// Kept until its receiver has judged the answer, where it is the first that judges the login.
    _alone: Option<FirstTurn>,
}

impl Authorized {
    /// Sends until there is an answer: pauses and tries again as the retry policy says, follows redirects, and after a
    /// refusal repeats the request once with a new token, or with other credentials, if the old were not fresh. A token
    /// that was dead when it was refused has not been refused.
    pub(crate) async fn send(
        &self,
        ask: &AccessRequest<'_>,
        access: &Access,
    ) -> Result<AuthorizedAnswer, RegistryError> {
        self.send_with(ask, access, Renewal::Since(Instant::now())).await
    }

    /// The same, and perhaps without a new token in place of a living one.
    pub(crate) async fn send_with(
        &self,
        ask: &AccessRequest<'_>,
        access: &Access,
        renewal: Renewal,
    ) -> Result<AuthorizedAnswer, RegistryError> {
        let at_step = |problem| RegistryError::new(ask.step.clone(), problem);
        let begun = Instant::now();
        let alone = self.alone_until_proven(access).await?;
        let mut route = RedirectRoute { url: ask.url.clone(), redirects: 0, abroad: false };
        let (mut tries, mut deaths) = (Tries::none(), 0);
        let (came, mut renewed) = match renewal {
            Renewal::Since(came) => (came, false),
            Renewal::Never => (begun, true),
        };
        loop {
            let endpoint = ask.step.endpoint();
            let admission = self.transport.admit(&route.url, endpoint, &tries).await;
            let admitted = Instant::now();
            // Looked up for each attempt, and not before it may be sent: a token may not outlive the wait.
            let (authorization, token) =
                if route.abroad { (None, None) } else { self.authorization(access, &admission, ask).await? };
            let authorization = authorization.as_ref();
            let way = if route.abroad { NamedBy::Abroad } else { NamedBy::Configured };
            let call = HttpCall { url: &route.url, authorization, form: None, wants: ask.wants, endpoint, way };
            let outcome = self.transport.attempt(&call, &admission, &mut tries).await;
            drop(admission);
            let Some(answer) = self.transport.settle(&call, &mut tries, outcome).await.map_err(at_step)? else {
                continue;
            };
            if is_redirect(answer.status) {
                let followed = self.follow(&mut route, &answer, ask.wants);
                followed.map_err(|problem| at_step(self.transport.watched(problem)))?;
                continue;
            }
            match (access, &token) {
                (Access::Token(wanted), Some(used)) if is_refusal(answer.status) && used.is_dead() => {
                    deaths += 1;
                    if deaths > DEATHS {
                        let (said, lifetime) = (said(&answer), used.lifetime);
                        return Err(at_step(Problem::ShortLived { said, lifetime }));
                    }
                    self.tokens.refused(wanted, &used.secret);
                }
                (Access::Token(wanted), Some(used))
                    if is_refusal(answer.status) && !renewed && used.may_have_died(came, admitted, tries.sent) =>
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
                    let host = || self.transport.sent.shown(route.url.host_str().unwrap_or_default());
                    return Ok(AuthorizedAnswer { answer, token, abroad: route.abroad.then(host), _alone: alone });
                }
            }
        }
    }

    /// Waits for its turn with a password or token that nobody has accepted yet: a wrong one is to be sent once. Tokens
    /// that are asked for are the realm's to watch.
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

    /// What goes into `Authorization`, for a request that is admitted. Where a token has to be waited for, the request's
    /// turn has passed, and it waits for another, in which the token may die again; a few times at most.
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
        let mut looks = 0;
        let token = loop {
            if let Some(token) = self.tokens.living(wanted) {
                break token;
            }
            admission.give_way();
            let token = self.tokens.get_with(wanted, admission).await?;
            admission.lose_turn();
            looks += 1;
            self.transport.turn(admission, ask.url, ask.step.endpoint()).await;
            if !token.is_dead() || looks == LOOKS {
                break token;
            }
        };
        let value = header("Bearer", token.secret.expose());
        Ok((Some(value.map_err(in_token)?), Some(token)))
    }

    /// Whether there are other credentials by now than those just refused.
    async fn is_renewed(
        &self,
        refused: Option<&HeaderValue>,
        begun: Instant,
        status: StatusCode,
    ) -> Result<bool, RegistryError> {
        let Some(refused) = refused else { return Ok(false) };
        self.credentials.is_renewed(refused, begun, status).await.map_err(in_token)
    }

    /// Goes where a redirect leads. Within the origin always; content alone may lie with another host, S3 or a CDN as a
    /// rule, and is then fetched without `Authorization`, which never crosses an origin, not even on the way back.
    fn follow(&self, route: &mut RedirectRoute, answer: &HttpAnswer, wants: RequestKind) -> Result<(), Problem> {
        route.redirects += 1;
        if route.redirects > REDIRECTS {
            return Err(Problem::Redirects);
        }
        let location = answer.headers.get(LOCATION).map(|to| String::from_utf8_lossy(to.as_bytes()));
        let location = location.as_deref().unwrap_or_default();
        let secure = |to: &Url| match to.scheme() {
            "https" => true,
            "http" => self.settings.url.scheme() == "http",
            _ => false,
        };
        let plain = |to: &Url| to.username().is_empty() && to.password().is_none();
        let target = route.url.join(location).ok().filter(|to| !location.is_empty() && plain(to));
        let target = target.filter(|to| same_origin(to, &route.url) || (wants == RequestKind::Blob && secure(to)));
        let refused = || Problem::Redirect { to: destination(&route.url, &answer.sent.strike(location.to_owned())) };
        let target = target.ok_or_else(refused)?;
        route.abroad |= !same_origin(&target, &route.url);
        route.url = target;
        Ok(())
    }
}

/// Where a request has got to.
struct RedirectRoute {
    url: Url,
    redirects: u32,
    /// Whether it has left the registry's origin.
    abroad: bool,
}

/// Whatever keeps us from logging in.
pub(crate) fn in_token(problem: Problem) -> RegistryError {
    RegistryError::new(Step::Token, problem)
}

pub(crate) fn challenges(answer: &HttpAnswer) -> Vec<Challenge> {
    Challenge::parse_all(answer.headers.get_all(WWW_AUTHENTICATE).iter().map(HeaderValue::as_bytes))
}

/// 403 counts as 401: some registries answer it to a token that has expired or lacks the scope.
pub(crate) fn is_refusal(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}
