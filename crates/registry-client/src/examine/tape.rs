//! Records every request of a client and its answer. Secrets are removed at once, so that nothing else is ever kept.

use std::time::Duration;

use hyper::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use url::Url;

use crate::clock;
use crate::examine::exchange::{ClaimFacts, Exchange, ExchangePurpose, Reply, TokenFacts};
use crate::examine::shown;
use crate::http::call::{HttpAnswer, HttpFailure, PostBody, request};
use crate::http::clock_skew::seconds_ahead;
use crate::http::error_answer::error_answer;
use crate::http::observer::{Observer, RawExchange};
use crate::http::origin::place;
use crate::http::sent_secrets::SentSecrets;
use crate::http::written_url::resolve;
use crate::problem::chain::chain;
use crate::token::bearer::{Claims, lifetime};
use crate::token::challenge::Challenge;

/// Most exchanges kept; an examination has a dozen.
const KEPT: usize = 1000;

/// The recorder of requests and answers.
#[derive(Debug)]
pub(crate) struct ExchangeRecorder {
    /// The URL of `/v2/` of the registry.
    ping: Url,
    recorded: Mutex<RecordedExchanges>,
}

#[derive(Debug, Default)]
struct RecordedExchanges {
    exchanges: Vec<Exchange>,
    /// The realms that challenges have named.
    realms: Vec<Url>,
}

impl ExchangeRecorder {
    /// For the registry with this URL of `/v2/`.
    pub(crate) fn new(ping: Url) -> Self {
        Self { ping, recorded: Mutex::default() }
    }

    /// All exchanges, in order.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        self.recorded.lock().exchanges.clone()
    }

    /// The realms that challenges have named, one of each host.
    pub(crate) fn realms(&self) -> Vec<Url> {
        let mut realms = self.recorded.lock().realms.clone();
        realms.dedup_by(|one, other| one.origin() == other.origin());
        realms
    }

    fn about(&self, url: &Url, realms: &[Url]) -> ExchangePurpose {
        let same = |a: &Url| a.origin() == url.origin() && a.path() == url.path();
        if same(&self.ping) {
            return ExchangePurpose::Ping;
        }
        // Quay's token endpoint is below `/v2/` as well.
        if realms.iter().any(same) {
            return ExchangePurpose::Token;
        }
        let below = url.path().strip_prefix(self.ping.path()).filter(|_| url.origin() == self.ping.origin());
        match below {
            Some("_catalog") => ExchangePurpose::Catalog,
            Some(path) if path.ends_with("/tags/list") => ExchangePurpose::Tags,
            _ => ExchangePurpose::Other,
        }
    }
}

impl Observer for ExchangeRecorder {
    /// Records one exchange.
    fn exchanged(&self, exchange: &RawExchange<'_>) {
        let RawExchange { call, outcome, took, sent: memory } = *exchange;
        let (request, form) = (request(call), call.form.and_then(PostBody::form));
        let url = call.url;
        let received_at = clock::now();
        let mut recorded = self.recorded.lock();
        let about = self.about(url, &recorded.realms);
        if let Ok(answer) = outcome {
            recorded.realms.extend(realms(&answer.headers, url));
        }
        let reply = match outcome {
            Ok(answer) => Ok(reply(answer, about, url, took, received_at.timestamp(), memory)),
            Err(HttpFailure::Broken(problem) | HttpFailure::Unusable(problem)) => Err(memory.shown(chain(problem))),
        };
        if recorded.exchanges.len() < KEPT {
            recorded.exchanges.push(Exchange {
                about,
                method: request.method().to_string(),
                url: place(url, memory),
                query: shown::pairs(url.query().unwrap_or_default(), memory),
                headers: shown::sent(request.headers(), memory),
                form: form.map_or_else(Vec::new, |form| shown::pairs(form, memory)),
                reply,
                took,
                received_at,
            });
        }
    }
}

fn realms(headers: &HeaderMap, base: &Url) -> Vec<Url> {
    let values = headers.get_all(WWW_AUTHENTICATE).iter().map(HeaderValue::as_bytes);
    let challenges = Challenge::parse_all(values);
    let bearer = challenges.iter().filter(|challenge| challenge.is("bearer"));
    bearer.filter_map(|challenge| resolve(base, challenge.param("realm")?.as_bytes()).ok()).collect()
}

fn reply(
    answer: &HttpAnswer,
    about: ExchangePurpose,
    url: &Url,
    took: Duration,
    unix_now: i64,
    memory: &SentSecrets,
) -> Reply {
    let success = answer.status.is_success();
    Reply {
        status: answer.status.as_u16(),
        headers: shown::received(&answer.headers, url, memory),
        offers: shown::offers(&answer.headers, memory),
        link: shown::link(&answer.headers, memory),
        said: if success { String::new() } else { error_answer(answer).text },
        bytes: answer.body.len(),
        token: (success && about == ExchangePurpose::Token).then(|| token(&answer.body, unix_now, memory)).flatten(),
        ahead_s: seconds_ahead(&answer.headers, took, unix_now),
    }
}

/// The facts about the answer of a token endpoint, without the token.
fn token(body: &[u8], unix_now: i64, memory: &SentSecrets) -> Option<TokenFacts> {
    let answer: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let text = |field: &str| answer.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let token = text("token").or_else(|| text("access_token"))?;
    // The token has not been sent yet, so it is not among the secrets that are removed. A server may repeat it in
    // another field.
    let shown = |text: String| memory.shown(text.replace(token, "[secret]"));
    let written = |field: &str| {
        answer.get(field).map(|value| shown(value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
    };
    let claims = Claims::read(token);
    let (lifetime, source) = lifetime(answer.get("expires_in"), claims.as_ref(), unix_now);
    Some(TokenFacts {
        fields: answer.keys().map(|key| shown(key.clone())).collect(),
        bytes: token.len(),
        expires_in: written("expires_in"),
        issued_at: written("issued_at"),
        lifetime,
        source,
        claims: claims.map(|claims| claim_facts(&claims, &shown)),
    })
}

fn claim_facts(claims: &Claims, shown: &impl Fn(String) -> String) -> ClaimFacts {
    let [iat, nbf, exp] = claims.times();
    ClaimFacts {
        sub: claims.subject().map(|sub| shown(sub.to_owned())),
        aud: claims.audiences().into_iter().map(|aud| shown(aud.to_owned())).collect(),
        access: claims.grants().map(|grants| grants.into_iter().map(shown).collect()),
        iat,
        nbf,
        exp,
        anonymous: claims.is_anonymous(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_token_only_what_is_known_to_be_harmless_is_kept() {
        let memory = SentSecrets::default();
        let body = br#"{"token":"hunter2","issued_at":"hunter2","expires_in":"300"}"#;
        let facts = token(body, 0, &memory).expect("a token");
        assert_eq!((facts.issued_at.as_deref(), facts.bytes), (Some("[secret]"), 7));
        assert_eq!(facts.lifetime, Duration::from_mins(5));
        assert!(!format!("{facts:?}").contains("hunter2"));
        assert!(token(br#"{"token":""}"#, 0, &memory).is_none());
    }
}
